"""What a backend says before it is asked is no answer: another backend is asked."""

import contextlib
import socket

import pytest

from harness import client, conf, net, procfs, settings

EARLY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEARLY"


@contextlib.contextmanager
def full_listener():
    """A listener whose queue is full: who connects waits for its next try, a second later."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((net.ADDRESS, net.free_port()))
        listener.listen(0)
        fillers = []
        while procfs.connecting_to(listener.getsockname()) == 0:
            fillers.append(stack.enter_context(socket.socket()))
            fillers[-1].setblocking(False)
            fillers[-1].connect_ex(listener.getsockname())
        fillers.pop().close()
        settings.wait_until(lambda: procfs.connecting_to(listener.getsockname()) == 0,
                            "the last one to give up")
        yield listener, len(fillers)


@pytest.mark.parametrize("request_bytes", [client.get("/"), client.post(b"hello")],
                         ids=["GET", "POST"])
def test_before_the_proxy_sees_the_connection(shared_tidegate, recording_backend, request_bytes):
    second = recording_backend()
    with full_listener() as (listener, waiting), contextlib.ExitStack() as stack:
        address = "%s:%d" % listener.getsockname()
        tg = shared_tidegate(conf.http(f'{{ address = "{address}"; weight = 100; }}', second, workers=1,
                                       service='timeouts = { connect = "1h"; };'))
        peer = tg.client().send(request_bytes)
        settings.wait_until(lambda: procfs.connecting_to(listener.getsockname()) == 1,
                            "the proxy to connect")
        listener.settimeout(settings.TIMEOUT)
        with tg.standing_still():
            for _ in range(waiting):
                stack.enter_context(listener.accept()[0])
            early, proxy = listener.accept()
            stack.enter_context(early)
            early.sendall(EARLY)
            settings.wait_until(
                lambda: procfs.tcp_socket(proxy, early.getsockname()).unread >= len(EARLY),
                "the early bytes to be at the proxy")
        answer = peer.read_answer()
        assert answer.status == 200 and answer.body == b"ok"
        early.settimeout(settings.TIMEOUT)
        with contextlib.suppress(ConnectionResetError):
            assert early.recv(1) == b"", "it was asked"
    assert len(second.requests) == 1
