"""SIGUSR2: the program as it is now, with the configuration as it is now, takes over without a client
that notices; what fails before that changes nothing, and the old one says why."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from harness import client, conf, control, load, metrics, net, procfs, settings

pytestmark = pytest.mark.long

UPGRADES = 8 if settings.sanitizers() else 20
WORKERS = (2, 4, 1, 3)  # in turn: sockets are inherited by more workers and by fewer


def listener(name, bind, mode="http", service="site", extra=""):
    return f'{{ name = "{name}"; bind = "{bind}"; mode = "{mode}"; service = "{service}"; {extra} }}'


def text(backends, listeners, workers=2, top=""):
    """`backends`: {service: backend}."""
    services = ", ".join(conf.service_entry(name, [backend]) for name, backend in backends.items())
    grace = "" if "shutdown_grace" in top else 'shutdown_grace = "10s";'
    return f"""workers = {workers}; {grace} {top}
        listeners = ( {", ".join(listeners)} ); services = ( {services} );"""


def address():
    return f"{net.ADDRESS}:{net.free_port()}"


def speaks(path):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(settings.TIMEOUT)
        try:
            peer.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        peer.sendall(client.get())
        return peer.recv(100).startswith(b"HTTP/1.1 200")


def refused(where):
    try:
        client.RawClient(where).close()
        return False
    except ConnectionRefusedError:
        return True


def await_more(loads, n=10):
    """Until each of them was served `n` times more."""
    before = [len(one.results) for one in loads]
    settings.wait_until(lambda: all(len(one.results) >= so_far + n
                                    for one, so_far in zip(loads, before)), "more answers")


def test_many_upgrades_under_load(tidegate, demo_backend):
    """Kept connections, new ones and TCP; with each upgrade another number of workers."""
    http, tcp = address(), address()
    backends = {"site": demo_backend(), "echo": demo_backend(tcp=True)}
    listeners = [listener("http", http), listener("tcp", tcp, "tcp", "echo")]
    tg = tidegate(text(backends, listeners, workers=WORKERS[0]))
    parents = {tg.pid}
    with contextlib.ExitStack() as stack:
        loads = [stack.enter_context(load.Load(http)), stack.enter_context(load.KeptLoad(http)),
                 stack.enter_context(load.TcpLoad(tcp))]
        await_more(loads)
        for n in range(1, UPGRADES + 1):
            old = tg.upgrade(text(backends, listeners, workers=WORKERS[n % len(WORKERS)]))
            parents.add(tg.pid)
            await_more(loads)
            assert old.wait(settings.TIMEOUT) == 0
    assert len(parents) == UPGRADES + 1
    for one in loads:
        assert one.failures() == []
        assert len(one.results) >= UPGRADES * 10
    assert loads[1].connections > UPGRADES  # they were told, and came again
    assert not tg.log.records(level="error")


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_who_waits_in_a_queue_is_served(tidegate, demo_backend, workers):
    """Connections that the old one never accepted, in the sockets of three workers."""
    where = address()
    backends = {"site": demo_backend()}
    tg = tidegate(text(backends, [listener("http", where)], workers=3))
    with tg.standing_still():
        peers = [tg.client(where).send(client.get()) for _ in range(30)]
        tg.upgrade(text(backends, [listener("http", where)], workers=workers))
        assert [peer.read_answer().status for peer in peers] == [200] * 30
    assert procfs.count_by_kind(tg.role_pid("proxy"))["tcp-listen"] == max(3, workers)


def test_bad_configuration_is_told(tidegate, demo_backend):
    good = conf.http(demo_backend())
    tg = tidegate(good)
    children = {role: tg.role_pid(role) for role in ("proxy", "keeper")}
    said = tg.fail_to_upgrade("workers = many;")
    assert said.startswith(f"{tg.conf_path}:1: ")
    assert tg.exchange(client.get()).status == 200
    assert children == {role: tg.role_pid(role) for role in ("proxy", "keeper")}
    tg.upgrade(good)
    assert tg.exchange(client.get()).status == 200


def test_what_cannot_be_bound_is_told(tidegate, demo_backend):
    backends = {"site": demo_backend()}
    where = address()
    tg = tidegate(text(backends, [listener("http", where)]))
    said = tg.fail_to_upgrade(text(backends, [listener("http", where),
                                              listener("more", "192.0.2.1:1")]))
    assert said == 'listener "more": 192.0.2.1:1: cannot bind: Cannot assign requested address'
    assert client.RawClient(where).exchange(client.get()).status == 200


@pytest.fixture
def program(tmp_path):
    """A copy of the program under test, which the test may replace."""
    path = tmp_path / "tidegate-copy"
    shutil.copy(settings.program("tidegate"), path)
    return path


def replace(path, script):
    """As a package manager does: another file takes the name."""
    beside = path.with_suffix(".new")
    beside.write_text(f"#!/bin/sh\n{script}\n")
    beside.chmod(0o755)
    beside.rename(path)


@pytest.mark.parametrize("script, reason", [
    ("exit 1", "it ended with status 1 before it served"),
    ("kill -9 $$", "it was killed by SIGKILL before it served")])
def test_program_that_fails_is_told(tidegate, demo_backend, program, script, reason):
    tg = tidegate(conf.http(demo_backend()), program=program)
    replace(program, script)
    assert tg.fail_to_upgrade() == reason
    assert tg.exchange(client.get()).status == 200
    os.kill(tg.role_pid("proxy"), signal.SIGKILL)  # children are still the old program
    tg.log.wait(count=2, msg="child ready", child="proxy")
    assert tg.exchange(client.get()).status == 200


def test_missing_program_is_told(tidegate, demo_backend, program):
    tg = tidegate(conf.http(demo_backend()), program=program)
    program.unlink()
    tg.send_signal(signal.SIGUSR2)
    said = tg.log.wait(level="error", msg="not upgrading")["reason"]
    assert said == f"{program}: cannot execute the program: No such file or directory"
    assert tg.exchange(client.get()).status == 200


def test_replaced_program_is_started(tidegate, demo_backend, program):
    tg = tidegate(conf.http(demo_backend()), program=program)
    real = settings.program("tidegate")
    replace(program, f'echo "the new program" >&2; exec {real} "$@"')
    tg.upgrade()
    assert "the new program" in tg.log.text()
    assert tg.exchange(client.get()).status == 200


def test_new_proxy_that_dies_changes_nothing(tidegate, demo_backend, program):
    """Descriptors enough for the new parent, not for its proxy of 16 loops."""
    backends, where = {"site": demo_backend()}, address()
    tg = tidegate(text(backends, [listener("http", where)]), program=program)
    replace(program, f'exec prlimit --nofile=48:48 {settings.program("tidegate")} "$@"')
    said = tg.fail_to_upgrade(text(backends, [listener("http", where)], workers=16))
    assert said == "its children could not serve"
    tg.log.wait(level="error", msg="child could not start", child="proxy")
    assert client.RawClient(where).exchange(client.get()).status == 200


def test_second_signal_meanwhile_is_refused(tidegate, demo_backend, program):
    tg = tidegate(conf.http(demo_backend()), program=program)
    real = settings.program("tidegate")
    gate = program.with_suffix(".gate")
    os.mkfifo(gate)
    replace(program, f'read -r go < {gate}; exec {real} "$@"')
    tg.send_signal(signal.SIGUSR2)
    tg.log.wait(msg="upgrading")
    tg.send_signal(signal.SIGUSR2)
    assert tg.log.wait(level="error", msg="not upgrading")["reason"] == "an upgrade is under way"
    gate.write_text("go\n")
    tg.log.wait(msg="stopping", reason="upgrade")
    tg.follow()
    assert tg.exchange(client.get()).status == 200


def test_stop_meanwhile_ends_both(tidegate, demo_backend, program):
    tg = tidegate(conf.http(demo_backend()), program=program)
    replace(program, "exec sleep 1000")
    tg.send_signal(signal.SIGUSR2)
    pid = int(tg.log.wait(msg="upgrading")["successor"])
    tg.stop(signal.SIGTERM)
    settings.wait_until(lambda: not procfs.alive(pid), "the new one to end")


def test_listeners_come_and_go(tidegate, demo_backend):
    backends = {"site": demo_backend()}
    stays, goes, comes = address(), address(), address()
    tg = tidegate(text(backends, [listener("goes", goes), listener("stays", stays)]))
    with load.Load(stays) as steady:
        await_more([steady])
        tg.upgrade(text(backends, [listener("stays", stays), listener("comes", comes)]))
        settings.wait_until(lambda: refused(goes), "the removed listener to be closed")
        await_more([steady])
    assert steady.failures() == []
    assert client.RawClient(comes).exchange(client.get()).status == 200


def test_unix_listeners_keep_their_files(tidegate, demo_backend, tmp_path):
    backends = {"site": demo_backend()}
    stays, goes, comes = (tmp_path / name for name in ("stays", "goes", "comes"))
    tg = tidegate(text(backends, [listener("a", f"unix:{stays}"), listener("b", f"unix:{goes}")]))
    file = os.stat(stays).st_ino
    old = tg.upgrade(text(backends, [listener("a", f"unix:{stays}"),
                                     listener("c", f"unix:{comes}")]))
    assert old.wait(settings.TIMEOUT) == 0
    assert os.stat(stays).st_ino == file
    assert speaks(stays) and speaks(comes)
    assert not goes.exists()
    tg.stop()
    assert not stays.exists() and not comes.exists()


def test_failed_upgrade_leaves_unix_files_alone(tidegate, demo_backend, tmp_path):
    backends = {"site": demo_backend()}
    stays, comes = tmp_path / "stays", tmp_path / "comes"
    tg = tidegate(text(backends, [listener("a", f"unix:{stays}")]))
    tg.fail_to_upgrade(text(backends, [listener("b", f"unix:{comes}")],
                            top='log = { file = "/nonexistent/log"; };'))
    assert speaks(stays)
    assert not comes.exists()


def test_orders_and_control_socket_pass_on(tidegate, demo_backend, tmp_path):
    """Orders given before are in force after; nobody who connects is refused meanwhile."""
    admin, state = tmp_path / "admin.sock", tmp_path / "state"
    top = f'admin = {{ socket = "{admin}"; }}; state_file = "{state}";'
    tg = tidegate(conf.http(demo_backend(name="b1"), top=top))
    for n in range(3):
        assert control.ask(str(admin), f"set weight site/b1 {10 + n}").strip() == ""
        tg.upgrade()
        assert control.ask(str(admin), "get weight site/b1").startswith(f"{10 + n} ")
    old = tg.former[-1]
    assert old.wait(settings.TIMEOUT) == 0
    assert "10" not in pathlib.Path(state).read_text().split()
    assert control.ask(str(admin), "get weight site/b1").startswith("12 ")


def test_client_of_the_old_control_socket_gives_no_orders(tidegate, demo_backend, recording_backend,
                                                          tmp_path):
    """It still looks, while the old one drains."""
    admin = tmp_path / "admin.sock"
    text_ = conf.tcp(demo_backend(name="b1", tcp=True), top=f'''shutdown_grace = "1h";
        admin = {{ socket = "{admin}"; }};''')
    tg = tidegate(text_)
    running = tg.client()
    running.read_line()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(settings.TIMEOUT)
        peer.connect(str(admin))
        peer.sendall(b"prompt\n")
        reader = peer.makefile("rb")
        assert reader.read(3) == b"\n> "
        tg.upgrade()
        peer.sendall(b"drain site/b1\n")
        assert reader.readline() == b"error upgrade: a new tidegate is taking over: connect again\n"
        running.close()


def test_a_failed_upgrade_lets_the_keeper_go_on(tidegate, demo_backend, tmp_path):
    admin = tmp_path / "admin.sock"
    top = f'admin = {{ socket = "{admin}"; }}; state_file = "{tmp_path / "state"}";'
    backend = demo_backend(name="b1")
    tg = tidegate(conf.http(backend, top=top))
    tg.fail_to_upgrade(conf.http(backend, bind="192.0.2.1:1", top=top))
    assert control.ask(str(admin), "set weight site/b1 7").strip() == ""
    assert control.ask(str(admin), "get weight site/b1").startswith("7 ")


def test_metrics_are_of_the_new_one(tidegate, demo_backend):
    """The old one drains and does not answer at the same port."""
    port = net.free_port()
    tg = tidegate(conf.tcp(demo_backend(tcp=True), top=f'''shutdown_grace = "1h";
        admin = {{ http = "{net.ADDRESS}:{port}"; }};'''))
    peer = tg.client()
    peer.read_line()
    tg.upgrade()
    for _ in range(10):
        page = metrics.page(f"{net.ADDRESS}:{port}")
        assert page.value("open_connections") == 0
    peer.close()


def test_streams_of_the_old_one_are_finished(tidegate, demo_backend):
    tg = tidegate(conf.tcp(demo_backend(tcp=True), top='shutdown_grace = "1h";'))
    peer = tg.client()
    peer.read_line()
    old = tg.upgrade()
    with client.RawClient(tg.address) as other:
        assert other.read_line() != b""
    peer.send(b"still there\n")
    assert peer.read_line() == b"still there\n"
    assert old.poll() is None
    peer.close()
    assert old.wait(settings.TIMEOUT) == 0


def test_no_descriptor_is_gathered(tidegate, demo_backend, tmp_path):
    top = f'admin = {{ socket = "{tmp_path}/admin.sock"; }}; log = {{ file = "{tmp_path}/access"; }};'
    tg = tidegate(conf.http(demo_backend(), top=top))
    seen = []
    for _ in range(3):
        tg.upgrade()
        assert tg.exchange(client.get()).status == 200
        assert tg.former[-1].wait(settings.TIMEOUT) == 0
        settings.wait_until(lambda: len(procfs.descriptors(tg.pid)) <=
                            min(seen, default=1000), "the parent to hold no more than before")
        seen.append(len(procfs.descriptors(tg.pid)))
    counts = procfs.count_by_kind(tg.role_pid("proxy"))
    assert counts["tcp-listen"] == 2 and counts["unix"] == 2


START_ON_3 = """
import os, subprocess, sys
given = (3,) if sys.argv[2] else ()
if given:
    os.dup2(int(sys.argv[2]), 3)
sys.exit(subprocess.call([sys.argv[1], "--role=successor", "-c", "/nonexistent"], pass_fds=given))
"""


@pytest.mark.parametrize("is_pair", [False, True], ids=["no channel", "a channel to a stranger"])
def test_stranger_cannot_play_the_old_one(is_pair):
    """A channel counts only if it leads to the process that starts it: here that is another one."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, its:
        ended = subprocess.run([sys.executable, "-c", START_ON_3, settings.program("tidegate"),
                                str(its.fileno()) if is_pair else ""], pass_fds=(its.fileno(),),
                               text=True, capture_output=True, check=False,
                               timeout=settings.TIMEOUT)
    assert ended.returncode == 2 and "between our own processes" in ended.stderr


def children(pid):
    return [int(one) for one in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_process_1_stays_for_those_that_take_over(tidegate, demo_backend, end):
    """Its end would be that of its container. Signals are for who serves, whose end is its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a namespace of processes")
    backend, where = demo_backend(), address()

    def site(workers):
        return text({"site": backend}, [listener("http", where)], workers=workers)
    tg = tidegate(site(1), wait=False,
                  under=("unshare", "--pid", "--fork", "--kill-child=TERM", "--mount-proc"))
    tg.expect_status = None
    tg.log.wait(msg="ready")
    first = children(tg.pid)[0]
    with load.KeptLoad(where) as busy:
        await_more([busy])
        os.kill(first, signal.SIGUSR2)
        tg.log.wait(msg="ready", count=2)
        tg.conf_path.write_text(str(site(2)))
        os.kill(first, signal.SIGHUP)
        tg.log.wait(msg="ready", count=3)
        await_more([busy])
    assert busy.failures() == []
    tg.log.wait(msg="child stopped", child="keeper", count=2)
    second, = children(first)
    third, = children(second)
    assert len(children(third)) == 2
    os.kill(third if end == signal.SIGKILL else first, end)
    assert tg.wait() == (1 if end == signal.SIGKILL else 0)
    assert not any(procfs.alive(pid) for pid in (first, second, third))


def test_there_is_a_bound_to_those_that_stay(tidegate, demo_backend):
    tg = tidegate(conf.http(demo_backend()), env={"TIDEGATE_GENERATION": "16"})
    tg.send_signal(signal.SIGUSR2)
    assert tg.log.wait(level="error", msg="not upgrading")["reason"] == \
        "16 processes of before stay until the container ends: restart it"
    assert tg.exchange(client.get()).status == 200
