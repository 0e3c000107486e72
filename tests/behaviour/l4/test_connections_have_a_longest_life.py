"""timeouts.tunnel_max: a connection ends at its age, however busy it is; one without a limit does not."""

import time

import pytest

from harness import backends, conf, settings

MAX = 'timeouts = { tunnel_max = "600ms"; %s };'


def use_until_it_ends(peer):
    until = settings.deadline()
    while time.monotonic() < until:
        if not peer.try_send(b"x"):
            return
        if len(peer.read(1)) == 0:
            return
    raise AssertionError("it lives on")


def test_a_busy_connection_ends(shared_tidegate, recording_backend):
    backend = recording_backend(backends.echo)
    tg = shared_tidegate(conf.tcp(backend, service=MAX % ""))
    peer = tg.client()
    assert peer.send(b"x").read(1) == b"x"
    began = time.monotonic()
    use_until_it_ends(peer)
    assert 0.5 <= time.monotonic() - began
    assert tg.access.wait(listener=tg.listener)["end"] == "tunnel-lifetime"
    backend.wait_closed()


@pytest.mark.parametrize("other, reason", [('total = "300ms";', "total-timeout"),
                                           ('tunnel = "300ms";', "tunnel-timeout"),
                                           ('total = "60s";', "tunnel-lifetime")])
def test_what_comes_first_ends_it(shared_tidegate, recording_backend, other, reason):
    tg = shared_tidegate(conf.tcp(recording_backend(backends.echo), service=MAX % other))
    peer = tg.client().send(b"x")
    peer.read_to_end()
    assert tg.access.wait(listener=tg.listener)["end"] == reason


def test_waiting_for_a_backend_is_no_age(shared_tidegate, recording_backend):
    backend = recording_backend(backends.echo)
    tg = shared_tidegate(conf.tcp(backend, workers=1,
                                  service=MAX % 'queue = "1h";' + "max_connections_per_backend = 1;"))
    first = tg.client().send(b"x")
    assert first.read(1) == b"x"
    second = tg.client().send(b"y")
    first.read_to_end()
    assert second.read(1) == b"y"
    second.read_to_end()
    assert len(tg.access.wait(count=2, end="tunnel-lifetime")) > 0


def test_without_it_a_connection_lives_on(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.tcp(recording_backend(backends.echo)))
    peer = tg.client()
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        assert peer.send(b"x").read(1) == b"x"
