"""What operators order one of several tidegates on one redis, all do within a second, with author and origin."""

import json
import time

import pytest

from harness import conf, control, settings
from harness.redis import Redis

SOON = 1.0  # seconds
B1, B2 = "127.0.0.1:9", "127.0.0.1:19"


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def start(tidegate, redis, tmp_path):
    def one(name, share="true"):
        text = conf.one("http", (B1, B2), top=f"""admin = {{ socket = "{tmp_path}/{name}.sock"; }};
            store = {{ type = "redis"; url = "{redis.url()}"; instance = "{name}"; share_orders = {share}; }};
            """)
        tg = tidegate(text)
        tg.admin = f"{tmp_path}/{name}.sock"
        tg.log.wait(msg="the store is well")
        return tg
    return one


def test_all_do_what_one_is_ordered(start, redis):
    a, b, alone = start("a"), start("b"), start("alone", share="false")
    began = time.monotonic()
    control.ask(a.admin, f"set server site/{B1} state drain; set server site/{B2} weight 7")
    drained = b.log.wait(msg="ordered", srv=B1, set="state", value="drain")
    weighed = b.log.wait(msg="ordered", srv=B2, set="weight", value="7")
    assert time.monotonic() - began < SOON * settings.TIMEOUT / 20
    said = a.log.wait(msg="ordered", srv=B1, set="state", value="drain")
    assert drained["who"] == f"{said['who']}@a" and weighed["who"].endswith("@a")
    # The other way, and the later one counts.
    control.ask(b.admin, f"set server site/{B1} state ready")
    assert a.log.wait(msg="ordered", srv=B1, value="ready")["who"].endswith("@b")
    kept = {key.replace("\n", "/"): json.loads(value)
            for key, value in redis.ask("hgetall", "tg:{*}:orders").items()}
    assert kept[f"site/{B1}/state"]["value"] == "ready" and kept[f"site/{B1}/state"]["origin"] == "b"
    # Who comes later does so too; who wants no part of it has none.
    late = start("late")
    assert late.log.wait(msg="ordered", srv=B2, set="weight", value="7")["who"].endswith("@a")
    assert not alone.log.records(msg="ordered")
    # It is told once, not back and forth.
    assert len(a.log.records(msg="ordered")) == 3 and len(b.log.records(msg="ordered")) == 3


def test_what_others_say_stays_on_its_line(start, redis):
    """Whoever may write to redis may have said anything."""
    a = start("a")
    control.ask(a.admin, f"set server site/{B1} state drain")
    settings.wait_until(lambda: redis.ask("get", "tg:{*}:orders:number") == "1", "the order in redis")
    order = {"number": 2, "at": int(time.time() * 1000), "origin": "b\nc", "value": "7", "was": "1",
             "who": "me\x1b[2J", "why": "one\n\ntwo"}
    redis.ask("hset", "tg:{*}:orders", f"site\n{B2}\nweight", json.dumps(order))
    redis.ask("incr", "tg:{*}:orders:number")
    a.log.wait(msg="ordered", srv=B2, set="weight", value="7")
    told = [line for line in control.ask(a.admin, "show state diff").split("\n") if B2 in line]
    assert len(told) == 1 and told[0].endswith("by me?[2J@b?c: one??two")


def test_orders_wait_for_redis_and_what_is_newer_stays(start, redis):
    a, b = start("a"), start("b")
    redis.kill()
    for tg in (a, b):
        tg.log.wait(msg="the store is not well, no service is made smaller")
    control.ask(a.admin, f"set server site/{B1} weight 3; set server site/{B2} weight 3")
    settings.let_rest(0.1)  # clocks of two hosts are compared by way of redis, to some milliseconds
    control.ask(b.admin, f"set server site/{B1} weight 5")
    redis.start()
    # The later of the two is that of b, whoever comes first.
    a.log.wait(msg="ordered", srv=B1, value="5")
    b.log.wait(msg="ordered", srv=B2, value="3")

    def weights():
        return [json.loads(redis.ask("hget", "tg:{*}:orders", f"site\n{name}\nweight"))["value"]
                for name in (B1, B2)]
    settings.wait_until(lambda: weights() == ["5", "3"], "redis to have both")
    assert [r["value"] for r in b.log.records(msg="ordered", srv=B1)][-1] == "5"
