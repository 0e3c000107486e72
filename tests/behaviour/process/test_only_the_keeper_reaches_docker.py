"""Who may speak to a Docker daemon is root: of the processes it is the keeper that gets the group of its socket, and
the proxy has no way to it, whatever its user is a member of."""

import grp
import json
import os
import pwd
import re
import subprocess

import pytest

from harness import certificates, client, conf, control, docker_api, net, process, procfs, settings

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to drop privileges")

GROUP = grp.getgrnam("daemon").gr_gid
NOBODY = pwd.getpwnam("nobody")
CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


def open_ways(path):
    """Everybody may get there."""
    for folder in (path, *path.parents):
        if folder.stat().st_uid == 0 and len(folder.parts) > 2:
            os.chmod(folder, 0o755)


@pytest.fixture
def fake(tmp_path):
    open_ways(tmp_path)
    made = docker_api.FakeDocker(tmp_path / "docker.sock")
    os.chown(made.path, 0, GROUP)
    os.chmod(made.path, 0o660)
    yield made
    made.stop()


def start(tidegate, fake, top="", services=""):
    return tidegate(conf.http(top=f"""user = "nobody"; {top}
        nodes = ( {{ name = "a"; docker = "unix://{fake.path}"; }} );""", service="""
        autoscale = { module = "target"; metric = "in-flight"; target = 4; min = 0; max = 1; };
        provider = { type = "docker"; image = "acme/api:7"; port = 80; };""", services=services))


def groups(pid):
    return {int(n) for n in procfs.status(pid)["Groups"].split()}


def test_the_keeper_alone_has_the_group_of_the_socket(tidegate, fake):
    tg = start(tidegate, fake)
    tg.log.wait(msg="node up")
    proxy, keeper = tg.role_pid("proxy"), tg.role_pid("keeper")
    assert GROUP in groups(keeper) and GROUP not in groups(proxy)
    assert fake.peers == {keeper}
    for pid, works in ((keeper, True), (proxy, False)):
        tried = subprocess.run(["/usr/bin/python3", "-c", CONNECT, fake.path], check=False, text=True,
                               capture_output=True, user=NOBODY.pw_uid, group=NOBODY.pw_gid,
                               extra_groups=sorted(groups(pid)))
        assert (tried.returncode == 0) == works, tried.stderr
        assert works or "PermissionError" in tried.stderr
    # Nor has it a descriptor of a connection there.
    ours = set(re.findall(r"^\S+ \S+ \S+ \S+ \S+ \S+ +(\d+) " + re.escape(fake.path) + "$",
                          open("/proc/net/unix", encoding="utf-8").read(), re.MULTILINE))
    held = {os.readlink(f"/proc/{proxy}/fd/{fd}") for fd in os.listdir(f"/proc/{proxy}/fd")}
    assert ours and not {f"socket:[{inode}]" for inode in ours} & held


def test_a_killed_keeper_has_it_again(tidegate, fake):
    tg = start(tidegate, fake)
    tg.log.wait(msg="node up")
    os.kill(tg.role_pid("keeper"), 9)
    tg.log.wait(count=2, msg="node up")
    assert GROUP in groups(tg.role_pid("keeper"))


def test_a_socket_that_the_proxy_could_open_is_warned_of(tidegate, fake):
    os.chmod(fake.path, 0o666)
    tg = start(tidegate, fake)
    line = tg.log.wait(level="warn")
    assert line["msg"].startswith("the proxy could open what only the keeper should")
    assert line["file"] == fake.path
    assert tg.exchange(client.get()).status in (502, 503)


def test_no_program_that_the_keeper_runs_has_the_group(tidegate, fake, tmp_path):
    """Neither backends nor hooks, and none may take it back; the keeper may, and does nothing with it."""
    demo = settings.program("tidegate-demo")
    admin = tmp_path / "admin.sock"
    shown = 'grep -E "^(Groups|Cap(Prm|Inh|Amb))" /proc/self/status | tr -s "[:space:]" " "; exit 3'
    tg = start(tidegate, fake, f"""admin = {{ socket = "{admin}"; }};
        hooks = ( {{ name = "h"; on = ( "backend-up" ); retries = 0; exec = ( "/bin/sh", "-c", {json.dumps(shown)} ); }} );
        """, f"""{{ name = "started"; health = {{ type = "tcp"; interval = "50ms"; }};
            autoscale = {{ module = "target"; metric = "in-flight"; target = 4; min = 1; max = 1; }};
            provider = {{ type = "process"; command = ( "{demo}", "-l", "127.0.0.1:{{port}}", "-n", "x" ); }}; }}""")
    tg.log.wait(msg="node up")
    tg.log.wait(msg="backend up", svc="started")
    keeper = tg.role_pid("keeper")
    backend, = (pid for pid in process.children(keeper) if demo in process.command_line(pid))
    assert GROUP in groups(keeper) and GROUP not in groups(backend)
    assert groups(backend) == groups(tg.role_pid("proxy"))
    known = procfs.status(keeper)
    assert [int(known[f"Cap{which}"], 16) for which in ("Eff", "Inh", "Amb")] == [0, 0, 0]
    assert int(procfs.status(backend)["CapPrm"], 16) == 0

    def error():
        return json.loads(control.ask(str(admin), "show hooks json"))[0]["error"]
    settings.wait_until(error, "the hook to be run")
    held = " ".join(str(one) for one in sorted(groups(backend)))
    assert f"Groups: {held} Cap" in error() and error().count(" 0000000000000000") == 3, error()
    assert not tg.log.records(msg="processes that the keeper starts can reach the daemons of nodes too")


def test_a_key_whose_rights_were_mended_is_taken_by_a_reload(tidegate, tmp_path):
    """Its group is another one than at the start, and processes have groups from their start: others take over."""
    authority = certificates.Authority(tmp_path / "tls")
    certificate, key = authority.issue("keeper")
    fake = docker_api.FakeDocker("", tls=certificates.server_context(
        authority.issue("daemon", f"IP:{net.ADDRESS}"), authority.path))
    open_ways(tmp_path / "tls")
    os.chmod(key, 0o600)
    admin = tmp_path / "admin.sock"
    try:
        tg = tidegate(conf.http(top=f"""user = "nobody"; admin = {{ socket = "{admin}"; }};
            nodes = ( {{ name = "a"; docker = "tcp://{net.ADDRESS}:{fake.port}";
                         tls = {{ ca = "{authority.path}"; certificate = "{certificate}"; key = "{key}"; }}; }} );""",
            service="""autoscale = { module = "target"; metric = "in-flight"; target = 4; min = 0; max = 1; };
            provider = { type = "docker"; image = "acme/api:7"; port = 80; };"""))
        assert "Permission denied" in tg.log.wait(msg="node down")["reason"]
        os.chown(key, 0, GROUP)
        os.chmod(key, 0o640)
        told = control.ask(str(admin), "reload")
        assert f"by new processes: the keeper lacks the group of {key}" in told
        tg.follow()
        tg.log.wait(msg="node up")
        assert GROUP in groups(tg.role_pid("keeper")) and GROUP not in groups(tg.role_pid("proxy"))
        keeper = tg.role_pid("keeper")
        assert "by new processes" not in control.ask(str(admin), "reload")
        assert tg.role_pid("keeper") == keeper, "nothing differs any more"
    finally:
        fake.stop()
