"""Bytes that a backend sends unasked on an idle connection answer nobody."""

import threading

import pytest

from harness import backends, client, conf, settings

POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON"


def answer_of(n):
    """An answer of n bytes, head and all."""
    for body in range(n - 60, n):
        raw = backends.answer(body=b"x" * body)
        if len(raw) == n:
            return raw
    raise AssertionError(f"no answer of {n} bytes")


# 16 KiB less what a buffer of 16 KiB keeps for itself, and sizes around it
@pytest.mark.parametrize("n", [4096, 16318, 16317, 16384, 32768])
def test_behind_an_answer_that_fills_the_buffer(shared_tidegate, recording_backend, n):
    """Where a read ends with the answer, what lies behind it is not seen by that read."""
    go = threading.Event()

    def script(conn):
        conn.read_request()
        go.wait(settings.TIMEOUT)
        conn.send(answer_of(n) + POISON)
        backends.serve(conn)
    backend = recording_backend(script, backends.serve)
    tg = shared_tidegate(conf.http(backend, workers=1))
    peer = tg.client().send(client.get("/a"))
    backend.wait_requests(1)
    with tg.standing_still():
        go.set()
        backend.connections[0].wait_bytes_there(n + len(POISON))
    assert peer.read_answer().complete
    assert peer.exchange(client.get("/b")).body == b"ok"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("unasked", [b"x", b"\r\n", POISON])
def test_after_an_answer(shared_tidegate, recording_backend, method, unasked):
    go = threading.Event()

    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + (b"ok" if method == "GET"
                                                                   else b""))
        go.wait(settings.TIMEOUT)
        conn.send(unasked)
        conn.read_to_end()
    backend = recording_backend(script, backends.serve)
    tg = shared_tidegate(conf.http(backend, workers=1))
    assert tg.exchange(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode()).status == 200
    go.set()
    backend.wait_closed()
    assert tg.exchange(client.get("/next")).body == b"ok"
    assert len(backend.connections) == 2


def test_as_a_post_comes(shared_tidegate, recording_backend):
    """For what cannot be repeated the connection is asked first, even in the same turn."""
    go = threading.Event()

    def script(conn):
        for _ in range(2):
            conn.read_request()
            conn.send(backends.OK)
        go.wait(settings.TIMEOUT)
        conn.send(POISON)
        conn.read_to_end()
    backend = recording_backend(script, backends.serve)
    tg = shared_tidegate(conf.http(backend, workers=1))
    peer = tg.client()
    client.warm(peer)
    with tg.standing_still():
        peer.send(client.post(b"hello", "/b"))
        peer.wait_bytes_there()
        go.set()
        backend.connections[0].wait_bytes_there(len(POISON))
    assert peer.read_answer().body == b"ok"
    assert peer.exchange(client.get("/c")).body == b"ok"
