"""An answer that is cut must not look whole, whatever shows its end to the client."""

import contextlib
import select
import threading

import pytest

from harness import client, conf, settings

# To a client of HTTP/1.0 all of these end with the connection: only a reset tells of a cut.
BEGINNINGS = {
    "until close": b"HTTP/1.0 200 OK\r\n\r\npartial",
    "until close, 1.1": b"HTTP/1.1 200 OK\r\n\r\npartial",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\npartial\r\n",
}


def begins(raw, end):
    """A script: the beginning of an answer, then end(conn)."""
    def script(conn):
        conn.read_request()
        conn.send(raw)
        end(conn)
    return script


@pytest.mark.parametrize("raw", BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_by_a_reset_of_the_backend(shared_tidegate, recording_backend, raw):
    arrived = threading.Event()

    def end(conn):
        arrived.wait(settings.TIMEOUT)
        conn.reset()
    tg = shared_tidegate(conf.http(recording_backend(begins(raw, end))))
    peer = tg.client().send(client.get("/cut", version="1.0"))
    assert b" 200 " in peer.read_head()
    assert peer.read(7) == b"partial"
    arrived.set()
    assert peer.read_to_end() == b"" and peer.ended == "reset"
    assert tg.access.wait(path="/cut")["end"] == "answer-cut"


@pytest.mark.parametrize("more", [b"", b"7\r\nfurt", b"0\r\n", b"x\r\n"],
                         ids=["between chunks", "in a chunk", "after the last", "bad chunk"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_by_the_end_of_a_chunked_one(shared_tidegate, recording_backend, version, more):
    """Neither an orderly end, nor a last chunk, nor an error of ours in the middle of it."""
    arrived = threading.Event()

    def end(conn):
        arrived.wait(settings.TIMEOUT)
        conn.send(more)
    tg = shared_tidegate(conf.http(recording_backend(begins(BEGINNINGS["chunked"], end))))
    peer = tg.client().send(client.get("/cut", version=version))
    assert b" 200 " in peer.read_head()
    arrived.set()
    rest = peer.read_to_end()
    assert b"HTTP/1." not in rest and not rest.endswith(b"0\r\n\r\n")
    assert version == "1.1" or peer.ended == "reset"
    assert tg.access.wait(path="/cut")["end"] == ("bad-answer" if more == b"x\r\n" else "answer-cut")


@pytest.mark.parametrize("timeout", ["idle", "total"])
@pytest.mark.parametrize("raw", BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_by_a_timeout(shared_tidegate, recording_backend, raw, timeout):
    backend = recording_backend(begins(raw, lambda conn: conn.read_to_end()))
    tg = shared_tidegate(conf.http(backend, service=f'timeouts = {{ {timeout} = "200ms"; }};'))
    peer = tg.client().send(client.get("/cut", version="1.0"))
    assert peer.read_head() is not None
    peer.read_to_end()
    assert peer.ended == "reset"
    assert tg.access.wait(path="/cut")["end"] in ("back-idle-timeout", "total-timeout")


@pytest.mark.parametrize("raw", BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_whole_ones_end_in_order(shared_tidegate, recording_backend, raw):
    """What the cases above would otherwise prove: that every connection is reset."""
    rest = b"0\r\n\r\n" if b"chunked" in raw else b""
    tg = shared_tidegate(conf.http(recording_backend(begins(raw + rest, lambda conn: None))))
    peer = tg.client().send(client.get("/whole", version="1.0"))
    assert peer.read_answer().body == b"partial" and peer.ended == "eof"
    assert tg.access.wait(path="/whole")["end"] == "done"


def fill(peer):
    """Sends until nothing more is taken."""
    peer.sock.setblocking(False)
    while select.select([], [peer.sock], [], 0.1)[1]:
        with contextlib.suppress(BlockingIOError):
            peer.sock.send(b"y" * 65536)


def test_by_a_reset_that_the_upload_meets(shared_tidegate, recording_backend):
    """The write is told of the reset; what is read after it must not pass for the end."""
    full = threading.Event()

    def script(conn):
        conn.read_head()
        conn.send(BEGINNINGS["until close, 1.1"])
        full.wait(settings.TIMEOUT)
        conn.reset()
    tg = shared_tidegate(conf.http(recording_backend(script), listener="limits = { body = 0; };"))
    peer = tg.client().send(b"POST /cut HTTP/1.1\r\nHost: a\r\n"
                            b"Content-Length: 1000000000\r\n\r\n")
    assert b" 200 " in peer.read_head()
    fill(peer)
    full.set()
    assert not peer.read_to_end().endswith(b"0\r\n\r\n")
    assert tg.access.wait(path="/cut")["end"] == "answer-cut"
