"""Shares follow the weights, exactly; least-conn follows what is in flight."""

import collections
import threading

import pytest

from harness import backends, client, conf, settings


def weighted(backend, weight):
    return f'{{ name = "{backend.name}"; address = "{backend.address}"; weight = {weight}; }}'


def named(name):
    return backends.handles(lambda request: backends.answer(body=name.encode()))


@pytest.mark.parametrize("weights", [(1, 1, 1), (3, 1), (5, 1, 1), (256, 128, 1), (2, 0, 1)])
def test_round_robin_shares_are_exact(shared_tidegate, recording_backend, weights):
    made = [recording_backend(named(str(i)), name=str(i)) for i in range(len(weights))]
    tg = shared_tidegate(conf.http(*map(weighted, made, weights), workers=1))
    rounds = max(1, 300 // sum(weights))
    peer = tg.client()
    got = collections.Counter(peer.exchange(client.get()).body
                              for _ in range(rounds * sum(weights)))
    assert [got[b"%d" % i] for i in range(len(weights))] == [rounds * w for w in weights]


def test_round_robin_is_smooth(shared_tidegate, recording_backend):
    """5:1:1 gives a a b a c a a, not five a in a row (nginx's smooth weighted round-robin)."""
    made = [recording_backend(named(name), name=name) for name in "abc"]
    tg = shared_tidegate(conf.http(*map(weighted, made, (5, 1, 1)), workers=1))
    peer = tg.client()
    got = b"".join(peer.exchange(client.get()).body for _ in range(70)).decode()
    assert "aaaaa" not in got and "bb" not in got and "cc" not in got
    assert got.count("a") == 50


@pytest.mark.parametrize("workers", [1, 4])
def test_least_conn_shares_by_weight_while_idle(shared_tidegate, recording_backend, workers):
    """One request at a time, from any worker: the light ones have their turns."""
    made = [recording_backend(named(name), name=name) for name in "abc"]
    tg = shared_tidegate(conf.http(*map(weighted, made, (5, 2, 1)), workers=workers,
                                   service='balance = "least-conn";'))
    peers = [tg.client() for _ in range(4)]
    got = collections.Counter()
    for number in range(40):
        got[peers[number % 4].exchange(client.get()).body] += 1
        if workers > 1:  # it is over for all of them, not only here
            tg.access.wait(count=number + 1)
    assert [got[name] for name in (b"a", b"b", b"c")] == [25, 10, 5]


def test_ewma_starves_nobody_while_idle(shared_tidegate, recording_backend):
    made = [recording_backend(named(name), name=name) for name in "abc"]
    tg = shared_tidegate(conf.http(*map(weighted, made, (5, 2, 1)), workers=1,
                                   service='balance = "ewma"; ewma_decay = "100ms";'))
    peer = tg.client()
    # It goes by how long answers took: a machine that leaves a backend waiting makes one round of few.
    got = collections.Counter()

    def is_fair():
        got.update(peer.exchange(client.get()).body for _ in range(3000))
        n = got.total()
        return got[b"b"] >= n * 2 / 8 / 2 and got[b"c"] >= n * 1 / 8 / 2
    settings.wait_until(is_fair, "no backend to be starved")


def test_least_conn_avoids_the_busy_one(shared_tidegate, recording_backend):
    go = threading.Event()

    def slow(request):
        if request.target == "/slow":
            assert go.wait(settings.TIMEOUT)
        return backends.OK
    one, two = recording_backend(backends.handles(slow)), recording_backend(backends.handles(slow))
    tg = shared_tidegate(conf.http(one, two, service='balance = "least-conn";'))
    waiting = [tg.client().send(client.get("/slow")) for _ in range(10)]
    settings.wait_until(lambda: len(one.requests) + len(two.requests) == 10, "10 in flight")
    assert [len(one.requests), len(two.requests)] == [5, 5]
    go.set()
    assert [peer.read_answer().status for peer in waiting] == [200] * 10


def test_least_conn_is_exact_across_workers(shared_tidegate, recording_backend):
    """One backend keeps its requests; whichever worker a client meets, the rest go elsewhere."""
    go = {"stuck": threading.Event(), "free": threading.Event()}

    def waits(name):
        def handler(_request):
            assert go[name].wait(settings.TIMEOUT)
            return backends.answer(body=name.encode())
        return backends.handles(handler)
    stuck, free = recording_backend(waits("stuck")), recording_backend(waits("free"))
    tg = shared_tidegate(conf.http(stuck, free, workers=4, service='balance = "least-conn";'))
    held = []
    for number in range(20):
        held.append(tg.client().send(client.get()))
        settings.wait_until(lambda: len(stuck.requests) + len(free.requests) == number + 1,
                            "the request to arrive")
    assert len(stuck.requests) == len(free.requests) == 10
    go["free"].set()
    settings.wait_until(lambda: len(tg.access.records()) == 10, "those at free to end")
    assert {tg.exchange(client.get()).body for _ in range(60)} == {b"free"}
    go["stuck"].set()
    assert sorted(peer.read_answer().body for peer in held) == [b"free"] * 10 + [b"stuck"] * 10


def test_least_conn_weighs(shared_tidegate, recording_backend):
    go = threading.Event()

    def slow(request):
        assert go.wait(settings.TIMEOUT)
        return backends.OK
    made = [recording_backend(backends.handles(slow)) for _ in range(2)]
    tg = shared_tidegate(conf.http(*map(weighted, made, (3, 1)), workers=2,
                                   service='balance = "least-conn";'))
    waiting = []
    for number in range(20):
        waiting.append(tg.client().send(client.get()))
        settings.wait_until(lambda: sum(len(one.requests) for one in made) == number + 1,
                            "the request to arrive")
    assert [len(one.requests) for one in made] == [15, 5]
    go.set()
    assert [peer.read_answer().status for peer in waiting] == [200] * 20


@pytest.mark.parametrize("balance", ["round-robin", "least-conn"])
def test_tcp_shares_the_same_balancing(shared_tidegate, recording_backend, balance):
    made = [recording_backend(lambda conn: conn.read_to_end()) for _ in range(2)]
    tg = shared_tidegate(conf.tcp(*map(weighted, made, (3, 1)), workers=1,
                                  service=f'balance = "{balance}";'))
    for number in range(20):
        tg.client()
        settings.wait_until(lambda: sum(len(one.connections) for one in made) == number + 1,
                            "the connection to arrive")
    assert [len(one.connections) for one in made] == [15, 5]
