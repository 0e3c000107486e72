"""TCP: an abort on one side is an abort on the other, not an orderly end."""

from harness import conf, settings


def test_from_the_backend(tidegate, recording_backend):
    def script(conn):
        conn.read(5)
        conn.reset()
    tg = tidegate(conf.tcp(recording_backend(script)))
    peer = tg.client().send(b"hello")
    assert peer.read_to_end() == b""
    assert peer.ended == "reset"


def test_from_the_client(tidegate, recording_backend):
    backend = recording_backend(lambda conn: conn.read_to_end())
    tg = tidegate(conf.tcp(backend))
    peer = tg.client().send(b"hello")
    settings.wait_until(lambda: backend.received == b"hello", "the client's bytes")
    peer.reset()
    backend.wait_closed()
    assert backend.connections[0].ended == "reset"


def test_from_the_backend_after_data(tidegate, recording_backend):
    """What came before the reset may be lost, but the end must not look orderly."""
    def script(conn):
        conn.send(b"x" * 1000)
        conn.read(2)
        conn.reset()
    tg = tidegate(conf.tcp(recording_backend(script)))
    peer = tg.client()
    assert peer.read(1000) == b"x" * 1000
    peer.send(b"go")
    assert peer.read_to_end() == b"" and peer.ended == "reset"


def test_is_logged(tidegate, recording_backend):
    def script(conn):
        conn.read(5)
        conn.reset()
    tg = tidegate(conf.tcp(recording_backend(script)))
    tg.client().send(b"hello").read_to_end()
    assert tg.access.wait(listener="front")["end"] == "back-abort"
