"""TCP: the end of one direction passes, and the other goes on."""

import threading

from harness import backends, conf, settings


def test_client_ends_first(shared_tidegate, recording_backend):
    def script(conn):
        sent = conn.read_to_end()
        conn.send(b"got %d bytes" % len(sent))
    tg = shared_tidegate(conf.tcp(recording_backend(script)))
    peer = tg.client().send(b"x" * 100_000)
    peer.finish_sending()
    assert peer.read_to_end() == b"got 100000 bytes" and peer.ended == "eof"


def test_backend_ends_first(shared_tidegate, recording_backend):
    def script(conn):
        conn.send(b"that is all")
        conn.finish_sending()
        conn.read_to_end()
    backend = recording_backend(script)
    tg = shared_tidegate(conf.tcp(backend))
    peer = tg.client()
    assert peer.read_to_end() == b"that is all" and peer.ended == "eof"
    peer.send(b"but I go on")
    settings.wait_until(lambda: backend.received == b"but I go on", "the client's bytes")
    peer.close()
    backend.wait_closed()


def test_both_end_after_long_streams(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.tcp(recording_backend(backends.echo)))
    peer = tg.client()
    sender = threading.Thread(target=lambda: (peer.send(b"x" * 5_000_000),
                                              peer.finish_sending()))
    sender.start()
    assert len(peer.read_to_end()) == 5_000_000
    sender.join()


def test_half_closed_and_idle_ends_by_its_timeout(shared_tidegate, recording_backend):
    """The client has ended, the backend says nothing and does not end: not for ever."""
    over = threading.Event()

    def script(conn):
        conn.read_to_end()
        over.wait(settings.TIMEOUT)
    tg = shared_tidegate(conf.tcp(recording_backend(script),
                                  listener='timeouts = { idle = "300ms"; };',
                                  service='timeouts = { idle = "300ms"; };'))
    peer = tg.client().send(b"x")
    peer.finish_sending()
    assert peer.read_to_end() == b""
    over.set()
