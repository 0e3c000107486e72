"""The lines of the logs of parent and keeper over a control socket: the last ones, and a stream."""

import json
import select
import socket
import subprocess

import pytest

from harness import conf, net, settings
from harness.control import ask


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


def top(admin, more=""):
    return f'admin = {{ socket = "{admin}"; }}; {more}'


class Listener:
    """Who said "events"."""

    def __init__(self, admin):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(settings.TIMEOUT)
        self.sock.connect(admin)
        self.sock.sendall(b"events\n")
        self.file = self.sock.makefile()
        assert self.file.readline() == "\n"

    def line(self):
        return self.file.readline()

    def close(self):
        self.file.close()
        self.sock.close()


def test_events_come_to_all_who_listen(shared_tidegate, admin):
    tg = shared_tidegate(conf.http('{ name = "b1"; address = "127.0.0.1:9"; }', top=top(admin)))
    listeners = [Listener(admin) for _ in range(3)]
    ask(admin, f"drain {tg.service}/b1 why listening")
    for listener in listeners:
        assert f'msg=ordered svc={tg.service} srv=b1 set=state value=drain' in listener.line()
        listener.close()
    ask(admin, f"undrain {tg.service}/b1")
    shown = ask(admin, "show events 2").splitlines()
    assert ["value=drain" in shown[0], "value=ready" in shown[1]] == [True, True]
    numbers = [event["number"] for event in json.loads(ask(admin, "show events json"))]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


def test_tidectl_prints_each_line_as_it_comes(shared_tidegate, admin):
    tg = shared_tidegate(conf.http('{ name = "b1"; address = "127.0.0.1:9"; }', top=top(admin)))
    with subprocess.Popen([settings.program("tidectl"), "-s", admin, "events"], text=True,
                          stdout=subprocess.PIPE) as tidectl:
        def heard():
            ask(admin, f"drain {tg.service}/b1")
            return select.select([tidectl.stdout], [], [], 0.1)[0]
        settings.wait_until(heard, "a line")
        assert "msg=ordered" in tidectl.stdout.readline()
        tidectl.terminate()


def test_a_log_that_is_quiet_hides_none(tidegate, admin):
    tidegate(conf.http(f"127.0.0.1:{net.free_port()}", service='health = { type = "tcp"; };',
                       top=top(admin, 'log = { level = "error"; };')), wait=False)
    settings.wait_until(lambda: 'msg="backend down"' in ask_when_there(admin), "the event")


def ask_when_there(admin):
    try:
        return ask(admin, "show events")
    except OSError:
        return ""


def test_a_listener_that_takes_nothing_is_left(shared_tidegate, admin):
    """Its lines are bounded, and the keeper answers others."""
    tg = shared_tidegate(conf.http('{ name = "b1"; address = "127.0.0.1:9"; }', top=top(admin)))
    lazy = Listener(admin)
    why = "x" * 100
    line = ";".join([f"drain {tg.service}/b1 why {why}"] * 100)

    def is_left():
        ask(admin, line)
        return lazy.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) and closed(admin)
    settings.wait_until(is_left, "its end")
    lazy.close()


def closed(admin):
    """No client but the one that asks."""
    return len([row for row in open("/proc/net/unix") if row.rstrip().endswith(admin)]) <= 2


def test_what_the_parent_does_is_told_too(shared_tidegate, admin):
    tg = shared_tidegate(conf.http('{ name = "b1"; address = "127.0.0.1:9"; }', top=top(admin)))

    def told(*words):
        def is_told():
            return any(all(word in line for word in words)
                       for line in ask(admin, "show events").splitlines())
        settings.wait_until(is_told, f"an event with {words}")
    told("role=parent", "msg=ready")
    ask(admin, f"add server {tg.service}/b2 127.0.0.1:9 why more")
    told('msg="backend added"', "backend=b2", "who=", "why=more")
    good = tg.conf_path.read_text()
    tg.conf_path.write_text(good.replace('"b1"', '"b2"'))
    ask(admin, "reload")
    told("role=parent", tg.service, "b2", "not kept")
    told("msg=reloaded", "added=")
    tg.conf_path.write_text(good + "nonsense = 1;")
    ask(admin, "reload")
    told('msg="the reload has failed, going on"', "reason=")
    ask(admin, "upgrade")
    told('msg="the upgrade has failed, going on"', "reason=")
