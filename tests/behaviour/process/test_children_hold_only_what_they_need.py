"""No child keeps a descriptor it does not need: counted in /proc/PID/fd."""

import os

import pytest

from harness import client, conf, procfs, settings

WORKERS = 3
# What each event loop holds: the epoll, its wake-up, and libevent's signal pipe.
LOOP = {"anon_inode:[eventpoll]": 1, "anon_inode:[eventfd]": 1}


def settled(tg, role):
    """The counts of a child once nothing of its start is left."""
    seen = []

    def still():
        seen.append(procfs.descriptors(tg.role_pid(role)))
        return len(seen) > 1 and seen[-1] == seen[-2]
    settings.wait_until(still, f"the descriptors of the {role} to settle")
    return procfs.count_by_kind(tg.role_pid(role))


def start(tidegate, backend, tmp_path, workers=WORKERS, **options):
    top = f"""admin = {{ socket = "{tmp_path}/admin.sock"; }};
        log = {{ file = "{tmp_path}/access.log"; }};"""
    return tidegate(conf.http(backend, top=top, workers=workers), **options)


def without(counts, *kinds):
    """Checks and removes what every process may hold any number of."""
    return {kind: n for kind, n in counts.items() if kind not in kinds}


@pytest.mark.parametrize("workers, loops", [(1, 1), (WORKERS, WORKERS + 1)])
def test_proxy(tidegate, demo_backend, tmp_path, workers, loops):
    """One worker is one thread; several have a thread each beside the control thread."""
    tg = start(tidegate, demo_backend(), tmp_path, workers=workers)
    counts = settled(tg, "proxy")
    if not settings.sanitizers():  # which have threads of their own
        assert len(os.listdir(f"/proc/{tg.role_pid('proxy')}/task")) == loops
    assert counts.pop("tcp-listen") == workers
    assert counts.pop("unix") == 2  # to the parent, to the keeper
    assert counts.pop("/dev/null") == 2  # standard input and output
    assert counts.pop(str(tg.stderr.path)) == 1
    assert counts.pop("anon_inode:[eventpoll]") == loops
    rest = without(counts, "anon_inode:[eventfd]", "pipe")
    assert rest == {}  # neither admin socket, access log, segment nor configuration
    assert counts.get("anon_inode:[eventfd]", 0) <= loops * 2
    assert counts.get("pipe", 0) <= loops * 2
    assert any("tidegate-segment" in name for name in procfs.mappings(tg.role_pid("proxy")))


def test_keeper(tidegate, demo_backend, tmp_path):
    tg = start(tidegate, demo_backend(), tmp_path)
    counts = settled(tg, "keeper")
    assert "tcp-listen" not in counts
    assert counts.pop("unix-listen") == 1  # the admin socket
    assert counts.pop("unix") == 2
    assert counts.pop("/dev/null") >= 1
    assert counts.pop(str(tg.stderr.path)) == 1
    # The log's, and one in case a reload turns the log off and on again.
    assert counts.pop(str(tmp_path / "access.log")) == 2
    rest = without(counts, "anon_inode:[eventpoll]", "anon_inode:[eventfd]", "pipe", "udp",
                   str(tg.stdout.path))
    assert rest == {}


def test_nothing_leaks_in_from_whoever_started_us(tidegate, demo_backend, tmp_path):
    """A descriptor open in the starter, without close-on-exec, stops at the parent."""
    leak = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        tg = start(tidegate, demo_backend(), tmp_path, pass_fds=(leak,))
    finally:
        os.close(leak)
    assert "/dev/zero" in procfs.descriptors(tg.pid).values()
    for role in ("proxy", "keeper"):
        assert "/dev/zero" not in procfs.descriptors(tg.role_pid(role)).values()


def test_a_replaced_proxy_holds_the_same(tidegate, demo_backend, tmp_path):
    tg = start(tidegate, demo_backend(), tmp_path)
    before = {role: settled(tg, role) for role in ("proxy", "keeper")}
    for n in range(3):
        os.kill(tg.role_pid("proxy"), 9)
        tg.log.wait(count=n + 2, msg="child ready", child="proxy")
        os.kill(tg.role_pid("keeper"), 9)
        tg.log.wait(count=n + 2, msg="child ready", child="keeper")
    assert tg.exchange(client.get()).status == 200
    settings.wait_until(lambda: settled(tg, "keeper") == before["keeper"], "the same keeper")
    after = settled(tg, "proxy")
    after.pop("tcp", None)  # the idle back connection
    assert after == before["proxy"]


def test_the_parent_gathers_nothing_over_restarts(tidegate, demo_backend, tmp_path):
    tg = start(tidegate, demo_backend(), tmp_path)
    before = procfs.count_by_kind(tg.pid)
    for n in range(3):
        os.kill(tg.role_pid("proxy"), 9)
        tg.log.wait(count=n + 2, msg="child ready", child="proxy")
    assert procfs.count_by_kind(tg.pid) == before
