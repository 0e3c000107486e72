"""show sess and shutdown session: what runs now, told by the workers; and the end of one of them."""

import contextlib
import json
import os
import re
import signal
import socket
import threading

import pytest

from harness import client, conf, procfs, settings
from harness.control import ask, failure

pytestmark = pytest.mark.names_stay


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


def hangs(conn):
    conn.read_request()
    conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    conn.read_to_end()


def start(begin, backend, admin, make=conf.http, more="", **options):
    options.setdefault("workers", 2)
    top = f'admin = {{ socket = "{admin}"; {more} }};'
    return begin(make(backend, top=top, **options))


def sessions(admin, which=""):
    return json.loads(ask(admin, f"show sess {which} json"))


def wait_phase(admin, phase, n=1):
    settings.wait_until(lambda: [s["phase"] for s in sessions(admin)] == [phase] * n,
                        f"{n} in phase {phase}, not {sessions(admin)}")
    return sessions(admin)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_request_under_way_is_told(shared_tidegate, recording_backend, admin, workers):
    tg = start(shared_tidegate, recording_backend(hangs, name="b1"), admin, workers=workers)
    assert sessions(admin) == [] and ask(admin, "show sess") == "\n"
    with tg.client() as peer:
        wait_phase(admin, "rest")
        peer.send(client.get("/a b".replace(" ", "%20")))
        told, = wait_phase(admin, "answer")
        assert (told["listener"], told["service"], told["backend"]) == ("front", "site", "b1")
        assert told["request"] == "GET example.org/a%20b" and told["tries"] == 0
        assert told["client"].startswith("127.") and told["worker"] < workers
        assert 0 < told["request_us"] <= told["age_us"]
        text = ask(admin, "show sess")
        assert re.match(rf"{told['id']}: proto=tcpv4 src=127\.[0-9.:]+ fe=front be=site srv=b1 "
                        r"worker=\d phase=answer age=\d+ms rqage=\d+ms tries=0 in=\d+ out=\d+ "
                        r'request="GET example.org/a%20b"' + "\n\n$", text)
        assert sessions(admin, told["id"])[0]["id"] == told["id"]
        assert ask(admin, f"show sess {told['id']}").startswith(told["id"])
        assert len(sessions(admin, "all")) == 1
    settings.wait_until(lambda: sessions(admin) == [], "the end of it")
    assert failure(ask(admin, f"show sess {told['id']}")) == "not-found"


def test_one_is_ended_and_no_other(shared_tidegate, recording_backend, admin):
    tg = start(shared_tidegate, recording_backend(hangs, name="b1"), admin)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(tg.client()) for _ in range(4)]
        for i, peer in enumerate(peers):
            peer.send(client.get(f"/{i}"))
        told = wait_phase(admin, "answer", 4)
        assert len({one["id"] for one in told}) == 4
        chosen = next(one for one in told if one["request"].endswith("/2"))
        assert ask(admin, f"shutdown session {chosen['id']}") == "\n"
        peers[2].read_to_end()
        assert tg.access.wait(path="/2")["end"] == "ordered"
        assert {one["request"][-2:] for one in sessions(admin)} == {"/0", "/1", "/3"}
        assert failure(ask(admin, f"shutdown session {chosen['id']}")) == "not-found"
        assert tg.log.wait(msg="session ended by order")["id"] == chosen["id"]


def test_resting_connections_are_ended_too(shared_tidegate, recording_backend, admin):
    tg = start(shared_tidegate, recording_backend(name="b1"), admin)
    with tg.client() as peer:
        assert peer.exchange(client.get("/")).status == 200
        told, = wait_phase(admin, "rest")
        assert (told["service"], told["request"]) == (None, "")
        assert ask(admin, f"shutdown session {told['id']} json") == '{"ok":true}\n\n'
        peer.read_to_end()


def test_tcp_connections_are_told(shared_tidegate, recording_backend, admin):
    def echoes(conn):
        conn.send(b"hello")
        conn.read_to_end()
    tg = start(shared_tidegate, recording_backend(echoes, name="b1"), admin, make=conf.tcp)
    with tg.client() as peer:
        settings.wait_until(lambda: [s["bytes_out"] for s in sessions(admin)] == [5], "five bytes")
        told, = sessions(admin)
        assert (told["phase"], told["service"], told["backend"]) == ("tunnel", "site", "b1")
        ask(admin, f"shutdown session {told['id']}")
        peer.read_to_end()


def test_many_are_told_whole_and_hold_nobody_up(shared_tidegate, demo_backend, admin):
    tg = start(shared_tidegate, demo_backend("b1").address, admin)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(tg.client()) for _ in range(400)]
        assert peers[0].exchange(client.get("/")).status == 200
        settings.wait_until(lambda: len(sessions(admin)) == 400, "all to be accepted")
        told = sessions(admin)
        assert len({one["id"] for one in told}) == 400
        assert {one["worker"] for one in told} <= {0, 1}
        answers = ask(admin, "show sess;show version;show sess json").split("\n\n")
        assert answers[0].count("\n") == 399 and answers[1][0].isdigit()
        assert len(json.loads(answers[2])) == 400 and answers[3:] == [""]


def test_a_proxy_that_is_stopped_is_late_not_waited_for(shared_tidegate, recording_backend, admin):
    tg = start(shared_tidegate, recording_backend(name="b1"), admin)
    proxy = tg.role_pid("proxy")
    with socket.socket(socket.AF_UNIX) as waits, tg.standing_still():
        waits.connect(admin)
        waits.sendall(b"show sess; show version\n")
        assert ask(admin, "show info").startswith("Name: tidegate")
        waits.settimeout(settings.TIMEOUT)
        said = b""
        while piece := waits.recv(4096):
            said += piece
    assert said.startswith(b"error proxy: the proxy takes too long to answer\n\n")
    assert said.count(b"\n\n") == 2
    assert tg.role_pid("proxy") == proxy
    assert sessions(admin) == []


def test_a_proxy_that_dies_ends_the_answer(tidegate, recording_backend, admin):
    tg = start(tidegate, recording_backend(name="b1"), admin)
    proxy = tg.role_pid("proxy")
    with socket.socket(socket.AF_UNIX) as waits:
        os.kill(proxy, signal.SIGSTOP)
        settings.wait_until(lambda: procfs.is_stopped(proxy), "the proxy to stand still")
        waits.connect(admin)
        waits.sendall(b"show sess json\n")
        assert ask(admin, "show info").startswith("Name: tidegate")
        os.kill(proxy, signal.SIGKILL)
        waits.settimeout(settings.TIMEOUT)
        said = waits.recv(4096)
    assert said.startswith(b'{"error":"proxy","text":"the proxy went away')
    tg.log.wait(count=2, msg="child ready", child="proxy")
    settings.wait_until(lambda: ask(admin, "show sess") == "\n", "answers of the new one")


def test_a_keeper_that_dies_leaves_the_proxy_well(tidegate, recording_backend, admin):
    tg = start(tidegate, recording_backend(name="b1"), admin)
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(tg.client())
        with socket.socket(socket.AF_UNIX) as asks:
            asks.connect(admin)
            asks.sendall(b";".join([b"show sess"] * 500) + b"\n")
            os.kill(tg.role_pid("keeper"), 9)
        tg.log.wait(count=2, msg="child ready", child="keeper")
        settings.wait_until(lambda: len(sessions(admin)) == 50, "answers to the new one")
    assert len(tg.log.records(msg="child ready", child="proxy")) == 1


def test_ids_and_rights(shared_tidegate, recording_backend, admin, tmp_path):
    viewer = f"{tmp_path}/viewer"
    start(shared_tidegate, recording_backend(), admin,
          more=f'sockets = ( {{ bind = "unix:{viewer}"; rights = "viewer"; }} );')
    assert failure(ask(viewer, "show sess")) == "denied"
    for bad in ("1", "0x", "0xG", "0x11111111111111111", "all"):
        assert failure(ask(admin, f"shutdown session {bad}")) == "bad-value"
    assert failure(ask(admin, "shutdown session 0x1fff")) == "not-found"
    assert failure(ask(admin, "shutdown session")) == "usage"
    assert failure(ask(admin, "show sess a b")) == "usage"


def without_listener(text):
    """Another service alone, behind another listener."""
    return str(text).replace('name = "front"', 'name = "after"').replace('"site"', '"other"')


def streams(begin, backend, admin, make):
    """tidegate with one stream under way, and its line."""
    tg = start(begin, backend, admin, make=make)
    peer = tg.client().send(client.get("/"))
    settings.wait_until(lambda: [s["bytes_out"] > 0 for s in sessions(admin)] == [True],
                        "some of the answer")
    return tg, peer, sessions(admin)[0]


@pytest.mark.parametrize("make", [conf.http, conf.tcp])
def test_what_runs_keeps_its_names_when_they_are_gone(tidegate, recording_backend, admin, make):
    tg, peer, before = streams(tidegate, recording_backend(hangs, name="b1"), admin, make)
    tg.reload(without_listener(tg.conf_path.read_text()))
    assert "front" not in ask(admin, "show stat") and "after" in ask(admin, "show stat")
    told, = sessions(admin)
    same = ("id", "listener", "service", "backend", "client", "worker")
    assert {key: told[key] for key in same} == {key: before[key] for key in same}
    assert (told["listener"], told["service"], told["backend"]) == ("front", "site", "b1")
    assert " fe=front be=site srv=b1 " in ask(admin, f"show sess {told['id']}")
    with tg.client() as other:
        settings.wait_until(lambda: len(sessions(admin)) == 2, "another beside it")
        other.close()
    assert ask(admin, f"shutdown session {told['id']}") == "\n"
    peer.read_to_end()
    settings.wait_until(lambda: sessions(admin) == [], "the end of both")
    assert len(tg.log.records(msg="child ready")) == 2


def test_sessions_are_told_during_reloads(shared_tidegate, recording_backend, admin):
    """One after the other while listeners, services and their slots come and go."""
    tg, peer, told = streams(shared_tidegate, recording_backend(hangs, name="b1"), admin, conf.http)
    texts = [tg.conf_path.read_text()]
    texts.append(without_listener(texts[0]))
    over = threading.Event()
    seen = []

    def looks():
        while not over.is_set():
            seen.append([(s["id"], s["listener"], s["backend"]) for s in sessions(admin)])
    looking = threading.Thread(target=looks)
    looking.start()
    for i in range(1, 11):
        tg.reload(texts[i % 2])
    over.set()
    looking.join(settings.TIMEOUT)
    assert seen and all(one == [(told["id"], "front", "b1")] for one in seen)
    assert not tg.log.records(msg="the proxy breaks the protocol, not talking to it")
    assert ask(admin, f"shutdown session {told['id']}") == "\n"
    peer.read_to_end()


def test_a_keeper_that_began_later_does_not_know_them(tidegate, recording_backend, admin):
    tg, peer, told = streams(tidegate, recording_backend(hangs, name="b1"), admin, conf.http)
    tg.reload(without_listener(tg.conf_path.read_text()))
    os.kill(tg.role_pid("keeper"), signal.SIGKILL)
    tg.log.wait(count=2, msg="child ready", child="keeper")
    settings.wait_until(lambda: not ask(admin, "show sess").startswith("error"), "answers to the new one")
    again, = sessions(admin)
    assert (again["id"], again["service"], again["backend"]) == (told["id"], "<gone>", "<gone>")
    assert ask(admin, f"shutdown session {told['id']}") == "\n"
    peer.read_to_end()
    assert not tg.log.records(msg="the proxy breaks the protocol, not talking to it")
