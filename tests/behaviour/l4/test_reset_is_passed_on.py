"""TCP: an abort on one side is an abort on the other, not an orderly end."""

import contextlib
import select
import threading

from harness import conf, settings


def test_from_the_backend(shared_tidegate, recording_backend):
    def script(conn):
        conn.read(5)
        conn.reset()
    tg = shared_tidegate(conf.tcp(recording_backend(script)))
    peer = tg.client().send(b"hello")
    assert peer.read_to_end() == b""
    assert peer.ended == "reset"


def test_from_the_client(shared_tidegate, recording_backend):
    backend = recording_backend(lambda conn: conn.read_to_end())
    tg = shared_tidegate(conf.tcp(backend))
    peer = tg.client().send(b"hello")
    settings.wait_until(lambda: backend.received == b"hello", "the client's bytes")
    peer.reset()
    backend.wait_closed()
    assert backend.connections[0].ended == "reset"


def test_from_the_backend_after_data(shared_tidegate, recording_backend):
    """What came before the reset may be lost, but the end must not look orderly."""
    def script(conn):
        conn.send(b"x" * 1000)
        conn.read(2)
        conn.reset()
    tg = shared_tidegate(conf.tcp(recording_backend(script)))
    peer = tg.client()
    assert peer.read(1000) == b"x" * 1000
    peer.send(b"go")
    assert peer.read_to_end() == b"" and peer.ended == "reset"


def test_from_the_backend_after_bulk(shared_tidegate, recording_backend):
    """Bulk is spliced: the splice that meets the reset is told of it, a read after it is not."""
    arrived = threading.Event()

    def script(conn):
        conn.send(b"x" * (8 << 20))
        arrived.wait(settings.TIMEOUT)
        conn.reset()
    tg = shared_tidegate(conf.tcp(recording_backend(script)))
    peer = tg.client(keep=False)
    assert len(peer.read(8 << 20)) == 8 << 20
    arrived.set()
    assert peer.read_to_end() == b"" and peer.ended == "reset"
    assert tg.access.wait(listener=tg.listener)["end"] == "back-abort"


def test_from_the_backend_while_the_client_sends(shared_tidegate, recording_backend):
    """The write that meets the reset is told of it; the read that follows sees a mere end."""
    go = threading.Event()

    def script(conn):
        go.wait(settings.TIMEOUT)
        conn.reset()
    backend = recording_backend(script)
    tg = shared_tidegate(conf.tcp(backend, workers=1))
    peer = tg.client()
    back = backend.wait_connections(1)
    with tg.standing_still():
        peer.send(b"z")
        peer.wait_bytes_there()
        go.set()
        back.wait_reset_there()
    assert peer.read_to_end() == b"" and peer.ended == "reset"
    assert tg.access.wait(listener=tg.listener)["end"] == "back-abort"


def test_from_the_client_while_the_backend_sends(shared_tidegate, recording_backend):
    go = threading.Event()

    def script(conn):
        go.wait(settings.TIMEOUT)
        conn.send(b"z")
        conn.read_to_end()
    backend = recording_backend(script)
    tg = shared_tidegate(conf.tcp(backend, workers=1))
    peer = tg.client()
    back = backend.wait_connections(1)
    with tg.standing_still():
        go.set()
        back.wait_bytes_there()
        peer.reset()
        peer.wait_reset_there()
    backend.wait_closed()
    assert back.ended == "reset"
    assert tg.access.wait(listener=tg.listener)["end"] == "client-abort"


def fill(peer):
    """Sends until nothing more is taken."""
    peer.sock.setblocking(False)
    while select.select([], [peer.sock], [], 0.1)[1]:
        with contextlib.suppress(BlockingIOError):
            peer.sock.send(b"y" * 65536)


def test_from_the_backend_while_an_upload_is_stuck(shared_tidegate, recording_backend):
    """Nothing is read from the backend's side of a stuck upload, and still its reset is seen."""
    full = threading.Event()

    def script(conn):
        conn.send(b"hi")
        full.wait(settings.TIMEOUT)
        conn.reset()
    tg = shared_tidegate(conf.tcp(recording_backend(script)))
    peer = tg.client()
    assert peer.read(2) == b"hi"
    fill(peer)
    full.set()
    assert peer.read_to_end() == b"" and peer.ended == "reset"
    assert tg.access.wait(listener=tg.listener)["end"] == "back-abort"


def test_from_a_client_that_had_sent_its_end(shared_tidegate, recording_backend):
    """One way is over in order; the other one is cut by the reset."""
    def script(conn):
        conn.read_to_end()
        while True:
            conn.send(b"d" * 10000)
    backend = recording_backend(script)
    tg = shared_tidegate(conf.tcp(backend))
    peer = tg.client(keep=False).send(b"abc")
    peer.finish_sending()
    assert len(peer.read(1_000_000)) == 1_000_000
    peer.reset()
    assert tg.access.wait(listener=tg.listener)["end"] == "client-abort"
    backend.wait_closed()
    assert isinstance(backend.connections[0].failed, (BrokenPipeError, ConnectionResetError))


def test_from_a_backend_that_had_sent_its_end(shared_tidegate, recording_backend):
    def script(conn):
        conn.finish_sending()
        conn.read(1_000_000)
        conn.reset()
    tg = shared_tidegate(conf.tcp(recording_backend(script)))
    peer = tg.client()
    assert peer.read_to_end() == b"" and peer.ended == "eof"
    while peer.try_send(b"d" * 10000):
        pass
    assert tg.access.wait(listener=tg.listener)["end"] == "back-abort"


def test_is_logged(shared_tidegate, recording_backend):
    def script(conn):
        conn.read(5)
        conn.reset()
    tg = shared_tidegate(conf.tcp(recording_backend(script)))
    tg.client().send(b"hello").read_to_end()
    assert tg.access.wait(listener=tg.listener)["end"] == "back-abort"
