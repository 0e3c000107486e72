"""Several tidegates on one redis: one leads, the others follow, and another leads when it dies or stands still."""

import json
import os
import signal
import time

import pytest

from harness import client, control, load, procfs, settings
from harness.redis import Redis
from scale.conftest import LEASE, shared_store

SLOW = client.get("/slow?ms=100")
SERVICE = "tg:{site}:"
NAMES = ("a", "b", "c")


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path)
    yield server
    server.stop()


class Instances:
    """Three tidegates before the service `site`, with the same programs and the same redis."""

    def __init__(self, scaled, redis, programs, tmp_path, autoscale, names=NAMES, processes=False):
        self.redis, self.programs, self.tmp_path = redis, programs, tmp_path
        self.by_name = {}
        for name in names:
            options = {} if processes else {"programs": programs.provider(),
                                            "environment": programs.environment()}
            self.by_name[name] = scaled(autoscale, top=shared_store(redis.url(), name), instance=name, **options)

    def __getitem__(self, name):
        return self.by_name[name]

    def lead(self, name):
        return self[name].site.show()["lead"]

    def epoch(self):
        return int(self.redis.ask("get", SERVICE + "epoch"))

    def leader(self, among=NAMES):
        """Who leads, when all of these say the same."""
        found = []

        def agreed():
            said = [self.lead(name) for name in among]
            leaders = {one["leader"] for one in said}
            found[:] = [*leaders]
            return (len(leaders) == 1 and leaders != {""} and
                    [one["role"] for one in said].count("leads") == (found[0] in among) and
                    len({one["epoch"] for one in said}) == 1)
        settings.wait_until(agreed, f"{among} to agree on a leader")
        return found[0]

    def wait(self, among=NAMES, **wanted):
        for name in among:
            self[name].site.wait(**wanted)

    def decisions(self):
        return [json.loads(entry[1][1]) for entry in
                self.redis.ask("xrange", SERVICE + "decisions", "-", "+")]

    def check_nobody_was_contradicted(self):
        """Who acted, and who decided, did so by an epoch, and none comes back."""
        actions = self.programs.epochs()
        epochs = [epoch for _, _, epoch, _ in actions]
        assert epochs == sorted(epochs) and min(epochs) > 0, actions
        records = self.decisions()
        by_epoch = {}
        for one in records:
            by_epoch.setdefault(one["epoch"], set()).add(one["instance"])
        assert all(len(who) == 1 for who in by_epoch.values()), by_epoch
        for _, _, epoch, run in actions:
            (who,) = by_epoch[epoch]
            assert run == str(self[who].conf_path), actions
        assert [one["epoch"] for one in records] == sorted(one["epoch"] for one in records)
        return by_epoch


    def end(self):
        """One by one: the last one that can stops the backends."""
        living = [name for name in self.by_name if self[name].running()]
        for name in living[:-1]:
            self[name].stop()
        settings.wait_until(lambda: self.lead(living[-1])["others"] == 0, "the last one to be alone")
        self[living[-1]].stop()


@pytest.fixture
def instances(scaled, redis, programs, tmp_path):
    made = []

    def start(autoscale, **options):
        made.append(Instances(scaled, redis, programs, tmp_path, autoscale, **options))
        return made[-1]
    yield start
    for one in made:
        one.end()


PLAIN = 'metric = "in-flight"; target = 4; min = 1; max = 4; '


def others_of(leader):
    return tuple(name for name in NAMES if name != leader)


def killed_at_once(tg):
    """All of it, as a machine that loses its power."""
    tg.expect_status = None
    pids = [tg.role_pid("proxy"), tg.role_pid("keeper")]
    tg.process.kill()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    settings.wait_until(lambda: not any(procfs.alive(pid) for pid in pids), "its end")


def test_samples_are_summed_and_all_use_what_one_starts(instances, programs):
    all_of_them = instances(PLAIN)
    leader = all_of_them.leader()
    all_of_them.wait(ready=1, desired=1)
    assert len(programs.backends()) == 1
    # 2 clients at each are 6: two backends, which no instance alone would ask for.
    loads = [load.KeptLoad(all_of_them[name].address, clients=2, request=SLOW) for name in NAMES]
    with loads[0], loads[1], loads[2]:
        all_of_them.wait(ready=2, desired=2)
        assert len(programs.backends()) == 2
        follower = others_of(leader)[0]
        assert f"decided by {leader}" in control.ask(all_of_them[follower].site.admin, "explain site")
        shown = json.loads(control.ask(all_of_them[leader].site.admin, "explain site json"))
        assert shown["instance"] == leader and shown["epoch"] == all_of_them.epoch()
        store = json.loads(control.ask(all_of_them[follower].site.admin, "show store json"))
        assert store["type"] == "redis" and store["well"] and store["instance"] == follower
        assert store["memory"] > 0 and store["exchanges"] > 0
        (told,) = store["services"]
        assert (told["service"], told["role"], told["leader"]) == ("site", "follows", leader)
        assert told["epoch"] == all_of_them.epoch()
        assert sorted(told["others"]) == sorted(others_of(follower))
        assert f"site follows {leader} " in control.ask(all_of_them[follower].site.admin, "show store")
        origin = all_of_them.redis.ask("hgetall", SERVICE + "fleet")
        assert all(value.split(" ")[:2] == ["ready", leader] for value in origin.values())
    # What one is ordered all do, whoever leads.
    for order, known in (("scale site 3", {"number": 3, "ready": 3}), ("autoscale site pause", {"mode": "paused"}),
                         ("autoscale site resume", {"mode": "on"}), ("scale site auto", {"number": None})):
        control.ask(all_of_them[others_of(leader)[1]].site.admin, order)
        all_of_them.wait(**known)
    all_of_them.wait(ready=1, draining=0)
    assert not any(one.failures() for one in loads)
    settings.wait_until(lambda: len(programs.backends()) == 1, "one to stop")
    all_of_them.check_nobody_was_contradicted()


def redis_state(instances):
    return instances.redis.ask("hgetall", SERVICE + "state")


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_another_leads_when_the_leader_is_gone(instances, programs, how):
    all_of_them = instances(PLAIN + f'cooldown_down = "{int(8 * LEASE)}s"; ')
    first = all_of_them.leader()
    rest = others_of(first)
    epoch = all_of_them.epoch()
    with load.KeptLoad(all_of_them[rest[0]].address, clients=12, request=SLOW) as busy:
        all_of_them.wait(ready=3, desired=3)
        settings.wait_until(lambda: redis_state(all_of_them)["proposed"] == "3", "it to be told")
        before = sorted(programs.backends())
        keeper = all_of_them[first].role_pid("keeper")
        began = time.monotonic()
        if how == "killed":
            killed_at_once(all_of_them[first])
        else:
            os.kill(keeper, signal.SIGSTOP)
        try:
            settings.wait_until(lambda: all_of_them.lead(rest[0])["leader"] not in ("", first),
                                "another to lead")
            second = all_of_them.leader(rest)
            assert second in rest and time.monotonic() - began < 3 * LEASE
            assert all_of_them.epoch() > epoch
            all_of_them.wait(rest, ready=3, draining=0, pending=0)
            assert sorted(programs.backends()) == before
            # Its first decision knows what the other one proposed, and when it did what.
            settings.wait_until(lambda: all_of_them.decisions()[-1]["epoch"] > epoch, "its decision")
            begun = [one for one in all_of_them.decisions() if one["epoch"] > epoch][0]
            proposed = [window["metrics"]["proposed"] for window in begun["snapshot"]["windows"]
                        if "proposed" in window["metrics"]]
            assert proposed and max(one[5] for one in proposed) > 1 and begun["state"]["has_up"], begun
            busy.over.set()
            # The new one keeps the old one's cooldown; it is longer than what was lost is waited for.
            shown = []

            def is_kept():
                shown.append(all_of_them[second].site.show())
                return shown[-1]["by_guard"]["cooldown-down"] > 0
            settings.wait_until(is_kept, "the cooldown to be kept")
            assert shown[-1]["desired"] == 3
        finally:
            if how == "stopped":
                os.kill(keeper, signal.SIGCONT)
    if how == "stopped":
        assert all_of_them.leader() == second
        all_of_them.wait(ready=1, draining=0, desired=1)
    all_of_them.wait(rest, ready=1, draining=0, desired=1)
    assert not busy.failures()
    settings.wait_until(lambda: len(programs.backends()) == 1, "two to stop")
    by_epoch = all_of_them.check_nobody_was_contradicted()
    assert {first}, {second} <= set(map(tuple, by_epoch.values()))


def test_a_request_at_any_of_them_wakes_a_service(instances, programs):
    all_of_them = instances('metric = "in-flight"; target = 4; min = 0; max = 4; ', names=("a", "b"))
    leader = all_of_them.leader(("a", "b"))
    follower = "b" if leader == "a" else "a"
    all_of_them.wait(("a", "b"), desired=0, ready=0)
    assert not programs.backends()
    assert all_of_them[follower].exchange(client.get()).status == 200
    all_of_them.wait(("a", "b"), desired=0, ready=0, draining=0)
    assert {verb for verb, *_ in programs.epochs()} == {"start", "stop"}
    all_of_them.check_nobody_was_contradicted()


def test_processes_of_one_that_leads_no_more_serve_until_there_are_others(instances):
    """Nobody but who started them can stop them."""
    all_of_them = instances(PLAIN.replace("min = 1", "min = 2"), names=("a", "b"), processes=True)
    first = all_of_them.leader(("a", "b"))
    second = "b" if first == "a" else "a"
    all_of_them.wait(("a", "b"), ready=2, draining=0)
    before = all_of_them[first].site.processes()
    assert len(before) == 2
    with load.KeptLoad(all_of_them[second].address, clients=2, request=SLOW) as busy:
        keeper = all_of_them[first].role_pid("keeper")
        os.kill(keeper, signal.SIGSTOP)
        try:
            settings.wait_until(lambda: all_of_them.lead(second)["role"] == "leads", "the other to lead")
            # Of those of the other nothing can be known here; they serve all the same.
            settings.wait_until(lambda: all_of_them[second].site.show()["starts"] == 2, "its own")
        finally:
            os.kill(keeper, signal.SIGCONT)
        assert all_of_them.leader(("a", "b")) == second
        all_of_them.wait(("a", "b"), ready=2, draining=0, pending=0)
        settings.wait_until(lambda: not set(before) & set(all_of_them[first].site.processes()),
                            "those of before to end")
        assert len(all_of_them[first].site.processes()) == 2
    assert not busy.failures()
