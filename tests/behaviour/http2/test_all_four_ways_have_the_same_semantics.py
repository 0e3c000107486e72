"""What holds of requests from HTTP/1.1 to HTTP/1.1 holds where either end speaks HTTP/2: one table, asked on all four ways."""

import contextlib
import json
import threading

import pytest
from h2 import exceptions

from harness import backends, client, conf, h2, h2_backend, settings, wire
from harness.control import ask

frames = h2.frames


class Old:
    """Asks over HTTP/1.1, in the words of h2.H2Client.exchange()."""

    def __init__(self, address):
        self.peer = client.RawClient(address)

    def head(self, path, method="GET", body=None, extra=(), trailers=None, end=True, host="example.org"):
        """Sends it; its body follows as it is given, and to be sent by who asks."""
        fields = b"".join(f"{name}: {value}\r\n".encode() for name, value in extra)
        if trailers is not None or (not end and "content-length" not in dict(extra)):
            fields += b"Transfer-Encoding: chunked\r\n"
        elif body is not None and "content-length" not in dict(extra):
            fields += b"Content-Length: %d\r\n" % len(body)
        if trailers is not None:
            body = client.chunked(body, trailers=b"".join(f"{n}: {v}\r\n".encode() for n, v in trailers))
        self.peer.send(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n".encode() + fields + b"\r\n" + (body or b""))

    def answer(self, method="GET"):
        try:
            got = self.peer.read_answer(method)
        except wire.Closed:
            return None
        return got.status, bytes(got.body), [one.status for one in got.interim], \
            [(n.decode().lower(), v.decode()) for n, v in got.trailers or []], got.complete

    def exchange(self, path, method="GET", **options):
        self.head(path, method, **options)
        return self.answer(method)

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


class AskedOld:
    """A request as the backend of HTTP/1.1 has it. Each method says what it means there."""

    def __init__(self, conn, request):
        self.conn, self.request = conn, request
        self.path, self.method = request.target.split("?")[0], request.start.split()[0].decode()
        self.expects = request.get("expect") is not None
        self.is_over = False

    def take(self):
        """The body, and trailers."""
        self.conn.take_body(self.request, self.request.framing() or 0, settings.deadline())
        return [self.request.body or b"", *(n + b"=" + v for n, v in self.request.trailers or [])]

    def send(self, status, fields, rest=b""):
        lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in fields)
        self.conn.send(b"HTTP/1.1 %d x\r\n" % status + lines + b"\r\n" + rest)

    def interim(self, status, fields=()):
        self.send(status, fields)

    def answer(self, status=200, fields=(), body=None, trailers=None):
        """With a length where there are no trailers. Without a body: what `fields` say of one is not there."""
        if body is None:
            self.send(status, fields)
        elif trailers is None:
            self.send(status, [*fields, ("Content-Length", str(len(body)))], body)
        else:
            self.send(status, [*fields, ("Transfer-Encoding", "chunked")], client.chunked(
                body, trailers=b"".join(f"{n}: {v}\r\n".encode() for n, v in trailers)))

    def cut(self, fields, body):
        """Behind the body comes nothing more."""
        if "Content-Length" not in dict(fields):
            fields, body = [("Transfer-Encoding", "chunked")], b"%x\r\n%s\r\n" % (len(body), body)
        self.send(200, fields, body)
        self.is_over = True

    def leave(self):
        self.is_over = True

    def answer_badly(self):
        self.send(200, [("Content-Length ", "1")], b"x")
        self.is_over = True


class AskedNew:
    """The same of one of HTTP/2; each in a thread of its own."""

    def __init__(self, exchange):
        self.exchange = exchange
        self.path, self.method = exchange.path.split("?")[0], exchange.get(":method")
        self.expects = exchange.get("expect") is not None

    def take(self):
        made = self.exchange
        settings.wait_until(lambda: made.is_whole or made.reset is not None or made.conn.is_over.is_set(), "a body")
        return [made.body, *(n + b"=" + v for n, v in made.trailers or [])]

    def interim(self, status, fields=()):
        self.exchange.interim(status, fields)

    def answer(self, status=200, fields=(), body=None, trailers=None):
        length = [] if body is None or trailers else [("content-length", str(len(body)))]
        self.exchange.answer(status, [*fields, *length], body or b"", trailers)

    def cut(self, fields, body):
        self.exchange.head(200, [(name.lower(), value) for name, value in fields])
        self.exchange.data(body)
        # What comes with a reset is not looked at.
        self.exchange.conn.wait_ping()
        self.exchange.conn.wait_ping()
        self.exchange.refuse(h2.INTERNAL_ERROR)

    def leave(self):
        self.exchange.refuse(h2.INTERNAL_ERROR)

    def answer_badly(self):
        self.exchange.answer(200, [("x bad", "1")], b"x")


def old_backend(start, play):
    def script(conn):
        while (request := conn.read_head()) is not None:
            asked = AskedOld(conn, request)
            play(asked)
            if asked.is_over:
                return
    return start(script)


def new_backend(start, play):
    def run(asked):
        # Who is gone gets no answer.
        with contextlib.suppress(exceptions.ProtocolError, OSError):
            play(asked)
    return start(lambda exchange: threading.Thread(target=run, args=(AskedNew(exchange),), daemon=True).start(),
                 at_head=True)


def play(asked):
    """What the path asks for."""
    what = asked.path
    if what == "/early":
        asked.answer(403, body=b"no")
        asked.leave() if isinstance(asked, AskedOld) else None
        return
    if asked.expects:
        if what == "/unexpected":
            asked.answer(417, body=b"")
            asked.leave() if isinstance(asked, AskedOld) else None
            return
        asked.interim(100)
    seen = asked.take()
    if what == "/hints":
        asked.interim(103, [("link", "</a>")])
    if what == "/chunks":
        asked.answer(body=b"one two", trailers=[("x-sum", "7")])
    elif what == "/cut":
        asked.cut([("Content-Length", "100")], b"half")
    elif what == "/cut-chunks":
        asked.cut([], b"half")
    elif what == "/empty":
        asked.leave()
    elif what == "/bad":
        asked.answer_badly()
    elif what == "/204":
        asked.answer(204)
    elif what == "/304":
        asked.answer(304, [("content-length", "7")])
    elif what.startswith("/length/"):
        _, _, status, length, sent = what.split("/")
        lie(asked, int(status), length, b"x" * int(sent))
    elif asked.method == "HEAD":
        asked.answer(200, [("content-length", "7")])
    else:
        asked.answer(body=b"|".join(seen))


def lie(asked, status, length, body):
    """An answer whose length, and what follows, may not go together."""
    fields = [] if length == "-" else [("content-length", length)]
    if isinstance(asked, AskedNew):
        asked.exchange.answer(status, fields, body)
        return
    asked.send(status, fields, body)
    asked.is_over = True


TABLE = {
    "plain": dict(path="/"),
    "body": dict(path="/", method="POST", body=b"abc"),
    "body with a length": dict(path="/", method="POST", body=b"abc", extra=[("content-length", "3")]),
    "empty body": dict(path="/", method="POST", body=b""),
    "trailers": dict(path="/", method="POST", body=b"abc", trailers=[("x-check", "1")]),
    "trailers that would change the message": dict(path="/", method="POST", body=b"a", trailers=[("host", "b")]),
    "head": dict(path="/", method="HEAD"),
    "204": dict(path="/204"),
    "304": dict(path="/304"),
    "head of 204": dict(path="/204", method="HEAD"),
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
FRONTS = {"http1": Old, "h2": New}
BACKS = ("http1", "h2")
EACH_BACK = pytest.mark.parametrize("back", BACKS)


@pytest.fixture(scope="module")
def site(module_tidegate, module_backend, tmp_path_factory):
    """A listener for both, and behind it by the name of the host a backend of either: `http1` and `h2`."""
    admin = tmp_path_factory.mktemp("h2") / "admin.sock"
    with h2_backend.starting() as start:
        backends_of = {"http1": old_backend(module_backend, play), "h2": new_backend(start, play)}
        tg = module_tidegate(conf.http(backends_of["http1"], listener=h2.LISTENER + """
            routes = ( { path = "/nowhere"; service = "gone"; }, { host = "h2"; service = "h2"; },
                       { host = "h2"; path = "/nowhere"; service = "gone"; } ); limits = { body = "1M"; };""",
            services='{ name = "gone"; }, ' + conf.service_entry("h2", [backends_of["h2"]], 'protocol = "h2";'),
            top=f'admin = {{ socket = "{admin}"; }};', workers=1))
        tg.backend, tg.new_backend, tg.admin = backends_of["http1"], backends_of["h2"], str(admin)
        yield tg


@pytest.fixture
def backend_of(recording_backend):
    """backend_of(back, play): one of that version; what a service needs for it is .service."""
    with h2_backend.starting() as start:
        def make(back, play):
            made = old_backend(recording_backend, play) if back == "http1" else new_backend(start, play)
            made.service = "" if back == "http1" else 'protocol = "h2"; '
            return made
        yield make


def record_of(site, sock):
    """A function that waits for the next record of this client: ports are used again, and some clients of the site before
    had this one."""
    client_name = "%s:%d" % sock.getsockname()
    before = len(site.access.records(client=client_name))
    return lambda: site.access.wait(before + 1, client=client_name)


def paths_at(backend):
    """Of whole requests, and of all."""
    if isinstance(backend, h2_backend.H2Backend):
        made = [(one.path, one.is_whole) for one in list(backend.exchanges)]
    else:
        made = [(one.target, one.complete) for one in asked(backend)]
    return [path for path, is_whole in made if is_whole], [path for path, _ in made]


@pytest.mark.parametrize("case", TABLE)
def test_all_four_are_answered_alike(site, case):
    said = {}
    for front, kind in FRONTS.items():
        for back in BACKS:
            peer = kind(site.address)
            record = record_of(site, peer.peer.sock)
            got = peer.exchange(**TABLE[case], host=back)
            peer.close()
            said[front, back] = got, record()["end"]
    assert len(set(map(str, said.values()))) == 1, said


@EACH_BACK
def test_a_cut_is_seen_as_one(site, back):
    with h2.H2Client(site.address) as peer:
        for path in ("/cut", "/cut-chunks"):
            answer = peer.exchange(path, host=back)
            assert (answer.status, answer.body, answer.is_whole) == (200, b"half", False)
            assert answer.reset == h2.INTERNAL_ERROR


@EACH_BACK
def test_expect_is_the_backends_to_answer(site, back):
    peer = Old(site.address)
    peer.head("/expected", method="POST", extra=[("expect", "100-continue"), ("content-length", "3")], host=back)
    assert peer.peer.read_head().startswith(b"HTTP/1.1 100 ")
    peer.peer.send(b"now")
    assert peer.answer()[:2] == (200, b"now")
    assert peer.exchange("/unexpected", method="POST", host=back,
                         extra=[("expect", "100-continue"), ("content-length", "3")])[0] == 417
    peer.close()
    with h2.H2Client(site.address) as peer:
        stream = peer.request("/expected", method="POST", end=False, extra=[("expect", "100-continue")], host=back)
        peer.wait(lambda: peer.answers[stream].interim == [100], "100")
        peer.data(stream, b"now")
        assert peer.answer(stream).body == b"now"
        stream = peer.request("/unexpected", method="POST", end=False, extra=[("expect", "100-continue")], host=back)
        assert peer.answer(stream).status == 417
        assert peer.wait_reset(stream) == h2.NO_ERROR


@EACH_BACK
def test_an_early_answer_is_whole_and_the_rest_not_wanted(site, back):
    peer = Old(site.address)
    assert peer.exchange("/early", method="POST", extra=[("content-length", "100")], body=b"x", host=back) == \
        (403, b"no", [], [], True)
    assert peer.peer.read_to_end() == b""
    peer.close()
    with h2.H2Client(site.address) as peer:
        stream = peer.request("/early", method="POST", end=False, host=back)
        peer.data(stream, b"x" * 1000, end=False)
        answer = peer.answer(stream)
        assert (answer.status, answer.body, answer.is_whole) == (403, b"no", True)
        assert peer.wait_reset(stream) == h2.NO_ERROR
        # What was under way by then harms nobody.
        peer.data(stream, b"x" * 1000, end=False)
        assert peer.exchange("/", host=back).status == 200


@EACH_BACK
@pytest.mark.parametrize("length, body, trailers", [("5", b"abc", None), ("2", b"abc", None), ("3", b"", None),
                                                    ("5", b"abc", [("x-a", "b")])])
def test_a_length_that_lies_reaches_no_backend_whole(site, back, length, body, trailers):
    """RFC 9113 8.1.1. Its record may know nothing of it: what is wrong may be read together with its head."""
    backend = site.backend if back == "http1" else site.new_backend
    with h2.H2Client(site.address) as peer:
        record = record_of(site, peer.sock)
        stream = peer.request("/lies", method="POST", body=body, trailers=trailers, host=back,
                              extra=[("content-length", length)])
        assert peer.wait_reset(stream) == h2.PROTOCOL_ERROR
        assert record()["end"] == "bad-request"
        assert peer.exchange("/", host=back).status == 200
    assert "/lies" not in paths_at(backend)[0]


@EACH_BACK
@pytest.mark.parametrize("body", [b"Content-Length: 5\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                                  b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"])
def test_a_body_that_is_cut_reaches_no_backend_whole(site, back, body):
    backend = site.backend if back == "http1" else site.new_backend
    with site.client() as peer:
        record = record_of(site, peer.sock)
        peer.send(b"POST /half HTTP/1.1\r\nHost: %s\r\n" % back.encode() + body)
        peer.finish_sending()
        peer.read_to_end()
    assert record()["end"] in ("client-abort", "bad-request")
    assert site.exchange(client.get("/", host=back)).status == 200
    assert "/half" not in paths_at(backend)[0]


# Of the answer: method, status, content-length, bytes of DATA; the status the client gets, and whether all of it.
LENGTHS = {
    "too little": ("GET", 200, "5", 3, 200, False),
    "nothing": ("GET", 200, "5", 0, None, None),
    "as it says": ("GET", 200, "3", 3, 200, True),
    "nothing, as it says": ("GET", 200, "0", 0, 200, True),
    "HEAD": ("HEAD", 200, "5", 0, 200, True),
    "HEAD without a length": ("HEAD", 200, "-", 0, 200, True),
    "204": ("GET", 204, "-", 0, 204, True),
    "304": ("GET", 304, "5", 0, 304, True),
    "304 without a length": ("GET", 304, "-", 0, 304, True),
}


@pytest.mark.parametrize("case", LENGTHS)
def test_lengths_of_answers_are_held_to_on_all_ways(site, case):
    method, status, length, sent, gets, is_whole = LENGTHS[case]
    for kind in FRONTS.values():
        for back in BACKS:
            peer = kind(site.address)
            got = peer.exchange(f"/length/{status}/{length}/{sent}", method=method, host=back)
            peer.close()
            if gets is None:
                assert got is None or got[0] == 502 or not got[4], (kind, back, got)
            else:
                # What comes with a reset may not be looked at.
                assert (got[0], got[4]) == (gets, is_whole) or (got[0] == 502 and not is_whole), (kind, back, got)
                assert len(got[1]) == sent or not is_whole


@pytest.mark.parametrize("method, status, length, sent", [
    ("GET", 200, "2", 3), ("GET", 200, "0", 3), ("HEAD", 200, "3", 3), ("GET", 204, "-", 3), ("GET", 304, "3", 3)])
@pytest.mark.parametrize("front", FRONTS)
def test_more_than_an_answer_may_have_is_nobodys(site, front, method, status, length, sent):
    """From a backend of HTTP/2 it is malformed. Of HTTP/1.1 what follows an answer is no part of it, and nobody asked."""
    peer = FRONTS[front](site.address)
    got = peer.exchange(f"/length/{status}/{length}/{sent}", method=method, host="http1")
    assert got[0] == status and got[4] and len(got[1]) <= int(length if length != "-" and method == "GET" else 0)
    peer.close()
    peer = FRONTS[front](site.address)
    got = peer.exchange(f"/length/{status}/{length}/{sent}", method=method, host="h2")
    peer.close()
    assert got[0] == 502 or got[1] == b""


def marked(path="/malformed", **options):
    return h2.get(path, **options)


MALFORMED = {
    "upper case": [*marked(), ("Accept", "x")],
    "connection": [*marked(), ("connection", "close")],
    "transfer-encoding": [*marked(method="POST"), ("transfer-encoding", "chunked")],
    "te": [*marked(), ("te", "gzip")],
    "upgrade": [*marked(), ("upgrade", "websocket")],
    "a line end": [*marked(), ("a", "b\r\nc: d")],
    "a line end in the path": marked("/malformed HTTP/1.1\r\nx: y"),
    "space around a value": [*marked(), ("a", " b")],
    "no method": marked()[1:],
    "no path": marked()[:3],
    "an empty path": marked(""),
    "no scheme": [marked()[0], *marked()[2:]],
    "another scheme": marked(scheme="ftp"),
    "a pseudo field twice": [*marked(), (":path", "/b")],
    "a pseudo field behind others": [(":method", "GET"), ("a", "b"), *marked()[1:]],
    "an unknown pseudo field": [*marked(), (":x", "y")],
    "one of answers": [*marked(), (":status", "200")],
    "two hosts": [*marked(), ("host", "other.org")],
    "userinfo": marked(host="user@example.org"),
    "two lengths": [*marked(method="POST"), ("content-length", "1"), ("content-length", "2")],
    "a protocol without CONNECT": [*marked(), (":protocol", "websocket")],
}


def asked(backend):
    return [request for conn in backend.all_connections for request in conn.requests]


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_heads_reach_nobody(site, case):
    """RFC 9113 8.1.1: a stream error, or 400. Either leaves a record, and what was read of it."""
    fields = MALFORMED[case]
    with h2.H2Client(site.address) as peer:
        next_record = record_of(site, peer.sock)
        stream = peer.next_stream
        peer.send(peer.head(fields))
        answer = peer.answer(stream)
        assert answer.reset == h2.PROTOCOL_ERROR or answer.status == 400
        record = next_record()
        assert peer.exchange("/").status == 200
    assert (record["end"], record["version"]) == ("bad-request", "2.0")
    assert record["status"] == ("-" if answer.reset is not None else "400")
    told, = json.loads(ask(site.admin, "show errors request json"))
    assert (told["reason"], told["client"]) == ("syntax", record["client"])
    first, what = told["bytes"][:told["position"]], told["bytes"][told["position"]:]
    if case in ("upper case", "connection", "a line end", "two hosts", "an unknown pseudo field"):
        assert "/" in first and fields[-1][0] in what and fields[-1][1] in what
    assert record["method"] == dict(fields).get(":method", "-") or answer.reset is None
    assert not any(request.target.startswith("/malformed") for request in asked(site.backend))


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


@EACH_BACK
@pytest.mark.parametrize("place", ["memory", "file"])
def test_bodies_wait_as_those_of_http11_do(shared_tidegate, backend_of, tmp_path, place, back):
    """buffer_request and buffer_response: no backend is held by a slow client, either way."""
    size = '"8M"' if place == "memory" else '"16K"; file = "8M"'
    seen = []

    def double(asked):
        seen.append(asked.path)
        asked.answer(body=asked.take()[0] * 2)
    backend = backend_of(back, double)
    tg = shared_tidegate(conf.http(backend, listener=h2.LISTENER + ' limits = { body = "8M"; };',
                                   service=f"{backend.service} buffer_request = {{ memory = {size}; }}; "
                                           f"buffer_response = {{ memory = {size}; }};",
                                   top=f'buffer_folder = "{tmp_path}"; buffer_memory = "64M";'))
    body = bytes(range(256)) * 6000
    with h2.H2Client(tg.address) as peer:
        stream = peer.request("/up", method="POST", end=False)
        peer.data(stream, body[:700_000], end=False)
        peer.wait_ping()
        assert not seen
        # Its answer is all here before the client takes any of it.
        peer.takes = False
        peer.data(stream, body[700_000:])
        settings.wait_until(lambda: seen, "the request")
        assert tg.exchange(client.get("/other")).status == 200
        peer.takes = True
        peer.take_from(stream, 1 << 24)
        answer = peer.answer(stream)
        assert answer.body == body * 2 and answer.is_whole


@EACH_BACK
def test_a_request_that_waits_for_a_backend_goes_with_its_client(shared_tidegate, backend_of, back):
    """The only place is taken: one that waits is taken back, the other gets it."""
    gate = threading.Event()
    seen = []

    def handle(asked):
        seen.append(asked.path)
        asked.take()
        gate.wait(settings.TIMEOUT)
        asked.answer(body=b"ok")
    backend = backend_of(back, handle)
    tg = shared_tidegate(conf.http(backend, listener=h2.LISTENER, workers=1,
                                   service=backend.service + "max_connections_per_backend = 1; queue = 10;"))
    with h2.H2Client(tg.address) as peer:
        first = peer.request("/first")
        settings.wait_until(lambda: seen, "the first")
        gone, stays = peer.request("/gone", method="POST", end=False), peer.request("/stays")
        peer.wait_ping()
        peer.cancel(gone)
        assert tg.access.wait(path="/gone")["end"] == "queue-abort"
        gate.set()
        assert [peer.answer(stream).body for stream in (first, stays)] == [b"ok", b"ok"]
        assert seen == ["/first", "/stays"]
