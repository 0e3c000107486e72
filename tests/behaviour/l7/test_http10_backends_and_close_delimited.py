"""Old senders on both sides: HTTP/1.0, and bodies that end with the connection."""

import threading

import pytest

from harness import backends, client, conf, settings

BODY = bytes(range(256)) * 1000


def one_shot(raw):
    return backends.answers(raw, then=None)


@pytest.mark.parametrize("body", [b"", b"x", BODY], ids=["empty", "one byte", "250 KiB"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_close_delimited_to_a_1_1_client_keeps_its_connection(shared_tidegate, recording_backend,
                                                              version, body):
    raw = f"HTTP/{version} 200 OK\r\nConnection: close\r\n\r\n".encode() + body
    tg = shared_tidegate(conf.http(recording_backend(one_shot(raw))))
    peer = tg.client()
    for _ in range(3):
        answer = peer.exchange(client.get())
        assert answer.status == 200 and answer.body == body and answer.complete
        assert answer.version == "HTTP/1.1"


@pytest.mark.parametrize("body", [b"", BODY], ids=["empty", "250 KiB"])
def test_close_delimited_to_a_1_0_client(shared_tidegate, recording_backend, body):
    tg = shared_tidegate(conf.http(recording_backend(one_shot(b"HTTP/1.0 200 OK\r\n\r\n" + body))))
    peer = tg.client().send(client.get(version="1.0"))
    answer = peer.read_answer()
    assert answer.body == body and peer.ended == "eof"
    assert not answer.has("transfer-encoding")


def test_close_delimited_that_is_reset_is_cut_for_a_1_1_client(shared_tidegate, recording_backend):
    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000)
        assert arrived.wait(settings.TIMEOUT)
        conn.reset()
    arrived = threading.Event()
    tg = shared_tidegate(conf.http(recording_backend(script)))
    peer = tg.client().send(client.get())
    assert b" 200 " in peer.read_head()
    arrived.set()
    raw = peer.read_to_end()
    assert not raw.endswith(b"0\r\n\r\n")


def test_1_0_backend_with_a_length(shared_tidegate, recording_backend):
    raw = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"
    backend = recording_backend(one_shot(raw))
    tg = shared_tidegate(conf.http(backend, workers=1))
    peer = tg.client()
    for _ in range(3):
        assert peer.exchange(client.get()).body == b"ok"
    assert len(backend.connections) == 3


def test_1_0_backend_that_keeps_alive(shared_tidegate, recording_backend):
    raw = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok"
    backend = recording_backend(backends.handles(lambda request: raw))
    tg = shared_tidegate(conf.http(backend, workers=1))
    peer = tg.client()
    for _ in range(3):
        assert peer.exchange(client.get()).body == b"ok"
    assert len(backend.connections) == 1


def test_1_0_client_is_closed_after_its_answer(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend()))
    peer = tg.client().send(client.get(version="1.0"))
    assert peer.read_answer().body == b"ok"
    assert peer.read_to_end() == b"" and peer.ended == "eof"


def test_1_0_client_that_keeps_alive(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend()))
    peer = tg.client()
    for _ in range(3):
        answer = peer.exchange(client.get(version="1.0", extra=b"Connection: keep-alive\r\n"))
        assert answer.body == b"ok" and answer.get("connection").lower() == "keep-alive"


@pytest.mark.parametrize("trailers", [b"", b"A: b\r\n"])
def test_chunked_answer_to_a_1_0_client_is_unchunked(shared_tidegate, recording_backend, trailers):
    raw = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
           + client.chunked(b"hello ", BODY, b"!", trailers=trailers))
    tg = shared_tidegate(conf.http(recording_backend(backends.answers(raw))))
    peer = tg.client().send(client.get(version="1.0", extra=b"Connection: keep-alive\r\n"))
    answer = peer.read_answer()
    assert not answer.has("transfer-encoding")
    assert answer.body == b"hello " + BODY + b"!"


def test_1_0_client_without_host(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    assert tg.client().exchange(b"GET /x HTTP/1.0\r\n\r\n").status == 200
    assert backend.requests[0].version == "HTTP/1.1"
    assert backend.requests[0].all("host") == [tg.address]
    assert not backend.requests[0].all("x-forwarded-host")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_answers_without_a_body(shared_tidegate, recording_backend, status):
    raw = f"HTTP/1.1 {status}\r\n\r\n".encode()
    tg = shared_tidegate(conf.http(recording_backend(backends.answers(raw, raw))))
    peer = tg.client()
    for _ in range(2):
        answer = peer.exchange(client.get())
        assert answer.status == int(status[:3]) and not answer.has("transfer-encoding")


@pytest.mark.parametrize("framing", [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
                                     b""])
def test_head_answers_without_a_body(shared_tidegate, recording_backend, framing):
    raw = b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n"
    tg = shared_tidegate(conf.http(recording_backend(backends.answers(raw))))
    peer = tg.client()
    answer = peer.exchange(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.status == 200
    assert peer.exchange(client.get()).body == b"ok"


def test_trailers_pass_to_a_1_1_client(shared_tidegate, recording_backend):
    raw = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n"
           + client.chunked(b"hello", trailers=b"A: b\r\nC: d\r\n"))
    tg = shared_tidegate(conf.http(recording_backend(backends.answers(raw))))
    answer = tg.exchange(client.get())
    assert answer.body == b"hello" and answer.trailers == [(b"A", b"b"), (b"C", b"d")]


def test_trailers_pass_to_the_backend(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    tg.exchange(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                + client.chunked(b"hello", trailers=b"A: b\r\n"))
    assert backend.requests[0].trailers == [(b"A", b"b")]
