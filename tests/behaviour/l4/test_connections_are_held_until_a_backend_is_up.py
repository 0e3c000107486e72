"""Connections that come while no backend is up are held: what the client says waits, and nothing is lost."""

import contextlib
import json
import socket

import pytest

from harness import backends, conf, metrics, net, settings

CHECKED = 'health = { type = "tcp"; interval = "50ms"; rise = 1; fall = 1; };'


class Site:
    def __init__(self, start, hold="hold = { requests = 1000; };", service="", workers=2):
        self.port = net.free_port()
        self.http = f"{net.ADDRESS}:{net.free_port()}"
        self.service = service
        self.options = dict(workers=workers, bind=f"{net.ADDRESS}:{net.free_port()}",
                            top=f'admin = {{ http = "{self.http}"; }};')
        self.tg = start(self.conf(hold))

    def conf(self, hold):
        return conf.tcp(f"{net.ADDRESS}:{self.port}", service=f"{CHECKED} {self.service} {hold}",
                        **self.options)

    def held(self):
        return json.loads(metrics.get(self.http, "/status").text)["services"][0]["held"]

    def wait_held(self, n):
        settings.wait_until(lambda: self.held() == n, f"{n} held")

    def wanted(self):
        return len(self.tg.log.records(msg="service wanted", svc=self.tg.service))


@pytest.fixture
def site(shared_tidegate):
    return lambda **options: Site(shared_tidegate, **options)


@pytest.fixture
def site_of_its_own(tidegate):
    return lambda **options: Site(tidegate, **options)


def talk(peers):
    for i, peer in enumerate(peers):
        text = b"%05d" % i
        assert peer.read(5) == text
        peer.finish_sending()
        assert peer.read_to_end() == b"" and peer.ended == "eof"


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_said_meanwhile_arrives(site, recording_backend, workers):
    held = site(workers=workers)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(held.tg.client()).send(b"%05d" % i) for i in range(50)]
        held.wait_held(50)
        recording_backend(backends.echo, port=held.port)
        talk(peers)
    record = held.tg.access.wait(end="done")
    assert int(record["queue_us"]) > 0 and record["choice"] == "queue"
    assert held.wanted() == 1


def test_no_more_go_out_than_there_are_places(site, recording_backend):
    held = site(service="max_connections_per_backend = 1;")
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(held.tg.client()) for _ in range(5)]
        held.wait_held(5)
        # One that the check makes is none of ours: it says nothing.
        recording_backend(lambda conn: conn.send(b"hello") or conn.read_to_end(), port=held.port)
        served = set()
        for n in range(5):
            settings.wait_until(lambda: any(peer.is_readable() for peer in peers if peer not in served),
                                "one that is served")
            assert held.held() == 4 - n
            peer = next(peer for peer in peers if peer not in served and peer.is_readable())
            assert peer.read(5) == b"hello"
            served.add(peer)
            peer.close()


def read_end(peer):
    with contextlib.suppress(ConnectionResetError):
        return peer.read_to_end()


def test_a_full_hold_refuses_at_once(site):
    held = site(hold="hold = { requests = 1; };")
    first = held.tg.client()
    held.wait_held(1)
    # The reset may come as early as the end of connect().
    with contextlib.suppress(ConnectionResetError):
        held.tg.client().read_to_end()
    held.tg.access.wait(end="hold-full")
    assert held.held() == 1 and not first.is_readable()


def test_each_is_held_for_its_time(site):
    held = site(hold='hold = { requests = 1; timeout = "200ms"; };')
    read_end(held.tg.client())
    late = held.tg.access.wait(end="hold-timeout")
    assert 190_000 <= int(late["queue_us"])


def test_a_client_that_goes_away_leaves(site):
    held = site()
    peer = held.tg.client()
    held.wait_held(1)
    peer.reset()
    held.wait_held(0)
    assert held.tg.access.wait(listener=held.tg.listener)["end"] == "queue-abort"


def test_a_reload_keeps_who_is_held_and_shortens_it(site):
    held = site()
    peer = held.tg.client()
    held.wait_held(1)
    held.tg.reload(held.conf('hold = { requests = 7; timeout = "100ms"; };'))
    read_end(peer)
    assert held.tg.access.wait(listener=held.tg.listener)["end"] == "hold-timeout"
    assert held.wanted() == 1


def test_bytes_of_the_held_wait_in_the_kernel(site_of_its_own, recording_backend):
    held = site_of_its_own(workers=1)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(held.tg.client()) for _ in range(8)]
        held.wait_held(8)
        before = held.tg.rss_bytes()
        said = [0] * len(peers)
        for i, peer in enumerate(peers):
            peer.sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while said[i] < 4_000_000:
                    said[i] += peer.sock.send(b"x" * 65536, socket.MSG_NOSIGNAL)
            peer.wait_bytes_there(48 * 1024)
        assert held.tg.rss_bytes() - before < len(peers) * 32 * 1024
        backend = recording_backend(lambda conn: conn.read_to_end(), port=held.port)
        for peer in peers:
            peer.finish_sending()
            peer.read_to_end()
    settings.wait_until(lambda: len(backend.received) == sum(said), "all that was said")
