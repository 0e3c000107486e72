"""What comes while no backend is up is held: it asks for one once, and goes out with the first that is up."""

import contextlib
import json
import os
import re
import selectors
import signal
import socket
import threading
import time

import pytest

from harness import backends, client, conf, control, metrics, net, settings

CHECKED = 'health = { type = "tcp"; interval = "50ms"; rise = 1; fall = 1; };'
HOLD = "hold = { requests = 1000; };"


class Site:
    """A tidegate whose one backend is to come up later."""

    def __init__(self, start, tmp_path, hold=HOLD, check=CHECKED, service="", workers=2, entries=None,
                 top="", **options):
        self.port = net.free_port()
        self.backend = f"{net.ADDRESS}:{self.port}"
        self.admin = str(tmp_path / "admin.sock")
        self.http = f"{net.ADDRESS}:{net.free_port()}"
        self.service = f"{check} {service}"
        self.entries = [self.backend] if entries is None else entries
        self.options = dict(workers=workers, bind=f"{net.ADDRESS}:{net.free_port()}",
                            top=f'admin = {{ socket = "{self.admin}"; http = "{self.http}"; }}; {top}',
                            **options)
        self.tg = start(self.conf(hold))

    def conf(self, hold, entries=None):
        return conf.http(*(self.entries if entries is None else entries),
                         service=f"{self.service} {hold}", **self.options)

    def status(self):
        return json.loads(metrics.get(self.http, "/status").text)["services"][0]

    def wait_held(self, n):
        settings.wait_until(lambda: self.status()["held"] == n, f"{n} held")

    def total(self, name, **labels):
        return metrics.page(self.http).value(name, service=self.tg.service, **labels)

    def wanted(self):
        return len(self.tg.log.records(msg="service wanted", svc=self.tg.service))

    def wait_wanted(self, n=1):
        self.tg.log.wait(count=n, msg="service wanted", svc=self.tg.service)
        assert self.wanted() == n


@pytest.fixture
def site(shared_tidegate, tmp_path):
    return lambda **options: Site(shared_tidegate, tmp_path, **options)


@pytest.fixture
def site_of_its_own(tidegate, tmp_path):
    return lambda **options: Site(tidegate, tmp_path, **options)


def send(site, stack, path, request=None):
    return stack.enter_context(site.tg.client()).send(request or client.get(path))


def assert_refused(answer, after=1):
    assert answer.status == 503 and answer.complete
    assert answer.get("Retry-After") == str(after)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("check", ["tcp", "http"])
def test_goes_out_when_the_first_check_passes(site, recording_backend, workers, check):
    held = site(workers=workers, check=CHECKED.replace("tcp", check))
    with contextlib.ExitStack() as stack:
        peers = [send(held, stack, f"/{i}") for i in range(8)]
        held.wait_held(8)
        held.wait_wanted()
        recording_backend(port=held.port)
        assert [peer.read_answer().status for peer in peers] == [200] * 8
    for i in range(8):
        record = held.tg.access.wait(path=f"/{i}")
        assert (record["end"], record["choice"]) == ("done", "queue")
        assert int(record["queue_us"]) > 0
    assert held.status()["held"] == 0 and held.status()["held_max"] == 8
    assert held.total("service_held_total") == 8
    assert held.wanted() == 1


def test_what_comes_later_is_not_held(site, recording_backend):
    held = site()
    recording_backend(port=held.port)
    held.tg.exchange_until(200)
    before = held.total("service_held_total")
    for _ in range(20):
        assert held.tg.exchange(client.get()).status == 200
    assert held.total("service_held_total") == before


class Crowd:
    """Many clients that ask once, at the same time, without a thread for each."""

    def __init__(self, site, stack, n):
        self.selector = stack.enter_context(selectors.DefaultSelector())
        for i in range(n):
            peer = send(site, stack, f"/{i}")
            self.selector.register(peer.sock, selectors.EVENT_READ, peer)

    def answers(self):
        until = time.monotonic() + settings.TIMEOUT
        found = []
        while self.selector.get_map() and time.monotonic() < until:
            for key, _ in self.selector.select(1):
                found.append(key.data.read_answer().status)
                self.selector.unregister(key.fileobj)
        return found


def test_five_hundred_first_requests(site, recording_backend):
    held = site()
    with contextlib.ExitStack() as stack:
        crowd = Crowd(held, stack, 500)
        held.wait_held(500)
        recording_backend(port=held.port)
        assert crowd.answers() == [200] * 500
    held.wait_wanted()
    assert held.total("service_ends_total", reason="done") == 500


def test_no_more_go_out_than_there_are_places(site, recording_backend):
    most = []

    def count(conn):
        while (request := conn.read_request()) is not None:
            most.append(int(metrics.page(held.http).value("service_in_flight", service=held.tg.service)))
            conn.send(backends.OK)
            assert request.target
    held = site(service='max_connections_per_backend = 3; timeouts = { queue = "1ms"; };')
    with contextlib.ExitStack() as stack:
        peers = [send(held, stack, f"/{i}") for i in range(30)]
        held.wait_held(30)
        recording_backend(count, port=held.port)
        # Their time for a place has long passed: they are held, and that ends otherwise.
        assert [peer.read_answer().status for peer in peers] == [200] * 30
    assert max(most) == 3


def test_a_full_hold_refuses_at_once(site, recording_backend):
    held = site(hold="hold = { requests = 3; };")
    with contextlib.ExitStack() as stack:
        peers = [send(held, stack, f"/{i}") for i in range(3)]
        held.wait_held(3)
        for _ in range(4):
            assert_refused(held.tg.exchange(client.get("/more")))
        assert held.tg.access.wait(path="/more")["end"] == "hold-full"
        recording_backend(port=held.port)
        assert [peer.read_answer().status for peer in peers] == [200] * 3
    assert held.total("service_ends_total", reason="hold-full") == 4
    assert held.wanted() == 1


def test_each_is_held_for_its_time(site):
    held = site(hold='hold = { requests = 3; timeout = "200ms"; };')
    with held.tg.client() as peer:
        for n, path in enumerate(["/a", "/b"], 1):
            assert_refused(peer.exchange(client.get(path)))
            record = held.tg.access.wait(path=path)
            assert record["end"] == "hold-timeout"
            assert 190_000 <= int(record["queue_us"])
            held.wait_held(0)
            held.wait_wanted(n)  # the hold was empty in between
    assert held.total("service_ends_total", reason="hold-timeout") == 2


def test_without_a_hold_it_is_503_at_once(site):
    held = site(hold="")
    assert_refused(held.tg.exchange(client.get("/none")))
    assert held.tg.access.wait(path="/none")["end"] == "no-backend"
    assert held.wanted() == 0


def test_a_client_that_goes_away_leaves(site):
    held = site(hold="hold = { requests = 1; };")
    for i in range(2):
        peer = held.tg.client().send(client.get(f"/{i}"))
        held.wait_held(1)
        peer.reset()
        held.wait_held(0)
        assert held.tg.access.wait(path=f"/{i}")["end"] == "queue-abort"


def test_keep_alive_and_pipelining(site, recording_backend):
    held = site()
    with held.tg.client() as peer:
        peer.send(client.get("/1") + client.get("/2") + client.get("/3"))
        held.wait_held(1)
        backend = recording_backend(port=held.port)
        assert [peer.read_answer().status for _ in range(3)] == [200] * 3
        assert peer.exchange(client.get("/4")).status == 200
    assert [request.target for request in backend.requests] == ["/1", "/2", "/3", "/4"]


def test_an_upgrade_is_held(site, recording_backend):
    def script(conn):
        assert conn.read_request().get("Upgrade") == "websocket"
        conn.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                  b"Upgrade: websocket\r\n\r\n")
        backends.echo(conn)
    held = site()
    with held.tg.client() as peer:
        peer.send(client.get("/chat", extra=b"Connection: Upgrade\r\nUpgrade: websocket\r\n"))
        held.wait_held(1)
        # A check of type tcp says nothing: it gets no request.
        recording_backend(lambda conn: script(conn) if wait_for_bytes(conn) else None, port=held.port)
        assert peer.read_answer().status == 101
        peer.send(b"ping")
        assert peer.read(4) == b"ping"


def wait_for_bytes(conn):
    return bool(conn.sock.recv(1, socket.MSG_PEEK))


def bytes_read(site):
    """By session: what the proxy has taken from its client."""
    listed = control.ask(site.admin, "show sess").splitlines()
    return [int(re.search(r" in=(\d+) ", line)[1]) for line in listed if "phase=wait" in line]


def test_bodies_wait_in_the_kernel(site_of_its_own, recording_backend):
    """Each of the held has one buffer at most, whatever it sends."""
    n = 8
    held = site_of_its_own(listener='limits = { body = "0"; };', workers=1)
    body = b"x" * 1_000_000
    head = b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    with contextlib.ExitStack() as stack:
        peers = [send(held, stack, "/", head) for _ in range(n)]
        held.wait_held(n)
        before = held.tg.rss_bytes()
        threads = [threading.Thread(target=peer.try_send, args=(body,)) for peer in peers]
        for thread in threads:
            thread.start()
        for peer in peers:
            peer.wait_bytes_there(48 * 1024)
        read = bytes_read(held)
        assert len(read) == n and max(read) <= 64 * 1024
        assert held.tg.rss_bytes() - before < n * 128 * 1024
        backend = recording_backend(port=held.port)
        assert [peer.read_answer().status for peer in peers] == [200] * n
        for thread in threads:
            thread.join()
    assert [len(request.body) for request in backend.requests] == [len(body)] * n


def test_a_reload_that_holds_no_more(site):
    held = site()
    with held.tg.client() as peer:
        peer.send(client.get("/a"))
        held.wait_held(1)
        held.tg.reload(held.conf(""))
        assert_refused(peer.read_answer())
    assert held.tg.access.wait(path="/a")["end"] == "no-backend"
    assert_refused(held.tg.exchange(client.get("/b")))


def test_a_reload_keeps_who_is_held(site, recording_backend):
    held = site()
    with contextlib.ExitStack() as stack:
        peers = [send(held, stack, f"/{i}") for i in range(10)]
        held.wait_held(10)
        for requests in (900, 800):
            held.tg.reload(held.conf(f"hold = {{ requests = {requests}; }};"))
        held.wait_held(10)
        recording_backend(port=held.port)
        assert [peer.read_answer().status for peer in peers] == [200] * 10
    assert held.wanted() == 1


def test_a_reload_that_holds_fewer_and_shorter(site):
    held = site(workers=1)
    with contextlib.ExitStack() as stack:
        peers = [send(held, stack, f"/{i}") for i in range(3)]
        held.wait_held(3)
        held.tg.reload(held.conf('hold = { requests = 2; timeout = "300ms"; };'))
        for peer in peers:
            assert_refused(peer.read_answer())
    # Who was held was let in.
    assert {held.tg.access.wait(path=f"/{i}")["end"] for i in range(3)} == {"hold-timeout"}
    assert held.wanted() == 1


def test_a_reload_brings_the_backend(site, recording_backend):
    """One that is new is not taken for up before it was checked."""
    held = site(entries=[])
    with held.tg.client() as peer:
        peer.send(client.get("/a"))
        held.wait_held(1)
        held.tg.reload(held.conf(HOLD, [held.backend]))
        held.tg.log.wait(msg="backend down", svc=held.tg.service)
        held.wait_held(1)
        recording_backend(port=held.port)
        assert peer.read_answer().status == 200
    assert held.wanted() == 1


def test_an_operator_adds_the_backend(site, recording_backend):
    held = site(entries=[])
    with contextlib.ExitStack() as stack:
        peers = [send(held, stack, f"/{i}") for i in range(10)]
        held.wait_held(10)
        backend = recording_backend()
        control.ask(held.admin, f"add server {held.tg.service}/b2 {backend.address} check enabled")
        assert [peer.read_answer().status for peer in peers] == [200] * 10
    assert held.wanted() == 1


def test_what_waits_for_a_place_is_held_when_the_last_backend_goes(site, recording_backend):
    """Checks see a port of its own, so that what runs goes on."""
    checked = recording_backend()
    backend = recording_backend(handle_late := Late())
    held = site(entries=[backend], check=f'health = {{ type = "tcp"; port = {checked.port}; interval = "50ms"; '
                                         'rise = 1; fall = 1; };',
                service='max_connections_per_backend = 1; timeouts = { queue = "1h"; };')
    settings.wait_until(lambda: held.status()["usable"], "the backend")
    with contextlib.ExitStack() as stack:
        peers = [send(held, stack, "/first")]
        backend.wait_requests(1)
        peers += [send(held, stack, f"/{i}") for i in range(4)]
        settings.wait_until(lambda: held.status()["queued"] == 4, "4 in the queue")
        assert held.status()["held"] == 0 and held.wanted() == 0
        checked.stop()
        held.wait_held(4)
        held.wait_wanted()
        handle_late.may_answer.set()
        assert peers[0].read_answer().status == 200
        assert held.status()["held"] == 4
        recording_backend(port=checked.port)
        assert [peer.read_answer().status for peer in peers[1:]] == [200] * 4
    assert held.wanted() == 1


class Late:
    """A script that answers when it may."""

    def __init__(self):
        self.may_answer = threading.Event()

    def __call__(self, conn):
        while conn.read_request() is not None:
            assert self.may_answer.wait(settings.TIMEOUT)
            conn.send(backends.OK)


def test_a_new_keeper_hears_of_it(site_of_its_own, recording_backend):
    held = site_of_its_own()
    with contextlib.ExitStack() as stack:
        peers = [send(held, stack, f"/{i}") for i in range(10)]
        held.wait_held(10)
        held.wait_wanted()
        os.kill(held.tg.role_pid("keeper"), 9)
        held.wait_wanted(2)
        recording_backend(port=held.port)
        assert [peer.read_answer().status for peer in peers] == [200] * 10
    assert held.wanted() == 2


def test_a_body_that_would_be_stored_goes_out(site, recording_backend):
    held = site(service='buffer_request = { memory = "64K"; };')
    body = b"x" * 300_000
    with held.tg.client() as peer:
        peer.send(client.post(body[:10], extra=b"Expect: 100-continue\r\n").replace(
            b"Content-Length: 10", b"Content-Length: %d" % len(body)))
        held.wait_held(1)
        backend = recording_backend(port=held.port)
        peer.send(body[10:])
        assert peer.read_answer().status == 200
    assert [request.body for request in backend.requests] == [body]


def test_a_stop_lets_them_have_their_answer(site_of_its_own, recording_backend):
    held = site_of_its_own(top='shutdown_grace = "60s";')
    with contextlib.ExitStack() as stack:
        peers = [send(held, stack, f"/{i}") for i in range(4)]
        held.wait_held(4)
        held.tg.send_signal(signal.SIGTERM)
        held.tg.log.wait(msg="stopping")
        recording_backend(port=held.port)
        assert [peer.read_answer().status for peer in peers] == [200] * 4
    held.tg.wait()


def test_who_failed_at_the_last_backend_is_held(site, recording_backend):
    """Its tries are not over: it goes out with the next that is up."""
    held = site(check=CHECKED.replace("50ms", "20ms"),
                service='retry = { attempts = 7; backoff = "500ms"; };')
    backend = recording_backend(port=held.port)
    settings.wait_until(lambda: held.status()["usable"], "the backend")
    with held.tg.standing_still():
        backend.stop()
        peer = held.tg.client().send(client.get("/a"))
        peer.wait_bytes_there()
    held.wait_held(1)
    recording_backend(port=held.port)
    assert peer.read_answer().status == 200
    assert held.tg.access.wait(path="/a")["end"] == "done"
