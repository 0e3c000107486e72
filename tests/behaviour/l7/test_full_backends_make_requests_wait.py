"""A backend gets no more at a time than its limit; what comes beyond that waits in a bounded queue."""

import contextlib
import threading
import time

import pytest

from harness import backends, client, conf, net, settings, stat

LIMITED = "max_connections_per_backend = 2;"
TWICE = 4  # seconds to wait in the queue, where half of it makes an overload


class Gate:
    """A script that holds every request until it is let go, and knows how many it holds."""

    def __init__(self):
        self.lock = threading.Lock()
        self.places = threading.Semaphore(0)
        self.held = 0
        self.most = 0
        self.order = []

    def __call__(self, conn):
        while (request := conn.read_request()) is not None:
            with self.lock:
                self.held += 1
                self.most = max(self.most, self.held)
                self.order.append(request.target)
            assert self.places.acquire(timeout=settings.TIMEOUT)
            with self.lock:
                self.held -= 1
            conn.send(backends.OK)

    def let_go(self, n=1):
        self.places.release(n)

    def wait_held(self, n):
        settings.wait_until(lambda: self.held == n, f"{n} requests at the backend")


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.let_go(1000)


def send(tg, stack, path):
    return stack.enter_context(tg.client()).send(client.get(path))


def waiting(tmp_path, n):
    """Waits until so many stand in the queue."""
    settings.wait_until(lambda: stat.number(tmp_path / "admin.sock", "BACKEND", "qcur") == n,
                        f"{n} in the queue")


def start(tidegate, tmp_path, backend, *more, service=LIMITED, **options):
    top = f'admin = {{ socket = "{tmp_path}/admin.sock"; }};'
    return tidegate(conf.http(backend, *more, service=service, top=top, **options))


@pytest.mark.parametrize("balance", ["round-robin", "least-conn"])
@pytest.mark.parametrize("workers", [1, 3])
def test_the_limit_is_exact(shared_tidegate, recording_backend, gate, tmp_path, balance, workers):
    backend = recording_backend(gate)
    tg = start(shared_tidegate, tmp_path, backend, workers=workers,
               service=f'{LIMITED} balance = "{balance}";')
    with contextlib.ExitStack() as stack:
        peers = [send(tg, stack, f"/{i}") for i in range(12)]
        gate.wait_held(2)
        for _ in range(12):
            gate.let_go()
        for peer in peers:
            assert peer.read_answer().status == 200
    assert gate.most == 2
    assert sum(tg.access.wait(path=f"/{i}")["choice"] == "queue" for i in range(12)) == 10


def test_a_backend_of_its_own_limit(shared_tidegate, recording_backend, gate, tmp_path):
    other = Gate()
    small, large = recording_backend(gate, name="small"), recording_backend(other, name="large")
    tg = start(shared_tidegate, tmp_path,
               f'{{ name = "small"; address = "{small.address}"; max_connections = 1; }}',
               f'{{ name = "large"; address = "{large.address}"; }}', workers=1,
               service="max_connections_per_backend = 3;")
    with contextlib.ExitStack() as stack:
        peers = [send(tg, stack, f"/{i}") for i in range(6)]
        gate.wait_held(1)
        other.wait_held(3)
        gate.let_go(6)
        other.let_go(6)
        assert [peer.read_answer().status for peer in peers] == [200] * 6
    assert (gate.most, other.most) == (1, 3)


def test_the_oldest_comes_first(shared_tidegate, recording_backend, gate, tmp_path):
    tg = start(shared_tidegate, tmp_path, recording_backend(gate), workers=1,
               service="max_connections_per_backend = 1;")
    with contextlib.ExitStack() as stack:
        peers = [send(tg, stack, "/first")]
        gate.wait_held(1)
        for i in range(3):
            peers.append(send(tg, stack, f"/{i}"))
            waiting(tmp_path, i + 1)
        # Somebody waits all the time: that is no overload.
        settings.let_rest(0.25)
        gate.let_go(4)
        for peer in peers:
            assert peer.read_answer().status == 200
    assert gate.order == ["/first", "/0", "/1", "/2"]


def test_the_oldest_comes_first_over_a_reload(shared_tidegate, recording_backend, gate, tmp_path):
    """Though the workers go over to the next queue one after the other."""
    tg = start(shared_tidegate, tmp_path, recording_backend(gate), workers=2,
               service='max_connections_per_backend = 1; queue = 100; timeouts = { queue = "1h"; };')
    with contextlib.ExitStack() as stack:
        peers = [send(tg, stack, "/first")]
        gate.wait_held(1)
        for n in range(8):
            peers.append(send(tg, stack, f"/{n}"))
            waiting(tmp_path, n + 1)
        tg.reload(tg.conf_path.read_text().replace("queue = 100;", "queue = 8;"))
        waiting(tmp_path, 8)
        assert send(tg, stack, "/more").read_answer().status == 503
        gate.let_go(9)
        for peer in peers:
            assert peer.read_answer().status == 200
        waiting(tmp_path, 0)
    assert gate.order == ["/first"] + [f"/{n}" for n in range(8)]


@pytest.mark.parametrize("workers", [1, 3])
def test_a_lower_bound_is_for_newcomers(shared_tidegate, recording_backend, gate, tmp_path, workers):
    """Who waits was let in: it stays over the reload, whichever worker it is of, and in its order."""
    tg = start(shared_tidegate, tmp_path, recording_backend(gate), workers=workers,
               service='max_connections_per_backend = 1; queue = 100; timeouts = { queue = "1h"; };')
    with contextlib.ExitStack() as stack:
        peers = [send(tg, stack, "/first")]
        gate.wait_held(1)
        for n in range(9):
            peers.append(send(tg, stack, f"/{n}"))
            waiting(tmp_path, n + 1)
        tg.reload(tg.conf_path.read_text().replace("queue = 100;", "queue = 2;"))
        waiting(tmp_path, 9)
        assert send(tg, stack, "/refused").read_answer().status == 503
        assert tg.access.wait(path="/refused")["end"] == "queue-full"
        gate.let_go(8)
        waiting(tmp_path, 1)
        peers.append(send(tg, stack, "/again"))
        waiting(tmp_path, 2)
        assert send(tg, stack, "/refused2").read_answer().status == 503
        gate.let_go(3)
        for peer in peers:
            assert peer.read_answer().status == 200
    assert gate.order == ["/first"] + [f"/{n}" for n in range(9)] + ["/again"]


def overload(tg, stack, tmp_path, *paths):
    """These wait, and the first of them has done so for more than half of its time; `timeouts.queue` is TWICE."""
    peers = [send(tg, stack, paths[0])]
    waiting(tmp_path, 1)
    settings.let_rest(TWICE / 2 + 0.1)
    for n, path in enumerate(paths[1:]):
        peers.append(send(tg, stack, path))
        waiting(tmp_path, n + 2)
    return peers


def test_under_overload_the_youngest_comes_first(shared_tidegate, recording_backend, gate, tmp_path):
    tg = start(shared_tidegate, tmp_path, recording_backend(gate), workers=1,
               service=f'max_connections_per_backend = 1; timeouts = {{ queue = "{TWICE}s"; }};')
    with contextlib.ExitStack() as stack:
        peers = [send(tg, stack, "/first")]
        gate.wait_held(1)
        peers += overload(tg, stack, tmp_path, "/0", "/1", "/2")
        gate.let_go(1)
        gate.wait_held(1)
        settings.wait_until(lambda: len(gate.order) == 2, "the next request")
        gate.let_go(3)
        for peer in peers:
            assert peer.read_answer().status == 200
    assert gate.order == ["/first", "/2", "/1", "/0"]


def test_priorities(shared_tidegate, recording_backend, gate, tmp_path):
    routes = """routes = ( { path = "/vip"; service = "site"; priority = "high"; },
                           { path = "/bulk"; service = "site"; priority = "low"; } );"""
    tg = start(shared_tidegate, tmp_path, recording_backend(gate), workers=1, listener=routes,
               service='max_connections_per_backend = 1; timeouts = { queue = "1h"; };')
    with contextlib.ExitStack() as stack:
        peers = [send(tg, stack, "/first")]
        gate.wait_held(1)
        for n, path in enumerate(["/bulk", "/plain", "/vip"]):
            peers.append(send(tg, stack, path))
            waiting(tmp_path, n + 1)
        gate.let_go(4)
        for peer in peers:
            assert peer.read_answer().status == 200
    assert gate.order == ["/first", "/vip", "/plain", "/bulk"]


def test_a_full_queue_refuses(shared_tidegate, recording_backend, gate, tmp_path):
    tg = start(shared_tidegate, tmp_path, recording_backend(gate), workers=2,
               service="max_connections_per_backend = 1; queue = 2;"
                       'timeouts = { queue = "1h"; };')
    with contextlib.ExitStack() as stack:
        peers = [send(tg, stack, "/first")]
        gate.wait_held(1)
        # In one turn, while the queue is calm: those beyond its bound are refused.
        with tg.standing_still():
            rest = [send(tg, stack, f"/{i}") for i in range(10)]
            for peer in rest:
                peer.wait_bytes_there()
        waiting(tmp_path, 2)
        settings.wait_until(lambda: len(tg.access.records(end="queue-full")) == 8, "eight refusals")
        gate.let_go(3)
        answers = [peer.read_answer() for peer in rest]
    refused = [answer for answer in answers if answer.status == 503]
    assert len(refused) == 8
    assert all(answer.get("Retry-After") for answer in refused)
    assert sum(answer.status == 200 for answer in answers) == 2


def test_a_full_queue_under_overload_sheds_the_oldest(shared_tidegate, recording_backend, gate, tmp_path):
    tg = start(shared_tidegate, tmp_path, recording_backend(gate), workers=1,
               service=f'max_connections_per_backend = 1; queue = 2; timeouts = {{ queue = "{TWICE}s"; }};')
    with contextlib.ExitStack() as stack:
        first = send(tg, stack, "/first")
        gate.wait_held(1)
        old, young = overload(tg, stack, tmp_path, "/old", "/young")
        new = send(tg, stack, "/new")
        shed = old.read_answer()
        assert shed.status == 503 and shed.get("Retry-After")
        assert tg.access.wait(path="/old")["end"] == "queue-shed"
        gate.let_go(3)
        for peer in (first, young, new):
            assert peer.read_answer().status == 200
    assert gate.order == ["/first", "/young", "/new"]


def test_who_is_of_a_higher_class_takes_the_place_of_one_of_a_lower(shared_tidegate, recording_backend, gate, tmp_path):
    """Overload or not."""
    routes = """routes = ( { path = "/vip"; service = "site"; priority = "high"; },
                           { path = "/bulk"; service = "site"; priority = "low"; } );"""
    tg = start(shared_tidegate, tmp_path, recording_backend(gate), workers=1, listener=routes,
               service='max_connections_per_backend = 1; queue = 2; timeouts = { queue = "1h"; };')
    with contextlib.ExitStack() as stack:
        peers = [send(tg, stack, "/first")]
        gate.wait_held(1)
        bulk = send(tg, stack, "/bulk/0")
        waiting(tmp_path, 1)
        other = send(tg, stack, "/bulk/1")
        waiting(tmp_path, 2)
        peers += [send(tg, stack, "/vip")]
        assert bulk.read_answer().status == 503
        peers += [send(tg, stack, "/plain")]
        assert other.read_answer().status == 503
        assert send(tg, stack, "/plain/1").read_answer().status == 503
        gate.let_go(3)
        for peer in peers:
            assert peer.read_answer().status == 200
    assert gate.order == ["/first", "/vip", "/plain"]
    assert [tg.access.wait(path=path)["end"] for path in ("/bulk/0", "/bulk/1", "/plain/1")] == [
        "queue-shed", "queue-shed", "queue-full"]


def test_whose_time_is_over_is_not_sent(shared_tidegate, recording_backend, gate, tmp_path):
    """Its place came, and was heard of too late."""
    tg = start(shared_tidegate, tmp_path, recording_backend(gate), workers=1,
               service='max_connections_per_backend = 1; timeouts = { queue = "300ms"; };')
    with contextlib.ExitStack() as stack:
        first = send(tg, stack, "/first")
        gate.wait_held(1)
        late = send(tg, stack, "/late")
        waiting(tmp_path, 1)
        with tg.standing_still():
            gate.let_go(1)
            settings.let_rest(0.4)
        assert late.read_answer().status == 503
        assert tg.access.wait(path="/late")["end"] == "queue-timeout"
        assert first.read_answer().status == 200
        gate.let_go(1)
        assert late.exchange(client.get("/again")).status == 200
    assert gate.order == ["/first", "/again"]


def test_the_wait_has_a_deadline(shared_tidegate, recording_backend, gate, tmp_path):
    tg = start(shared_tidegate, tmp_path, recording_backend(gate), workers=1,
               service='max_connections_per_backend = 1; timeouts = { queue = "300ms"; };')
    with contextlib.ExitStack() as stack:
        send(tg, stack, "/first")
        gate.wait_held(1)
        began = time.monotonic()
        late = send(tg, stack, "/late")
        answer = late.read_answer()
        assert answer.status == 503 and answer.get("Retry-After")
        assert time.monotonic() - began >= 0.29
        # The connection lives on.
        record = tg.access.wait(path="/late")
        assert record["end"] == "queue-timeout"
        assert int(record["queue_us"]) >= 300_000
        gate.let_go(2)
        assert late.exchange(client.get("/again")).status == 200


def test_who_gives_up_frees_its_place(shared_tidegate, recording_backend, gate, tmp_path):
    tg = start(shared_tidegate, tmp_path, recording_backend(gate), workers=2,
               service='max_connections_per_backend = 1; timeouts = { queue = "1h"; };')
    with contextlib.ExitStack() as stack:
        first = send(tg, stack, "/first")
        gate.wait_held(1)
        gone = send(tg, stack, "/gone")
        waiting(tmp_path, 1)
        gone.reset()
        waiting(tmp_path, 0)
        gate.let_go(1)
        assert first.read_answer().status == 200
    assert tg.access.wait(path="/gone")["end"] == "queue-abort"
    assert gate.order == ["/first"]


def queued_ms(tmp_path):
    """The mean of all requests, and how many they are."""
    row = stat.servers(tmp_path / "admin.sock")["BACKEND"]
    return int(row["qtime"]), int(row["stot"])


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_the_wait_of_who_gives_up_counts(shared_tidegate, recording_backend, gate, tmp_path, mode):
    tg = shared_tidegate(getattr(conf, mode)(
        recording_backend(gate), workers=1, top=f'admin = {{ socket = "{tmp_path}/admin.sock"; }};',
        service='max_connections_per_backend = 1; timeouts = { queue = "1h"; };'))
    with contextlib.ExitStack() as stack:
        stack.enter_context(tg.client()).send(client.get("/first"))
        gate.wait_held(1)
        gone = stack.enter_context(tg.client()).send(client.get("/gone"))
        waiting(tmp_path, 1)
        settings.let_rest(0.3)
        gone.reset()
        record = tg.access.wait(end="queue-abort")
        assert int(record["queue_us"]) >= 290_000
        assert int(record["queue_us"]) <= int(record["total_us"])
        mean, n = queued_ms(tmp_path)
        assert mean * n >= 290 - n


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_the_wait_that_the_total_time_ends_counts(shared_tidegate, mode):
    """Here for the next try."""
    tg = shared_tidegate(getattr(conf, mode)(
        f"{net.ADDRESS}:{net.free_port()}", workers=1, service='timeouts = { total = "400ms"; }; '
        'health = { type = "none"; }; retry = { attempts = 3; backoff = "1s"; };'))
    with tg.client() as peer:
        peer.send(client.get("/"))
        record = tg.access.wait(end="total-timeout")
    assert 350_000 <= int(record["queue_us"]) <= int(record["total_us"])


def test_after_a_failed_try_it_waits_for_another_backend(shared_tidegate, recording_backend, gate,
                                                         tmp_path):
    """One that refuses all it gets is never full: it must not use up the tries of all who wait."""
    good = recording_backend(gate, name="good")
    bad = f'{{ name = "bad"; address = "{net.ADDRESS}:{net.free_port()}"; }}'
    tg = start(shared_tidegate, tmp_path, bad, good, workers=1, service=LIMITED)
    with contextlib.ExitStack() as stack:
        peers = [send(tg, stack, f"/{i}") for i in range(6)]
        gate.wait_held(2)
        waiting(tmp_path, 4)
        gate.let_go(6)
        assert [peer.read_answer().status for peer in peers] == [200] * 6
    failed = [tg.access.wait(path=f"/{i}")["failed"] for i in range(6)]
    assert set(failed) <= {"-", "bad:connect-failed"} and "bad:connect-failed" in failed


def test_a_body_waits_too(shared_tidegate, recording_backend, gate, tmp_path):
    tg = start(shared_tidegate, tmp_path, recording_backend(gate), workers=1,
               service="max_connections_per_backend = 1;")
    with contextlib.ExitStack() as stack:
        send(tg, stack, "/first")
        gate.wait_held(1)
        late = stack.enter_context(tg.client()).send(client.post(b"x" * 200_000, "/late"))
        gate.let_go(2)
        assert late.read_answer().status == 200


def test_tcp_connections_wait(shared_tidegate, recording_backend, tmp_path):
    backend = recording_backend(backends.echo)
    tg = shared_tidegate(conf.tcp(backend, service="max_connections_per_backend = 1;", workers=2))
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(tg.client()).send(b"hello") for _ in range(4)]
        for n in range(4):
            settings.wait_until(lambda: len(backend.connections) == n + 1, "the next connection")
            settings.wait_until(lambda: any(peer.is_readable() for peer in peers), "an answer")
            done = next(peer for peer in peers if peer.is_readable())
            peers.remove(done)
            assert done.read(5) == b"hello"
            done.finish_sending()
            done.read_to_end()
    tg.access.wait(count=4, end="done")
    assert len(tg.access.records(end="done", choice="queue")) == 3


def test_tcp_connections_that_wait_too_long_are_reset(shared_tidegate, recording_backend):
    backend = recording_backend(backends.echo)
    tg = shared_tidegate(conf.tcp(backend, service="max_connections_per_backend = 1;"
                                                   'timeouts = { queue = "200ms"; };', workers=2))
    with tg.client().send(b"hello") as first:
        assert first.read(5) == b"hello"
        with tg.client().send(b"hello") as late:
            late.read_to_end()
            assert late.ended == "reset"
        assert tg.access.wait(end="queue-timeout")["backend"] == "-"
        assert first.send(b"again").read(5) == b"again"


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_a_reset_leaves_the_queue_though_the_request_is_not_whole(shared_tidegate, recording_backend, gate,
                                                                  tmp_path, mode):
    backend = recording_backend(gate)
    tg = shared_tidegate(getattr(conf, mode)(
        backend, workers=1, service="max_connections_per_backend = 1;",
        top=f'admin = {{ socket = "{tmp_path}/admin.sock"; }};'))
    with contextlib.ExitStack() as stack:
        first = send(tg, stack, "/first")
        gate.wait_held(1)
        gone = stack.enter_context(tg.client())
        gone.send(b"POST /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nsome")
        waiting(tmp_path, 1)
        gone.reset()
        waiting(tmp_path, 0)
        gate.let_go()
        assert first.read_answer().status == 200
    tg.access.wait(end="queue-abort")
    assert gate.order == ["/first"]
