"""A slow reader stops a fast writer: 1 GiB goes through, and tidegate does not grow. Under a sanitizer,
which keeps freed memory, it is a quarter.

The reader takes 1 MiB/s for some seconds. Meanwhile the writer may be ahead by
what the kernel and tidegate's buffers hold, and no more; tidegate's memory
stays where it was. Then the reader takes the rest at full speed.
"""

import threading
import time

import pytest

from harness import conf, process, settings

pytestmark = pytest.mark.long

MIB = 1 << 20
VOLUME = (256 if settings.sanitizers() else 1024) * MIB
SLOW_SECONDS = 3
AHEAD_MOST = 64 * MIB  # socket buffers of four sockets, at their largest


class Writer:
    """Writes n bytes to a socket from a thread, counting."""

    def __init__(self, sock, n, lead=b""):
        self.sent = 0
        self.error = None
        self.thread = threading.Thread(target=self._run, args=(sock, n, lead), daemon=True)
        self.thread.start()

    def _run(self, sock, n, lead):
        piece = b"x" * (256 * 1024)
        try:
            sock.settimeout(settings.TIMEOUT * 10)
            sock.sendall(lead)
            while self.sent < n:
                self.sent += sock.send(piece[:min(len(piece), n - self.sent)])
        except OSError as error:
            self.error = error


def read_slowly_then_all(wire, n, writer, tg):
    """Reads n bytes as the text above says; checks on the way."""
    proxy = tg.role_pid("proxy")
    rss = highest = process.rss_bytes(proxy)
    began = time.monotonic()
    taken = 0
    while time.monotonic() - began < SLOW_SECONDS:
        allowed = int((time.monotonic() - began) * MIB)
        if allowed - taken >= 65536:
            taken += wire.skip(65536, settings.deadline())
        else:
            time.sleep(0.01)  # the pace itself, not a wait for anything
        highest = max(highest, process.rss_bytes(proxy))
    ahead = writer.sent - taken
    assert ahead < AHEAD_MOST, f"the writer is {ahead / MIB:.0f} MiB ahead"
    while taken < n:
        got = wire.skip(min(16 * MIB, n - taken), settings.deadline(settings.TIMEOUT * 3))
        assert got, f"ended after {taken} bytes: {wire.ended}"
        taken += got
        highest = max(highest, process.rss_bytes(proxy))
    grown = highest - rss
    assert grown < rss_growth_most(), f"memory grew by {grown / MIB:.1f} MiB"
    assert writer.error is None


def rss_growth_most():
    """A sanitizer keeps freed memory for a while."""
    return (300 if settings.sanitizers() else 8) * MIB


def test_http_answer(tidegate, recording_backend):
    writers = []

    def script(conn):
        conn.read_request()
        writers.append(Writer(conn.sock, VOLUME,
                              b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % VOLUME))
        ready.set()
        writers[0].thread.join()
        conn.read_to_end()
    ready = threading.Event()
    tg = tidegate(conf.http(recording_backend(script)))
    peer = tg.client(keep=False).send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    peer.read_head()
    assert ready.wait(settings.TIMEOUT)
    read_slowly_then_all(peer, VOLUME, writers[0], tg)


class Handover:
    """A backend connection that the test itself reads, and answers at the end."""

    def __init__(self, answer):
        self.answer = answer
        self.ready = threading.Event()
        self.over = threading.Event()
        self.conn = None

    def script(self, reads_head):
        def script(conn):
            conn.keep = False
            if reads_head:
                conn.read_head()
            self.conn = conn
            self.ready.set()
            assert self.over.wait(settings.TIMEOUT * 10)
            conn.send(self.answer)
            conn.read_to_end()
        return script


def test_http_request_body(tidegate, recording_backend):
    hand = Handover(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
    tg = tidegate(conf.http(recording_backend(hand.script(True)),
                            listener='limits = { body = "0"; };'))
    peer = tg.client()
    writer = Writer(peer.sock, VOLUME,
                    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % VOLUME)
    assert hand.ready.wait(settings.TIMEOUT)
    read_slowly_then_all(hand.conn, VOLUME, writer, tg)
    hand.over.set()
    assert peer.read_answer().body == b"done"


def test_tcp_to_the_client(tidegate, recording_backend):
    writers = []

    def script(conn):
        writers.append(Writer(conn.sock, VOLUME))
        ready.set()
        writers[0].thread.join()
        conn.read_to_end()
    ready = threading.Event()
    tg = tidegate(conf.tcp(recording_backend(script)))
    peer = tg.client(keep=False)
    assert ready.wait(settings.TIMEOUT)
    read_slowly_then_all(peer, VOLUME, writers[0], tg)


def test_tcp_to_the_backend(tidegate, recording_backend):
    hand = Handover(b"done")
    tg = tidegate(conf.tcp(recording_backend(hand.script(False))))
    peer = tg.client()
    writer = Writer(peer.sock, VOLUME)
    assert hand.ready.wait(settings.TIMEOUT)
    read_slowly_then_all(hand.conn, VOLUME, writer, tg)
    hand.over.set()
    assert peer.read(4) == b"done"
