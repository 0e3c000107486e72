"""A client that has sent all it wants may close its side; it still gets its answer."""

import threading

import pytest

from harness import backends, client, conf, settings


@pytest.mark.parametrize("request_bytes", [
    client.get("/"), client.post(b"hello"),
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + client.chunked(b"hello"),
    client.get("/", version="1.0"),
], ids=["GET", "length", "chunked", "1.0"])
def test_answer_that_takes_time(shared_tidegate, recording_backend, request_bytes):
    half_closed = threading.Event()

    def script(conn):
        conn.read_request()
        assert half_closed.wait(settings.TIMEOUT)
        conn.send(backends.answer(body=b"x" * 300_000))
        backends.serve(conn)
    backend = recording_backend(script)
    tg = shared_tidegate(conf.http(backend))
    peer = tg.client().send(request_bytes)
    backend.wait_requests(1)
    peer.finish_sending()
    half_closed.set()
    answer = peer.read_answer()
    assert answer.status == 200 and answer.complete and len(answer.body) == 300_000
    assert peer.read_to_end() == b"" and peer.ended == "eof"


def test_pipelined_requests_are_all_answered(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend()))
    peer = tg.client().send(client.get() * 20)
    peer.finish_sending()
    assert [peer.read_answer().status for _ in range(20)] == [200] * 20
    assert peer.read_to_end() == b""


def test_half_close_in_the_middle_of_an_answer(shared_tidegate, recording_backend):
    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        assert half_closed.wait(settings.TIMEOUT)
        conn.send(b"world")
    half_closed = threading.Event()
    tg = shared_tidegate(conf.http(recording_backend(script)))
    peer = tg.client().send(client.get())
    peer.read_head()
    peer.finish_sending()
    half_closed.set()
    assert peer.read_to_end() == b"helloworld"


def test_client_that_is_gone_frees_the_backend(shared_tidegate, recording_backend):
    """A reset is no half-close: nobody waits for the answer any more."""
    backend = recording_backend(lambda conn: (conn.read_request(), conn.read_to_end()))
    tg = shared_tidegate(conf.http(backend))
    peer = tg.client().send(client.get("/gone"))
    backend.wait_requests(1)
    peer.reset()
    backend.wait_closed()
    assert tg.access.wait(path="/gone")["end"] == "client-abort"
