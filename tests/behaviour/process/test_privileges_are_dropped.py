"""Started as root with a user: the children are that user, for good; the parent stays root."""

import grp
import os
import pwd
import stat
import subprocess
import tempfile

import pytest

from harness import client, conf, net, procfs, settings

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to drop privileges")

NOBODY = pwd.getpwnam("nobody")


def ids(pid):
    fields = procfs.status(pid)
    return ({int(n) for n in fields["Uid"].split()}, {int(n) for n in fields["Gid"].split()},
            {int(n) for n in fields["Groups"].split()})


def test_children_are_the_user(tidegate, demo_backend, tmp_path):
    os.chmod(tmp_path, 0o755)
    top = f'user = "nobody"; admin = {{ socket = "{tmp_path}/admin.sock"; }};'
    tg = tidegate(conf.http(demo_backend(), top=top))
    for role in ("proxy", "keeper"):
        pid = tg.role_pid(role)
        assert ids(pid) == ({NOBODY.pw_uid}, {NOBODY.pw_gid}, {NOBODY.pw_gid})
        fields = procfs.status(pid)
        assert fields["NoNewPrivs"] == "1"
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(fields[capabilities], 16) == 0, capabilities
    assert ids(tg.pid)[0] == {0}
    assert tg.exchange(client.get()).status == 200
    socket = os.stat(tmp_path / "admin.sock")
    assert (socket.st_uid, socket.st_gid) == (NOBODY.pw_uid, NOBODY.pw_gid)
    assert stat.S_IMODE(socket.st_mode) == 0o660


def test_others_of_the_user_cannot_read_their_memory(tidegate, demo_backend):
    """Keys and passwords are there; hooks and backends may run as the same user, and the proxy does."""
    tg = tidegate(conf.http(demo_backend(), top='user = "nobody";'))

    def tries(pid):
        return subprocess.run(["/usr/bin/python3", "-c", "import sys; open(sys.argv[1], 'rb')",
                               f"/proc/{pid}/mem"], check=False, capture_output=True, text=True, cwd="/",
                              user=NOBODY.pw_uid, group=NOBODY.pw_gid, extra_groups=[])
    with subprocess.Popen(["sleep", "60"], cwd="/", user=NOBODY.pw_uid, group=NOBODY.pw_gid,
                          extra_groups=[]) as other:
        is_restricted = tries(other.pid).returncode != 0
        other.kill()
    if is_restricted:
        pytest.skip("no process may read another one's memory here")
    for role in ("proxy", "keeper"):
        assert "PermissionError" in tries(tg.role_pid(role)).stderr, role


def test_children_are_the_group(tidegate, demo_backend):
    tg = tidegate(conf.http(demo_backend(), top='user = "nobody"; group = "daemon";'))
    daemon = grp.getgrnam("daemon").gr_gid
    for role in ("proxy", "keeper"):
        assert ids(tg.role_pid(role))[:2] == ({NOBODY.pw_uid}, {daemon})


def test_replaced_children_are_the_user_too(tidegate, demo_backend):
    tg = tidegate(conf.http(demo_backend(), top='user = "nobody";'))
    os.kill(tg.role_pid("proxy"), 9)
    tg.log.wait(count=2, msg="child ready", child="proxy")
    assert ids(tg.role_pid("proxy"))[0] == {NOBODY.pw_uid}
    assert tg.exchange(client.get()).status == 200


def test_privileged_port_is_bound_by_the_parent(tidegate, demo_backend):
    """Port 443 of a loopback address: the proxy itself could not."""
    bind = f"{net.ADDRESS}:443"
    tg = tidegate(conf.http(demo_backend(), bind=bind, top='user = "nobody";'))
    assert tg.exchange(client.get()).status == 200


def test_no_user_is_a_warning(tidegate, demo_backend):
    tg = tidegate(conf.http(demo_backend()))
    assert tg.log.wait(level="warn")["msg"].startswith("the children run as root")


@pytest.mark.parametrize("top, said", [
    ('user = "no-such-user";', '1: user: no such user "no-such-user" on this machine; '
     'allowed: one that getent passwd knows'),
    ('user = "nobody";\ngroup = "no-such-group";',
     '2: group: no such group "no-such-group" on this machine'),
    ('group = "daemon";', '1: group: "daemon" needs a user too'),
])
@pytest.mark.parametrize("arguments", [[], ["-t"]])
def test_what_cannot_be_honoured_is_an_error_of_its_line(tmp_path, run_tidegate, top, said,
                                                         arguments):
    path = tmp_path / "tidegate.conf"
    path.write_text(top + '\n' + str(conf.http("127.0.0.1:9")))
    ended = run_tidegate("-c", path, *arguments)
    assert (ended.returncode, ended.stderr) == (1, f"{path}:{said}\n")


def test_others_cannot_become_somebody_else(demo_backend):
    """As nobody, with a user that is not nobody."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as text:
        text.write(str(conf.http(demo_backend(), top='user = "daemon";')))
        text.flush()
        os.chmod(text.name, 0o644)
        try:
            ended = subprocess.run([settings.program("tidegate"), "-c", text.name], text=True,
                                   capture_output=True, user="nobody", cwd="/",
                                   timeout=settings.TIMEOUT, check=False)
        except PermissionError as denied:
            pytest.skip(f"nobody may not execute the build under test: {denied}")
    assert ended.returncode == 1
    assert r'user = \"daemon\": only root can become another user' in ended.stderr
