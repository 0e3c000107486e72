"""Requests with the same key go to the same backend, and stay there when others come and go."""

import contextlib

import pytest

from harness import backends, client, conf, net, settings


def named(recording_backend, *names):
    return [recording_backend(backends.handles(
        lambda request, name=name: backends.answer(body=name.encode())), name=name)
        for name in names]


def hashed(hash_on, more=""):
    return f'balance = "hash"; hash_on = "{hash_on}"; {more}'


def request_with(kind, key):
    """A request whose key of this kind is `key`, and whose others vary with it not at all."""
    return {
        "path": client.get(f"/{key}"),
        "header:X-User": client.get("/", extra=f"x-user: {key}\r\n".encode()),
        "cookie:user": client.get("/", extra=f"Cookie: a=1; user={key}; b=2\r\n".encode()),
        "query:user": client.get(f"/?a=1&user={key}&b=2"),
    }[kind]


KINDS = ["path", "header:X-User", "cookie:user", "query:user"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [1, 3])
def test_a_key_has_its_backend(shared_tidegate, recording_backend, kind, workers):
    tg = shared_tidegate(conf.http(*named(recording_backend, "a", "b", "c"), workers=workers,
                                   service=hashed(kind)))
    places = {}
    for key in range(30):
        places[key] = {tg.exchange(request_with(kind, key)).body for _ in range(3)}
    assert all(len(place) == 1 for place in places.values()), places
    assert set.union(*places.values()) == {b"a", b"b", b"c"}


@pytest.mark.parametrize("kind", KINDS[1:])
def test_without_the_key_a_request_goes_anywhere(shared_tidegate, recording_backend, kind):
    tg = shared_tidegate(conf.http(*named(recording_backend, "a", "b"), workers=1, service=hashed(kind)))
    assert {tg.exchange(client.get("/?x=1")).body for _ in range(40)} == {b"a", b"b"}


def test_the_query_is_no_part_of_the_path(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(*named(recording_backend, "a", "b", "c"), workers=1,
                                   service=hashed("path")))
    for path in ("/x", "/y/z", "/"):
        assert len({tg.exchange(client.get(f"{path}?{n}")).body for n in range(10)}) == 1


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_source(shared_tidegate, recording_backend, mode):
    """All of this test's clients have one address. Connections of before may still be ending: no bound."""
    made = getattr(conf, mode)(*named(recording_backend, "a", "b", "c"), workers=2,
                               service=hashed("source", "hash_bound = 0.0;"))
    tg = shared_tidegate(made)
    assert len({tg.exchange(client.get(f"/{n}")).body for n in range(12)}) == 1


def test_when_one_leaves_only_its_keys_move(shared_tidegate, recording_backend):
    health = 'health = { type = "tcp"; interval = "50ms"; fall = 1; };'
    made = named(recording_backend, "a", "b", "c", "d")
    tg = shared_tidegate(conf.http(*made, workers=1, service=hashed("path", health)))
    tg.log.wait(count=4, msg="backend up")

    def places():
        return {key: tg.exchange(client.get(f"/{key}")).body for key in range(60)}
    settings.wait_until(lambda: len(set(places().values())) == 4, "all to serve")
    before = places()
    made[0].stop()
    tg.log.wait(msg="backend down", srv="a")
    after = settings.wait_until(lambda: (now := places()) and b"a" not in now.values() and now,
                                "the view without it")
    moved = [key for key in before if before[key] != after[key]]
    assert set(moved) >= {key for key in before if before[key] == b"a"}
    # Maglev moves a few others too.
    assert len(moved) <= sum(place == b"a" for place in before.values()) + 6


def test_one_of_ten_more_or_less_moves_its_own_keys(shared_tidegate, recording_backend):
    """By real requests, over reloads: about one of ten, and back exactly."""
    made = named(recording_backend, *"abcdefghij")
    keys = range(300)
    bind = f"{net.ADDRESS}:{net.free_port()}"

    def places():
        with tg.client() as peer:
            return {key: peer.exchange(client.get(f"/{key}")).body for key in keys}

    def using(*chosen):
        return conf.http(*chosen, bind=bind, workers=1, service=hashed("path", "hash_bound = 0.0;"))

    def moved(one, other):
        return {key for key in keys if one[key] != other[key]}
    tg = shared_tidegate(using(*made))
    ten = places()
    tg.reload(using(*made[:-1]))
    nine = places()
    own = {key for key in keys if ten[key] == b"j"}
    assert own and own <= moved(ten, nine) and b"j" not in nine.values()
    assert len(moved(ten, nine)) <= 2 * len(keys) / 10
    tg.reload(using(*reversed(made)))
    assert places() == ten


def test_a_key_in_great_demand_spills_over(shared_tidegate, recording_backend):
    """With the bound, one key cannot fill one backend while the others rest."""
    def holds(conn):
        conn.read_request()
        conn.read_to_end()
    held = [recording_backend(holds, name=name) for name in "abcd"]
    tg = shared_tidegate(conf.http(*held, workers=1, service=hashed("path", "hash_bound = 1.5;")))
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(tg.client()).send(client.get("/hot")) for _ in range(16)]
        settings.wait_until(lambda: sum(len(backend.requests) for backend in held) == 16,
                            "all of them to be held")
        counts = sorted(len(backend.requests) for backend in held)
        assert counts[-1] <= 6  # 1.5 times a quarter of 16
        for peer in peers:
            peer.reset()
    assert {record["choice"] for record in
            (tg.access.wait(count=16, path="/hot"), *tg.access.records(path="/hot"))} == {
                "balance", "spill"}
