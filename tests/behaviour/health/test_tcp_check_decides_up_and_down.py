"""The tcp check: a backend is up when a connection to it can be made."""

import time

from harness import backends, client, conf, net
from harness.chaos import site

TCP = 'health = { type = "tcp"; interval = "50ms"; rise = 2; fall = 2; };'


def test_refused_connections_take_it_down_and_it_comes_back(shared_tidegate, recording_backend):
    port = net.free_port()
    first = recording_backend(name="b1", port=port)
    tg = shared_tidegate(conf.http(first, service=TCP))
    tg.log.wait(msg="backend up", srv="b1", reason="connected")
    tg.exchange_until(200)
    assert tg.exchange(client.get("/")).status == 200
    first.stop()
    assert tg.log.wait(msg="backend down", srv="b1")["reason"] == "connection refused"
    tg.exchange_until(503)
    recording_backend(name="b1", port=port)
    tg.log.wait(count=2, msg="backend up", srv="b1")
    tg.exchange_until(200)


def test_tcp_is_the_default(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, service="health = { };"))
    tg.log.wait(msg="backend up", reason="connected")


def test_a_service_is_back_within_a_second_and_a_half_as_it_is_configured_by_default(
        shared_tidegate, recording_backend):
    port = net.free_port()
    tg = shared_tidegate(conf.http(f"{net.ADDRESS}:{port}", service="health = { };"))
    tg.log.wait(msg="backend down")
    recording_backend(port=port)
    began = time.monotonic()
    tg.exchange_until(200, in_a_row=1)
    assert time.monotonic() - began < 1.5 * site.SLOWNESS


def test_the_backend_never_hears_of_it(shared_tidegate, recording_backend):
    """The kernel answers and is reset: the program accepts what comes from clients, no more."""
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, service=TCP))
    tg.log.wait(msg="backend up", reason="connected")
    assert tg.exchange(client.get("/")).status == 200
    assert [bytes(conn.received)[:3] for conn in backend.connections] == [b"GET"]


def test_one_down_leaves_the_traffic_to_the_others(shared_tidegate, recording_backend):
    up = recording_backend(name="up")
    down = f"{net.ADDRESS}:{net.free_port()}"
    tg = shared_tidegate(conf.http(up, down, service=TCP))
    tg.log.wait(msg="backend down", srv=down, reason="connection refused")
    tg.log.wait(msg="backend up", srv="up")
    for number in range(10):
        assert tg.exchange(client.get(f"/{number}")).status == 200
    assert len(up.requests) == 10


def test_it_serves_mode_tcp_too(shared_tidegate, recording_backend):
    up = recording_backend(backends.echo, name="up")
    down = f"{net.ADDRESS}:{net.free_port()}"
    tg = shared_tidegate(conf.tcp(down, up, service=TCP))
    tg.log.wait(msg="backend up", srv="up")
    tg.log.wait(msg="backend down", srv=down)
    peer = tg.client().send(b"hello")
    peer.finish_sending()
    assert peer.read_to_end() == b"hello"


def test_without_check_it_is_up_at_once(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, service='health = { type = "none"; };'))
    tg.log.wait(msg="backend up", reason="not checked")
    assert tg.exchange(client.get("/")).status == 200
    assert len(backend.connections) == 1
