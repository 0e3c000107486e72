"""READY=1 only when serving, STOPPING=1 at the end: what systemd hears, played by a socket."""

import os
import signal
import socket

import pytest

from harness import client, conf, settings


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
