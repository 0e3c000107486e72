"""A process of tidegate that hangs is ended and started again: watchdog."""

import os
import signal

import pytest

from harness import client, conf, control, metrics, net, procfs, settings


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


@pytest.fixture
def watched(tidegate, demo_backend, admin):
    """watched(workers, limit): tidegate with a watchdog of a second."""
    def start(workers=2, limit="1s", **options):
        tg = tidegate(conf.http(demo_backend(), workers=workers, top=f"""
            watchdog = "{limit}"; admin = {{ socket = "{admin}";
            http = "{net.ADDRESS}:{net.free_port()}"; }};"""), **options)
        tg.metrics = tg.log.wait(msg="serving metrics")["address"]
        assert tg.exchange(client.get()).status == 200
        return tg
    return start


def hangs(admin):
    info = dict(line.split(": ", 1) for line in control.ask(admin, "show info").splitlines()
                if ": " in line)
    return int(info["Hangs_proxy"]), int(info["Hangs_keeper"])


def replaced(tg, role):
    """What was told of it, when another one is up."""
    told = tg.log.wait(msg="child hangs, ending it")
    died = tg.log.wait(msg="child died")
    tg.log.wait(count=2, msg="child ready", child=role)
    assert told["child"] == died["child"] == role and told["pid"] == died["pid"]
    assert 1000 <= int(told["for_ms"]) < 5000
    return told, died


@pytest.mark.parametrize("role, workers", [("proxy", 1), ("keeper", 2)])
def test_one_that_stands_still(watched, admin, role, workers):
    tg = watched(workers)
    other = tg.role_pid("keeper" if role == "proxy" else "proxy")
    os.kill(tg.role_pid(role), signal.SIGSTOP)
    told, died = replaced(tg, role)
    assert told["loop"] == "main" and died["signal"] == "ABRT"
    assert tg.exchange(client.get()).status == 200
    assert tg.role_pid("keeper" if role == "proxy" else "proxy") == other
    assert hangs(admin) == ((1, 0) if role == "proxy" else (0, 1))
    page = metrics.page(tg.metrics)
    assert page.value("process_hangs_total", process=role) == 1


@pytest.mark.parametrize("thread, loop", [(0, "main"), (2, "worker-1")])
def test_one_thread_of_the_proxy_that_stands_still(watched, admin, thread, loop):
    """Control comes first, then the workers."""
    if settings.sanitizers():
        pytest.skip("sanitizers have threads of their own")
    tg = watched()
    proxy = tg.role_pid("proxy")
    with procfs.thread_standing_still(procfs.threads(proxy)[thread]):
        told, _ = replaced(tg, "proxy")
    assert told["loop"] == loop and told["pid"] == str(proxy)
    assert tg.exchange(client.get()).status == 200
    assert hangs(admin) == (1, 0)


def test_nobody_is_ended_where_all_stood_still(watched, admin):
    """The parent counts what it asked, not what a clock says."""
    tg = watched()
    pids = [tg.pid, tg.role_pid("proxy"), tg.role_pid("keeper")]
    with procfs.standing_still(pids[0]), procfs.standing_still(pids[1]), \
            procfs.standing_still(pids[2]):
        settings.let_rest(1.5)
    # A second of questions, and none is missed.
    settings.let_rest(1.2)
    assert [tg.pid, tg.role_pid("proxy"), tg.role_pid("keeper")] == pids
    assert hangs(admin) == (0, 0)


def test_it_can_be_turned_off_while_it_runs(watched, admin):
    tg = watched()
    tg.reload(tg.conf_path.read_text().replace('watchdog = "1s"', 'watchdog = "0s"'))
    with procfs.standing_still(tg.role_pid("keeper")):
        settings.let_rest(1.5)
    assert hangs(admin) == (0, 0)
    assert not tg.log.records(msg="child died")
