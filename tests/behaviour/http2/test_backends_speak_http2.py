"""HTTP/2 to backends: many requests on one connection, whatever clients speak."""

import contextlib
import json
import ssl
import threading

import pytest

from harness import client, conf, h2 as harness_h2, h2_backend, net, settings, stat
from harness.control import ask as ask_admin

H2 = 'protocol = "h2";'


@pytest.fixture
def h2_backends():
    """h2_backends(handler, ...): an H2Backend."""
    with h2_backend.starting() as start:
        yield start


@pytest.fixture
def site(shared_tidegate):
    """site(backend, ...): tidegate in front of it, one worker. `.dial()` is a client of HTTP/2."""
    def start(backend, service="", listener="", workers=1, top=""):
        tg = shared_tidegate(conf.http(backend, service=H2 + service, workers=workers, top=top,
                                       listener=harness_h2.LISTENER + ' limits = { body = "64M"; }; ' + listener))

        def dial(**options):
            made = harness_h2.H2Client(tg.address, **options)
            tg.clients.append(made)
            return made
        tg.dial = dial
        return tg
    return start


def echo(exchange):
    exchange.answer(fields=[("x-method", exchange.get(":method"))], body=exchange.body)


def ask(tg, speaks, path, method="GET", body=b"", extra=()):
    """The answer to one request: .status .body .get()."""
    if speaks == "h2":
        return tg.dial().exchange(path, method=method, body=body or None, extra=extra)
    lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in extra)
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return tg.client().exchange(b"%s %s HTTP/1.1\r\nHost: example.org\r\n%s%s\r\n%s" % (
        method.encode(), path.encode(), lines, length, body))


SPEAKS = pytest.mark.parametrize("speaks", ["http1", "h2"])


@SPEAKS
def test_one_request_and_its_answer(site, h2_backends, speaks):
    backend = h2_backends(echo)
    tg = site(backend)
    answer = ask(tg, speaks, "/one?a=b", "POST", b"hello", [("cookie", "a=1"), ("x-mine", "yes")])
    assert (answer.status, answer.body, answer.get("x-method")) == (200, b"hello", "POST")
    assert answer.get("date")
    seen = backend.exchanges[0]
    assert [name for name, _ in seen.fields[:4]] == [":method", ":scheme", ":authority", ":path"]
    assert (seen.path, seen.get(":authority"), seen.get(":scheme")) == ("/one?a=b", "example.org", "http")
    assert (seen.get("cookie"), seen.get("x-mine"), seen.get("te")) == ("a=1", "yes", "trailers")
    assert seen.get("x-forwarded-for") and seen.get("x-request-id")
    assert not {"host", "connection", "transfer-encoding", "keep-alive"} & {name for name, _ in seen.fields}
    told = tg.access.wait(path="/one?a=b")
    assert (told["status"], told["end"], told["bytes_in"] != "0") == ("200", "done", True)


@SPEAKS
def test_answers_without_bodies_interim_ones_and_trailers(site, h2_backends, speaks):
    def handle(exchange):
        if exchange.path == "/early":
            exchange.interim(103, [("link", "</a>; rel=preload")])
        if exchange.path == "/trailers":
            exchange.answer(body=b"x" * 10, trailers=[("x-sum", "10")])
        elif exchange.path == "/204":
            exchange.answer(204)
        else:
            exchange.answer(fields=[("content-length", "300")] if exchange.get(":method") == "HEAD" else [])
    tg = site(h2_backends(handle))
    assert ask(tg, speaks, "/head", "HEAD").get("content-length") == "300"
    assert ask(tg, speaks, "/204").status == 204
    assert ask(tg, speaks, "/none").get("content-length") == "0"
    if speaks == "h2":
        answer = tg.dial().exchange("/early")
        assert (answer.interim, answer.status) == ([103], 200)
        assert tg.dial().exchange("/trailers").trailers == [("x-sum", "10")]
    else:
        assert b"HTTP/1.1 103" in tg.client().send(client.get("/early", extra=b"Connection: close\r\n")).read_to_end()
        answer = tg.client().exchange(client.get("/trailers"))
        assert answer.body == b"x" * 10 and (b"x-sum", b"10") in answer.trailers


@SPEAKS
def test_large_bodies_both_ways(site, h2_backends, speaks):
    tg = site(h2_backends(echo))
    body = bytes(range(256)) * 4000
    assert ask(tg, speaks, "/large", "POST", body).body == body


def test_requests_share_connections_up_to_max_streams(site, h2_backends):
    backend = h2_backends(lambda exchange: None)
    tg = site(backend, " http2 = { max_streams = 10; };")
    peer = tg.dial()
    streams = [peer.request(f"/{i}") for i in range(35)]
    backend.wait_exchanges(35)
    assert [len(conn.exchanges) for conn in backend.connections] == [10, 10, 10, 5]
    for made in list(backend.exchanges):
        made.answer(body=made.path.encode())
    assert [peer.answer(stream).body for stream in streams] == [b"/%d" % i for i in range(35)]
    backend.handler = echo
    assert peer.exchange("/after").status == 200
    assert len(backend.connections) == 4


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_with_send_proxy_connections_are_one_clients(site, h2_backends, version):
    """Shared by its requests, one after the other and at a time; none is another's, and they end with it."""
    backend = h2_backends(lambda exchange: waiting.append(exchange) if exchange.path == "/wait" else exchange.answer())
    backend.proxy_headers = headers = []
    waiting = []
    tg = site(backend, f' send_proxy = "{version}"; http2 = {{ max_streams = 3; }};')
    one, two, old = tg.dial(), tg.dial(), tg.client()
    for peer in (one, two, one, two):
        assert peer.exchange("/").status == 200
    for _ in range(2):
        assert old.exchange(client.get("/")).status == 200
    own = [peer.sock.getsockname() for peer in (one, two, old)]
    assert [made.source for made in headers] == own
    # More than one connection carries: those that are made for the rest say the same.
    streams = [one.request("/wait") for _ in range(7)]
    settings.wait_until(lambda: len(waiting) == 7, "all")
    assert [made.source for made in headers[3:]] == [own[0]] * 2
    for made in waiting:
        made.answer()
    assert [one.answer(stream).status for stream in streams] == [200] * 7
    ends = [conn for conn, made in zip(backend.connections, headers) if made.source == own[0]]
    one.close()
    for conn in ends:
        assert conn.is_over.wait(settings.TIMEOUT) and conn.has_goaway
    assert two.exchange("/").status == 200 and len(headers) == 5


def test_show_sess_tells_what_is_shared(site, h2_backends, tmp_path):
    backend = h2_backends(lambda exchange: None)
    tg = site(backend, " http2 = { max_streams = 2; };", top=f'admin = {{ socket = "{tmp_path}/a"; }};')
    peer = tg.dial()
    for i in range(3):
        peer.request(f"/{i}")
        backend.wait_exchanges(i + 1)
    old = tg.client().send(client.get("/old"))
    backend.wait_exchanges(4)
    told = {row["request"].rpartition("/")[2]: row for row in json.loads(ask_admin(f"{tmp_path}/a", "show sess json"))}
    assert told[""]["phase"] == "streams" and told[""]["over"] is told[""]["carrier"] is None
    assert {told[path]["over"] for path in "012"} == {told[""]["id"]} and told["old"]["over"] is None
    carriers = [told[path]["carrier"] for path in ("0", "1", "2", "old")]
    assert carriers[0] == carriers[1] != carriers[2] == carriers[3] and None not in carriers
    assert f" over={told['']['id']} carrier={carriers[0]} request=" in ask_admin(f"{tmp_path}/a", "show sess")
    old.close()


def test_what_a_backend_allows_is_kept(site, h2_backends):
    """Those that have waited for one connection go on others, when it says that it takes fewer."""
    backend = h2_backends(lambda exchange: None, max_concurrent_streams=3)
    tg = site(backend)
    peer = tg.dial()
    streams = [peer.request(f"/{i}") for i in range(8)]
    backend.wait_exchanges(8)
    assert max(len(conn.exchanges) for conn in backend.connections) == 3
    for made in list(backend.exchanges):
        made.answer()
    assert {peer.answer(stream).status for stream in streams} == {200}


def test_what_has_waited_goes_where_room_is_by_then(site, h2_backends):
    """One of two waits for the second connection, which takes one; by then the first, which is open, has room again."""
    greets = threading.Event()

    def greeting(conn):
        at = backend.connections.index(conn)
        if at > 0:
            greets.wait(settings.TIMEOUT)
        return {h2_backend.MAX_STREAMS: 1 if at == 1 else 2}
    backend = h2_backends(lambda exchange: None)
    backend.greeting = greeting
    tg = site(backend, ' timeouts = { connect = "10m"; };')
    peer = tg.dial()
    streams = []
    for i in range(2):
        streams.append(peer.request(f"/{i}"))
        backend.wait_exchanges(i + 1)
    streams += [peer.request("/2"), peer.request("/3")]
    # Those that come at once may be counted in another order.
    settings.wait_until(lambda: len(backend.connections) == 2, "the second")
    streams.append(peer.request("/4"))
    settings.wait_until(lambda: len(backend.connections) == 3, "the second is full, too")
    for stream, made in zip(streams, list(backend.exchanges)):
        made.answer()
        assert peer.answer(stream).status == 200
    backend.handler = echo
    greets.set()
    assert {peer.answer(stream).status for stream in streams[2:]} == {200}
    where = {made.path: backend.connections.index(made.conn) for made in backend.exchanges}
    assert where == {"/0": 0, "/1": 0, "/2": 1, "/3": 0, "/4": 2}


def test_a_backend_that_allows_none_is_waited_for(site, h2_backends):
    backend = h2_backends(echo, max_concurrent_streams=0)
    tg = site(backend, ' timeouts = { connect = "10m"; };')
    peer = tg.dial()
    streams = [peer.request("/0")]
    settings.wait_until(lambda: backend.connections, "a connection")
    assert backend.connections[0].is_greeted.wait(settings.TIMEOUT)
    streams += [peer.request(f"/{i}") for i in range(1, 5)]
    peer.wait_ping()
    assert backend.exchanges == []
    backend.allow(5)
    assert {peer.answer(stream).status for stream in streams} == {200}
    assert len(backend.connections) == 1


def test_a_backend_that_allows_none_fails_as_one_that_does_not_connect(site, h2_backends):
    backend = h2_backends(echo, max_concurrent_streams=0)
    tg = site(backend, ' retry = { attempts = 0; }; timeouts = { connect = "50ms"; };')
    assert tg.exchange(client.post(b"x", "/none")).status == 504
    told = tg.access.wait(path="/none")
    assert (told["end"], backend.exchanges) == ("connect-timeout", [])


@pytest.mark.parametrize("how", ["goaway", "refused"])
def test_what_was_not_processed_is_sent_once_more(site, h2_backends, tmp_path, how):
    def handle(exchange):
        if exchange.path != "/post" or len(backend.exchanges) > 2:
            echo(exchange)
        elif how == "refused":
            exchange.refuse()
        else:
            exchange.conn.goaway(exchange.stream - 2)
    backend = h2_backends(handle)
    tg = site(backend, ' retry = { attempts = 1; };', top=f'admin = {{ socket = "{tmp_path}/a"; }};')
    peer = tg.client()
    assert peer.exchange(client.get("/first")).status == 200
    answer = peer.exchange(client.post(b"body", "/post"))
    assert (answer.status, answer.body) == (200, b"body")
    assert [made.path for made in backend.exchanges] == ["/first", "/post", "/post"]
    assert len(backend.connections) == (2 if how == "goaway" else 1)
    assert tg.access.wait(path="/post")["end"] == "done"
    row = stat.servers(tmp_path / "a")[backend.address]
    assert [row[name] for name in ("h2_total_connections", "h2_goaway_rcvd", "h2_rst_stream_rcvd")] == (
        ["2", "1", "0"] if how == "goaway" else ["1", "0", "1"])


def test_what_may_have_been_processed_is_not(site, h2_backends):
    def handle(exchange):
        if len([made for made in backend.exchanges if made.path == exchange.path]) == 1:
            exchange.conn.close()
        else:
            echo(exchange)
    backend = h2_backends(handle)
    tg = site(backend)
    assert tg.exchange(client.post(b"body", "/post")).status == 502
    assert tg.exchange(client.get("/get")).status == 200
    assert [made.path for made in backend.exchanges] == ["/post", "/get", "/get"]


def test_a_goaway_lets_what_runs_end(site, h2_backends):
    backend = h2_backends(lambda exchange: None)
    tg = site(backend)
    peer = tg.dial()
    first = peer.request("/first")
    held = backend.wait_exchanges(1)
    held.conn.goaway(held.stream)
    held.head()
    held.data(b"begun")
    peer.wait_head(first)
    second = peer.request("/second")
    other = backend.wait_exchanges(2)
    assert other.conn is not held.conn
    held.data(b" and done", end=True)
    assert peer.answer(first).body == b"begun and done"
    other.answer(body=b"elsewhere")
    assert peer.answer(second).body == b"elsewhere"
    assert held.conn.is_over.wait(settings.TIMEOUT), "it is closed with its last request"


@SPEAKS
def test_a_client_that_goes_ends_its_stream_alone(site, h2_backends, speaks):
    backend = h2_backends(lambda exchange: None, at_head=True)
    tg = site(backend)
    stays = tg.dial()
    kept = stays.request("/stays")
    backend.wait_exchanges(1)
    if speaks == "h2":
        peer = tg.dial()
        stream = peer.request("/goes")
        gone = backend.wait_exchanges(2)
        peer.cancel(stream)
    else:
        peer = tg.client().send(client.get("/goes"))
        gone = backend.wait_exchanges(2)
        peer.reset()
    settings.wait_until(lambda: gone.reset is not None, "a reset at the backend")
    assert gone.reset == 8, "CANCEL"
    backend.exchanges[0].answer(body=b"stayed")
    assert stays.answer(kept).body == b"stayed" and len(backend.connections) == 1


def test_a_reset_inside_an_answer_cuts_it(site, h2_backends):
    def handle(exchange):
        exchange.head()
        exchange.data(b"x" * 100)
        # Behind a reset that comes in the same read the client would see none of it, and get 502.
        assert begun.wait(settings.TIMEOUT)
        exchange.refuse(2)
    begun = threading.Event()
    tg = site(h2_backends(handle))
    peer = tg.client().send(client.get("/cut"))
    settings.wait_until(peer.is_readable, "the beginning")
    begun.set()
    answer = peer.read_answer()
    assert answer.status == 200 and not answer.complete
    assert tg.access.wait(path="/cut")["end"] == "answer-cut"


@pytest.mark.parametrize("length, sent", [(5, b"1234"), (5, b"123456")])
def test_content_length_must_be_right(site, h2_backends, length, sent):
    tg = site(h2_backends(lambda exchange: exchange.answer(fields=[("content-length", str(length))], body=sent)))
    answer = tg.exchange(client.get("/length"))
    assert answer.status == 502 or not answer.complete
    assert tg.access.wait(path="/length")["end"] == "bad-answer"


def test_interim_answers_are_bounded(site, h2_backends):
    """At once, of one byte for 4 KB."""
    hints = [(":status", "103"), *[("x-hint", "v" * 3900)] * 10]

    def handle(exchange):
        exchange.conn.do(lambda state: [state.send_headers(exchange.stream, hints) for _ in range(1000)])
    tg = site(h2_backends(handle))
    before = tg.rss_bytes()
    assert tg.dial().exchange("/hints").status == 502
    assert tg.access.wait(path="/hints")["end"] == "bad-answer"
    assert tg.rss_bytes() - before < 8 << 20


def test_a_slow_client_holds_nobody_up(site, h2_backends):
    """Its answer stops at its own window, and others on the same connection go on."""
    size = 3_000_000
    backend = h2_backends(lambda exchange: exchange.answer(body=b"x" * size))
    tg = site(backend)
    slow = tg.dial(takes=False)
    stream = slow.request("/slow")
    slow.wait_head(stream)
    others = tg.dial()
    for i in range(3):
        assert len(others.exchange(f"/{i}").body) == size
    held = backend.exchanges[0]
    assert len(held.waiting) > size - 1_000_000 and len(backend.connections) == 1
    slow.takes = True
    slow.take_from(stream, 65535)
    assert len(slow.answer(stream).body) == size


def test_a_request_stops_at_the_window_of_the_backend(site, h2_backends):
    release = threading.Event()
    backend = h2_backends(lambda exchange: None, at_head=True, takes=False)
    tg = site(backend)
    body = b"y" * 3_000_000

    def send():
        with contextlib.suppress(OSError):
            peer.send(client.post(body, "/up"))
        release.set()
    peer = tg.client()
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    up = backend.wait_exchanges(1)
    settings.wait_until(lambda: len(up.body) == 65535, "as much as its window takes")
    backend.exchanges[0].conn.do(lambda state: state.increment_flow_control_window(4_000_000))
    up.conn.do(lambda state: state.increment_flow_control_window(4_000_000, up.stream))
    settings.wait_until(lambda: up.is_whole, "all of it")
    up.answer(body=b"%d" % len(up.body))
    assert peer.read_answer().body == b"3000000"
    sender.join(settings.TIMEOUT)


def test_an_early_answer_needs_no_more_of_the_request(site, h2_backends):
    backend = h2_backends(lambda exchange: exchange.answer(413, body=b"too much"), at_head=True)
    tg = site(backend)
    peer = tg.client().send(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nxxx")
    answer = peer.read_answer()
    assert (answer.status, answer.body) == (413, b"too much")
    assert tg.exchange(client.get("/next")).status == 413 and len(backend.connections) == 1


@SPEAKS
def test_what_an_early_answer_leaves_of_a_request_is_reset(site, h2_backends, tmp_path, speaks):
    """All of it was taken of the client, and the backend's window stays shut."""
    backend = h2_backends(lambda exchange: exchange.answer(413, body=b"no"), at_head=True, initial_window_size=0)
    tg = site(backend, top=f'admin = {{ socket = "{tmp_path}/a"; }};')
    assert ask(tg, speaks, "/early", "POST", b"x" * 1000).status == 413
    settings.wait_until(lambda: backend.exchanges[0].reset == 8, "CANCEL")
    server = stat.servers(tmp_path / "a")[backend.address]
    assert (server["h2_rst_stream_resp"], server["h2_total_connections"]) == ("1", "1")
    whole = stat.servers(tmp_path / "a")["BACKEND"]
    assert all(whole[name] == value for name, value in server.items() if name.startswith("h2_"))
    assert ask(tg, speaks, "/next").status == 413 and len(backend.connections) == 1


def test_a_backend_of_http11_is_told_and_gets_no_request(site, recording_backend):
    backend = recording_backend()
    tg = site(backend)
    assert tg.exchange(client.post(b"x", "/old")).status == 503
    assert tg.access.wait(path="/old")["end"] == "connect-failed"
    tg.log.wait(msg="no HTTP/2 from a backend")
    assert b"POST" not in backend.received


UPGRADE = client.get("/ws", extra=b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                  b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")


@SPEAKS
def test_a_websocket_is_a_stream(site, h2_backends, speaks):
    """RFC 8441; the key and its answer are the example of RFC 6455 1.3."""
    def take(exchange):
        exchange.interim(103)
        exchange.head(200)
    backend = h2_backends(take, at_head=True, enable_connect_protocol=1)
    backend.on_data = lambda exchange, data: exchange.data(data.upper())
    tg = site(backend)
    if speaks == "http1":
        peer = tg.client().send(UPGRADE)
        answer = peer.read_answer()
        assert (answer.status, answer.get("upgrade")) == (101, "websocket")
        assert answer.get("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        for word in (b"one", b"two"):
            peer.send(word)
            assert peer.take(3, settings.deadline()) == word.upper()
        peer.finish_sending()
    else:
        peer = tg.dial()
        fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":authority", "a"),
                  (":path", "/ws"), ("sec-websocket-version", "13")]
        head = peer.head(fields, end=False)
        peer.send(head)
        assert peer.wait_head(head.stream_id).status == 200
        for so_far in (b"ONE", b"ONETWO"):
            peer.data(head.stream_id, so_far[-3:].lower(), end=False)
            peer.wait(lambda: peer.answers[head.stream_id].body == so_far, "an echo")
        peer.data(head.stream_id, b"", end=True)
    seen = backend.exchanges[0]
    assert (seen.get(":method"), seen.get(":protocol"), seen.path) == ("CONNECT", "websocket", "/ws")
    assert not {"sec-websocket-key", "upgrade", "connection"} & {name for name, _ in seen.fields}
    settings.wait_until(lambda: seen.is_whole, "the end of the client")
    seen.data(b"", end=True)
    assert tg.access.wait(path="/ws")["status"] == "101"


@pytest.mark.parametrize("how", ["refused", "not-spoken"])
def test_a_websocket_that_is_not_taken(site, h2_backends, how):
    backend = h2_backends(lambda exchange: exchange.answer(426, body=b"no"), at_head=True,
                          enable_connect_protocol=how == "refused")
    tg = site(backend)
    answer = tg.exchange(UPGRADE)
    assert (answer.status, answer.body) == (426, b"no")
    seen = backend.exchanges[0]
    assert (seen.get(":method"), seen.get(":protocol")) == (
        ("CONNECT", "websocket") if how == "refused" else ("GET", None))


def test_a_refusal_of_a_websocket_that_is_short_is_cut(site, h2_backends):
    tg = site(h2_backends(lambda exchange: exchange.answer(403, [("content-length", "30")], b"abc"), at_head=True,
                          enable_connect_protocol=1))
    answer = tg.exchange(UPGRADE)
    assert (answer.status, answer.complete) == (403, False)
    assert tg.access.wait(path="/ws")["end"] == "answer-cut"


@pytest.mark.parametrize("protocols", [["h2"], ["http/1.1"], []])
def test_tls_must_agree_on_it(site, h2_backends, authority, protocols):
    certificate = authority.issue("b.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.both)
    if protocols:
        context.set_alpn_protocols(protocols)
    backend = h2_backends(echo, context=context)
    tg = site(backend, f' tls = {{ ca = "{authority.pem}"; name = "b.example"; }};')
    answer = tg.exchange(client.post(b"over tls", "/tls"))
    record = tg.access.wait(path="/tls")
    if protocols == ["h2"]:
        assert (answer.status, answer.body, record["back_tls"]) == (200, b"over tls", "1.3")
        assert backend.exchanges[0].get(":scheme") == "https"
    else:
        assert (answer.status, record["end"], backend.exchanges) == (503, "tls-failed", [])
        assert tg.log.wait(msg="no TLS to a backend")["reason"] == "no-match"


def test_a_backend_that_is_busy_for_nothing_is_left(site, h2_backends):
    backend = h2_backends(echo)
    tg = site(backend)
    assert tg.exchange(client.get("/one")).status == 200
    conn = backend.connections[0]
    with contextlib.suppress(OSError):
        for _ in range(30):
            conn.send(b"\0\0\x08\x06\0\0\0\0\0abcdefgh" * 100)
    assert conn.is_over.wait(settings.TIMEOUT)
    assert tg.exchange(client.post(b"x", "/two")).status == 200 and len(backend.connections) == 2
    assert tg.log.wait(msg="a backend keeps HTTP/2 busy for nothing")["reason"] == "pings"


def test_idle_connections_end_with_goaway(site, h2_backends):
    backend = h2_backends(echo)
    tg = site(backend, ' timeouts = { keep_alive = "50ms"; };')
    assert tg.exchange(client.get("/")).status == 200
    conn = backend.connections[0]
    assert conn.is_over.wait(settings.TIMEOUT) and conn.has_goaway and conn.failed is None


def test_another_address_takes_new_requests(tidegate, h2_backends):
    old = h2_backends(lambda exchange: echo(exchange) if exchange.path == "/new" else None)
    new = h2_backends(echo)
    made = conf.http(f'{{ name = "b"; address = "{old.address}"; }}', service=H2)
    tg = tidegate(made)
    peer = tg.client().send(client.get("/runs"))
    runs = old.wait_exchanges(1)
    tg.reload(made.text.replace(old.address, new.address))
    settings.wait_until(lambda: tg.exchange(client.get("/new")).status == 200 and new.exchanges, "the new one")
    runs.answer(body=b"old")
    assert peer.read_answer().body == b"old"
    assert runs.conn.is_over.wait(settings.TIMEOUT) and runs.conn.has_goaway


@pytest.mark.parametrize("service, says", [
    ('http2 = { max_streams = 5; };', "http2"),
    ('protocol = "h3";', "protocol"),
])
def test_what_does_not_go_together_is_told(run_tidegate, tmp_path, service, says):
    path = tmp_path / "x.conf"
    path.write_text(conf.http(f"{net.ADDRESS}:1", service=service).text)
    done = run_tidegate("-t", "-c", str(path))
    assert done.returncode == 1 and says in done.stderr and "allowed" in done.stderr
