"""The control socket and tidectl: framing, failures, exit statuses."""

import csv
import io
import json
import os
import pathlib
import signal
import socket
import subprocess

import pytest

from harness import client, conf, settings
from harness.control import ask


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


def top(admin):
    return f'admin = {{ socket = "{admin}"; }};'


def rows(text):
    """The CSV of `show stat` as HAProxy's tools read it."""
    assert text.startswith("# ") and text.endswith("\n\n")
    return {(row["pxname"], row["svname"]): row
            for row in csv.DictReader(io.StringIO(text[2:].rstrip("\n") + "\n"))}


def test_show_stat_counts_while_the_proxy_runs(shared_tidegate, recording_backend, admin):
    backend = recording_backend(name="b1")
    tg = shared_tidegate(conf.http(backend, top=top(admin)))
    tg.log.wait(msg="backend up")
    with tg.client() as peer:
        for _ in range(3):
            assert peer.exchange(client.get("/")).status == 200
        tg.access.wait(count=3, path="/")
        shown = rows(ask(admin, "show stat"))
        front, server, service = (shown[tg.listener, "FRONTEND"], shown[tg.service, "b1"],
                                  shown[tg.service, "BACKEND"])
        assert (front["scur"], front["stot"], front["req_tot"]) == ("1", "1", "3")
        assert (front["hrsp_2xx"], front["status"], front["type"]) == ("3", "OPEN", "0")
        assert int(front["bin"]) > 0 and int(front["bout"]) > 0
        assert (server["stot"], server["status"], server["type"]) == ("3", "no check", "2")
        assert int(server["connect"]) + int(server["reuse"]) == 3
        assert (service["stot"], service["hrsp_2xx"], service["type"]) == ("3", "3", "1")
    settings.wait_until(lambda: rows(ask(admin, "show stat"))[tg.listener, "FRONTEND"]["scur"] == "0",
                        "the connection to be counted out")


def test_show_stat_has_the_columns_of_haproxy(shared_tidegate, recording_backend, admin):
    shared_tidegate(conf.http(recording_backend(), top=top(admin)))
    head = ask(admin, "show stat").split("\n")[0]
    names = head[2:].rstrip(",").split(",")
    assert len(names) == 119
    assert names[:8] == ["pxname", "svname", "qcur", "qmax", "scur", "smax", "slim", "stot"]
    assert (names[17], names[36], names[73], names[99]) == ("status", "check_status", "addr",
                                                           "uweight")


def test_show_stat_and_info_exist_as_json(shared_tidegate, recording_backend, admin, run_tidectl):
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), top=top(admin)))
    tg.log.wait(msg="backend up")
    stat = json.loads(run_tidectl("-s", admin, "show", "stat", "json").stdout)
    assert [row["svname"] for row in stat] == ["FRONTEND", "b1", "BACKEND"]
    info = json.loads(run_tidectl("-s", admin, "show info json").stdout)
    assert (info["Name"], info["Pid"]) == ("tidegate", tg.pid)
    assert (info["Listeners"], info["Services"], info["Backends_up"]) == (1, 1, 1)


def test_reasons_are_counted(shared_tidegate, recording_backend, admin, run_tidectl):
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), top=top(admin)))
    tg.log.wait(msg="backend up")
    assert tg.exchange(client.get("/")).status == 200
    tg.access.wait(path="/", end="done")
    assert f"service/{tg.service} done 1 answered in full\n" in ask(admin, "show reasons")
    told = json.loads(run_tidectl("-s", admin, "show reasons json").stdout)
    assert {"object": f"service/{tg.service}", "reason": "done", "count": 1,
            "help": "answered in full"} in told
    stat = json.loads(run_tidectl("-s", admin, "show stat json").stdout)
    assert [row["end"] for row in stat if row["svname"] == "BACKEND"] == [{"done": 1}]


def test_latency_is_told(shared_tidegate, recording_backend, admin, run_tidectl):
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), top=top(admin)))
    tg.log.wait(msg="backend up")
    assert tg.exchange(client.get("/")).status == 200
    tg.access.wait(path="/", end="done")
    assert f"\nservice/{tg.service} total 1 " in ask(admin, "show latency")
    told = json.loads(run_tidectl("-s", admin, "show latency json").stdout)
    of_total, = [times for times in told["times"]
                 if times["object"] == "service" and times["what"] == "total"]
    assert (of_total["service"], of_total["count"], of_total["buckets"][-1]) == (tg.service, 1, 1)
    assert len(of_total["buckets"]) == len(told["bounds_us"]) + 1
    of_backend, = [times for times in told["times"] if times["object"] == "backend"]
    assert (of_backend["backend"], of_backend["count"]) == ("b1", 1)


def test_several_commands_on_one_line(shared_tidegate, recording_backend, admin):
    shared_tidegate(conf.http(recording_backend(), top=top(admin)))
    answers = ask(admin, "show info;bogus; help").split("\n\n")
    assert answers[0].startswith("Name: tidegate\n")
    assert answers[1].startswith("error unknown-command: ") and "help" in answers[1]
    assert "show stat" in answers[2]
    assert answers[3] == ""


def test_tidectl_tells_success_from_failure(shared_tidegate, recording_backend, admin, run_tidectl):
    tg = shared_tidegate(conf.http(recording_backend(), top=top(admin)))
    good = run_tidectl("-s", admin, "show", "info")
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("Name: tidegate\n") and not good.stdout.endswith("\n\n")
    unknown = run_tidectl("-s", admin, "bogus")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr.startswith("tidectl: error unknown-command: ")
    usage = run_tidectl("-s", admin, "show stat xml")
    assert (usage.returncode, usage.stderr) == (1, "tidectl: error usage: show stat [up|no-maint|ID TYPES SERVER]\n")
    mixed = run_tidectl("-s", admin, "bogus; show info")
    assert mixed.returncode == 1 and mixed.stdout.startswith("Name: ")
    by_variable = run_tidectl("show info", env={"TIDEGATE_SOCKET": admin})
    assert by_variable.returncode == 0
    by_conf = run_tidectl("-c", str(tg.conf_path), "show info")
    assert by_conf.returncode == 0


def test_tidectl_used_wrongly(run_tidectl, tmp_path):
    assert run_tidectl().returncode == 2
    assert run_tidectl("-x").returncode == 2
    assert run_tidectl("-s", "a", "-c", "b", "help").returncode == 2
    assert run_tidectl("-s", "x", "show\ninfo").returncode == 2
    assert run_tidectl("-s", "x", "a" * 20000).returncode == 2
    nobody = run_tidectl("-s", f"{tmp_path}/nobody", "help")
    assert nobody.returncode == 3 and "cannot connect" in nobody.stderr
    assert run_tidectl("-h").stdout.startswith("usage: tidectl")
    assert run_tidectl("-V").stdout.startswith("tidectl ")
    without = pathlib.Path(tmp_path, "without.conf")
    without.write_text('listeners = ( { name = "a"; bind = "127.0.0.1:1"; } );')
    assert "admin.socket is not set" in run_tidectl("-c", str(without), "help").stderr


def test_clients_that_do_not_read_hold_nobody_up(shared_tidegate, recording_backend, admin):
    tg = shared_tidegate(conf.http(recording_backend(), top=top(admin)))
    slow = []
    for _ in range(20):
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(admin)
        peer.sendall(b";".join([b"show stat"] * 300) + b"\n")
        slow.append(peer)
    assert "show stat" in ask(admin, "help")
    assert tg.exchange(client.get("/")).status == 200
    for peer in slow:
        peer.close()


def test_the_socket_survives_the_keeper(shared_tidegate, recording_backend, admin):
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), top=top(admin)))
    tg.log.wait(msg="backend up")
    assert tg.exchange(client.get("/")).status == 200
    tg.access.wait(path="/")
    before = tg.role_pid("keeper")
    os.kill(before, signal.SIGKILL)
    settings.wait_until(lambda: tg.role_pid("keeper") not in (None, before), "another keeper")
    tg.log.wait(count=2, msg="backend up")
    shown = rows(ask(admin, "show stat"))
    assert shown[tg.listener, "FRONTEND"]["req_tot"] == "1"
    assert shown[tg.service, "b1"]["status"] == "no check"


def test_a_payload_is_refused_and_its_lines_are_not_run(shared_tidegate, recording_backend, admin):
    shared_tidegate(conf.http(recording_backend(), top=top(admin)))
    answer = ask(admin, "show version; drain site/x <<END\n\nshutdown now\nEND")
    assert answer.split("\n\n")[1] == 'error usage: "drain" takes no payload'
    assert ask(admin, "show version").strip()


def test_tidectl_sends_its_input_as_a_payload(shared_tidegate, recording_backend, admin):
    shared_tidegate(conf.http(recording_backend(), top=top(admin)))
    done = subprocess.run([settings.program("tidectl"), "-s", admin, "show", "version", "<<END"],
                          input="a\n\nb", text=True, capture_output=True)
    assert (done.returncode, done.stderr) == \
        (1, 'tidectl: error usage: "show version" takes no payload\n')
