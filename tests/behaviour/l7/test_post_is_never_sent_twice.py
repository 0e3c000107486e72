"""What may have been read, and cannot be repeated, is not sent again: 502 instead."""

import pytest

from harness import backends, client, conf, net

DEATHS = {
    "reads a part, closes": (30, False),
    "reads a part, resets": (30, True),
    "reads all, closes": (65536, False),
    "reads all, resets": (65536, True),
    "reads nothing, resets": (0, True),
}


def dies_of_the_post(before, n, resets):
    """A script: answers `before` requests, reads n bytes of the next, and is gone."""
    def script(conn):
        for _ in range(before):
            if conn.read_request() is None:
                return
            conn.send(backends.OK)
        conn.sock.settimeout(None)
        if n > 0:
            conn.received += conn.sock.recv(n)
        else:
            conn.sock.recv(1, net.socket.MSG_PEEK)
        if resets:
            net.reset_on_close(conn.sock)
    return script


def posts_to(backend):
    """Connections on which a byte of the POST was taken, or could have been."""
    return [conn for conn in backend.connections if b"POST /pay" in bytes(conn.received)]


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("n, resets", DEATHS.values(), ids=DEATHS.keys())
def test_whatever_the_backend_died_of(shared_tidegate, recording_backend, n, resets, before):
    """On a fresh connection and on a kept one, whose end could mean that nothing was read."""
    backend = recording_backend(dies_of_the_post(before, n, resets))
    tg = shared_tidegate(conf.http(backend, workers=1))
    peer = tg.client()
    if before > 0:
        client.warm(peer)
    assert peer.exchange(client.post(b"pay=100", "/pay")).status == 502
    backend.wait_closed()
    assert len(backend.connections) == 1
    assert len(posts_to(backend)) == (1 if n > 0 else 0)
    assert tg.access.wait(path="/pay")["retries"] == "0"


@pytest.mark.parametrize("resets", [False, True])
def test_what_can_be_repeated_is(shared_tidegate, recording_backend, resets):
    """The same death answers a GET that is sent once more."""
    backend = recording_backend(dies_of_the_post(1, 65536, resets), backends.serve)
    tg = shared_tidegate(conf.http(backend, workers=1))
    peer = tg.client()
    assert peer.exchange(client.get("/warm")).status == 200
    assert peer.exchange(client.get("/again")).status == 200
    assert [b"GET /again" in bytes(conn.received) for conn in backend.connections] == [True, True]
