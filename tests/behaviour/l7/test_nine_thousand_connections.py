"""As many clients at once as the descriptor limit allows, each with a request in flight. Under a sanitizer,
which takes ten times as long for each, a third of them."""

import resource
import selectors
import socket

import pytest

from harness import client, conf, net, settings

pytestmark = pytest.mark.long

WANTED = 3000 if settings.sanitizers() else 9000


def connections_possible():
    """tidegate needs two descriptors for each, and each of its processes has the same limit."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(WANTED, (soft - 500) // 2)


class Crowd:
    """Many plain connections driven by one selector."""

    def __init__(self, address, count):
        self.selector = selectors.DefaultSelector()
        self.socks = []
        for _ in range(count):
            sock = socket.create_connection(net.split(address), settings.TIMEOUT)
            sock.setblocking(False)
            self.selector.register(sock, selectors.EVENT_READ)
            self.socks.append(sock)

    def exchange(self, request):
        """Sends the request on every connection; how many answered 200, and how many did not."""
        self.got = {sock: b"" for sock in self.socks}
        for sock in self.socks:
            assert sock.send(request) == len(request)
        missing = set(self.socks)
        until = settings.deadline(settings.TIMEOUT * 3)
        bad = []
        while missing:
            settings.left(until)
            for key, _ in self.selector.select(1):
                sock = key.fileobj
                piece = sock.recv(65536)
                self.got[sock] += piece
                if not piece or self.got[sock].endswith(b"HTTP/1.1\n"):
                    missing.discard(sock)
                    if not self.got[sock].startswith(b"HTTP/1.1 200 "):
                        bad.append(self.got[sock][:100])
                    if not piece:
                        self.selector.unregister(sock)
        return bad

    def close(self):
        self.selector.close()
        for sock in self.socks:
            sock.close()


def test_all_are_served_at_once(tidegate, demo_backend):
    count = connections_possible()
    assert count >= 1000, "the descriptor limit leaves no room for a crowd"
    made = [demo_backend(f"demo{i}") for i in range(4)]
    tg = tidegate(conf.http(*made, service='timeouts = { connect = "10s"; };',
                            listener='timeouts = { request_head = "10m"; '
                                     'keep_alive = "10m"; idle = "10m"; };',
                            top='log = { access = "off"; };'))
    crowd = Crowd(tg.address, count)
    try:
        assert crowd.exchange(client.get("/slow?ms=3000")) == [], "not all in flight were served"
        assert crowd.exchange(client.get("/again")) == []
    finally:
        crowd.close()
    assert tg.exchange(client.get("/after")).status == 200
