"""A backend that refuses costs the client nothing while another one accepts."""

import contextlib
import pytest

from harness import backends, client, conf, net


def dead():
    return f"{net.ADDRESS}:{net.free_port()}"


@pytest.mark.parametrize("balance", ["round-robin", "least-conn"])
def test_tcp(shared_tidegate, recording_backend, balance):
    backend = recording_backend(backends.echo)
    tg = shared_tidegate(conf.tcp(dead(), backend, service=f'balance = "{balance}";'))
    for _ in range(20):
        peer = tg.client().send(b"hello")
        assert peer.read(5) == b"hello"
        peer.close()
    assert len(backend.connections) == 20


@pytest.mark.parametrize("request_bytes", [client.get(), client.post(b"hello")])
def test_http(shared_tidegate, recording_backend, request_bytes):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(dead(), backend))
    for _ in range(20):
        assert tg.exchange(request_bytes).status == 200
    assert len(backend.requests) == 20


@pytest.mark.parametrize("mode", ["tcp", "http"])
def test_of_eight_one_is_left(shared_tidegate, recording_backend, mode):
    """More are dead than there are attempts; what is refused counts as none of them."""
    backend = recording_backend(*([backends.echo] if mode == "tcp" else []))
    dead_ones = [dead() for _ in range(7)]
    tg = shared_tidegate(getattr(conf, mode)(*dead_ones, backend, workers=1,
                                             service='balance = "first"; retry = { attempts = 1; };'))
    if mode == "tcp":
        peer = tg.client().send(b"hello")
        assert peer.read(5) == b"hello"
        peer.close()
        assert tg.access.wait(listener=tg.listener)["retries"] == "7"
    else:
        assert tg.exchange(client.post(b"hello", target="/once")).status == 200
        assert tg.access.wait(path="/once")["retries"] == "7"


def test_tcp_with_none_that_accepts_is_closed(shared_tidegate):
    tg = shared_tidegate(conf.tcp(dead(), dead()))
    # The reset may come as early as the end of connect().
    with contextlib.suppress(ConnectionResetError):
        tg.client().read_to_end()
    record = tg.access.wait(listener=tg.listener)
    assert (record["end"], record["no_retry"]) == ("connect-failed", "attempts")


def test_http_with_none_that_accepts_gives_503_or_502(shared_tidegate):
    tg = shared_tidegate(conf.http(dead(), dead()))
    assert tg.exchange(client.get("/x")).status in (502, 503)
    assert tg.access.wait(path="/x")["end"] == "connect-failed"


def test_unix_socket_that_is_not_there_is_passed_over(shared_tidegate, recording_backend, tmp_path):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(f"unix:{tmp_path}/none.sock", backend))
    for _ in range(4):
        assert tg.exchange(client.get()).status == 200
