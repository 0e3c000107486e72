"""set log level: of all processes, at once, and of those that are started again."""

import json
import os
import signal

import pytest

from harness import conf, settings
from harness.control import ask, failure


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


def site(admin, more=""):
    return conf.http("127.0.0.1:9", top=f'admin = {{ socket = "{admin}"; }}; {more}')


def level(admin):
    return json.loads(ask(admin, "show info json"))["Log_level"]


def test_a_child_that_is_started_again_has_it(tidegate, admin):
    tg = tidegate(site(admin))
    assert level(admin) == "info"
    assert ask(admin, "set log level debug why looking closer") == "\n"
    assert level(admin) == "debug"
    said = tg.log.wait(msg="log level ordered")
    assert (said["before"], said["why"]) == ("info", "looking closer")
    os.kill(tg.role_pid("proxy"), 9)
    tg.log.wait(msg="worker started", role="proxy")
    os.kill(tg.role_pid("keeper"), 9)
    tg.log.wait(count=2, msg="child ready", child="keeper")
    assert level(admin) == "debug"


def test_less_is_logged_by_the_parent_too(tidegate, admin):
    tg = tidegate(site(admin))
    assert ask(admin, "set log level error") == "\n"
    tg.log.wait(msg="log level ordered")
    before = tg.role_pid("proxy")
    os.kill(before, 9)
    tg.log.wait(msg="child died", role="parent", child="proxy")
    assert ask(admin, "set log level info") == "\n"

    def parent_speaks():
        os.kill(tg.pid, signal.SIGUSR1)
        return tg.log.records(msg="no access log file to open anew")
    settings.wait_until(parent_speaks, "the parent to hear of it")
    assert not tg.log.records(msg="starting child again", child="proxy")


def test_what_is_no_level_is_told(tidegate, admin):
    tidegate(site(admin))
    answer = ask(admin, "set log level loud")
    assert failure(answer) == "bad-value" and "error, warn, info or debug" in answer
    assert failure(ask(admin, "set log level")) == "usage"
    assert json.loads(ask(admin, "set log level loud json"))["error"] == "bad-value"
    assert json.loads(ask(admin, "set log level warn json")) == {"ok": True}


def test_viewers_may_not(shared_tidegate, tmp_path):
    viewer = f"{tmp_path}/viewer.sock"
    more = f'sockets = ( {{ bind = "unix:{viewer}"; rights = "viewer"; }} );'
    shared_tidegate(conf.http("127.0.0.1:9", top=f"admin = {{ {more} }};"))
    assert failure(ask(viewer, "set log level debug")) == "denied"
