"""Columns of `show stat` that are easy to get wrong: wredis, smax, and weight while it starts slowly."""

import contextlib

import pytest

from harness import backends, client, conf, net, settings, stat


def top(tmp_path):
    return f'admin = {{ socket = "{tmp_path}/admin.sock"; }};'


def rows(tmp_path):
    return stat.rows(tmp_path / "admin.sock")


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_tries_on_another_backend_are_redispatches(shared_tidegate, recording_backend, tmp_path, mode):
    dead = f'{{ name = "dead"; address = "{net.ADDRESS}:{net.free_port()}"; }}'
    tg = shared_tidegate(getattr(conf, mode)(
        dead, recording_backend(name="good"), workers=1, top=top(tmp_path),
        service='balance = "first"; health = { type = "none"; }; outlier = { connects = 0; };'))
    for _ in range(5):
        assert tg.exchange(client.get()).status == 200
    seen = {name: rows(tmp_path)[(tg.service, name)] for name in ("dead", "good", "BACKEND")}
    assert [(row["wretr"], row["wredis"]) for row in seen.values()] == \
        [("5", "5"), ("0", "0"), ("5", "5")]


def test_the_same_backend_again_is_none(shared_tidegate, tmp_path):
    tg = shared_tidegate(conf.http(f"{net.ADDRESS}:{net.free_port()}", workers=1, top=top(tmp_path),
                                   service='health = { type = "none"; }; retry = { backoff = "1ms"; };'))
    assert tg.exchange(client.get()).status == 503
    row = rows(tmp_path)[(tg.service, "BACKEND")]
    assert (row["wretr"], row["wredis"]) == ("2", "0")


def test_the_most_at_once_is_told_however_short_it_was(shared_tidegate, recording_backend, tmp_path):
    tg = shared_tidegate(conf.http(recording_backend(name="b"), workers=2, top=top(tmp_path)))
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(tg.client()) for _ in range(6)]
        for peer in peers:
            assert peer.exchange(client.get()).status == 200
    seen = rows(tmp_path)
    assert 1 <= int(seen[(tg.service, "b")]["smax"]) <= 6
    assert int(seen[(tg.service, "BACKEND")]["smax"]) >= int(seen[(tg.service, "b")]["smax"])
    assert int(seen[(tg.listener, "FRONTEND")]["smax"]) >= 6


def test_slow_start_shows_what_is_in_effect(shared_tidegate, recording_backend, tmp_path):
    passes = []
    check = backends.handles(lambda request: backends.answer(
        "503 No" if request.target == "/check" and not passes else "200 OK"))
    made = recording_backend(check, name="b")
    tg = shared_tidegate(conf.http(
        f'{{ name = "b"; address = "{made.address}"; weight = 100; }}', workers=1,
        top=top(tmp_path), service='slow_start = "1h"; max_connections_per_backend = 50; '
        'health = { type = "http"; path = "/check"; interval = "50ms"; rise = 1; };'))
    tg.log.wait(msg="backend down")
    tg.exchange_until(503)  # a proxy that hears of both at once sees one that was never away
    passes.append(True)
    tg.log.wait(msg="backend up")

    def in_effect():
        row = rows(tmp_path)[(tg.service, "b")]
        return (row["weight"], row["uweight"], row["slim"]) == ("10", "100", "5")
    settings.wait_until(in_effect, "a tenth of its weight and limit")
