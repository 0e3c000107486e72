"""A kept connection that the backend closes as a request comes: the request goes out once more, on a
fresh connection, and that is no try of its service. It needs none that is left."""

import threading

import pytest

from harness import backends, client, conf, settings

NO_RETRIES = "retry = { attempts = 0; };"


def leaves_when_told(leave, told):
    """A script: one answer, then its end when the test says so."""
    def script(conn):
        conn.read_request()
        conn.send(backends.OK)
        told.wait(settings.TIMEOUT)
        leave(conn)
        if leave is not backends.Connection.close:
            conn.read_to_end()
    return script


@pytest.mark.parametrize("leave", [backends.Connection.close, backends.Connection.finish_sending])
def test_the_end_comes_behind_a_get(shared_tidegate, recording_backend, leave):
    """The proxy meets both in one turn, and the request first."""
    told = threading.Event()
    backend = recording_backend(leaves_when_told(leave, told), backends.serve)
    tg = shared_tidegate(conf.http(backend, workers=1, service=NO_RETRIES))
    peer = tg.client()
    assert peer.exchange(client.get("/first")).status == 200
    with tg.standing_still():
        peer.send(client.get("/second"))
        peer.wait_bytes_there()
        told.set()
        backend.connections[0].wait_end_there()
    assert peer.read_answer().status == 200
    assert tg.access.wait(path="/second")["retries"] == "1", "the kept connection was not tried"
    assert [request.target for request in backend.connections[1].requests] == ["/second"]


def test_it_is_sent_once_more_and_no_oftener(shared_tidegate, recording_backend):
    """The fresh connection ends without an answer too: that is an answer of the backend."""
    told = threading.Event()
    backend = recording_backend(leaves_when_told(backends.Connection.close, told),
                                backends.Connection.read_request)
    tg = shared_tidegate(conf.http(backend, workers=1, service=NO_RETRIES))
    peer = tg.client()
    assert peer.exchange(client.get("/first")).status == 200
    with tg.standing_still():
        peer.send(client.get("/second"))
        peer.wait_bytes_there()
        told.set()
        backend.connections[0].wait_end_there()
    assert peer.read_answer().status == 502
    assert len(backend.connections) == 2


SMALL_WINDOW = 4096
UPLOAD = 50_000


class ShutsItsWindow:
    """A script: answers two GETs, then a large POST of which it takes the head alone, so that what comes
    behind its body stays with the proxy's kernel. Then its end, when the test says so."""

    def __init__(self):
        self.answer = threading.Event()
        self.leave = threading.Event()
        self.is_over = threading.Event()

    def __call__(self, conn):
        for _ in range(2):
            conn.read_request()
            conn.send(backends.OK)
        conn.read_head()
        self.answer.wait(settings.TIMEOUT)
        conn.send(backends.OK)
        self.leave.wait(settings.TIMEOUT)
        conn.finish_sending()
        self.is_over.wait(settings.TIMEOUT)


def test_the_end_comes_before_any_byte_of_a_post_is_acknowledged(shared_tidegate, recording_backend):
    """What the backend's kernel never took, nobody can have read: even a POST goes out again."""
    script = ShutsItsWindow()
    backend = recording_backend(script, backends.serve)
    # What is accepted inherits it, from the first window on.
    backend.listener.setsockopt(backends.socket.SOL_SOCKET, backends.socket.SO_RCVBUF, SMALL_WINDOW)
    tg = shared_tidegate(conf.http(backend, workers=1, service=NO_RETRIES))
    peer = tg.client()
    client.warm(peer)
    kept = backend.connections[0]
    peer.send(client.post(b"x" * UPLOAD, "/upload"))
    backend.wait_requests(3)
    peer.wait_all_taken()
    script.answer.set()
    assert peer.read_answer().status == 200
    held = kept.far().unacked
    payment = client.post(b"pay=100", "/pay")
    peer.send(payment)
    kept.wait_bytes_held_back(held + len(payment))
    script.leave.set()
    assert peer.read_answer().status == 200
    script.is_over.set()
    assert tg.access.wait(path="/pay")["retries"] == "1", "the kept connection was not tried"
    kept.closed.wait(settings.TIMEOUT)
    assert [b"/pay" in bytes(conn.received) for conn in backend.connections] == [False, True]
