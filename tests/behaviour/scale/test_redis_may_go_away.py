"""A store in redis: samples and decisions are in it, and without it traffic goes on and nothing is stopped."""

import contextlib
import json

import pytest

from harness import client, control, load, metrics, net, procfs, settings
from harness.redis import Redis

SLOW = client.get("/slow?ms=100")
PLAIN = 'metric = "in-flight"; target = 2; min = 1; max = 4;'
DATABASE = 3

# No more than doc/internals/store.md says it needs; the password has what an url must escape.
USERS = {"tidegate": ("p/@:%ss", "~tg:* +hset +pexpire +zadd +zremrangebyscore +xadd +ping +select "
                      "+evalsha +script|load +time +get +set +incr +del +zrem +zrange +hgetall +hget +hlen +info")}


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path, USERS)
    yield server
    server.stop()


def store(url):
    return f'store = {{ type = "redis"; url = "{url}"; }};'


@pytest.fixture
def page(scaled, redis):
    """The address of the metrics page, and a tidegate whose store is that redis."""
    address = f"{net.ADDRESS}:{net.free_port()}"
    return address, scaled(PLAIN, top=store(redis.url("tidegate", DATABASE)),
                           sockets=f'http = "{address}";')


def test_samples_and_decisions_are_in_it(scaled, redis):
    tg = scaled(PLAIN, top=store(redis.url("tidegate", DATABASE)))

    def ask(*words):
        return redis.ask(*words, database=DATABASE)
    tg.site.wait(ready=1)
    with load.KeptLoad(tg.address, clients=8, request=SLOW) as busy:
        names = {member["name"] for member in tg.site.wait(ready=4)["members"]}
        settings.wait_until(lambda: set(ask("zrange", "tg:{site}:live", "0", "-1")) >= names,
                            "all of them to live")
        for name in names:
            settings.wait_until(lambda: ask("hget", f"tg:{{site}}:b:{name}", "state") == "ready",
                                f"{name} to be ready")
            sample = ask("hgetall", f"tg:{{site}}:b:{name}")
            assert float(sample["in-flight"]) <= 8 and int(sample["at"]) > 0
            # Ten intervals, or 5 s.
            assert 0 < ask("pttl", f"tg:{{site}}:b:{name}") <= 5000
        assert 0 < ask("pttl", "tg:{site}:live") <= 5000
        settings.wait_until(lambda: float(ask("hget", "tg:{site}:now", "ready")) == 4, "four in a point")
    assert not busy.failures()
    records = [json.loads(entry[1][1]) for entry in ask("xrange", "tg:{site}:decisions", "-", "+")]
    assert records[0]["service"] == "site" and max(one["desired"] for one in records) == 4
    tg.site.wait(ready=1, draining=0)
    assert tg.site.show()["store"] == {"kind": "redis", "well": True, "why": ""}
    assert redis.ask("keys", "*") == []  # all of it is in the database that was configured
    tg.stop()
    # What who comes next is to know, and no more.
    kept = [f"tg:{{site}}:{key}" for key in ("decisions", "epoch", "fleet", "state")]
    settings.wait_until(lambda: set(ask("keys", "*")) <= set(kept), "all else to end")


def test_it_is_reached_by_a_unix_socket_too(scaled, redis):
    tg = scaled(PLAIN, top=store(redis.url("tidegate", DATABASE, True)))

    def state():
        return redis.ask("hget", "tg:{site}:b:auto-1", "state", database=DATABASE)
    settings.wait_until(lambda: state() == "ready", "its sample")
    assert tg.site.show()["store"] == {"kind": "redis", "well": True, "why": ""}


@contextlib.contextmanager
def dead(redis):
    redis.kill()
    yield
    redis.start()


def frozen(redis):
    return procfs.standing_still(redis.server.pid)


@pytest.mark.parametrize("trouble", [dead, frozen], ids=["killed", "frozen"])
def test_without_it_traffic_goes_on_and_nothing_is_stopped(page, redis, trouble):
    address, tg = page
    tg.site.wait(ready=1)
    with load.KeptLoad(tg.address, clients=1, request=SLOW) as base:
        with load.KeptLoad(tg.address, clients=8, request=SLOW) as busy:
            tg.site.wait(ready=4)
            settings.wait_until(lambda: metrics.page(address).value("store_up") == 1, "the store to be up")
            with trouble(redis):
                said = tg.log.wait(msg="the store is not well, no service is made smaller")
                assert said["reason"]
                served = busy.served_since(0)
                settings.wait_until(lambda: busy.served_since(0) > served + 16, "requests")
                busy.over.set()  # the load falls while it is away
                settings.wait_until(lambda: tg.site.show()["by_guard"]["store"] >= 8,
                                    "two seconds of ticks that would stop some")
                seen = tg.site.show()
                assert (seen["desired"], seen["ready"], seen["draining"]) == (4, 4, 0)
                assert seen["guard"] == "store" and not seen["store"]["well"] and seen["store"]["why"]
                assert metrics.page(address).value("store_up") == 0
                assert metrics.page(address).value("store_failures_total") > 0
                assert not tg.log.records(msg="backend draining")
            tg.log.wait(msg="the store is well", count=2)
        tg.site.wait(ready=1, draining=0)
        settings.wait_until(lambda: metrics.page(address).value("store_up") == 1, "the store to be up")
    assert not base.failures() and not busy.failures()


def test_more_are_started_without_it_even_the_first_and_fewer_by_order(scaled, redis):
    tg = scaled('metric = "in-flight"; target = 2; min = 0; max = 4; ',
                top=store(redis.url("tidegate", DATABASE)))
    tg.site.wait(desired=0, ready=0)
    with frozen(redis):
        tg.log.wait(msg="the store is not well, no service is made smaller")
        with load.KeptLoad(tg.address, clients=8, request=SLOW) as busy:
            tg.site.wait(ready=4)
        assert not busy.failures()
        # Nobody else was there: what an operator orders is done, and the answer says that others do not know.
        assert "this one does it now" in control.ask(tg.site.admin, "scale site 1")
        tg.site.wait(ready=1, desired=1, draining=0)
        assert control.ask(tg.site.admin, "scale site auto").startswith("note: ")
    # What was decided meanwhile comes later.
    settings.wait_until(lambda: any('"desired":4' in entry[1][1] for entry in
                                    redis.ask("xrange", "tg:{site}:decisions", "-", "+",
                                              database=DATABASE)), "the decision")


def test_a_store_that_refuses_us_says_so(scaled, redis):
    url = redis.url("tidegate", DATABASE).replace("tidegate:", "somebody:")
    tg = scaled(PLAIN, top=store(url))
    said = tg.log.wait(msg="the store is not well, no service is made smaller")
    assert "WRONGPASS" in said["reason"]
    assert "%ss" not in tg.log.text()  # not the password
    tg.site.wait(ready=1)
    assert tg.exchange(client.get()).status == 200


def test_a_reload_takes_another_store_and_keeps_what_is_known(scaled, redis):
    """memory, redis, a redis that does not answer, memory: while it is busy."""
    tg = scaled(PLAIN, top="store = {};")
    memory = tg.conf_path.read_text()

    def using(url):
        return memory.replace("store = {};", store(url))
    tg.site.wait(ready=1)
    children = {role: tg.role_pid(role) for role in ("proxy", "keeper")}
    with load.KeptLoad(tg.address, clients=8, request=SLOW) as busy:
        tg.site.wait(ready=4)
        decisions = tg.site.show()["decisions"]
        processes = tg.site.processes()
        tg.reload(using(redis.url("tidegate", DATABASE)))
        tg.log.wait(msg="the store is well")
        settings.wait_until(lambda: float(redis.ask("hget", "tg:{site}:now", "ready",
                                                    database=DATABASE) or 0) == 4, "a point")
        assert tg.site.show()["store"]["kind"] == "redis"
        tg.reload(using(f"redis://{net.ADDRESS}:{net.free_port()}/0"))
        tg.log.wait(msg="the store is not well, no service is made smaller")
        seen = tg.site.show()
        assert seen["store"]["kind"] == "redis" and not seen["store"]["well"] and seen["ready"] == 4
        tg.reload(memory)
        seen = tg.site.wait(store={"kind": "memory", "well": True, "why": ""}, ready=4)
        assert seen["decisions"] >= decisions and tg.site.processes() == processes
        busy.over.set()
        tg.site.wait(ready=1, draining=0)
    assert not busy.failures()
    assert {role: tg.role_pid(role) for role in ("proxy", "keeper")} == children
