"""shutdown and upgrade over a control socket do what the signals do."""

import json

import pytest

from harness import client, conf, settings
from harness.control import ask, failure


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


def top(admin, more=""):
    return f'admin = {{ socket = "{admin}"; {more} }}; shutdown_grace = "20s";'


def hangs(conn):
    conn.read_request()
    conn.read_to_end()


def test_graceful_lets_what_runs_finish(tidegate, recording_backend, admin):
    backend = recording_backend(hangs, name="b1")
    tg = tidegate(conf.http(backend, top=top(admin)))
    peer = tg.client().send(client.get("/x"))
    backend.wait_requests(1)
    assert ask(admin, "shutdown graceful") == "\n"
    said = tg.log.wait(msg="stopping")
    assert (said["reason"], said["grace_ms"]) == ("control socket", "20000")
    peer.reset()
    assert tg.wait() == 0


def test_now_cuts_it(tidegate, recording_backend, admin):
    backend = recording_backend(hangs, name="b1")
    tg = tidegate(conf.http(backend, top=top(admin)))
    tg.client().send(client.get("/x"))
    backend.wait_requests(1)
    assert ask(admin, "shutdown now") == "\n"
    assert tg.wait() == 0
    assert tg.access.wait(path="/x")["end"] == "shutdown"


def test_upgrade_puts_a_new_one_in_its_place(tidegate, recording_backend, admin):
    tg = tidegate(conf.http(recording_backend(), top=top(admin)))
    assert ask(admin, "upgrade") == "\n"
    assert tg.log.wait(msg="stopping")["reason"] == "upgrade"
    assert tg.follow().wait(settings.TIMEOUT) == 0
    assert tg.exchange(client.get("/after")).status == 200
    assert ask(admin, "shutdown") == "\n"
    assert tg.wait() == 0


def test_one_who_orders_an_upgrade_hears_why_it_failed(tidegate, recording_backend, admin, run_tidectl):
    backend = recording_backend()
    good = conf.http(backend, top=top(admin))
    tg = tidegate(good)
    tg.conf_path.write_text(good.text.replace(tg.address, "192.0.2.1:1"))
    failed = run_tidectl("-s", admin, "upgrade")
    want = "192.0.2.1:1: cannot bind: Cannot assign requested address"
    assert failed.returncode == 1 and want in failed.stderr
    assert tg.log.records(msg="the upgrade has failed, going on")
    tg.conf_path.write_text(str(good))
    done = run_tidectl("-s", admin, "upgrade")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    tg.follow()
    assert json.loads(ask(admin, "upgrade json")) == {"done": True, "changes": []}
    tg.follow()
    assert tg.exchange(client.get("/after")).status == 200


def test_operators_may_not(tidegate, recording_backend, admin, tmp_path):
    more = f'sockets = ( {{ bind = "unix:{tmp_path}/op"; rights = "operator"; }} );'
    tidegate(conf.http(recording_backend(), top=top(admin, more)))
    for command in ("shutdown", "shutdown now", "upgrade"):
        assert failure(ask(f"{tmp_path}/op", command)) == "denied"
    assert failure(ask(admin, "shutdown soon")) == "usage"
