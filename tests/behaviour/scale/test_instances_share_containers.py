"""Several tidegates on one redis whose backends are containers: who leads finds those of who led before, and who stood
still in the midst of an order does not go on with it."""

import os
import signal

import pytest

from harness import conf, control, docker_api, net, settings
from harness.receiver import Receiver
from harness.redis import Redis
from scale.conftest import Site, quickly, shared_store

NAMES = ("a", "b")


@pytest.fixture
def fake(tmp_path):
    daemon = docker_api.FakeDocker(tmp_path / "docker.sock")
    yield daemon
    daemon.stop()


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.stop()


@pytest.fixture
def instances(tidegate, fake, redis, receiver, tmp_path):
    made = {}
    for name in NAMES:
        admin = f"{tmp_path}/admin{name}.sock"
        made[name] = tidegate(conf.one(
            "http", (), top=f"""admin = {{ socket = "{admin}"; }};
                {shared_store(redis.url(), name)}
                hooks = ( {{ name = "h"; on = ( "leader-change" ); url = "{receiver.url()}"; }} );
                nodes = ( {{ name = "host-a"; docker = "unix://{fake.path}"; address = "{net.ADDRESS}"; }} );""",
            service=f"""
                health = {{ type = "http"; path = "/status/200"; interval = "50ms"; rise = 1; }};
                autoscale = {{ module = "target"; metric = "in-flight"; target = 2; min = 1; max = 3;
                               start_timeout = "5s"; {quickly("target", "")} }};
                provider = {{ type = "docker"; image = "acme/api:7"; port = 9000; owner = "all";
                              stop_grace = "1s"; timeout = "10s"; }};"""))
        made[name].site = Site(admin, tmp_path)
    return made


def leader(instances, among=NAMES):
    found = []

    def agreed():
        said = {instances[name].site.show()["lead"]["leader"] for name in among}
        found[:] = [*said]
        return len(said) == 1 and found[0] != ""
    settings.wait_until(agreed, f"{among} to agree")
    return found[0]


def test_who_led_goes_on_with_nothing_and_who_leads_has_what_it_had(instances, fake, receiver):
    first = leader(instances)
    second = "b" if first == "a" else "a"
    for name in NAMES:
        instances[name].site.wait(ready=1, desired=1)
    (kept,) = fake.running()
    epoch = instances[first].site.show()["lead"]["epoch"]
    assert [c.labels["tidegate.epoch"] for c in fake.containers.values()] == [str(epoch)]
    told = receiver.wait_event("leader-change", service="site")
    assert told["reason"] == f"{first} leads, epoch {epoch}"
    # The leader has its second container made, and stands still before it hears of that.
    keeper = instances[first].role_pid("keeper")
    with fake.lock:
        before = len(fake.orders)
        fake.faults["create"] = ["held"]
    control.ask(instances[first].site.admin, "scale site 2")
    settings.wait_until(lambda: len(fake.containers) == 2, "the second to be made")
    os.kill(keeper, signal.SIGSTOP)
    try:
        settings.wait_until(lambda: instances[second].site.show()["lead"]["role"] == "leads", "the other to lead")
        assert receiver.wait_event("leader-change", service="site",
                                   reason=f"{second} leads, epoch {epoch + 1}")
        # It finds the one that serves, takes away what was never started, and has one of its own in place of it.
        instances[second].site.wait(ready=2, pending=0)
        assert len(fake.running()) == len(fake.containers) == 2 and kept in fake.running()
        fake.released.set()
    finally:
        os.kill(keeper, signal.SIGCONT)
    assert leader(instances) == second
    for name in NAMES:
        instances[name].site.wait(ready=2, desired=2, pending=0, draining=0)
    assert len(fake.running()) == len(fake.containers) == 2 and kept in fake.running()
    changes = [verb for verb, _, pid in fake.orders[before:]
               if pid == keeper and verb in ("create", "start", "stop", "remove")]
    assert changes == ["create"], "who leads no more changes nothing"


def test_of_those_that_end_together_the_last_one_stops_what_all_have(instances, fake):
    """As one that is alone does; the one before it leaves all to it."""
    first = leader(instances)
    control.ask(instances[first].site.admin, "scale site 2")
    for name in NAMES:
        instances[name].site.wait(ready=2, pending=0)
    for tg in instances.values():
        tg.send_signal(signal.SIGTERM)
    for tg in instances.values():
        assert tg.wait() == 0
    assert not fake.containers
    left = [line["svc"] for tg in instances.values() for line in tg.log.records(msg="backends are left to other instances")]
    assert left == ["site"]
