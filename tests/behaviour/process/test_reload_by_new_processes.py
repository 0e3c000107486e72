"""A reload of what no running process can take over: new ones do, and who has a connection keeps it."""

import json
import os
import pwd
import signal

import pytest

from harness import backends, client, conf, load, net, procfs, settings, stat
from harness.control import ask
from harness.streams import Stream, Tunnel, chat

pytestmark = pytest.mark.long

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to have another user")


@pytest.fixture
def admin(tmp_path):
    os.chmod(tmp_path, 0o755)
    return f"{tmp_path}/admin.sock"


class World:
    """http, WebSocket and tcp, each before a backend of its own."""

    def __init__(self, recording_backend, admin):
        self.web, self.chat, self.raw = (f"{net.ADDRESS}:{net.free_port()}" for _ in range(3))
        self.admin = admin
        self.services = ", ".join([
            conf.service_entry("site", [recording_backend(name="b1")]),
            conf.service_entry("chat", [recording_backend(chat, name="c1")]),
            conf.service_entry("echo", [recording_backend(backends.echo, name="e1")])])

    def text(self, workers, top=""):
        return conf.Conf(f"""workers = {workers}; shutdown_grace = "1h"; {top}
            admin = {{ socket = "{self.admin}"; }};
            listeners = (
                {{ name = "web"; bind = "{self.web}"; mode = "http"; service = "site"; }},
                {{ name = "chat"; bind = "{self.chat}"; mode = "http"; service = "chat"; }},
                {{ name = "raw"; bind = "{self.raw}"; mode = "tcp"; service = "echo"; }}
            ); services = ( {self.services} );""", self.web)


@pytest.fixture
def world(recording_backend, admin):
    return World(recording_backend, admin)


def replaced(tg, conf_text):
    """SIGHUP, and follows the one that takes over."""
    tg.reload(conf_text)
    return tg.follow()


def total(admin, service):
    return int(stat.servers(admin, service)["BACKEND"]["stot"])


def more(loads, n=10):
    before = [len(one.results) for one in loads]
    settings.wait_until(lambda: all(len(one.results) >= so_far + n
                                    for one, so_far in zip(loads, before)), "more answers")


def test_workers_change_under_load(tidegate, world):
    """1, 2, 1: no request fails, no stream ends, no count falls, and all is counted in the end."""
    tg = tidegate(world.text(1))
    loads = [load.KeptLoad(world.web), Tunnel(world.chat), Stream(world.raw)]
    counted = 0
    with loads[0], loads[1], loads[2]:
        for workers in (2, 1):
            more(loads)
            replaced(tg, world.text(workers))
            now = total(world.admin, "site")
            assert now >= counted
            counted = now
            assert tg.log.records(msg="ready")[-1]["workers"] == str(workers)
        more(loads)
    for one in loads:
        assert one.failures() == [], type(one).__name__
    for old in tg.former:
        assert old.wait(settings.TIMEOUT) == 0
    settings.wait_until(lambda: total(world.admin, "site") == loads[0].served_since(0),
                        "every request counted once, by whoever served it")
    assert total(world.admin, "chat") == total(world.admin, "echo") == load.CLIENTS
    assert not tg.log.records(level="error")


@needs_root
def test_the_user_changes_and_what_was_ordered_stays(tidegate, world, run_tidectl):
    """Without a state file."""
    tg = tidegate(world.text(1))
    for order in ("set log level debug", "set weight site/b1 7", "drain echo/e1", "set maxconn frontend web 77",
                  f"add server site/b2 {net.ADDRESS}:1", "clear counters all"):
        ask(world.admin, order)
    assert client.RawClient(world.web).exchange(client.get()).status == 200
    tg.conf_path.write_text(str(world.text(1, 'user = "nobody";')))
    dry = run_tidectl("-s", world.admin, "reload", "dry-run")
    want = 'global: changed: user none -> "nobody"\nby new processes: user none -> "nobody"\n'
    assert (dry.returncode, dry.stdout) == (0, want)
    before = tg.role_pid("proxy")
    done = run_tidectl("-s", world.admin, "reload")
    assert (done.returncode, done.stdout, done.stderr) == (0, want, "")
    tg.follow()
    nobody = str(pwd.getpwnam("nobody").pw_uid)
    for role in ("proxy", "keeper"):
        assert set(procfs.status(tg.role_pid(role))["Uid"].split()) == {nobody}
    settings.wait_until(lambda: os.stat(world.admin).st_uid == int(nobody), "the control socket to be its own")
    assert tg.role_pid("proxy") != before
    assert ask(world.admin, "get weight site/b1").startswith("7 ")
    assert stat.servers(world.admin, "echo")["e1"]["status"].startswith("DRAIN")
    assert "b2" in stat.servers(world.admin, "site")
    assert json.loads(ask(world.admin, "show info json"))["Log_level"] == "debug"
    assert total(world.admin, "site") == 1
    assert client.RawClient(world.web).exchange(client.get()).status == 200


@needs_root
def test_a_user_that_is_not_there_changes_nothing(tidegate, world, run_tidectl):
    tg = tidegate(world.text(1))
    children = {role: tg.role_pid(role) for role in ("proxy", "keeper")}
    tg.conf_path.write_text(str(world.text(1, 'user = "tg-nobody-here";')))
    for words in (["reload"], ["reload", "dry-run"]):
        failed = run_tidectl("-s", world.admin, *words)
        assert failed.returncode == 1 and 'no such user "tg-nobody-here"' in failed.stderr
    assert {role: tg.role_pid(role) for role in children} == children
    assert client.RawClient(world.web).exchange(client.get()).status == 200


def test_new_processes_that_fail_change_nothing_and_the_caller_hears_why(tidegate, world, run_tidectl):
    tg = tidegate(world.text(1))
    children = {role: tg.role_pid(role) for role in ("proxy", "keeper")}
    user = 'user = "nobody";' if os.geteuid() == 0 else ""
    taken = world.text(2, user).text.replace(world.web, "192.0.2.1:1")
    tg.conf_path.write_text(taken)
    failed = run_tidectl("-s", world.admin, "reload")
    want = 'listener "web": 192.0.2.1:1: cannot bind: Cannot assign requested address'
    assert failed.returncode == 1 and want in failed.stderr
    assert tg.fail_to_reload(taken) == want
    assert {role: tg.role_pid(role) for role in children} == children
    assert os.stat(world.admin).st_uid == os.geteuid()
    assert ask(world.admin, "set weight site/b1 9").strip() == ""
    tg.reload(world.text(1))
    assert len(tg.former) == 0
    replaced(tg, world.text(2))
    assert ask(world.admin, "get weight site/b1").startswith("9 ")
    assert client.RawClient(world.web).exchange(client.get()).status == 200


def test_what_checks_have_counted_goes_on(tidegate, admin):
    """Each keeper checks once."""
    nobody = f"{net.ADDRESS}:{net.free_port()}"
    bind = f"{net.ADDRESS}:{net.free_port()}"

    def text(workers):
        return conf.http(f'{{ name = "b1"; address = "{nobody}"; }}', workers=workers, bind=bind,
                         service='health = { type = "tcp"; interval = "1h"; };',
                         top=f'admin = {{ socket = "{admin}"; }};')

    def failed(times):
        settings.wait_until(lambda: int(stat.servers(admin, "site")["b1"]["chkfail"]) == times,
                            f"{times} checks that failed")
    tg = tidegate(text(1))
    failed(1)
    replaced(tg, text(2))
    failed(2)
    ask(admin, "clear counters all")
    failed(0)
    replaced(tg, text(1))
    failed(1)


def test_a_signal_meanwhile_is_served_by_the_new_one(tidegate, world):
    tg = tidegate(world.text(1))
    tg.conf_path.write_text(str(world.text(2)))
    with procfs.standing_still(tg.role_pid("keeper")):  # which is asked to hold
        tg.send_signal(signal.SIGHUP)
        tg.log.wait(count=2, msg="starting")  # the file is read by then
        tg.conf_path.write_text(world.text(2).text.replace('name = "b1";', 'name = "b1"; weight = 9;'))
        tg.send_signal(signal.SIGHUP)
        tg.log.wait(msg="a reload is under way, another follows")
    tg.log.wait(count=2, msg="reloaded")
    tg.follow()
    assert ask(world.admin, "get weight site/b1").startswith("9 ")


def test_a_stop_meanwhile_ends_both(tidegate, world):
    tg = tidegate(world.text(1))
    tg.conf_path.write_text(str(world.text(2)))
    with procfs.standing_still(tg.role_pid("keeper")):
        tg.send_signal(signal.SIGHUP)
        pid = int(tg.log.wait(msg="starting new processes")["successor"])
        tg.send_signal(signal.SIGTERM)
        assert tg.log.wait(msg="the reload has failed, going on")["reason"] == "it is stopping"
        settings.wait_until(lambda: not procfs.alive(pid), "the new one to end")
    assert tg.wait() == 0


def test_a_keeper_that_dies_meanwhile_changes_nothing(tidegate, world):
    tg = tidegate(world.text(1))
    tg.conf_path.write_text(str(world.text(2)))
    keeper = tg.role_pid("keeper")
    os.kill(keeper, signal.SIGSTOP)  # it is asked to hold, and does not
    tg.send_signal(signal.SIGHUP)
    tg.log.wait(count=2, msg="starting")
    os.kill(keeper, signal.SIGKILL)
    said = tg.log.wait(msg="the reload has failed, going on")["reason"]
    # The latter where the new one asks for it just then.
    assert said in ("the keeper has died meanwhile", "there is no keeper that could hand over")
    tg.log.wait(count=2, msg="child ready", child="keeper")
    replaced(tg, world.text(2))
    assert client.RawClient(world.web).exchange(client.get()).status == 200
