"""What holds of requests over HTTP/1.1 holds over HTTP/2: one table, asked for both ways."""

import json
import threading

import pytest

from harness import backends, client, conf, h2, settings, wire
from harness.control import ask

frames = h2.frames


class Old:
    """Asks over HTTP/1.1, in the words of h2.H2Client.exchange()."""

    def __init__(self, address):
        self.peer = client.RawClient(address)

    def exchange(self, path, method="GET", body=None, extra=(), trailers=None, end=True):
        assert end or "content-length" in dict(extra)
        fields = b"".join(f"{name}: {value}\r\n".encode() for name, value in extra)
        if body is not None and trailers is None and "content-length" not in dict(extra):
            fields += b"Content-Length: %d\r\n" % len(body)
        elif trailers is not None:
            fields += b"Transfer-Encoding: chunked\r\n"
            body = client.chunked(body, trailers=b"".join(f"{n}: {v}\r\n".encode() for n, v in trailers))
        head = f"{method} {path} HTTP/1.1\r\nHost: example.org\r\n".encode() + fields + b"\r\n"
        self.peer.send(head + (body or b""))
        try:
            got = self.peer.read_answer(method)
        except wire.Closed:
            return None
        return got.status, bytes(got.body), [one.status for one in got.interim], \
            [(n.decode().lower(), v.decode()) for n, v in got.trailers or []], got.complete

    def close(self):
        self.peer.close()


class New:
    def __init__(self, address):
        self.peer = h2.H2Client(address)

    def exchange(self, path, **options):
        got = self.peer.exchange(path, **options)
        if got.fields is None:
            return None
        return got.status, got.body, got.interim, got.trailers or [], got.is_whole

    def close(self):
        self.peer.close()


def play(conn):
    """What the path asks for."""
    while (request := conn.read_head()) is not None:
        what = request.target.split("?")[0]
        if what == "/early":
            conn.send(backends.answer("403 Forbidden", b"no"))
            return
        if request.get("expect"):
            conn.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n" if what == "/unexpected"
                      else b"HTTP/1.1 100 Continue\r\n\r\n")
            if what == "/unexpected":
                return
        conn.take_body(request, request.framing() or 0, settings.deadline())
        if what == "/hints":
            conn.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        if what == "/chunks":
            conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                      client.chunked(b"one ", b"two", trailers=b"X-Sum: 7\r\n"))
        elif what == "/cut":
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            return
        elif what == "/cut-chunks":
            conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
            return
        elif what == "/empty":
            return
        elif what == "/bad":
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx")
            return
        elif what == "/204":
            conn.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        elif what == "/304":
            conn.send(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n")
        elif request.start.startswith(b"HEAD"):
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n")
        else:
            seen = [] if request.trailers is None else [n + b"=" + v for n, v in request.trailers]
            conn.send(backends.answer(body=b"|".join([request.body or b"", *seen])))


TABLE = {
    "plain": dict(path="/"),
    "body": dict(path="/", method="POST", body=b"abc"),
    "body with a length": dict(path="/", method="POST", body=b"abc", extra=[("content-length", "3")]),
    "trailers": dict(path="/", method="POST", body=b"abc", trailers=[("x-check", "1")]),
    "trailers that would change the message": dict(path="/", method="POST", body=b"a", trailers=[("host", "b")]),
    "head": dict(path="/", method="HEAD"),
    "204": dict(path="/204"),
    "304": dict(path="/304"),
    "chunks and trailers": dict(path="/chunks"),
    "interim answers": dict(path="/hints"),
    "cut": dict(path="/cut"),
    "cut chunks": dict(path="/cut-chunks"),
    "no answer": dict(path="/empty", method="POST", body=b"x"),
    "bad answer": dict(path="/bad"),
    "no route": dict(path="/nowhere"),
    "too long": dict(path="/" + "a" * 9000),
    "too large": dict(path="/", method="POST", extra=[("content-length", "99999999")], body=b"x", end=False),
    "escapes its root": dict(path="/../x"),
    "a bad escape": dict(path="/%zz"),
    "trace": dict(path="/", method="TRACE", extra=[("max-forwards", "0")]),
    "options": dict(path="*", method="OPTIONS", extra=[("max-forwards", "0")]),
    "other expectation": dict(path="/", extra=[("expect", "more")]),
}


@pytest.fixture(scope="module")
def site(module_tidegate, module_backend, tmp_path_factory):
    backend = module_backend(play)
    admin = tmp_path_factory.mktemp("h2") / "admin.sock"
    tg = module_tidegate(conf.http(backend, listener=h2.LISTENER + """
        routes = ( { path = "/nowhere"; service = "gone"; } ); limits = { body = "1M"; };""",
        services='{ name = "gone"; }', top=f'admin = {{ socket = "{admin}"; }};', workers=1))
    tg.backend, tg.admin = backend, str(admin)
    return tg


@pytest.mark.parametrize("case", TABLE)
def test_both_are_answered_alike(site, case):
    said = []
    for kind in (Old, New):
        peer = kind(site.address)
        said.append(peer.exchange(**TABLE[case]))
        peer.close()
    assert said[0] == said[1]


def test_a_cut_is_seen_as_one(site):
    with h2.H2Client(site.address) as peer:
        for path in ("/cut", "/cut-chunks"):
            answer = peer.exchange(path)
            assert (answer.status, answer.body, answer.is_whole) == (200, b"half", False)
            assert answer.reset == h2.INTERNAL_ERROR
            assert site.access.wait(path=path)["end"] == "answer-cut"


def test_expect_is_the_backends_to_answer(site):
    with h2.H2Client(site.address) as peer:
        stream = peer.request("/expected", method="POST", end=False, extra=[("expect", "100-continue")])
        peer.wait(lambda: peer.answers[stream].interim == [100], "100")
        peer.data(stream, b"now")
        assert peer.answer(stream).body == b"now"
        stream = peer.request("/unexpected", method="POST", end=False, extra=[("expect", "100-continue")])
        assert peer.answer(stream).status == 417
        assert peer.wait_reset(stream) == h2.NO_ERROR


def test_an_early_answer_is_whole_and_the_rest_not_wanted(site):
    with h2.H2Client(site.address) as peer:
        stream = peer.request("/early", method="POST", end=False)
        peer.data(stream, b"x" * 1000, end=False)
        answer = peer.answer(stream)
        assert (answer.status, answer.body, answer.is_whole) == (403, b"no", True)
        assert peer.wait_reset(stream) == h2.NO_ERROR
        # What was under way by then harms nobody.
        peer.data(stream, b"x" * 1000, end=False)
        assert peer.exchange("/").status == 200


@pytest.mark.parametrize("length, body", [("5", b"abc"), ("2", b"abc"), ("3", b"")])
def test_a_length_that_lies_reaches_no_backend_whole(site, length, body):
    with h2.H2Client(site.address) as peer:
        stream = peer.request("/lies", method="POST", body=body, extra=[("content-length", length)])
        assert peer.wait_reset(stream) == h2.PROTOCOL_ERROR
        assert peer.exchange("/").status == 200
    assert all(request.target != "/lies" or not request.complete for request in asked(site.backend))


MALFORMED = {
    "upper case": [*h2.get(), ("Accept", "x")],
    "connection": [*h2.get(), ("connection", "close")],
    "transfer-encoding": [*h2.get(method="POST"), ("transfer-encoding", "chunked")],
    "te": [*h2.get(), ("te", "gzip")],
    "upgrade": [*h2.get(), ("upgrade", "websocket")],
    "a line end": [*h2.get(), ("a", "b\r\nc: d")],
    "a line end in the path": h2.get("/ HTTP/1.1\r\nx: y"),
    "space around a value": [*h2.get(), ("a", " b")],
    "no method": h2.get()[1:],
    "no path": h2.get()[:3],
    "an empty path": h2.get(""),
    "no scheme": [h2.get()[0], *h2.get()[2:]],
    "another scheme": h2.get(scheme="ftp"),
    "a pseudo field twice": [*h2.get(), (":path", "/b")],
    "a pseudo field behind others": [(":method", "GET"), ("a", "b"), *h2.get()[1:]],
    "an unknown pseudo field": [*h2.get(), (":x", "y")],
    "one of answers": [*h2.get(), (":status", "200")],
    "two hosts": [*h2.get(), ("host", "other.org")],
    "userinfo": h2.get(host="user@example.org"),
    "two lengths": [*h2.get(method="POST"), ("content-length", "1"), ("content-length", "2")],
    "a protocol without CONNECT": [*h2.get(), (":protocol", "websocket")],
}


def asked(backend):
    return [request for conn in backend.all_connections for request in conn.requests]


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_heads_reach_nobody(site, case):
    """RFC 9113 8.1.1: a stream error, or 400. Either leaves a record, and what was read of it."""
    before = len(asked(site.backend))
    fields = MALFORMED[case]
    with h2.H2Client(site.address) as peer:
        stream = peer.next_stream
        peer.send(peer.head(fields))
        answer = peer.answer(stream)
        assert answer.reset == h2.PROTOCOL_ERROR or answer.status == 400
        record = site.access.wait(client="%s:%d" % peer.sock.getsockname())
        assert peer.exchange("/").status == 200
    assert (record["end"], record["version"]) == ("bad-request", "2.0")
    assert record["status"] == ("-" if answer.reset is not None else "400")
    told, = json.loads(ask(site.admin, "show errors request json"))
    assert (told["reason"], told["client"]) == ("syntax", record["client"])
    first, what = told["bytes"][:told["position"]], told["bytes"][told["position"]:]
    if case in ("upper case", "connection", "a line end", "two hosts", "an unknown pseudo field"):
        assert "/" in first and fields[-1][0] in what and fields[-1][1] in what
    assert record["method"] == dict(fields).get(":method", "-") or answer.reset is None
    assert len(asked(site.backend)) == before + 1


def test_websockets_by_extended_connect(tidegate, recording_backend):
    """RFC 8441, both ways and to both ends; to the backend it is an Upgrade."""
    def serve(conn):
        request = conn.read_head()
        if request.target == "/refused":
            conn.send(backends.answer("403 Forbidden", b"no"))
            return
        if request.target == "/not-switched":
            conn.send(backends.answer(body=b"fine"))
            return
        assert len(request.get("sec-websocket-key")) == 24
        conn.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  b"Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\nwelcome ")
        backends.echo(conn)
    tg = tidegate(conf.http(recording_backend(serve), listener=h2.LISTENER))

    def connect(peer, path, protocol="websocket"):
        stream = peer.next_stream
        peer.send(peer.head([(":method", "CONNECT"), (":protocol", protocol), *h2.get(path)[1:],
                             ("sec-websocket-version", "13")], end=False))
        return stream
    with h2.H2Client(tg.address) as peer:
        peer.wait(lambda: peer.settings.get(8) == 1, "leave to ask (RFC 8441 3)")
        stream = connect(peer, "/chat")
        answer = peer.wait_head(stream)
        assert answer.status == 200 and answer.get("sec-websocket-protocol") == "chat"
        assert answer.get("sec-websocket-accept") is None and answer.get("upgrade") is None
        body = bytes(range(256)) * 1000
        peer.data(stream, body, end=False)
        peer.wait(lambda: len(answer.body) == 8 + len(body), "the echo")
        assert answer.body == b"welcome " + body and not answer.is_whole
        peer.data(stream, b"bye")
        assert peer.answer(stream).body.endswith(b"bye") and answer.is_whole
        assert tg.access.wait(path="/chat")["status"] == "101"
        assert peer.answer(connect(peer, "/refused")).status == 403
        assert peer.answer(connect(peer, "/not-switched")).status == 502
        assert peer.answer(connect(peer, "/no-tunnel", "h2c")).status == 501


def test_each_stream_waits_for_its_own_backend(tidegate, recording_backend):
    """One backend takes nothing: the window of that stream shuts, the others go on; nothing piles up here."""
    gate = threading.Event()

    def stuck(conn):
        conn.read_head()
        gate.wait(settings.TIMEOUT)
        conn.read_to_end()
    blocked = recording_backend(stuck)
    tg = tidegate(conf.http(recording_backend(), listener=h2.LISTENER + """
        routes = ( { path = "/stuck"; service = "stuck"; } ); limits = { body = "0"; };""",
        services=conf.service_entry("stuck", [blocked]), workers=1))
    before = tg.rss_bytes()
    with h2.H2Client(tg.address) as peer:
        peer.wait(lambda: peer.windows[0] > 65535, "the window of all")
        stream = peer.request("/stuck", method="POST", end=False)
        piece = b"x" * 16384
        quiet = 0  # in a row, nothing moves
        while quiet < 5:
            before_wait = peer.windows[stream]
            if before_wait >= len(piece):
                peer.data(stream, piece, end=False)
                continue
            settings.let_rest(0.03)
            peer.wait_ping()
            peer.received.clear()
            quiet = quiet + 1 if peer.windows[stream] == before_wait else 0
        assert peer.windows[stream] < len(piece) <= peer.windows[0]
        assert tg.rss_bytes() - before < 16 << 20
        assert peer.exchange("/other", method="POST", body=b"y" * 200_000).status == 200
        gate.set()
        peer.cancel(stream)


def test_each_stream_waits_for_its_own_window(tidegate, demo_backend):
    """A client that takes nothing of one answer gets all of another."""
    tg = tidegate(conf.http(demo_backend(), listener=h2.LISTENER, workers=1))
    before = tg.rss_bytes()
    with h2.H2Client(tg.address) as peer:
        peer.send(frames.WindowUpdateFrame(0, 1 << 30))
        large = peer.request("/bytes/5000000")
        taken = peer.on_DataFrame

        def on_data(made):
            peer.takes = made.stream_id != large
            taken(made)
        peer.on_DataFrame = on_data
        peer.wait(lambda: len(peer.answers[large].body) == 65535, "its window")
        assert len(peer.exchange("/bytes/1000000").body) == 1_000_000
        assert len(peer.answers[large].body) == 65535
        assert tg.rss_bytes() - before < 16 << 20
        peer.on_DataFrame = taken
        peer.takes = True
        peer.take_from(large, 1 << 29)
        assert len(peer.answer(large).body) == 5_000_000


@pytest.mark.parametrize("place", ["memory", "file"])
def test_bodies_wait_as_those_of_http11_do(shared_tidegate, recording_backend, tmp_path, place):
    """buffer_request and buffer_response: no backend is held by a slow client, either way."""
    size = '"8M"' if place == "memory" else '"16K"; file = "8M"'
    backend = recording_backend(backends.handles(lambda request: backends.answer(body=request.body * 2)))
    tg = shared_tidegate(conf.http(backend, listener=h2.LISTENER + ' limits = { body = "8M"; };',
                                   service=f"buffer_request = {{ memory = {size}; }}; "
                                           f"buffer_response = {{ memory = {size}; }};",
                                   top=f'buffer_folder = "{tmp_path}"; buffer_memory = "64M";'))
    body = bytes(range(256)) * 6000
    with h2.H2Client(tg.address) as peer:
        stream = peer.request("/up", method="POST", end=False)
        peer.data(stream, body[:700_000], end=False)
        peer.wait_ping()
        assert not backend.connections
        # Its answer is all here before the client takes any of it.
        peer.takes = False
        peer.data(stream, body[700_000:])
        backend.wait_requests(1)
        settings.wait_until(lambda: tg.exchange(client.get("/other")).status == 200, "another request")
        peer.takes = True
        peer.take_from(stream, 1 << 24)
        answer = peer.answer(stream)
        assert answer.body == body * 2 and answer.is_whole


def test_a_request_that_waits_for_a_backend_goes_with_its_client(shared_tidegate, recording_backend):
    """The only place is taken: one that waits is taken back, the other gets it."""
    gate = threading.Event()

    def handle(request):
        gate.wait(settings.TIMEOUT)
        return backends.OK
    backend = recording_backend(backends.handles(handle))
    tg = shared_tidegate(conf.http(backend, listener=h2.LISTENER, workers=1,
                                   service="max_connections_per_backend = 1; queue = 10;"))
    with h2.H2Client(tg.address) as peer:
        first = peer.request("/first")
        backend.wait_requests(1)
        gone, stays = peer.request("/gone", method="POST", end=False), peer.request("/stays")
        peer.wait_ping()
        peer.cancel(gone)
        assert tg.access.wait(path="/gone")["end"] == "client-abort"
        gate.set()
        assert [peer.answer(stream).body for stream in (first, stays)] == [b"ok", b"ok"]
        assert [request.target for request in backend.requests] == ["/first", "/stays"]
