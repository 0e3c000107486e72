"""Hundreds of backends added and deleted under load: nobody is refused, and what was ordered is what there is."""

import json
import os
import pathlib
import signal
import threading

import pytest

from harness import conf, load, settings
from harness.control import ask

OPERATORS = 3
EACH = 50  # of each operator
SHARED = 64  # up to so many backends one worker and control are one thread (proc/proxy_start.c)


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


def text(backend, admin, **more):
    return conf.http(backend, top=f'admin = {{ socket = "{admin}"; }};',
                     service='balance = "least-conn"; health = { type = "none"; };', **more)


class Operators:
    """Several that add backends at an address, and take every other one back. What was answered is known; what was
    not, because somebody died, may be either way."""

    def __init__(self, admin, address):
        self.admin, self.address = admin, address
        self.there, self.gone, self.unsure = set(), set(), set()
        self.done = 0
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(OPERATORS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for thread in self.threads:
            thread.join()

    def order(self, line, name, want, to):
        try:
            answer = ask(self.admin, line)
        except OSError:
            answer = ""
        for names in (self.there, self.gone, self.unsure):
            names.discard(name)
        (to if answer == want else self.unsure).add(name)
        self.done += 1
        return answer == want

    def work(self, number):
        for turn in range(EACH):
            name = f"x{number}-{turn}"
            if (self.order(f"add server site/{name} {self.address} enabled", name,
                           "New server registered.\n\n", self.there) and turn % 2 == 1):
                self.order(f"del server site/{name} drain deadline 20s", name,
                           "Server deleted.\n\n", self.gone)


def names(admin):
    found = json.loads(ask(admin, "show servers state json"))
    return {row["backend"] for row in found if row["service"] == "site"}


def wait_settled(admin):
    """Whoever was killed is up again and says what there is."""
    def answers():
        try:
            return ask(admin, "show servers state json").startswith("[")
        except OSError:
            return False
    settings.wait_until(answers, "the keeper's answers")


def threads_of(tg):
    return len(list(pathlib.Path(f"/proc/{tg.role_pid('proxy')}/task").iterdir()))


@pytest.mark.parametrize("workers", [1, 2])
def test_nobody_is_refused(tidegate, demo_backend, admin, workers):
    demo = demo_backend(name="b1")
    tg = tidegate(text(demo, admin, workers=workers))
    before = threads_of(tg)
    with load.Load(tg.address) as often, load.KeptLoad(tg.address) as kept:
        settings.wait_until(lambda: kept.served_since(0) > 20, "answers before")
        with Operators(admin, demo.address) as operators:
            pass
        first = names(admin)
        tg.reload()
        reloaded = names(admin)
    assert often.failures() == [] and kept.failures() == []
    assert operators.unsure == set()
    assert len(operators.there) == len(operators.gone) == OPERATORS * EACH // 2
    assert reloaded == first == {"b1"} | operators.there
    assert not tg.log.records(level="error")
    assert len(first) > SHARED
    if not settings.sanitizers():  # which have threads of their own
        assert threads_of(tg) == before + (workers == 1)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("role", ["proxy", "keeper"])
def test_what_was_ordered_outlives_a_child(tidegate, demo_backend, admin, role, workers):
    demo = demo_backend(name="b1")
    tg = tidegate(text(demo, admin, workers=workers))
    with load.Load(tg.address) as asking:
        settings.wait_until(lambda: asking.served_since(0) > 20, "answers before")
        with Operators(admin, demo.address) as operators:
            for number in range(1, 3):
                settings.wait_until(lambda: operators.done > number * OPERATORS * EACH // 4, "orders")
                os.kill(tg.role_pid(role), signal.SIGKILL)
                tg.log.wait(count=number + 1, msg="child ready", child=role)
        wait_settled(admin)
        found = names(admin)
        assert {"b1"} | operators.there <= found <= {"b1"} | operators.there | operators.unsure
        tg.reload()
        assert names(admin) == found
    assert role == "proxy" or asking.failures() == []
    # What a child that starts is told is what the others came to.
    os.kill(tg.role_pid("keeper"), signal.SIGKILL)
    tg.log.wait(count=2 if role == "proxy" else 4, msg="child ready", child="keeper")
    wait_settled(admin)
    assert names(admin) == found
    assert tg.exchange_until(200)
