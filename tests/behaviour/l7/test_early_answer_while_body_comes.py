"""A backend may answer before the request body is complete; the client gets it at once."""

import threading
import time

import pytest

from harness import backends, client, conf, settings, wire


def early(status):
    """Answers after the head, and does not look at the body."""
    def script(conn):
        conn.read_head()
        conn.send(backends.answer(status, b"early"))
        conn.read_to_end()
    return script


@pytest.mark.parametrize("status", ["200 OK", "413 Content Too Large", "401 Unauthorized"])
def test_answer_comes_before_the_body_is_sent(shared_tidegate, recording_backend, status):
    tg = shared_tidegate(conf.http(recording_backend(early(status))))
    peer = tg.client().send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome")
    answer = peer.read_answer()
    assert answer.status == int(status[:3]) and answer.body == b"early"


def test_answer_comes_while_a_chunked_body_is_sent(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(early("403 Forbidden"))))
    peer = tg.client().send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                            b"4\r\nsome\r\n")
    assert peer.read_answer().status == 403


def test_the_rest_of_the_body_does_not_become_a_request(shared_tidegate, recording_backend):
    backend = recording_backend(early("200 OK"))
    tg = shared_tidegate(conf.http(backend))
    smuggled = client.get("/smuggled")
    peer = tg.client().send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
                            % len(smuggled))
    assert peer.read_answer().status == 200
    peer.try_send(smuggled)
    with pytest.raises(wire.Closed):
        peer.read_answer()
    assert [request.target for request in backend.requests] == ["/"]


def test_connection_is_not_used_for_the_next_request_while_a_body_is_owed(shared_tidegate,
                                                                         recording_backend):
    """The backend's side of a cut body must not meet another client's request."""
    backend = recording_backend(early("200 OK"), backends.serve)
    tg = shared_tidegate(conf.http(backend, workers=1))
    peer = tg.client().send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nsome")
    assert peer.read_answer().status == 200
    peer.close()
    assert tg.exchange(client.get("/next")).body == b"ok"
    assert backend.connections[1].requests[0].target == "/next"


def test_large_body_to_a_backend_that_answers_and_closes(shared_tidegate, recording_backend):
    """The client still sends when the backend has closed: the answer must survive."""
    def script(conn):
        conn.read_head()
        conn.send(backends.answer("413 Content Too Large", b"early",
                                  fields=[("Connection", "close")]))
    tg = shared_tidegate(conf.http(recording_backend(script), listener='limits = { body = "100M"; };'))
    for _ in range(20):
        peer = tg.client()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n")
        peer.sock.settimeout(settings.TIMEOUT)
        peer.try_send(*[b"x" * 65536] * 100)
        answer = peer.read_answer()
        assert answer.status == 413 and answer.body == b"early" and answer.complete
        peer.close()


def test_a_client_that_sends_on_but_never_reads_is_closed(shared_tidegate, recording_backend):
    """What it sends is no sign that it takes its answer."""
    def script(conn):
        conn.read_head()
        conn.send(backends.answer("403 Forbidden", b"x" * 16_000_000))
        conn.read_to_end()
    tg = shared_tidegate(conf.http(recording_backend(script), workers=1,
                                   listener='limits = { body = "0"; }; timeouts = { idle = "500ms"; };'))
    peer = tg.client(receive_buffer=4096)
    peer.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n")

    def is_over():
        peer.try_send(b"x" * 100)
        return tg.access.records(path="/x")
    record = settings.wait_until(is_over, "the end of the request")[0]
    assert (record["end"], record["status"]) == ("client-timeout", "403")


def test_a_backend_that_waits_for_a_slow_body_is_not_idle(shared_tidegate, recording_backend):
    """It has begun its answer, and writes the rest when it has all of the request."""
    def script(conn):
        conn.read_head()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbe")
        begun.set()
        conn.read(10)
        conn.send(b"at")
    begun = threading.Event()
    tg = shared_tidegate(conf.http(recording_backend(script),
                                   service='timeouts = { idle = "2s"; };'))
    peer = tg.client().send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
    assert begun.wait(settings.TIMEOUT)
    for _ in range(10):
        time.sleep(0.3)  # the pace itself, not a wait for anything
        peer.send(b"x")
    answer = peer.read_answer()
    assert (answer.status, answer.body, answer.complete) == (200, b"beat", True)


def test_its_time_begins_with_the_end_of_a_slow_body(shared_tidegate, recording_backend):
    """All of the request is there now: the rest of the answer has as long as any other."""
    def script(conn):
        conn.read_head()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbe")
        begun.set()
        conn.read(4)
        time.sleep(1)  # the pace itself, not a wait for anything
        conn.send(b"at")
    begun = threading.Event()
    tg = shared_tidegate(conf.http(recording_backend(script), service='timeouts = { idle = "2s"; };'))
    peer = tg.client().send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
    assert begun.wait(settings.TIMEOUT)
    for _ in range(4):
        time.sleep(0.7)
        peer.send(b"x")
    answer = peer.read_answer()
    assert (answer.status, answer.body, answer.complete) == (200, b"beat", True)
