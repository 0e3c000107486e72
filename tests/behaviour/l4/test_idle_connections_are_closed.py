"""TCP: a connection on which nothing happens ends after its timeout, one in use does not."""

import select
import time

import pytest

from harness import backends, conf


@pytest.mark.parametrize("keys", [
    dict(listener='timeouts = { idle = "300ms"; };'),
    dict(service='timeouts = { tunnel = "300ms"; };'),
], ids=["of the listener", "of the service"])
def test_idle(shared_tidegate, recording_backend, keys):
    backend = recording_backend(backends.echo)
    tg = shared_tidegate(conf.tcp(backend, **keys))
    began = time.monotonic()
    peer = tg.client().send(b"x")
    assert peer.read(1) == b"x"
    assert peer.read_to_end() == b""
    assert time.monotonic() - began >= 0.25
    backend.wait_closed()
    assert tg.access.wait(listener=tg.listener)["end"] in ("tunnel-timeout", "client-timeout")


def test_in_use(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.tcp(recording_backend(backends.echo),
                                  listener='timeouts = { idle = "1s"; };'))
    peer = tg.client()
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        assert peer.send(b"x").read(1) == b"x"


def test_one_direction_is_use(shared_tidegate, recording_backend):
    """A client that only listens is not idle while the backend speaks."""
    def script(conn):
        until = time.monotonic() + 2.0
        while time.monotonic() < until and not select.select([conn.sock], [], [], 0.05)[0]:
            conn.send(b"x")
    tg = shared_tidegate(conf.tcp(recording_backend(script), listener='timeouts = { idle = "1s"; };'))
    peer = tg.client()
    assert len(peer.read_to_end()) >= 20 and peer.ended == "eof"
