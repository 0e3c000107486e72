"""GOAWAY: at a drain clients are told in time, what runs is answered; who rests is told and closed."""

import signal

import pytest

from harness import backends, conf, h2, settings
from harness.control import ask

frames = h2.frames


def gated(gate):
    """A backend that answers once gate() holds."""
    def handle(request):
        if request.target == "/wait":
            settings.wait_until(gate, "the gate")
        return backends.OK
    return backends.handles(handle)


def goaways(peer):
    return [(one.last_stream_id, one.error_code) for one in peer.received if isinstance(one, frames.GoAwayFrame)]


@pytest.mark.parametrize("how", ["stop", "reload"])
def test_what_runs_is_answered_at_a_drain(tidegate, recording_backend, how):
    opened = []
    backend = recording_backend(gated(lambda: opened))
    tg = tidegate(conf.http(backend, listener=h2.LISTENER, top='shutdown_grace = "60s";'))
    peer = h2.H2Client(tg.address)
    first = peer.request("/wait")
    backend.wait_requests(1)
    if how == "stop":
        tg.send_signal(signal.SIGTERM)
    else:
        # Another listener in its place.
        moved = conf.http(backend, listener=h2.LISTENER, top='shutdown_grace = "60s";')
        moved.text = moved.text.replace('"front"', '"other"')
        tg.reload(moved)
    peer.wait(lambda: goaways(peer), "the first word of it")
    assert goaways(peer) == [((1 << 31) - 1, h2.NO_ERROR)]
    # It crossed with the word: it is answered too.
    second = peer.request("/crossed")
    assert peer.answer(second).status == 200
    # Our answer to its PING said that we know: the last one is told.
    peer.wait(lambda: len(goaways(peer)) == 2, "the last word of it")
    assert goaways(peer)[1] in [(first, h2.NO_ERROR), (second, h2.NO_ERROR)]
    opened.append(True)
    assert peer.answer(first).body == b"ok"
    peer.wait_end()
    if how == "stop":
        assert tg.wait() == 0
    peer.close()


def test_who_does_not_answer_is_told_all_the_same(tidegate, recording_backend):
    """No answer to PING: the last request is told a moment later."""
    tg = tidegate(conf.http(recording_backend(), listener=h2.LISTENER, top='shutdown_grace = "60s";'))
    with h2.H2Client(tg.address) as peer:
        assert peer.exchange("/x").status == 200
        peer.on_PingFrame = lambda made: None
        tg.send_signal(signal.SIGTERM)
        peer.wait_end()
        assert goaways(peer) == [((1 << 31) - 1, h2.NO_ERROR), (1, h2.NO_ERROR)]
        assert tg.wait() == 0


@pytest.fixture(scope="module")
def hasty(module_tidegate, module_backend, tmp_path_factory):
    socket = tmp_path_factory.mktemp("h2") / "admin.sock"
    never = module_backend(lambda conn: conn.read_to_end())
    tg = module_tidegate(conf.http(module_backend(), listener=h2.LISTENER + '''
        timeouts = { request_head = "300ms"; keep_alive = "300ms"; request_body = "300ms"; idle = "300ms"; };
        routes = ( { path = "/never"; service = "never"; } );''', services=conf.service_entry("never", [never]),
        top=f'admin = {{ socket = "{socket}"; }};'))
    tg.socket, tg.never = str(socket), never
    return tg


@pytest.mark.parametrize("beginning", ["nothing", "half of a preface", "a preface", "half of a head", "a request"])
def test_who_rests_is_told_and_closed(hasty, beginning):
    with h2.H2Client(hasty.address, begins=False) as peer:
        if beginning == "half of a preface":
            peer.send(h2.PREFACE[:10])
        elif beginning != "nothing":
            peer.send(h2.PREFACE, frames.SettingsFrame())
        if beginning == "a request":
            assert peer.exchange("/x").status == 200
        elif beginning == "half of a head":
            peer.on_SettingsFrame = lambda made: None  # nothing may stand inside a head
            peer.send(frames.HeadersFrame(1, peer.encoder.encode(h2.get("/"))))
        if beginning.startswith(("nothing", "half of a preface")):
            settings.wait_until(lambda: peer.sock.recv(65536) is not None, "the end")
        else:
            assert peer.wait_end().error_code == h2.NO_ERROR


def test_a_head_that_trickles_beside_a_request_ends_the_connection(hasty):
    with h2.H2Client(hasty.address) as peer:
        peer.request("/never")
        peer.wait_ping()
        peer.on_SettingsFrame = lambda made: None
        peer.send(frames.HeadersFrame(3, peer.encoder.encode(h2.get("/"))))
        assert peer.wait_end().error_code == h2.NO_ERROR


def test_a_body_that_stands_still_is_given_up(hasty):
    with h2.H2Client(hasty.address) as peer:
        stream = peer.request("/x", method="POST", end=False)
        answer = peer.answer(stream)
        assert (answer.status, answer.is_whole) == (408, True)
        # The rest of it is not wanted.
        assert peer.wait_reset(stream) == h2.NO_ERROR
        assert peer.exchange("/y").status == 200


def test_operators_see_and_end_requests(tidegate, recording_backend, tmp_path):
    socket = str(tmp_path / "admin.sock")
    backend = recording_backend(lambda conn: conn.read_to_end())
    tg = tidegate(conf.http(backend, listener=h2.LISTENER, top=f'admin = {{ socket = "{socket}"; }};', workers=1))
    with h2.H2Client(tg.address) as peer:
        streams = [peer.request("/a"), peer.request("/b")]
        backend.wait_connections(2)

        def ids(wanted):
            return [line.split(":")[0] for line in ask(socket, "show sess").splitlines() if wanted in line]
        settings.wait_until(lambda: len(ids("example.org/")) == 2, "both requests")
        assert len(ids("phase=streams")) == 1
        ask(socket, f"shutdown session {ids('example.org/a')[0]}")
        assert peer.wait_reset(streams[0]) == h2.CANCEL
        assert tg.access.wait(path="/a")["end"] == "ordered"
        ask(socket, f"shutdown session {ids('phase=streams')[0]}")
        peer.wait_end()
        assert tg.access.wait(path="/b")["end"] == "ordered"


def test_a_client_that_is_gone_frees_its_backends(tidegate, recording_backend):
    backend = recording_backend(lambda conn: conn.read_to_end())
    tg = tidegate(conf.http(backend, listener=h2.LISTENER, workers=1))
    for leave in ("reset", "close"):
        peer = h2.H2Client(tg.address)
        for i in range(3):
            peer.request(f"/{leave}/{i}")
        backend.wait_connections(3)
        getattr(peer, leave)()
        backend.wait_closed()
        assert {tg.access.wait(path=f"/{leave}/{i}")["end"] for i in range(3)} == {"client-abort"}
        backend.forget()
    # One that takes back one request loses that one alone.
    with h2.H2Client(tg.address) as peer:
        gone, stays = peer.request("/gone"), peer.request("/stays")
        backend.wait_connections(2)
        peer.cancel(gone)
        told = tg.access.wait(path="/gone")
        assert (told["end"], told["version"]) == ("client-abort", "2.0")
        assert not peer.answers[stays].is_whole
        peer.cancel(stays)


