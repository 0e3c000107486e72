"""What a backend says before it is asked is no answer: another backend is asked."""

import contextlib

import pytest

from harness import backends, client, conf, procfs, settings

EARLY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEARLY"


@pytest.mark.parametrize("request_bytes", [client.get("/"), client.post(b"hello")],
                         ids=["GET", "POST"])
def test_before_the_proxy_sees_the_connection(shared_tidegate, recording_backend, request_bytes):
    second = recording_backend()
    with backends.full_listener() as (listener, waiting), contextlib.ExitStack() as stack:
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
