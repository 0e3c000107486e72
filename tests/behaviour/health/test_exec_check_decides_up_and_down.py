"""The exec check: a program decides, and never outlives its check or its keeper."""

import json
import os
import pathlib
import signal

import pytest

from harness import client, conf, procfs, settings

EXEC = ('health = {{ type = "exec"; interval = "50ms"; timeout = "{timeout}"; rise = 2; fall = 2; '
        'command = ( {command} ); {more} }};')


def command(*arguments, timeout="10s", more=""):
    texts = ", ".join('"' + a.replace("\\", "\\\\").replace('"', '\\"') + '"' for a in arguments)
    return EXEC.format(timeout=timeout, command=texts, more=more)


def shell(script, timeout="10s", more=""):
    return command("/bin/sh", "-c", script, timeout=timeout, more=more)


def test_the_exit_status_decides(shared_tidegate, recording_backend, tmp_path):
    backend = recording_backend()
    good = tmp_path / "good"
    good.touch()
    tg = shared_tidegate(conf.http(backend, service=shell(f"test -e {good} && echo all is well")))
    tg.log.wait(msg="backend up", srv=backend.name, reason="all is well")
    tg.exchange_until(200)
    assert tg.exchange(client.get("/")).status == 200
    good.unlink()
    assert tg.log.wait(msg="backend down")["reason"] == "exit status 1"
    tg.exchange_until(503)
    good.touch()
    tg.log.wait(count=2, msg="backend up")
    tg.exchange_until(200)


def test_it_is_told_whom_to_check(shared_tidegate, recording_backend):
    backend = recording_backend(name="b1")
    tg = shared_tidegate(conf.http(backend, service=shell(
        "echo $TIDEGATE_SERVICE $TIDEGATE_BACKEND $TIDEGATE_ADDRESS $TIDEGATE_PORT $#")))
    address, port = backend.address.rsplit(":", 1)
    assert tg.log.wait(msg="backend up")["reason"] == f"{tg.service} b1 {address} {port} 0"


def test_no_shell_is_between(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(), service=command(
        "/bin/echo", "$HOME; `id`", 'a "b"')))
    assert tg.log.wait(msg="backend up")["reason"] == '$HOME; `id` a "b"'


@pytest.mark.parametrize("service, reason", [
    (command("/nowhere/at/all"), "cannot run /nowhere/at/all: No such file or directory"),
    (command("/etc/passwd"), "cannot run /etc/passwd: Permission denied"),
    (shell("echo first; echo second; exit 7"), "first"),
    (shell("printf 'a\\033b\\303\\251' >&2; exit 7"), "a?b??"),
    (shell("kill -SEGV $$"), "killed by signal 11"),
    (shell("sleep 1000", timeout="100ms"), "timeout of the program"),
])
def test_failures_say_why(shared_tidegate, recording_backend, service, reason):
    tg = shared_tidegate(conf.http(recording_backend(), service=service))
    assert tg.log.wait(msg="backend down")["reason"] == reason


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_timeout_kills_all_it_started(shared_tidegate, recording_backend, tmp_path):
    pids = tmp_path / "pids"
    tg = shared_tidegate(conf.http(recording_backend(), service=shell(
        f"sleep 1000 & echo $! >>{pids}; echo $$ >>{pids}; wait", timeout="300ms")))
    tg.log.wait(msg="backend down", reason="timeout of the program")
    first = [int(pid) for pid in pids.read_text().split()][:2]
    settings.wait_until(lambda: not any(procfs.alive(pid) for pid in first), "both to be gone")


def test_no_zombie_is_left(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(), service=command("/bin/true")))
    tg.log.wait(msg="backend up")
    keeper = tg.role_pid("keeper")
    settings.wait_until(lambda: not children(keeper), "no child between two checks")


def test_it_ends_with_the_keeper(tidegate, recording_backend, tmp_path):
    mine = tmp_path / "pid"
    tg = tidegate(conf.http(recording_backend(), service=shell(
        f"echo $$ >{mine}; exec sleep 1000", timeout="1h")))
    settings.wait_until(lambda: mine.exists() and mine.read_text(), "the program to run")
    pid = int(mine.read_text())
    assert procfs.alive(pid)
    os.kill(tg.role_pid("keeper"), signal.SIGKILL)
    settings.wait_until(lambda: not procfs.alive(pid), "the program to be gone")
    tg.log.wait(count=2, msg="child ready", child="keeper")


def running_of(tg):
    return [pid for pid in children(tg.role_pid("keeper")) if procfs.alive(int(pid))]


@pytest.mark.parametrize("more, at_once", [("", 8), ("concurrency = 3;", 3)])
def test_so_many_run_at_a_time(shared_tidegate, recording_backend, tmp_path, more, at_once):
    backends = [recording_backend(name=f"b{i}") for i in range(2 * at_once)]
    log = tmp_path / "log"
    tg = shared_tidegate(conf.http(*backends, service=shell(
        f"echo $TIDEGATE_BACKEND >>{log}; exec sleep 1000", timeout="1s", more=more)))
    settings.wait_until(lambda: log.exists() and len(log.read_text().split()) >= at_once,
                        f"{at_once} to run")
    assert len(running_of(tg)) == at_once
    settings.wait_until(lambda: len(set(log.read_text().split())) == len(backends), "all to have had a turn")


def test_programs_that_hang_hold_up_no_other_service(shared_tidegate, recording_backend, tmp_path):
    flag = tmp_path / "flag"
    hanging = ", ".join(
        conf.service_entry(f"hangs{i}", [f"127.0.0.{j}:9" for j in range(1, 21)],
                           shell("exec sleep 1000", timeout="1h", more="concurrency = 16;"))
        for i in range(3))
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), services=hanging,
                                   service=shell(f"test ! -e {flag}")))
    tg.log.wait(msg="backend up", srv="b1")
    settings.wait_until(lambda: len(running_of(tg)) >= 16, "the others to run")
    flag.touch()
    tg.log.wait(msg="backend down", srv="b1", reason="exit status 1")
    flag.unlink()
    tg.log.wait(count=2, msg="backend up", srv="b1")
    assert not tg.log.records(msg="backend down", svc="hangs0")


def test_show_stat_tells_the_result(shared_tidegate, recording_backend, run_tidectl, tmp_path):
    admin = f'admin = {{ socket = "{tmp_path}/admin.sock"; }};'
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), top=admin,
                                   service=shell("echo no disk; exit 5")))
    tg.log.wait(msg="backend down")
    shown = run_tidectl("-s", f"{tmp_path}/admin.sock", "show", "stat", "json")
    row = {row["svname"]: row for row in json.loads(shown.stdout)}["b1"]
    assert (row["status"], row["check_status"], row["check_code"]) == ("DOWN", "PROCERR", 5)
    assert row["last_chk"] == "no disk"


def test_a_long_path_is_passed_on_whole(tidegate, recording_backend):
    path = os.environ["PATH"] + ":" + ":".join(f"/opt/nothing/{i:060}" for i in range(20))
    tg = tidegate(conf.http(recording_backend(), service=shell("echo $PATH | wc -c")),
                  env={"PATH": path})
    assert tg.log.wait(msg="backend up")["reason"] == str(len(path) + 1)
