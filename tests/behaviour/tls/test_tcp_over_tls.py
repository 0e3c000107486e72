"""Mode tcp over TLS: plain bytes for the backend, ends passed on as ends, and cuts as cuts."""

import pytest

from harness import backends, conf, settings, tls


@pytest.fixture
def dial(tidegate, authority):
    def start(backend, **options):
        tg = tidegate(conf.tcp(backend, listener=tls.listener(authority.issue("site.example.org")),
                               **options))
        peer = tls.TlsClient(tg.address, authority.context())
        tg.clients.append(peer)
        return tg, peer
    return start


def test_client_ends_first(dial, recording_backend):
    def script(conn):
        sent = conn.read_to_end()
        conn.send(b"got %d bytes" % len(sent))
    tg, peer = dial(recording_backend(script))
    peer.send(b"x" * 100_000)
    peer.finish_sending()
    assert peer.read_to_end() == b"got 100000 bytes" and peer.ended == "eof"
    told = tg.access.wait(listener="front")
    assert (told["end"], told["sni"], told["tls"]) == ("done", "site.example.org", "1.3")


def test_backend_ends_first(dial, recording_backend):
    def script(conn):
        conn.send(b"that is all")
        conn.finish_sending()
        conn.read_to_end()
    backend = recording_backend(script)
    _, peer = dial(backend)
    assert peer.read_to_end() == b"that is all" and peer.ended == "eof"
    peer.send(b"but I go on")
    settings.wait_until(lambda: backend.received == b"but I go on", "the client's bytes")
    peer.finish_sending()
    backend.wait_closed()


def test_long_streams_both_ways(dial, recording_backend):
    _, peer = dial(recording_backend(backends.echo))
    body = bytes(range(256)) * 4_000
    for _ in range(5):
        assert peer.send(body[:60_000]).read(60_000) == body[:60_000]


def test_backend_that_sends_much_and_ends(dial, recording_backend):
    """All of it arrives, and then the word that it was all."""
    def script(conn):
        conn.send(b"x" * 20_000_000)
    _, peer = dial(recording_backend(script))
    assert len(peer.read_to_end()) == 20_000_000 and peer.ended == "eof"


def test_client_that_leaves_without_a_word_is_a_cut(dial, recording_backend):
    """The backend must not take what came for all of it (RFC 8446 6.1)."""
    backend = recording_backend(lambda conn: conn.read_to_end())
    tg, peer = dial(backend)
    peer.send(b"half a mess")
    settings.wait_until(lambda: backend.received == b"half a mess", "the client's bytes")
    peer.leave()
    assert tg.access.wait(listener="front")["end"] == "client-abort"
    backend.wait_closed()


def test_reset_of_the_backend_is_one_for_the_client(dial, recording_backend):
    def script(conn):
        conn.read(1)
        conn.reset()
    tg, peer = dial(recording_backend(script))
    peer.send(b"x")
    peer.read_to_end()
    assert peer.ended == "reset"
    assert tg.access.wait(listener="front")["end"] == "back-abort"
