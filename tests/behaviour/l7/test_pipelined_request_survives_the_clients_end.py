"""A client may send its last requests and its end before the first answer: all are answered."""

import threading

import pytest

from harness import backends, client, conf, settings


@pytest.mark.parametrize("further", [1, 3])
@pytest.mark.parametrize("late", [False, True], ids=["sent at once", "sent with the end"])
def test_when_end_and_answer_come_together(shared_tidegate, recording_backend, late, further):
    """One turn brings the first answer, what the client still had to say, and its end."""
    go = threading.Event()

    def script(conn):
        conn.read_request()
        go.wait(settings.TIMEOUT)
        conn.send(backends.answer(body=b"first"))
        while conn.read_request() is not None:
            conn.send(backends.answer(body=b"further"))
    backend = recording_backend(script)
    tg = shared_tidegate(conf.http(backend, workers=1))
    rest = client.get("/further") * further
    peer = tg.client().send(client.get("/first") + (b"" if late else rest))
    backend.wait_requests(1)
    with tg.standing_still():
        go.set()
        backend.connections[0].wait_bytes_there()
        if late:
            peer.send(rest)
            peer.wait_bytes_there(len(rest))
        peer.finish_sending()
        peer.wait_end_there()
    assert peer.read_answer().body == b"first"
    assert [peer.read_answer().body for _ in range(further)] == [b"further"] * further
    assert peer.read_to_end() == b"" and peer.ended == "eof"
    assert len(backend.requests) == 1 + further
