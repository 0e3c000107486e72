"""Backends that cannot be started, or never get well: told, tried again later, and nobody waits in vain."""

import os
import re
import signal

from harness import client, control, settings


def test_a_command_that_is_missing_backs_off(scaled):
    tg = scaled('metric = "in-flight"; target = 4; min = 0; max = 2;',
                command=["/no/such/program", "{port}"])
    tg.site.wait(desired=0)
    answer = tg.exchange(client.get())
    assert answer.status == 503
    assert int(answer.get("Retry-After")) >= 1
    line = tg.log.wait(msg="backend start failed")
    assert "No such file" in line["reason"]
    assert tg.site.show()["failures"] >= 1
    # It may be installed later, so it is a warning: who reloads is told as who starts is.
    assert 'provider.command: "/no/such/program": No such file' in control.ask(tg.site.admin, "reload")


def test_clients_are_told_when_it_is_tried_again(scaled):
    tg = scaled('metric = "in-flight"; target = 4; min = 1; max = 2;',
                command=["/no/such/program", "{port}"])

    def told():
        answer = tg.exchange(client.get())
        assert answer.status == 503
        return int(answer.get("Retry-After"))
    for failures, wait_s in ((1, 1), (2, 2)):
        tg.log.wait(msg="backend start failed", count=failures)
        settings.wait_until(lambda: told() == wait_s, f"Retry-After: {wait_s}")
        seen = tg.site.show()
        assert seen["failures"] == failures and 0 < seen["retry_ms"] <= wait_s * 1000
    settings.wait_until(lambda: told() == 1, "half of it is over")
    why = control.ask(tg.site.admin, "explain site")
    assert re.search(r"starts: \d failed in a row; the last one that did: auto-\d, \d s ago: .*No such file", why)
    assert re.search(r"next start: in \d s at the earliest", why), why
    refused = int(why.split(" refused with 503")[0].split()[-1])
    assert refused > 3 and "and those that come" in why, why


def test_one_that_ends_at_once_is_no_hot_loop(scaled):
    tg = scaled('metric = "in-flight"; target = 4; min = 1; max = 2;',
                command=["/bin/sh", "-c", "echo tired; exit 3", "{port}"])
    tg.log.wait(msg="backend start failed", count=3)
    seen = tg.site.show()
    assert seen["failures"] >= 3
    # 1 s, 2 s, 4 s: what ended so far took 3 s at least.
    assert seen["failures"] <= 4
    assert "status 3" in tg.log.records(msg="backend start failed")[0]["reason"]


def test_one_that_is_never_well_is_given_up(scaled):
    tg = scaled('metric = "in-flight"; target = 4; min = 1; max = 2; start_timeout = "1s";',
                command=["/bin/sleep", "1000{port}"])
    line = tg.log.wait(msg="backend start failed")
    assert "not up in 1000 ms" in line["reason"]
    tg.site.wait(draining=0, pending=0)
    settings.wait_until(lambda: len(tg.site.processes()) <= 1, "its end")


def test_one_that_ignores_sigterm_is_killed(scaled):
    demo = settings.program("tidegate-demo")
    script = f"trap '' TERM; {demo} -l 127.0.0.1:$0 -n stubborn & while :; do sleep 1; done"
    tg = scaled('metric = "in-flight"; target = 4; min = 0; max = 2;',
                command=["/bin/sh", "-c", script, "{port}"])
    assert tg.exchange(client.get()).status == 200
    tg.site.wait(desired=0, ready=0, draining=0)
    assert not tg.site.processes()


def test_a_keeper_that_is_killed_leaves_no_orphan_and_starts_none_twice(scaled):
    tg = scaled('metric = "in-flight"; target = 4; min = 2; max = 4;')
    tg.site.wait(ready=2)
    before = sorted(tg.site.processes())
    os.kill(tg.role_pid("keeper"), signal.SIGKILL)
    tg.log.wait(msg="child ready", child="keeper", count=2)
    tg.site.wait(ready=2, pending=0, draining=0)
    assert sorted(tg.site.processes()) == before
    assert tg.exchange(client.get()).status == 200
    tg.stop()
    assert not tg.site.processes()


def test_a_keeper_killed_in_the_middle_of_a_start(scaled):
    tg = scaled('metric = "in-flight"; target = 4; min = 3; max = 4;')
    for _ in range(3):
        os.kill(tg.role_pid("keeper"), signal.SIGKILL)
        count = len(tg.log.records(msg="child ready", child="keeper"))
        tg.log.wait(msg="child ready", child="keeper", count=count + 1)
    tg.site.wait(ready=3, pending=0, draining=0)
    assert len(tg.site.processes()) == 3
    tg.stop()
    assert not tg.site.processes()
