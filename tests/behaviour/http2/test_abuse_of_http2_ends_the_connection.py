"""What a client of HTTP/2 may send that costs us and moves nothing is bounded: GOAWAY, ENHANCE_YOUR_CALM."""

import pytest
from hyperframe import frame as frames

from harness import backends, conf, h2, metrics, net, settings, stat

LISTENER = h2.LISTENER + """ timeouts = { idle = "600ms"; };
    http2 = { max_resets = 20; max_errors = 20; max_continuations = 4; max_settings = 20; max_pings = 20;
              max_empty_data = 20; max_priority = 20; max_window_updates = 20; max_ended = 20; };"""


# The others have the bounds by default, and such that are never reached.
WIDE = "max_continuations = 60; max_resets = 100000; max_pings = 100000; max_settings = 100000;"


@pytest.fixture(scope="module")
def site(module_tidegate, module_backend, tmp_path_factory):
    def handle(request):
        if request.target.startswith("/bytes/"):
            return backends.answer(body=b"x" * int(request.target.split("/")[2]))
        return backends.OK
    backend = module_backend(backends.handles(handle))
    admin = f"{net.ADDRESS}:{net.free_port()}"
    socket = tmp_path_factory.mktemp("h2") / "admin.sock"
    addresses = {name: f"{net.ADDRESS}:{net.free_port()}" for name in ("plain", "wide")}
    others = [f'''}}, {{ name = "{name}"; bind = "{addresses[name]}"; mode = "http"; service = "site";
        h2c = true; http2 = {{ {bounds} }};''' for name, bounds in (("plain", ""), ("wide", WIDE))]
    tg = module_tidegate(conf.http(backend, listener=LISTENER + "".join(others), top=f'''
        admin = {{ http = "{admin}"; socket = "{socket}"; }};'''))
    tg.admin, tg.backend, tg.socket = admin, backend, str(socket)

    def dial(listener="front", **options):
        made = h2.H2Client(addresses.get(listener, tg.address), **options)
        tg.clients.append(made)
        return made
    tg.dial = dial
    return tg


def resets(peer):
    """CVE-2023-44487: asked for and taken back at once."""
    for _ in range(30):
        head = peer.head(h2.get("/never"))
        peer.try_send(head, frames.RstStreamFrame(head.stream_id, h2.CANCEL))


def errors(peer):
    """CVE-2025-8671: the server is made to reset."""
    for i in range(30):
        if i % 2:
            peer.try_send(peer.head([*h2.get("/made"), ("connection", "close")]))
        else:
            head = peer.head(h2.get("/made", "POST"), end=False)
            peer.try_send(head, frames.WindowUpdateFrame(head.stream_id, (1 << 31) - 1))


def continuation(peer):
    """CVE-2024-27316: a head without an end."""
    peer.send(frames.HeadersFrame(peer.next_stream, peer.encoder.encode(h2.get("/"))))
    for _ in range(30):
        peer.try_send(frames.ContinuationFrame(peer.next_stream, b""))


def continuation_at_once(peer):
    """In one write: what comes behind the last that is allowed is not looked at."""
    stream = peer.next_stream
    head = frames.HeadersFrame(stream, peer.encoder.encode(h2.get("/")))
    peer.try_send(head.serialize() + frames.ContinuationFrame(stream, b"").serialize() * 100)


def heads(peer):
    """Each costs more than it says, and is answered (431)."""
    for _ in range(30):
        peer.try_send(peer.head(h2.get("/long", extra=[("x-value", "v" * 3900)] * 10)))


def packed_head(peer):
    """One byte of HPACK is a value of 4 KB."""
    value = ("x-value", "v" * 3900)
    peer.request("/", extra=[value])
    peer.try_send(peer.head(h2.get("/", extra=[value] * 8000)))


def many_settings(peer):
    for _ in range(30):
        peer.try_send(frames.SettingsFrame())


def pings(peer):
    for _ in range(30):
        peer.try_send(frames.PingFrame(opaque_data=b"12345678"))


def ping_answers(peer):
    """To what nobody has asked."""
    for _ in range(30):
        peer.try_send(frames.PingFrame(opaque_data=b"12345678", flags=["ACK"]))


def empty_data(peer):
    stream = peer.request("/slow", method="POST", end=False)
    for _ in range(30):
        peer.try_send(frames.DataFrame(stream, b""))


def padded_data(peer):
    """It has a length, and moves nothing; nor does it allow PING."""
    stream = peer.request("/slow", method="POST", end=False)
    for _ in range(30):
        peer.try_send(frames.DataFrame(stream, b"", flags=["PADDED"]))


def priority(peer):
    for _ in range(30):
        peer.try_send(frames.PriorityFrame(peer.next_stream, depends_on=0, stream_weight=7))


def goaways(peer):
    """With a request under way they end nothing."""
    peer.request("/slow", method="POST", end=False)
    for _ in range(30):
        peer.try_send(frames.GoAwayFrame(0))


def unknown(peer):
    """Of types that nobody knows, of a stream and of none."""
    for i in range(30):
        made = frames.ExtensionFrame(type=0x0a + 8 * i, stream_id=i % 2, body=b"x" * i)
        made.body_len = i
        peer.try_send(made)


def window_updates(peer):
    for _ in range(30):
        peer.try_send(frames.WindowUpdateFrame(0, 1))


def answered_early(peer):
    """Of a request that is over before its body came."""
    stream = peer.request("/none/of/it", method="POST", end=False)
    peer.answer(stream)
    return stream


def ended_data(peer):
    stream = answered_early(peer)
    for _ in range(150):
        peer.try_send(frames.DataFrame(stream, b""))


def ended_heads(peer):
    stream = answered_early(peer)
    for _ in range(150):
        peer.try_send(frames.HeadersFrame(stream, peer.encoder.encode([("x", "y")]), flags=["END_HEADERS"]))


def settings_of_many_entries(peer):
    peer.try_send(frames.SettingsFrame(settings={0x4000 + i: i for i in range(50)}))


CASES = {"ended (DATA)": ended_data, "ended (HEADERS)": ended_heads, "settings (entries)": settings_of_many_entries,
         "resets": resets, "errors": errors, "errors (431)": heads, "head": packed_head,
         "continuation": continuation, "continuation (at once)": continuation_at_once, "settings": many_settings, "pings": pings, "empty-data": empty_data,
         "empty-data (padded)": padded_data, "pings (answers)": ping_answers,
         "priority": priority, "priority (goaway)": goaways, "priority (unknown)": unknown, "window-updates": window_updates}


@pytest.mark.parametrize("reason", CASES)
def test_too_many_end_the_connection(site, reason):
    with metrics.counted(site.admin, "listener_h2_calmed_total", "front", reason.split()[0]):
        peer = site.dial()
        CASES[reason](peer)
        assert peer.wait_end().error_code == h2.ENHANCE_YOUR_CALM
    assert site.log.wait(msg="a client of HTTP/2 is told to calm down")["listener"] == "front"
    # Others go on.
    assert site.dial().exchange("/ok").status == 200


@pytest.mark.parametrize("stream", ["new", "over"])
def test_a_head_may_not_come_in_many_frames_by_default(site, stream):
    """Nor where it is ignored, as its stream is over."""
    with metrics.counted(site.admin, "listener_h2_calmed_total", "plain", "continuation"):
        peer = site.dial("plain")
        if stream == "over":
            peer.exchange("/ok")
            peer.next_stream -= 2
        continuation(peer)
        assert peer.wait_end().error_code == h2.ENHANCE_YOUR_CALM


def test_a_head_may_come_in_as_many_frames_as_are_allowed(site):
    peer = site.dial("wide")
    head = h2.Head(1, peer.encoder.encode(h2.get("/a/longer/path")), ["END_STREAM"], most=1)
    assert len(head) > 20
    peer.next_stream += 2
    peer.answers[1] = h2.Answer()
    peer.send(head)
    assert peer.answer(1).status == 200


def test_answers_give_back_what_is_taken(site):
    """Honest use has no end: half of the requests are taken back, and pings go with data."""
    peer = site.dial()
    for _ in range(40):
        stream = peer.request("/x")
        peer.answer(stream)
        head = peer.head(h2.get("/y"))
        peer.send(head, frames.RstStreamFrame(head.stream_id, h2.CANCEL),
                  frames.PingFrame(opaque_data=b"12345678"))
    peer.wait_ping()
    assert peer.goaway is None


def taken_back(peer, n):
    """So many requests, each behind one that is answered."""
    for _ in range(n // 50):
        answered = []
        for _ in range(50):
            answered.append(peer.head(h2.get("/x")))
            head = peer.head(h2.get("/taken-back"))
            peer.send(answered[-1], head, frames.RstStreamFrame(head.stream_id, h2.CANCEL))
        for one in answered:
            peer.answer(one.stream_id)


def test_the_library_has_no_limit_of_its_own_of_resets(site):
    """It would be reached behind the first thousand, whatever is answered."""
    peer = site.dial("plain")
    taken_back(peer, 1200)
    peer.wait_ping()
    assert peer.goaway is None


@pytest.mark.parametrize("listener, reason, bound, made", [
    ("plain", "pings", 1000, frames.PingFrame(opaque_data=b"12345678")),
    ("plain", "settings", 100, frames.SettingsFrame()), ("wide", None, 1800, frames.SettingsFrame())],
    ids=["pings", "settings", "settings, more allowed"])
def test_as_many_as_are_allowed_may_come_in_one_write(site, listener, reason, bound, made):
    peer = site.dial(listener)
    answers = [made.serialize()] * (bound - 2)
    peer.send(*answers)
    peer.wait(lambda: sum("ACK" in one.flags for one in peer.received) >= len(answers), "all answers")
    assert peer.goaway is None
    if reason:
        with metrics.counted(site.admin, "listener_h2_calmed_total", listener, reason):
            peer.try_send(*answers)
            assert peer.wait_end().error_code == h2.ENHANCE_YOUR_CALM


def test_what_is_not_read_is_bounded(site):
    """PING whose answers nobody reads: the end, and no memory."""
    before = site.rss_bytes()
    with metrics.counted(site.admin, "listener_h2_calmed_total", "front", "pings"):
        peer = site.dial(receive_buffer=4096)
        for _ in range(200):
            peer.try_send(frames.PingFrame(opaque_data=b"12345678").serialize() * 500)
    assert site.rss_bytes() - before < 8 << 20


@pytest.mark.parametrize("size", [30_000, 3_000_000], ids=["all kept here", "the backend waits"])
def test_a_client_that_takes_nothing_is_not_waited_for(site, size):
    """Its window stays shut: the stream is reset when timeouts.idle is over."""
    peer = site.dial(settings_sent={frames.SettingsFrame.INITIAL_WINDOW_SIZE: 0})
    stream = peer.request(f"/bytes/{size}")
    assert peer.wait_head(stream).status == 200
    assert peer.wait_reset(stream) == h2.CANCEL
    told = site.access.wait(path=f"/bytes/{size}")
    assert told["end"] == ("done" if size == 30_000 else "client-timeout")
    # The connection is as good as before.
    peer.send(frames.SettingsFrame(settings={frames.SettingsFrame.INITIAL_WINDOW_SIZE: 65535}))
    assert peer.exchange("/ok").body == b"ok"


def test_a_client_that_reads_nothing_is_closed(site):
    peer = site.dial(receive_buffer=4096, settings_sent={frames.SettingsFrame.INITIAL_WINDOW_SIZE: 1 << 30})
    peer.send(frames.WindowUpdateFrame(0, 1 << 30))
    peer.request("/bytes/20000000")
    assert site.access.wait(path="/bytes/20000000")["end"] == "client-timeout"


def test_more_streams_than_allowed_are_refused(tidegate, recording_backend):
    backend = recording_backend(lambda conn: conn.read_to_end())
    tg = tidegate(conf.http(backend, listener=h2.LISTENER + " http2 = { max_streams = 3; };"))
    with h2.H2Client(tg.address) as peer:
        streams = [peer.request(f"/{i}") for i in range(3)]
        backend.wait_connections(3)
        # Before the client has said that it knows the bound, one more is its bad luck.
        fourth = peer.request("/4")
        assert peer.wait_reset(fourth) == h2.REFUSED_STREAM
        for stream in streams:
            peer.cancel(stream)
        backend.wait_closed()


def row_of(site):
    row = stat.rows(site.socket)["front", "FRONTEND"]
    return {name: int(value) for name, value in row.items() if name.startswith("h2_") and value}


def test_counters_are_those_of_haproxy(site):
    row = row_of(site)
    peer = site.dial()
    peer.exchange("/one", method="POST", body=b"abc")
    head = peer.head(h2.get("/two"))
    peer.send(head, frames.RstStreamFrame(head.stream_id, h2.CANCEL))
    peer.wait_ping()
    assert row_of(site)["h2_open_connections"] >= 1
    peer.send(frames.GoAwayFrame(last_stream_id=0, error_code=0))
    peer.wait_end()

    def more(column):
        return row_of(site)[column] - row[column]
    settings.wait_until(lambda: more("h2_goaway_rcvd") == 1, "a GOAWAY counted")
    assert (more("h2_headers_rcvd"), more("h2_data_rcvd"), more("h2_rst_stream_rcvd")) == (2, 1, 1)
    assert more("h2_total_connections") == 1
