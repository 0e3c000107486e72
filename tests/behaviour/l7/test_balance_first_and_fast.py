"""`first` fills one backend before the next; `ewma` and `p2c` avoid the slow one; `random` spreads."""

import contextlib
import threading

import pytest

from harness import backends, client, conf, settings


def test_first_fills_one_before_the_next(shared_tidegate, recording_backend):
    def holds(conn):
        conn.read_request()
        conn.read_to_end()
    held = [recording_backend(holds, name=name) for name in "abc"]
    tg = shared_tidegate(conf.http(*held, workers=2,
                                   service='balance = "first"; max_connections_per_backend = 3;'))
    with contextlib.ExitStack() as stack:
        peers = []
        for n in range(7):
            peers.append(stack.enter_context(tg.client()).send(client.get(f"/{n}")))
            settings.wait_until(lambda: sum(len(b.requests) for b in held) == n + 1, "the request")
        assert [len(backend.requests) for backend in held] == [3, 3, 1]
        peers[0].reset()
        settings.wait_until(lambda: tg.access.records(path="/0"), "a place to be free")
        stack.enter_context(tg.client()).send(client.get("/again"))
        settings.wait_until(lambda: len(held[0].requests) == 4, "the first to be filled again")
        for peer in peers[1:]:
            peer.reset()


def slow(seconds):
    def script(conn):
        while conn.read_request() is not None:
            settings.let_rest(seconds)
            conn.send(backends.OK)
    return script


@pytest.mark.parametrize("balance", ["ewma", "p2c", "least-conn"])
def test_a_slow_backend_gets_less(shared_tidegate, recording_backend, balance):
    made = [recording_backend(slow(0.1), name="slow"), recording_backend(slow(0.002), name="fast")]
    tg = shared_tidegate(conf.http(*made, workers=1, service=f'balance = "{balance}";'))

    def ask():
        with tg.client() as peer:
            for _ in range(25):
                assert peer.exchange(client.get()).status == 200
    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(settings.TIMEOUT)
    counts = [len(backend.requests) for backend in made]
    assert sum(counts) == 150
    assert counts[0] < counts[1] / 2


@pytest.mark.parametrize("balance", ["random", "p2c"])
def test_weights_are_kept_on_the_whole(shared_tidegate, recording_backend, balance):
    made = [recording_backend(name=name) for name in "ab"]
    tg = shared_tidegate(conf.http(*(f'{{ name = "{b.name}"; address = "{b.address}"; weight = {w}; }}'
                                     for b, w in zip(made, (1, 3))), workers=1,
                                   service=f'balance = "{balance}";'))
    with tg.client() as peer:
        for _ in range(400):
            assert peer.exchange(client.get()).status == 200
    light, heavy = (len(backend.requests) for backend in made)
    assert light + heavy == 400
    assert 60 <= light <= 140  # 100 expected, standard deviation 9
