"""key_isolation: who reads what strangers send has no private key, and gets its handshakes signed all the same."""

import ctypes
import os
import platform
import pwd
import re
import signal
import socket
import ssl
import subprocess
import sys
import time

import pytest

from harness import client, conf, control, metrics, net, process, procfs, settings, tls

pytestmark = pytest.mark.skipif(bool(settings.sanitizers()), reason="a sanitizer maps more than can be read")


def secrets_of(certificate):
    """Each form a key may have in memory: of ECDSA its scalar, of RSA its primes, either way round; and its text."""
    text = tls.openssl("pkey", "-in", certificate.key, "-noout", "-text").decode()
    numbers = re.findall(r"(?:priv|prime1|prime2):\n((?: +[0-9a-f:]+\n)+)", text)
    raw = [bytes.fromhex(re.sub(r"[\s:]", "", number)).lstrip(b"\0") for number in numbers]
    assert raw, text
    return [*raw, *(one[::-1] for one in raw), certificate.key.read_bytes().splitlines()[1]]


def has_key(tg, role, *certificates):
    """For each certificate whether this process has its key."""
    wanted = [secrets_of(one) for one in certificates]
    found = procfs.memory_has(tg.role_pid(role), sum(wanted, []))
    return [bool(found.intersection(one)) for one in wanted]


def status(tg, authority, version="1.3", **options):
    with tls.TlsClient(tg.address, authority.context(version, **options)) as peer:
        return peer.exchange(client.get()).status


def is_served(tg, authority):
    try:
        return status(tg, authority) == 200
    except (ssl.SSLError, ConnectionError):
        return False


@pytest.fixture
def readable():
    if not os.access("/proc/1/mem", os.R_OK):
        pytest.skip("memory of other processes may not be read here")


class Served:
    """A tidegate that ends TLS with two keys and shows a third to its backend."""

    def __init__(self, tidegate, authority, folder, isolation, back_version, top, **how):
        self.ecdsa, self.rsa = authority.issue("site.example.org"), authority.issue("site.example.org", rsa=True)
        self.own = authority.issue("tidegate.example.org")
        self.keys = self.ecdsa, self.rsa, self.own
        self.admin = f"{folder}/admin.sock"
        self.page = f"{net.ADDRESS}:{net.free_port()}"
        self.folder = folder / "site"
        self.folder.mkdir(parents=True)
        for one, name in [(self.ecdsa, "a.pem"), (self.rsa, "b.pem")]:
            (self.folder / name).write_bytes(one.both.read_bytes())
            (self.folder / name).chmod(0o600)
        asking = authority.serve(authority.issue("back.example.org"), asks=True, version=back_version)
        self.backend = tls.TlsBackend(asking)
        trust = f'ca = "{authority.pem}"; name = "back.example.org"; certificate = "{self.own.both}";'
        top += f'key_isolation = {isolation}; admin = {{ socket = "{self.admin}"; http = "{self.page}"; }};'
        self.text = conf.http(self.backend, listener=tls.listener(self.folder), service=f"tls = {{ {trust} }};", top=top,
                              workers=2)
        self.tg = tidegate(self.text, **how)

    def signed(self, failures=False):
        name = "worker_signature_failures_total" if failures else "worker_signatures_total"
        return sum(metrics.page(self.page).value(name, worker=str(i)) for i in range(2))


@pytest.fixture
def served(tidegate, authority, tmp_path):
    made = []

    def make(isolation="true", back_version="1.2", top="", **how):
        made.append(Served(tidegate, authority, tmp_path / isolation, isolation, back_version, top, **how))
        return made[-1]
    yield make
    for one in made:
        one.backend.stop()


def test_they_are_found_where_they_are(served, readable, authority):
    s = served("false")
    assert status(s.tg, authority) == 200
    assert has_key(s.tg, "proxy", *s.keys) == [True] * 3, "or this looks in vain"
    assert s.tg.role_pid("signer") is None


def test_only_who_signs_has_them(served, readable, authority):
    s = served()
    tg = s.tg
    ciphers = {s.ecdsa: "ECDHE-ECDSA-AES128-GCM-SHA256", s.rsa: "ECDHE-RSA-AES128-GCM-SHA256"}
    for list_ in ciphers.values():
        assert status(tg, authority, "1.2", ciphers=list_) == 200
    assert status(tg, authority) == 200
    assert has_key(tg, "signer", *s.keys) == [True] * 3
    assert has_key(tg, "proxy", *s.keys) == [False] * 3
    assert s.signed() >= 4 and s.signed(failures=True) == 0
    # It has nothing but the channel to the parent and a line to each worker, and asks the kernel for little.
    pid = tg.role_pid("signer")
    kernel = procfs.status(pid)
    assert (kernel["Seccomp"], kernel["NoNewPrivs"]) == ("2", "1")
    assert procfs.count_by_kind(pid).get("unix") == 3
    # Another key by an operator; one by a reload. Connections stay.
    peer = tls.TlsClient(tg.address, authority.context())
    tg.clients.append(peer)
    second, third = authority.issue("site.example.org"), authority.issue("site.example.org", rsa=True)
    control.ask(s.admin, f"set cert {s.folder}/a.pem <<\n{second.both.read_text()}\n")
    assert control.ask(s.admin, f"commit cert {s.folder}/a.pem").startswith("Success")
    assert status(tg, authority, "1.2", ciphers=ciphers[s.ecdsa]) == 200
    (s.folder / "b.pem").write_bytes(third.both.read_bytes())
    tg.reload()
    assert status(tg, authority, "1.2", ciphers=ciphers[s.rsa]) == 200
    assert has_key(tg, "signer", second, third) == [True] * 2
    assert has_key(tg, "proxy", s.ecdsa, s.rsa, s.own, second, third) == [False] * 5
    assert peer.exchange(client.get()).status == 200
    # What cannot be used changes nothing there either.
    (s.folder / "b.pem").write_bytes(b"nonsense")
    tg.fail_to_reload()
    (s.folder / "b.pem").write_bytes(third.both.read_bytes())
    assert status(tg, authority) == 200
    # A proxy that is started again.
    os.kill(tg.role_pid("proxy"), signal.SIGKILL)
    tg.log.wait(count=2, msg="child ready", child="proxy")
    assert status(tg, authority) == 200
    assert has_key(tg, "proxy", s.rsa, s.own, second, third) == [False] * 4
    # Its successor has one of its own.
    tg.upgrade()
    assert status(tg, authority) == 200
    assert has_key(tg, "proxy", s.rsa, s.own, second, third) == [False] * 4
    assert tg.role_pid("signer") not in (None, pid) and s.signed(failures=True) == 0


def test_without_it_no_handshake_and_all_else_goes_on(served, authority):
    s = served(back_version="1.3")
    tg = s.tg
    peer = tls.TlsClient(tg.address, authority.context())
    tg.clients.append(peer)
    assert peer.exchange(client.get()).status == 200
    before = tg.role_pid("signer")
    with procfs.standing_still(tg.pid):
        os.kill(before, signal.SIGKILL)
        settings.wait_until(lambda: not procfs.alive(before), "its end")
        # Its lines have ended with it.
        with pytest.raises((ssl.SSLError, ConnectionError)):
            status(tg, authority)
        told = tg.log.wait(msg="no TLS handshake")
        assert told["reason"] == "no-signature"
        assert peer.exchange(client.get()).status == 200
    died = tg.log.wait(msg="child died", child="signer")
    assert (died["pid"], died["signal"]) == (str(before), "KILL") and "%" not in died["line"]
    tg.log.wait(count=2, msg="child ready", child="signer")
    settings.wait_until(lambda: is_served(tg, authority), "handshakes again")
    assert s.signed(failures=True) >= 1
    page = metrics.page(s.page)
    assert page.value("listener_tls_failures_total", listener="front", reason="no-signature") >= 1
    assert peer.exchange(client.get()).status == 200


_PIDFD_OPEN, _PIDFD_GETFD = 434, 438
_LIBC = ctypes.CDLL(None, use_errno=True)
_CHANNEL = 3


def end_line(pid, fd):
    """Of one socket of another process, for both ends; nothing else of theirs."""
    process_fd = _LIBC.syscall(_PIDFD_OPEN, pid, 0)
    assert process_fd >= 0
    copy = _LIBC.syscall(_PIDFD_GETFD, process_fd, fd, 0)
    os.close(process_fd)
    if copy < 0:
        pytest.skip("sockets of other processes may not be had here")
    with socket.socket(fileno=copy) as line:
        line.shutdown(socket.SHUT_RDWR)


def lines_of(signer):
    fds = (int(name) for name in os.listdir(f"/proc/{signer}/fd"))
    return [fd for fd in fds if fd > _CHANNEL and os.readlink(f"/proc/{signer}/fd/{fd}").startswith("socket:")]


def test_a_line_that_ends_alone_is_made_anew(served, readable, authority):
    s = served()
    tg = s.tg
    signer = tg.role_pid("signer")

    def signed_by():
        page = metrics.page(s.page)
        return [page.value("worker_signatures_total", worker=str(i)) for i in range(2)]

    def has_all():
        is_served(tg, authority)
        return all(now > then for now, then in zip(signed_by(), before))
    assert len(lines_of(signer)) == 2
    for rounds in (1, 2):
        before = signed_by()
        end_line(signer, lines_of(signer)[0])
        settings.wait_until(lambda: is_served(tg, authority) and len(tg.log.records(
            msg="a worker without a line to the signer gets another")) >= rounds, "another line")
        settings.wait_until(has_all, "signatures for both workers")
    assert tg.role_pid("signer") == signer
    assert s.signed(failures=True) >= 2
    # One each, however many were asked for.
    settings.wait_until(lambda: len(lines_of(signer)) == 2, "the end of those that were replaced")


def test_one_that_stands_still_is_replaced(served, authority):
    """A reload does not wait for it for long, nor does a proxy that dies meanwhile."""
    s = served()
    tg = s.tg
    before = tg.role_pid("signer")
    os.kill(before, signal.SIGSTOP)
    (s.folder / "b.pem").write_bytes(authority.issue("site.example.org", rsa=True).both.read_bytes())
    asked = time.monotonic()
    tg.send_signal(signal.SIGHUP)
    tg.log.wait(msg="reloading")
    os.kill(tg.role_pid("proxy"), signal.SIGKILL)
    assert "does not answer in time" in tg.log.wait(msg="the reload has failed, going on")["reason"]
    assert time.monotonic() - asked < 9
    assert tg.log.wait(msg="child died", child="signer")["signal"] == "KILL"
    tg.log.wait(count=2, msg="child ready", child="signer")
    tg.log.wait(count=2, msg="child ready", child="proxy")
    settings.wait_until(lambda: is_served(tg, authority), "handshakes again")
    tg.reload()
    assert status(tg, authority) == 200


# As contrib/systemd/tidegate.service starts it: without capabilities, and SystemCallFilter=~@privileged with EPERM.
_LAUNCHER = """
import ctypes, os, struct, sys
prctl = ctypes.CDLL(None, use_errno=True).prctl
prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
for capability in range(64):
    prctl(24, capability, 0, 0, 0)
code = [(0x20, 0, 0, 0)]
for number in map(int, sys.argv[1].split(",")):
    code += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050001)]
code += [(0x06, 0, 0, 0x7fff0000)]
text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in code))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code), ctypes.addressof(text)))
assert prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, ctypes.addressof(program), 0, 0) == 0
os.execv(sys.argv[2], sys.argv[2:])
"""
# capset, setgroups, setresuid, setresgid
_PRIVILEGED = {"x86_64": "126,116,117,119", "aarch64": "91,159,147,149"}


@pytest.mark.skipif(platform.machine() not in _PRIVILEGED, reason="needs numbers of system calls")
def test_a_service_manager_may_have_taken_what_is_privileged(served, authority):
    s = served(under=[sys.executable, "-c", _LAUNCHER, _PRIVILEGED[platform.machine()]])
    assert is_served(s.tg, authority) and s.tg.role_pid("signer") is not None


# Who has the proxy: tries to trace each new child of a parent from its first moment on, and says so once of each.
_TRACER = """
import ctypes, os, sys
parent, known = sys.argv[1], set(sys.argv[2:])
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long] * 4
children = os.open(f"/proc/{parent}/task/{parent}/children", os.O_RDONLY)
refused = set()
print("ready", flush=True)
while True:
    for child in os.pread(children, 4096, 0).decode().split():
        if child in known:
            continue
        if ptrace(0x4206, int(child), 0, 0) == 0:
            print("traced", child, flush=True)
            sys.exit()
        if child not in refused:
            refused.add(child)
            print("refused", child, flush=True)
"""


def begin_anew(tg, role, user):
    """What comes after it is killed: its pid. The user who may look on cannot trace it."""
    before = tg.role_pid(role)
    known = [str(pid) for pid in process.children(tg.pid)]
    with subprocess.Popen([sys.executable, "-c", _TRACER, str(tg.pid), *known], stdout=subprocess.PIPE, text=True, cwd="/",
                          user=user.pw_uid, group=user.pw_gid, extra_groups=[]) as tracer:
        try:
            assert tracer.stdout.readline() == "ready\n"
            os.kill(before, signal.SIGKILL)
            settings.wait_until(lambda: tg.role_pid(role) not in (None, before), "another one")
            now = tg.role_pid(role)
            tg.log.wait(msg="child ready", child=role, pid=str(now))
            assert tracer.stdout.readline() == f"refused {now}\n"
        finally:
            tracer.kill()
        assert tracer.stdout.read() == ""
    return now


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to have another user")
def test_who_has_the_proxy_cannot_trace_a_new_one(served, authority):
    """Nor a keeper, which has passwords and certificates of other machines, nor another proxy."""
    tg = served(top='user = "nobody";').tg
    user = pwd.getpwnam("nobody")
    for role in ("signer", "keeper", "proxy"):
        kernel = procfs.status(begin_anew(tg, role, user))
        assert set(kernel["Uid"].split()) == {str(user.pw_uid)} and set(kernel["Gid"].split()) == {str(user.pw_gid)}
        assert kernel["Groups"].split() == ([] if role == "signer" else [str(user.pw_gid)])
        assert {kernel[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        assert kernel["NoNewPrivs"] == "1" and kernel["TracerPid"] == "0"
    settings.wait_until(lambda: is_served(tg, authority), "handshakes again")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to have another user")
def test_where_they_are_not_it_is_told(run_tidegate, authority, tmp_path):
    """By -t, as by a start: the files count, not what is said of them."""
    nobody = pwd.getpwnam("nobody")
    site = authority.issue("site.example.org")
    key, path = tmp_path / "site.key", tmp_path / "t.conf"
    key.write_bytes(site.key.read_bytes())

    def said(mode, uid=0, gid=0, user='user = "nobody";', isolation="true"):
        os.chown(key, uid, gid)
        key.chmod(mode)
        certificate = f'{{ file = "{site.pem}"; key = "{key}"; }}'
        path.write_text(str(conf.http("127.0.0.1:1", listener=f"tls = {{ certificates = ( {certificate} ); }};",
                                      top=f"{user} key_isolation = {isolation};")))
        done = run_tidegate("-t", "-c", path)
        assert done.returncode == 0, done.stderr
        return [line for line in done.stderr.splitlines() if "key_isolation" in line]
    assert said(0o600) == [] and said(0o640) == []
    for readable in [(0o600, nobody.pw_uid), (0o640, 0, nobody.pw_gid)]:
        line, = said(*readable)
        assert line.startswith(f"{path}:") and line.endswith(
            f"warning: key_isolation: does not protect {key}, which the proxy's user may read; wanted: root's, mode 0600")
        assert said(*readable, isolation="false") == []
    for user, wanted in [("", "where all processes are of one user; wanted: a start as root, and user"),
                         ('user = "root";', "while the proxy is root; wanted: another user")]:
        line, = said(0o600, user=user)
        assert line.endswith(f"key_isolation: protects nothing {wanted}")
