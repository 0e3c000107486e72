"""READY=1 only when serving, STOPPING=1 at the end, WATCHDOG=1 while well, MAINPID at an upgrade: what
systemd hears, played by a socket."""

import os
import signal
import select
import socket

import pytest

from harness import client, conf, procfs, settings

WATCHDOG_MS = 400


@pytest.fixture
def manager(tmp_path, run_tidegate):
    """The socket of NOTIFY_SOCKET."""
    built = [line.split() for line in run_tidegate("-VV").stdout.splitlines()]
    if ["systemd", "no"] in built:
        pytest.skip("built without libsystemd")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify.sock"))
        sock.settimeout(settings.TIMEOUT)
        yield sock


def heard_until(manager, word):
    """Lines up to the message with this one."""
    lines = []
    while word not in lines:
        lines += manager.recv(4096).decode().split("\n")
    return lines


def test_ready_and_stopping(tidegate, demo_backend, manager):
    tg = tidegate(conf.http(demo_backend()), env={"NOTIFY_SOCKET": manager.getsockname()},
                  wait=False)
    assert "STATUS=serving 1 listeners with 2 workers" in heard_until(manager, "READY=1")
    assert tg.exchange(client.get()).status == 200
    os.kill(tg.role_pid("proxy"), signal.SIGKILL)
    heard_until(manager, "STATUS=serving 1 listeners with 2 workers")
    tg.send_signal(signal.SIGTERM)
    heard_until(manager, "STOPPING=1")
    assert tg.wait() == 0


def test_failed_start_is_never_ready(tidegate, demo_backend, manager):
    tg = tidegate(conf.http(demo_backend(), bind="192.0.2.1:1"),
                  env={"NOTIFY_SOCKET": manager.getsockname()}, wait=False)
    tg.expect_status = 1
    assert tg.wait() == 1
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(4096)


def watched(manager):
    return {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": str(WATCHDOG_MS * 1000)}


def is_silent(manager, seconds):
    return not select.select([manager], [], [], seconds)[0]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("role", ["proxy", "keeper"])
def test_watchdog_hears_it_only_while_every_child_is_well(tidegate, demo_backend, manager, role,
                                                          workers):
    tg = tidegate(conf.http(demo_backend(), workers=workers), env=watched(manager))
    for _ in range(5):
        heard_until(manager, "WATCHDOG=1")
    with procfs.standing_still(tg.role_pid(role)):
        settings.wait_until(lambda: is_silent(manager, WATCHDOG_MS / 1000) or not manager.recv(4096),
                            "the watchdog to hear nothing")
    for _ in range(3):
        heard_until(manager, "WATCHDOG=1")


def test_without_a_watchdog_nothing_is_said(tidegate, demo_backend, manager):
    tidegate(conf.http(demo_backend()), env={"NOTIFY_SOCKET": manager.getsockname()})
    heard_until(manager, "READY=1")
    assert is_silent(manager, WATCHDOG_MS / 1000)


def test_a_manager_that_reads_nothing_stops_nothing(tidegate, demo_backend, manager):
    """Its socket takes ten messages or so: more are lost, and what is well is not said again and again."""
    text = conf.http(demo_backend())
    tg = tidegate(text, env=watched(manager))
    for _ in range(10):
        tg.reload(text)
    assert tg.exchange(client.get()).status == 200
    tg.send_signal(signal.SIGTERM)
    assert tg.process.wait(settings.TIMEOUT) == 0
    heard_until(manager, "READY=1")
    heard_until(manager, "RELOADING=1")


def test_upgrade_moves_the_main_process(tidegate, demo_backend, manager):
    tg = tidegate(conf.http(demo_backend()), env=watched(manager))
    heard_until(manager, "READY=1")
    tg.upgrade()
    lines = heard_until(manager, "RELOADING=1")
    assert any(line.startswith("MONOTONIC_USEC=") for line in lines + heard_until(manager, "READY=1"))
    old = tg.former[-1]
    assert old.wait(settings.TIMEOUT) == 0
    # The new one says that it is well, though WATCHDOG_PID was never its own.
    lines = heard_until(manager, "WATCHDOG=1")
    assert "STOPPING=1" not in lines
    tg.send_signal(signal.SIGTERM)
    heard_until(manager, "STOPPING=1")
    assert tg.process.wait(settings.TIMEOUT) == 0


def test_main_process_is_named_with_ready(tidegate, demo_backend, manager):
    tg = tidegate(conf.http(demo_backend()), env={"NOTIFY_SOCKET": manager.getsockname()})
    heard_until(manager, "READY=1")
    tg.upgrade()
    heard_until(manager, "RELOADING=1")
    while True:
        message = manager.recv(4096).decode().split("\n")
        if "READY=1" in message:
            break
    assert f"MAINPID={tg.pid}" in message


def messages_until(manager, word):
    """Whole messages, without what the watchdog is told, up to the one with this line."""
    heard = []
    while not heard or word not in heard[-1]:
        lines = manager.recv(4096).decode().split("\n")
        if "WATCHDOG=1" not in lines:
            heard.append(lines)
    return heard


def test_reload_by_new_processes_moves_the_main_process(tidegate, demo_backend, manager):
    """RELOADING, then READY in one message with the process that is the main one from then on; a reload that
    fails is READY as before."""
    backend = demo_backend()
    tg = tidegate(conf.http(backend), env={"NOTIFY_SOCKET": manager.getsockname()})
    bind = tg.address
    heard_until(manager, "READY=1")
    tg.fail_to_reload(conf.http(backend, workers=1, bind="192.0.2.1:1"))
    heard = messages_until(manager, "READY=1")
    assert "RELOADING=1" in heard[0] and any(one.startswith("MONOTONIC_USEC=") for one in heard[0])
    assert not any(one.startswith("MAINPID=") for lines in heard for one in lines)
    assert any("the last reload failed" in one for one in heard[-1])
    tg.reload(conf.http(backend, workers=1, bind=bind))
    tg.follow()
    heard = messages_until(manager, "READY=1")
    assert "RELOADING=1" in heard[0] and not any("READY=1" in lines for lines in heard[:-1])
    assert f"MAINPID={tg.pid}" in heard[-1]
    assert tg.former[0].wait(settings.TIMEOUT) == 0
    assert tg.exchange(client.get()).status == 200
    tg.send_signal(signal.SIGTERM)
    assert "STOPPING=1" in messages_until(manager, "STOPPING=1")[-1]
    assert tg.process.wait(settings.TIMEOUT) == 0


def test_failed_upgrade_is_ready_as_before(tidegate, demo_backend, manager):
    tg = tidegate(conf.http(demo_backend()), env={"NOTIFY_SOCKET": manager.getsockname()})
    heard_until(manager, "READY=1")
    tg.fail_to_upgrade("nonsense")
    heard_until(manager, "RELOADING=1")
    lines = heard_until(manager, "READY=1")
    assert not any(line.startswith("MAINPID=") for line in lines)
