"""LISTEN_FDS: listeners use the sockets that are at their address, whoever opened them."""

import os
import shutil
import socket
import subprocess

import pytest

from harness import activation, client, conf, net, procfs, settings
from harness.activation import activated

UNITS = settings.TOP / "contrib/systemd"


@pytest.fixture(autouse=True)
def with_libsystemd(run_tidegate):
    activation.skip_without_libsystemd(run_tidegate)


def inode(sock):
    return os.readlink(f"/proc/self/fd/{sock.fileno()}")


@pytest.mark.parametrize("workers", [1, 3])
def test_listener_uses_the_socket_at_its_address(tidegate, demo_backend, workers):
    bind = f"{net.ADDRESS}:{net.free_port()}"
    text = conf.http(demo_backend(), bind=bind, workers=workers)
    with socket.create_server(net.split(bind)) as sock:
        early = client.RawClient(bind).send(client.get())  # before it runs
        tg = activated(tidegate, text, sock)
        assert early.read_answer().status == 200
        held = list(procfs.descriptors(tg.role_pid("proxy")).values())
        assert held.count(inode(sock)) == workers  # one queue, shared
        assert procfs.count_by_kind(tg.role_pid("proxy"))["tcp-listen"] == workers
        assert len(tg.log.records(msg="workers share sockets")) == (workers > 1)
        tg.upgrade()
        assert inode(sock) in procfs.descriptors(tg.role_pid("proxy")).values()
        assert tg.exchange(client.get()).status == 200


def test_unix_socket_and_admin_socket(tidegate, demo_backend, tmp_path):
    """Their files are the manager's, who keeps them."""
    front, admin = tmp_path / "front", tmp_path / "admin"
    socks = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    for sock, path in zip(socks, (front, admin)):
        sock.bind(str(path))
        sock.listen()
    tg = activated(tidegate, conf.http(demo_backend(), bind=f"unix:{front}",
                                       top=f'admin = {{ socket = "{admin}"; }};'), *socks)
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(front))
        peer.sendall(client.get())
        assert peer.recv(12) == b"HTTP/1.1 200"
    assert inode(socks[1]) in procfs.descriptors(tg.role_pid("keeper")).values()
    tg.stop()
    assert front.exists() and admin.exists()
    for sock in socks:
        sock.close()


def test_socket_nobody_wants_is_told_and_closed(tidegate, demo_backend):
    other = f"{net.ADDRESS}:{net.free_port()}"
    with socket.create_server(net.split(other)) as sock, socket.socket() as unbound:
        tg = activated(tidegate, conf.http(demo_backend()), sock, unbound)
        said = tg.log.wait(level="warn",
                           msg="nothing in the configuration is at a socket we were given")
        assert said["address"] == other
        said = tg.log.wait(level="warn", msg="not taking a socket of the service manager")
        assert said["name"] == "name1"
        assert said["reason"] == "a descriptor that is no listening socket"
        assert inode(sock) not in procfs.descriptors(tg.pid).values()
        assert tg.exchange(client.get()).status == 200


def test_sockets_for_another_process_are_not_ours(tidegate, demo_backend):
    bind = f"{net.ADDRESS}:{net.free_port()}"
    with socket.create_server(net.split(bind)) as sock:
        tg = activated(tidegate, conf.http(demo_backend(), bind=bind), sock, to=1, wait=False)
        tg.expect_status = 1
        assert tg.wait() == 1
        assert "Address already in use" in tg.log.wait(level="error", msg="cannot start")["error"]


def test_unit_is_hardened():
    """As systemd-analyze judges: 0 is safe, 10 is not; what remains is that it serves a network."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is missing")
    ended = subprocess.run([program, "security", "--offline=true", "--threshold=25", "--no-pager",
                            str(UNITS / "tidegate.service")], capture_output=True, text=True,
                           check=False, timeout=settings.TIMEOUT)
    if "unrecognized option" in ended.stderr:
        pytest.skip("systemd-analyze knows no --offline")
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr


def test_user_of_the_unit_is_made(tmp_path):
    program = shutil.which("systemd-sysusers")
    if program is None:
        pytest.skip("systemd-sysusers is missing")
    rules = (UNITS / "tidegate.sysusers").read_text()
    (tmp_path / "etc").mkdir()
    ended = subprocess.run([program, f"--root={tmp_path}", "-"], input=rules, text=True, check=False,
                           capture_output=True, timeout=settings.TIMEOUT)
    assert ended.returncode == 0, ended.stderr
    assert "tidegate:" in (tmp_path / "etc/passwd").read_text()
