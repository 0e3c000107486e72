"""provider exec: programs of the user's list, start and stop backends; what they do wrong is told and tried again."""

import os
import signal

import pytest

from harness import client, load, logs
from harness.control import ask

SLOW = client.get("/slow?ms=100")


@pytest.fixture
def begun(scaled, programs):
    """begun(least, how): tidegate before a service whose backends these programs start, which go wrong in this way."""
    def start(least=0, how=""):
        programs.timeout = "2s" if how == "hangs" else "20s"
        return scaled(f'metric = "in-flight"; target = 4; min = {least}; max = 2; start_timeout = "20s";',
                      programs=programs.provider(), environment=programs.environment())
    return start


def test_from_zero_to_two_and_back(begun, programs):
    tg = begun()
    tg.site.wait(desired=0, ready=0, provider="exec")
    assert not programs.asked("start")
    with load.KeptLoad(tg.address, clients=8, request=SLOW) as busy:
        tg.site.wait(ready=2)
        assert len(programs.backends()) == 2
        members = [member["name"] for member in tg.site.show()["members"]]
        assert sorted(set(programs.asked("start"))) == sorted(members)
    tg.site.wait(ready=0, draining=0, desired=0)
    assert not busy.failures()
    assert not programs.backends() and sorted(programs.asked("stop")) == sorted(members)
    assert tg.exchange(client.get()).status == 200  # and up again
    tg.stop()
    assert not programs.backends()


def test_another_keeper_goes_on_with_what_runs(begun, programs):
    tg = begun(least=2)
    tg.site.wait(ready=2)
    before = sorted(programs.backends())
    os.kill(tg.role_pid("keeper"), signal.SIGKILL)
    tg.log.wait(msg="child ready", child="keeper", count=2)
    tg.site.wait(ready=2, pending=0, draining=0)
    assert sorted(programs.backends()) == before and len(before) == 2
    assert tg.exchange(client.get()).status == 200
    tg.stop()  # perhaps before the new keeper has asked what runs
    assert not programs.backends()


@pytest.mark.parametrize("how, reason", [
    ("fails", "out of machines"), ("hangs", "was killed"), ("garbage", "address")])
def test_a_start_that_goes_wrong_is_told_and_tried_again(begun, programs, how, reason):
    programs.go_wrong("start", how)
    tg = begun(how=how)
    tg.site.wait(desired=0, ready=0)
    answer = tg.exchange(client.get())
    assert answer.status == 503 and answer.get("Retry-After") == "1"
    assert reason in tg.log.wait(msg="backend start failed")["reason"]
    assert len(programs.asked("start")) == 1
    programs.mend("start")
    tg.exchange_until(200)
    tg.site.wait(ready=1, failures=0)
    assert len(programs.backends()) == 1


@pytest.mark.long  # it is given again after ten seconds
@pytest.mark.parametrize("how, reason", [("fails", "out of machines"), ("hangs", "was killed")])
def test_a_stop_that_goes_wrong_is_given_again(begun, programs, admin, how, reason):
    programs.go_wrong("stop", how)
    tg = begun(how=how)
    with load.KeptLoad(tg.address, clients=1, request=SLOW) as busy:
        tg.site.wait(ready=1)
        ask(admin, "scale site 0")
        busy.over.set()
    assert reason in tg.log.wait(msg="backend not stopped")["reason"]
    assert len(programs.backends()) == 1 and tg.site.show()["draining"] == 1
    programs.mend("stop")
    tg.site.wait(draining=0, ready=0)
    assert not programs.backends()


def test_a_stop_that_goes_wrong_at_the_end_is_tried_again(begun, programs):
    tg = begun(least=1)
    tg.site.wait(ready=1)
    programs.go_wrong("stop", "fails")
    tg.send_signal(signal.SIGTERM)
    assert "out of machines" in tg.log.wait(msg="backend not stopped")["reason"]
    programs.mend("stop")
    assert tg.wait() == 0
    assert not programs.backends()


@pytest.mark.parametrize("how, reason", [
    ("fails", "out of machines"), ("hangs", "was killed"), ("garbage", "list")])
def test_a_list_that_goes_wrong_starts_nothing(begun, programs, how, reason):
    programs.go_wrong("list", how)
    tg = begun(least=1, how=how)
    assert reason in tg.log.wait(msg="cannot list what runs", count=2)["reason"]
    assert not programs.asked("start")
    # Who asks is told, and nobody waits for it.
    assert tg.exchange(client.get()).status == 503
    assert reason in tg.site.show()["list_failure"]
    for order in ("explain site", "show autoscale site"):
        told = ask(tg.site.admin, order)
        assert "cannot list what runs: " in told and reason in told
    # Nothing can be started before: it is asked for again soon, not with the next one that is due.
    times = [logs.moment(line) for line in tg.log.records(msg="cannot list what runs")]
    assert 0.9 < times[1] - times[0] < 8
    programs.mend("list")
    tg.site.wait(ready=1, list_failure=None)
    assert "cannot list" not in ask(tg.site.admin, "explain site")
    assert len(programs.backends()) == 1
