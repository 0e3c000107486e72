"""Three tidegates and a redis, each on a network of its own: who is cut off from redis does nothing that another could
contradict, and takes its place again when it is not."""

import time

import pytest

from harness import conf, control, partition, procfs, settings
from harness.redis import Redis
from scale.conftest import LEASE, Site, quickly, shared_store

NAMES = ("a", "b", "c")

pytestmark = pytest.mark.skipif(partition.missing() != "", reason=f"missing: {partition.missing()}")


@pytest.fixture
def star():
    made = partition.Star(NAMES)
    yield made
    made.stop()


@pytest.fixture
def redis(star, tmp_path):
    server = Redis(tmp_path, under=star.under("hub"), bind="0.0.0.0")
    yield server
    server.stop()


@pytest.fixture
def instances(tidegate, no_orphans, star, redis, programs, tmp_path):
    made = {}
    variables = ", ".join(f'"{one}"' for one in (f"TG_TEST={tmp_path}", *programs.environment()))
    for name in NAMES:
        admin = f"{tmp_path}/{name}.sock"
        text = conf.one(
            "http", (), bind="127.0.0.1:8080", top=f"""admin = {{ socket = "{admin}"; }};
                {shared_store(f"redis://{star.hub_address(name)}:{redis.port}", name)}""",
            service=f"""
                health = {{ type = "none"; }};
                autoscale = {{ module = "target"; metric = "in-flight"; target = 4; min = 1; max = 8;
                               {quickly("target", "")} }};
                provider = {{ {programs.provider()} stop_grace = "2s"; environment = ( {variables} ); }};""")
        made[name] = tidegate(text, under=star.under(name))
        made[name].site = Site(admin, tmp_path)
    yield made
    for name in NAMES[1:]:
        made[name].stop()
    settings.wait_until(lambda: made["a"].site.show()["lead"]["others"] == 0, "the last one to be alone")
    made["a"].stop()


def leader(instances, among=NAMES):
    found = []

    def agreed():
        said = [instances[name].site.show()["lead"] for name in among]
        found[:] = {one["leader"] for one in said}
        return (len(found) == 1 and found[0] in among and
                [one["role"] for one in said].count("leads") == 1)
    settings.wait_until(agreed, f"{among} to agree")
    return found[0]


def test_who_is_cut_off_holds_and_comes_back(instances, star, programs):
    first = leader(instances)
    rest = [name for name in NAMES if name != first]
    for name in NAMES:
        instances[name].site.wait(ready=1, desired=1)

    # The leader alone: others lead, and what it is ordered waits.
    began = time.monotonic()
    star.pull(first)
    second = leader(instances, rest)
    assert second != first and time.monotonic() - began < 3 * LEASE
    settings.wait_until(lambda: instances[first].site.show()["lead"]["role"] != "leads", "it to know its end")
    done = len(programs.epochs())
    settings.wait_until(lambda: not instances[first].site.show()["store"]["well"], "it to miss redis")
    assert "it waits until redis is back" in control.ask(instances[first].site.admin, "scale site 5")
    settings.let_rest(0.1)  # clocks of two hosts are compared by way of redis, to some milliseconds
    control.ask(instances[rest[0]].site.admin, "scale site 2")
    for name in rest:
        instances[name].site.wait(ready=2, desired=2)
    star.plug(first)
    # Of the two orders the later counts, wherever it was given.
    for name in NAMES:
        instances[name].site.wait(ready=2, desired=2, number=2)
    assert leader(instances) == second
    epoch = instances[second].site.show()["lead"]["epoch"]
    assert {one[2] for one in programs.epochs()[done:]} == {epoch}, "nobody else did anything"

    # Redis from all: nothing is done, what serves goes on.
    star.pull(*NAMES)
    for name in NAMES:
        settings.wait_until(lambda name=name: instances[name].site.show()["lead"]["role"] in ("undecided", "follows"),
                            "nobody to lead")
    done = len(programs.epochs())
    control.ask(instances[second].site.admin, "scale site 3")
    settings.wait_until(lambda: instances[second].site.show()["number"] == 3, "the order to be known there")
    for name in NAMES:
        assert instances[name].site.show()["ready"] == 2
    assert len(programs.epochs()) == done
    star.plug(*NAMES)
    for name in NAMES:
        instances[name].site.wait(ready=3, desired=3, number=3)
    epochs = [one[2] for one in programs.epochs()]
    assert epochs == sorted(epochs) and len(programs.backends()) == 3
    assert all(procfs.alive(pid) for pid in programs.backends())
