"""kill -9 of either child: another serves within a second, and nobody is refused meanwhile."""

import os
import signal
import threading
import time

import pytest

from harness import backends, client, conf, process, settings
from harness.load import CLIENTS, Load

pytestmark = pytest.mark.long


def kill_and_time(tg, role):
    """SIGKILLs a child; the moment another is ready, and how long that took."""
    victim = tg.role_pid(role)
    ready = len(tg.log.records(msg="child ready", child=role))
    began = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    tg.log.wait(count=ready + 1, msg="child ready", child=role)
    ended = time.monotonic()
    died = tg.log.wait(msg="child died", child=role, pid=victim)
    assert died["signal"] == "KILL"
    assert tg.role_pid(role) not in (None, victim)
    return ended, ended - began


def assert_serves_on(load):
    moment = time.monotonic()
    settings.wait_until(lambda: load.served_since(moment) >= 20 * CLIENTS,
                        "answers after the restart")


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_killed_proxy(tidegate, demo_backend, mode):
    tg = tidegate(getattr(conf, mode)(demo_backend()))
    with Load(tg.address) as load:
        settings.wait_until(lambda: load.served_since(0) >= 20, "answers before")
        restarted, took = kill_and_time(tg, "proxy")
        assert_serves_on(load)
    if not settings.sanitizers():
        assert took < 1.0
    assert not any(isinstance(wrong, ConnectionRefusedError) for wrong in load.failures())
    assert load.failures(since=restarted) == []
    assert len(load.failures()) <= CLIENTS  # only what the dead one held


def test_killed_keeper_costs_nobody_anything(tidegate, demo_backend):
    tg = tidegate(conf.http(demo_backend(), service='health = { type = "tcp"; interval = "100ms"; };'))
    with Load(tg.address) as load:
        settings.wait_until(lambda: load.served_since(0) >= 20, "answers before")
        _, took = kill_and_time(tg, "keeper")
        assert_serves_on(load)
    if not settings.sanitizers():
        assert took < 1.0
    assert load.failures() == []
    tg.exchange(client.get("/after-the-keeper"))
    assert tg.access.wait(path="/after-the-keeper")["end"] == "done"


def test_new_keeper_without_a_verdict_stops_no_traffic(tidegate, recording_backend):
    """Its first checks hang: until they end, what the old one said holds."""
    may_answer = threading.Event()
    may_answer.set()

    def script(connection):
        while (request := connection.read_head()) is not None:
            if request.target == "/health":
                may_answer.wait(settings.TIMEOUT)
            connection.send(backends.OK)
    health = 'health = { type = "http"; path = "/health"; interval = "20s"; timeout = "20s"; };'
    tg = tidegate(conf.http(recording_backend(script), service=health))
    tg.exchange_until(200)
    try:
        may_answer.clear()
        kill_and_time(tg, "keeper")
        assert [tg.exchange(client.get()).status for _ in range(20)] == [200] * 20
    finally:
        may_answer.set()


def test_repeated_deaths_slow_down_but_end(tidegate, demo_backend):
    tg = tidegate(conf.http(demo_backend()))
    waits = [kill_and_time(tg, "proxy")[1] for _ in range(7)]
    assert waits[3] >= 0.4  # 0, 100, 200, 400 ms, and 500 from then on
    if not settings.sanitizers():
        assert max(waits) < 2.0  # not doubled any more: the last would be 3.2 s
    assert tg.exchange(client.get()).status == 200


def test_both_children_killed_at_once(tidegate, demo_backend):
    tg = tidegate(conf.http(demo_backend()))
    before = process.children(tg.pid)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    tg.log.wait(count=2, msg="child ready", child="proxy")
    tg.log.wait(count=2, msg="child ready", child="keeper")
    assert not set(before) & set(process.children(tg.pid))
    assert tg.exchange(client.get()).status == 200
