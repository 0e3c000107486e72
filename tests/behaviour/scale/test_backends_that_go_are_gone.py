"""Backends on their way out, when the keeper is killed or another provider takes their place: none is left, and none
that has work is stopped."""

import os
import re
import signal

import pytest

from harness import client, load, procfs, settings
from harness.control import ask

SLOW = client.get("/slow?ms=100")
PLAIN = 'metric = "in-flight"; target = 2; min = 1; max = 4;'
# SIGTERM does not end it; SIGKILL, after stop_grace, does.
STUBBORN = "trap '' TERM; {demo} -l 127.0.0.1:$0 -n stubborn & while :; do sleep 1; done"


def kill_keeper(tg):
    count = len(tg.log.records(msg="child ready", child="keeper"))
    os.kill(tg.role_pid("keeper"), signal.SIGKILL)
    tg.log.wait(msg="child ready", child="keeper", count=count + 1)


def of_backend(tg, name):
    """Processes that belong to this one."""
    ours = set(tg.site.processes())
    return [pid for pid in procfs.with_variable("TIDEGATE_BACKEND", name)
            if pid in ours and procfs.alive(pid)]


def states(tg):
    return {member["name"]: member["state"] for member in tg.site.show()["members"]}


def steady(busy):
    settings.wait_until(lambda: busy.served_since(0) > 20, "load")


def in_flight(tg):
    return sum(member["in_flight"] for member in tg.site.show()["members"])


def edit(tg, pattern, text):
    """The configuration with what matches replaced, once."""
    made, n = re.subn(pattern, lambda _: text, tg.conf_path.read_text(), flags=re.S)
    assert n == 1, pattern
    return made


def test_a_keeper_killed_while_a_backend_stops(scaled, admin, tmp_path):
    script = STUBBORN.format(demo=settings.program("tidegate-demo"))
    tg = scaled(PLAIN, command=["/bin/sh", "-c", script, "{port}"],
                top=f'state_file = "{tmp_path}/state";')
    ask(admin, "scale site 2")
    tg.site.wait(ready=2)
    with load.KeptLoad(tg.address, clients=2, request=SLOW) as busy:
        steady(busy)
        ask(admin, "scale site 1")
        settings.wait_until(lambda: "stopping" in states(tg).values(), "one to stop")
        victim, = [name for name, state in states(tg).items() if state == "stopping"]
        kill_keeper(tg)
        settings.wait_until(lambda: not of_backend(tg, victim), "its end")
        tg.site.wait(ready=1, pending=0, draining=0)
        steady(busy)
    assert not busy.failures()
    assert list(states(tg)) != [victim]
    assert not tg.log.records(msg="backend cut")


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_keeper_killed_while_one_that_is_scaled_no_more_drains(scaled, recording_backend, tmp_path,
                                                                is_kept):
    tg = scaled(PLAIN.replace("min = 1", "min = 2"),
                top=f'state_file = "{tmp_path}/state";' if is_kept else "")
    tg.site.wait(ready=2)
    peers = [tg.client().send(client.get("/slow?ms=2500")) for _ in range(2)]
    settings.wait_until(lambda: in_flight(tg) == 2, "it is in flight")
    fixed = recording_backend().address
    tg.reload(edit(tg, r"autoscale = \{.*?\};\s*provider = \{.*?\};(.*?)backends = \(\s*\)",
                   f'backends = ( "{fixed}" )'))
    settings.wait_until(lambda: tg.client().exchange(client.get()).status == 200, "the fixed one to be up")
    kill_keeper(tg)
    with load.KeptLoad(tg.address, clients=2, request=client.get()) as busy:
        for peer in peers:
            assert peer.read_answer().status == 200
        settings.wait_until(lambda: not tg.site.processes(), "the end of both")
        steady(busy)
    assert not busy.failures()
    assert "auto-" not in ask(tg.site.admin, "show servers state")


def test_another_type_of_provider_takes_over_under_load(scaled, programs):
    tg = scaled(PLAIN.replace("min = 1", "min = 2"))
    tg.site.wait(ready=2, provider="process")
    before = tg.conf_path.read_text()
    first = tg.site.processes()
    verbs = programs.provider()
    variables = ", ".join(f'"{one}"' for one in (f"TG_TEST={tg.site.mark}", *programs.environment()))
    peer = tg.client().send(client.get("/slow?ms=1500"))
    settings.wait_until(lambda: in_flight(tg) == 1, "it is in flight")
    with load.KeptLoad(tg.address, clients=2, request=SLOW) as busy:
        steady(busy)
        tg.reload(edit(tg, r"provider = \{.*?\};",
                       f"provider = {{ {verbs} environment = ( {variables} ); }};"))
        assert peer.read_answer().status == 200
        settings.wait_until(lambda: not any(map(procfs.alive, first)), "the end of the first")
        tg.site.wait(ready=2, pending=0, draining=0, provider="exec")
        assert len(programs.backends()) == 2
        # And back, before the second have ended; twice, so that both are on their way out.
        second = programs.backends()
        tg.reload(before)
        settings.wait_until(lambda: not any(map(procfs.alive, second)), "the end of the second")
        tg.site.wait(ready=2, pending=0, draining=0, provider="process")
        steady(busy)
    assert not busy.failures()
    assert len(tg.site.processes()) == 2
    assert not tg.log.records(msg="backend cut")


def test_a_type_that_fails_to_start_leaves_those_of_before_at_work(scaled, programs):
    tg = scaled(PLAIN.replace("min = 1", "min = 2"))
    tg.site.wait(ready=2)
    before = tg.conf_path.read_text()
    first = tg.site.processes()
    programs.go_wrong("start", "fails")
    variables = ", ".join(f'"{one}"' for one in (f"TG_TEST={tg.site.mark}", *programs.environment()))
    with load.KeptLoad(tg.address, clients=2, request=SLOW) as busy:
        tg.reload(edit(tg, r"provider = \{.*?\};",
                       f"provider = {{ {programs.provider()} environment = ( {variables} ); }};"))
        tg.log.wait(msg="backend start failed", count=2)
        assert tg.site.processes() == first
        tg.reload(before)
        tg.site.wait(ready=2, pending=0, draining=0, provider="process")
        steady(busy)
    assert not busy.failures()
    assert tg.site.processes() == first


def test_a_keeper_killed_while_another_type_takes_over(scaled, programs):
    tg = scaled(PLAIN.replace("min = 1", "min = 2"))
    tg.site.wait(ready=2)
    first = tg.site.processes()
    variables = ", ".join(f'"{one}"' for one in (f"TG_TEST={tg.site.mark}", *programs.environment()))
    peers = [tg.client().send(client.get("/slow?ms=2000")) for _ in range(2)]
    settings.wait_until(lambda: in_flight(tg) == 2, "it is in flight")
    with load.KeptLoad(tg.address, clients=2, request=client.get()) as busy:
        tg.reload(edit(tg, r"provider = \{.*?\};",
                       f"provider = {{ {programs.provider()} environment = ( {variables} ); }};"))
        kill_keeper(tg)
        for peer in peers:
            assert peer.read_answer().status == 200
        settings.wait_until(lambda: not any(map(procfs.alive, first)), "the end of the first")
        tg.site.wait(ready=2, pending=0, draining=0, provider="exec")
        steady(busy)
    assert not busy.failures()
    assert len(programs.backends()) == 2
    assert not tg.log.records(msg="backend cut")
