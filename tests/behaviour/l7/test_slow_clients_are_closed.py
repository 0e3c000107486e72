"""Each phase of a client has its time; after it the connection is closed, with 408 where
the protocol allows one (RFC 9110 15.5.9)."""

import contextlib
import select
import socket
import threading
import time

import pytest

from harness import backends, client, conf, net, settings

SHORT = 0.4


def front(tidegate, backend, **timeouts):
    given = " ".join(f'{key} = "{int(value * 1000)}ms";' for key, value in timeouts.items())
    return tidegate(conf.http(backend, listener=f"timeouts = {{ {given} }};"))


@contextlib.contextmanager
def taking(at_least):
    """What happens inside takes this long, and is over within the time of a test."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began >= at_least * 0.9


def trickle(peer, piece, every=0.03):
    """Sends the piece again and again until something comes back."""
    until = settings.deadline()
    while not select.select([peer.sock], [], [], every)[0]:
        assert time.monotonic() < until, "tidegate took all of it"
        if not peer.try_send(piece):
            return


def test_silent_from_accept(shared_tidegate, recording_backend):
    tg = front(shared_tidegate, recording_backend(), request_head=SHORT)
    with taking(SHORT):
        peer = tg.client()
        assert peer.read_to_end() == b""
    assert peer.ended == "eof"


@pytest.mark.parametrize("part", [b"G", b"GET / HTTP/1.1\r\n", client.get()[:-2], b"\r\nG"])
def test_head_that_stands_still(shared_tidegate, recording_backend, part):
    backend = recording_backend()
    tg = front(shared_tidegate, backend, request_head=SHORT)
    with taking(SHORT):
        peer = tg.client().send(part)
        answer = peer.read_answer()
    assert answer.status == 408 and answer.get("connection") == "close"
    assert peer.read_to_end() == b""
    assert tg.access.wait(status=408)["end"] == "request-head-timeout"
    assert backend.received == b""


@pytest.mark.parametrize("stray", [b"\r\n", b"\r"])
def test_an_empty_line_begins_no_request(shared_tidegate, recording_backend, stray):
    """RFC 9112 2.2 lets one pass: who sends nothing else is silent, and hears nothing."""
    tg = front(shared_tidegate, recording_backend(), request_head=SHORT)
    with taking(SHORT):
        peer = tg.client().send(stray)
        assert peer.read_to_end() == b""
    assert peer.ended == "eof" and tg.access.records() == []


@pytest.mark.parametrize("apart", [True, False], ids=["apart", "in one piece"])
def test_an_empty_line_behind_a_request_is_idle_time(shared_tidegate, recording_backend, apart):
    """Old clients send one behind the body of a POST."""
    tg = front(shared_tidegate, recording_backend(), request_head=0.1, keep_alive=3 * SHORT)
    peer = tg.client()
    with taking(3 * SHORT):
        if apart:
            assert peer.exchange(client.post(b"hello")).status == 200
            peer.send(b"\r\n")
        else:
            assert peer.exchange(client.post(b"hello") + b"\r\n").status == 200
        assert peer.read_to_end() == b""
    assert peer.ended == "eof" and len(tg.access.records()) == 1


@pytest.mark.parametrize("pieces", [(b"\r\n",), (b"\r", b"\n"), (b"\r\nG", b"ET"), (b"\r",)])
def test_a_request_behind_an_empty_line_is_served(shared_tidegate, recording_backend, pieces):
    tg = front(shared_tidegate, recording_backend(), keep_alive=60)
    peer = tg.client()
    sent = b"".join(pieces)
    whole = b"\r\n" + client.get("/next")
    for _ in range(2):
        for piece in pieces:
            peer.send(piece)
            peer.wait_all_taken()
        assert peer.exchange(whole[len(sent):], "GET").status == 200


@pytest.mark.parametrize("pieces", [(b"\r\n", b"\r\n"), (b"\r\n\r\n",), (b"\r\n", b"\r"),
                                    (b"\r", b"\n\r\n")])
def test_of_two_empty_lines_the_second_is_an_error(shared_tidegate, recording_backend, pieces):
    tg = front(shared_tidegate, recording_backend())
    peer = tg.client()
    assert peer.exchange(client.get()).status == 200
    for piece in pieces[:-1]:
        peer.send(piece)
        peer.wait_all_taken()
    assert peer.send(pieces[-1]).read_answer().status == 400


def test_head_that_trickles(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = front(shared_tidegate, backend, request_head=SHORT)
    with taking(SHORT):
        peer = tg.client().send(b"GET / HTTP/1.1\r\nHost: a\r\nA: ")
        trickle(peer, b"b")
        answer = peer.read_answer()
    assert answer.status == 408
    assert peer.read_to_end() == b""
    assert backend.received == b""


def stays_quiet(peer, seconds):
    assert not select.select([peer.sock], [], [], seconds)[0]


def test_the_time_for_a_head_begins_with_accept(shared_tidegate, recording_backend):
    """Who begins late has no more time: of two clients the one that came first ends first."""
    tg = shared_tidegate(conf.http(recording_backend(), workers=1,
                                   listener='timeouts = { request_head = "900ms"; };'))
    first = tg.client()
    stays_quiet(first, 0.3)
    second = tg.client().send(b"G")
    stays_quiet(second, 0.3)
    first.send(b"G")
    assert first.read_answer().status == 408 and second.read_answer().status == 408
    tg.access.wait(count=2, status=408)
    assert [record["client"] for record in tg.access.records(status=408)] == \
        ["%s:%d" % peer.sock.getsockname() for peer in (first, second)]


def test_second_head_that_stands_still(shared_tidegate, recording_backend):
    tg = front(shared_tidegate, recording_backend(), request_head=SHORT, keep_alive=60)
    peer = tg.client()
    assert peer.exchange(client.get()).status == 200
    with taking(SHORT):
        peer.send(b"GET /second")
        assert peer.read_answer().status == 408
    assert peer.read_to_end() == b""


def test_idle_between_requests(shared_tidegate, recording_backend):
    """Nothing was asked: nothing is answered."""
    tg = front(shared_tidegate, recording_backend(), keep_alive=SHORT)
    peer = tg.client()
    assert peer.exchange(client.get()).status == 200
    with taking(SHORT):
        assert peer.read_to_end() == b""
    assert peer.ended == "eof"


@pytest.mark.parametrize("head", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
def test_body_that_stands_still(shared_tidegate, recording_backend, head):
    tg = front(shared_tidegate, recording_backend(), request_body=SHORT)
    with taking(SHORT):
        peer = tg.client().send(b"POST /still HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n")
        answer = peer.read_answer()
    assert answer.status == 408 and answer.get("connection") == "close"
    assert peer.read_to_end() == b""
    assert tg.access.wait(path="/still")["end"] == "request-body-timeout"


@pytest.mark.parametrize("head, piece", [(b"Content-Length: 100000", b"x"),
                                         (b"Transfer-Encoding: chunked", b"1\r\nx\r\n")])
def test_body_that_trickles(shared_tidegate, recording_backend, head, piece):
    backend = recording_backend()
    tg = front(shared_tidegate, backend, request_body=SHORT)
    with taking(SHORT):
        peer = tg.client().send(b"POST /drip HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n")
        trickle(peer, piece)
        answer = peer.read_answer()
    assert answer.status == 408
    assert tg.access.wait(path="/drip")["end"] == "request-body-timeout"
    backend.wait_closed()
    assert not any(request.complete for request in backend.requests)


def test_chunk_that_trickles(shared_tidegate, recording_backend):
    """What a chunk announces earns no time: only what has come does."""
    tg = shared_tidegate(conf.http(recording_backend(), listener='timeouts = { request_body = "400ms"; }; '
                                                                 'limits = { body = 0; };'))
    with taking(SHORT):
        peer = tg.client().send(b"POST /drip HTTP/1.1\r\nHost: a\r\n"
                                b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n")
        trickle(peer, b"x")
        assert peer.read_answer().status == 408
    assert tg.access.wait(path="/drip")["end"] == "request-body-timeout"


def test_body_that_keeps_its_pace_is_taken(shared_tidegate, recording_backend):
    """A large body may take longer than request_body: the time grows with what has come."""
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, listener='timeouts = { request_body = "400ms"; }; '
                                                     'limits = { body = "100M"; };'))
    size, step = 8_000_000, 40_000
    peer = tg.client().send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
    began = time.monotonic()
    for sent in range(0, size, step):
        peer.send(b"x" * step)
        select.select([peer.sock], [], [], max(0, began + 1.0 * sent / size - time.monotonic()))
    assert peer.read_answer().status == 200
    assert time.monotonic() - began > 0.8


def test_waiting_for_a_place_is_not_the_clients_time(shared_tidegate, recording_backend):
    """Nothing of the body is read meanwhile: what is asked for late is not late."""
    go = threading.Event()

    def script(conn):
        conn.read_request()
        go.wait(settings.TIMEOUT)
        conn.send(backends.OK)
        backends.serve(conn)
    backend = recording_backend(script, backends.serve)
    tg = shared_tidegate(conf.http(backend, workers=1, service="max_connections_per_backend = 1;",
                                   listener='timeouts = { request_body = "300ms"; };'))
    busy = tg.client().send(client.get("/busy"))
    backend.wait_requests(1)
    body = b"x" * 1000
    peer = tg.client().send(client.post(body)[:-900])
    settings.let_rest(0.8)
    go.set()
    assert busy.read_answer().status == 200
    settings.let_rest(0.15)
    assert peer.send(body[:900]).read_answer().status == 200


def test_client_that_does_not_read_its_answer(shared_tidegate, recording_backend):
    backend = recording_backend(lambda conn: (conn.read_request(), conn.send(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"), send_much(conn)))
    tg = front(shared_tidegate, backend, idle=SHORT)
    tg.client(receive_buffer=4096).send(client.get("/unread"))
    assert tg.access.wait(path="/unread")["end"] == "client-timeout"
    backend.wait_closed()


def send_much(conn):
    with contextlib.suppress(OSError):
        for _ in range(2000):
            conn.send(b"x" * 65536)


def test_a_backend_that_does_not_answer_gives_504(shared_tidegate, recording_backend):
    backend = recording_backend(lambda conn: (conn.read_request(), conn.read_to_end()))
    tg = shared_tidegate(conf.http(backend, service='timeouts = { response = "400ms"; };'))
    with taking(SHORT):
        assert tg.exchange(client.get("/mute")).status == 504
    assert tg.access.wait(path="/mute")["end"] == "response-timeout"


def test_a_backend_that_stops_in_its_answer_is_cut(shared_tidegate, recording_backend):
    backend = recording_backend(lambda conn: (conn.read_request(), conn.send(
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), conn.read_to_end()))
    tg = shared_tidegate(conf.http(backend, service='timeouts = { idle = "400ms"; };'))
    with taking(SHORT):
        answer = tg.exchange(client.get("/stops"))
    assert answer.body == b"hello" and not answer.complete
    assert tg.access.wait(path="/stops")["end"] == "back-idle-timeout"


def test_total_timeout_ends_an_answer_that_never_does(shared_tidegate, recording_backend):
    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not select.select([conn.sock], [], [], 0.02)[0]:
            conn.send(b"1\r\nx\r\n")
    tg = shared_tidegate(conf.http(recording_backend(script),
                                   service='timeouts = { total = "600ms"; };'))
    with taking(0.6):
        answer = tg.exchange(client.get("/forever"))
    assert answer.status == 200 and not answer.complete
    assert tg.access.wait(path="/forever")["end"] == "total-timeout"


def test_connect_timeout_gives_504_or_502(shared_tidegate):
    """An address that swallows connection requests: a listener whose queue is full."""
    with socket.socket() as full:
        full.bind((net.ADDRESS, 0))
        full.listen(0)
        fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        tg = shared_tidegate(conf.http(f"{net.ADDRESS}:{full.getsockname()[1]}",
                                       service='timeouts = { connect = "400ms"; };'))
        with taking(SHORT):
            assert tg.exchange(client.get("/full")).status in (502, 503, 504)
        assert tg.access.wait(path="/full")["end"] == "connect-timeout"
        for filler in fillers:
            filler.close()
