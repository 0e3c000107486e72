"""Orders over a control socket: drain, maintenance, weights, limits, addresses, checks."""

import json
import os
import socket
import threading

import pytest

from harness import backends, client, conf, net, settings
from harness.control import ask, failure

SITE = 'health = { type = "tcp"; interval = "100ms"; rise = 1; fall = 1; };'


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


def top(admin, more=""):
    return f'admin = {{ socket = "{admin}"; {more} }};'


def names(*scripts):
    """A backend that says who it is."""
    return backends.handles(lambda request: backends.answer(body=scripts[0].encode()))


def two(recording_backend):
    return [recording_backend(names(name), name=name) for name in ("b1", "b2")]


def column(admin, backend, name="administrative"):
    found = json.loads(ask(admin, "show servers state json"))
    return next(row for row in found if row["backend"] == backend)[name]


def who_answers(tg, n=10):
    return [tg.exchange(client.get("/")).body.decode() for _ in range(n)]


def settled(tg, wanted):
    """The order reaches the workers a moment after its answer."""
    settings.wait_until(lambda: set(who_answers(tg)) == wanted, f"answers of {wanted} alone")


def test_a_drained_backend_gets_nothing_new_and_comes_back(shared_tidegate, recording_backend, admin):
    tg = shared_tidegate(conf.http(*two(recording_backend), top=top(admin), service=SITE))
    tg.log.wait(count=2, msg="backend up")
    assert ask(admin, f"drain {tg.service}/b1 why new disks") == "\n"
    settled(tg, {"b2"})
    found = column(admin, "b1")["state"]
    assert found["value"] == "drain" and found["why"] == "new disks"
    assert found["who"].startswith("uid ") and found["when"].endswith("Z")
    assert tg.log.wait(msg="ordered", srv="b1")["value"] == "drain"
    assert "DRAIN" in ask(admin, "show stat").split(f"{tg.service},b1,")[1]
    ask(admin, f"undrain {tg.service}/b1")
    settled(tg, {"b1", "b2"})


def test_what_runs_on_a_drained_backend_is_finished(shared_tidegate, recording_backend, admin):
    def slow(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbe")
        gate.wait(settings.TIMEOUT)
        conn.send(b"at")
    gate = threading.Event()
    backend = recording_backend(slow, names("b1"), name="b1")
    tg = shared_tidegate(conf.http(backend, recording_backend(names("b2"), name="b2"), top=top(admin),
                                   workers=1))
    peers = [tg.client().send(client.get("/")) for _ in range(2)]
    backend.wait_requests(1)
    ask(admin, f"disable server {tg.service}/b1")
    settled(tg, {"b2"})
    assert f"\n{tg.service},b1,0,0,1," in ask(admin, "show stat")
    gate.set()
    assert {peer.read_answer().body for peer in peers} == {b"beat", b"b2"}
    settings.wait_until(lambda: f"\n{tg.service},b1,0,0,0," in ask(admin, "show stat"), "the end of it")


def test_a_keep_alive_client_moves_on(shared_tidegate, recording_backend, admin):
    tg = shared_tidegate(conf.http(*two(recording_backend), top=top(admin), workers=1))
    peer = tg.client()
    assert {peer.exchange(client.get("/")).body for _ in range(4)} == {b"b1", b"b2"}
    ask(admin, f"drain {tg.service}/b2")
    settled(tg, {"b1"})
    assert {peer.exchange(client.get("/")).body for _ in range(4)} == {b"b1"}


def test_weights_follow_the_order(shared_tidegate, recording_backend, admin):
    tg = shared_tidegate(conf.http(*two(recording_backend), top=top(admin), workers=1))
    ask(admin, f"set weight {tg.service}/b1 3")
    settings.wait_until(lambda: who_answers(tg, 8).count("b1") == 6, "three of four for b1")
    assert ask(admin, f"get weight {tg.service}/b1") == "3 (initial 1)\n\n"
    ask(admin, f"set server {tg.service}/b1 weight 100%")
    settings.wait_until(lambda: who_answers(tg, 8).count("b1") == 4, "every second for b1")
    ask(admin, f"set server {tg.service}/b1 weight 0")
    settled(tg, {"b2"})


@pytest.mark.parametrize("configured", ["max_connections_per_backend = 10;", ""])
def test_a_limit_makes_streams_wait(shared_tidegate, recording_backend, admin, configured):
    def holds(conn):
        conn.read_request()
        conn.read_to_end()
    backend = recording_backend(holds, names("b1"), name="b1")
    tg = shared_tidegate(conf.http(backend, top=top(admin),
                                   service=f"queue = 0; {configured}"))
    first = tg.client().send(client.get("/held"))
    backend.wait_requests(1)
    assert tg.exchange(client.get("/")).status == 200
    ask(admin, f"set server {tg.service}/b1 maxconn 1")
    tg.exchange_until(503)
    first.reset()
    tg.exchange_until(200)


@pytest.mark.parametrize("workers", [1, 2])
def test_who_waits_for_an_ordered_limit_is_served_in_the_end(shared_tidegate, recording_backend, admin,
                                                             workers):
    """Where no limit is configured there was no queue."""
    def holds(conn):
        conn.read_request()
        conn.read_to_end()
    backend = recording_backend(holds, names("b1"), name="b1")
    tg = shared_tidegate(conf.http(backend, top=top(admin), workers=workers))
    first = tg.client().send(client.get("/held"))
    backend.wait_requests(1)
    assert ask(admin, f"set server {tg.service}/b1 maxconn 1") == "\n"
    waiting = []

    def waits():
        waiting.append(tg.client().send(client.get("/waits")))
        return ",b1," in ask(admin, "show stat") and queued(tg, admin) > 0
    settings.wait_until(waits, "a stream that waits")
    first.reset()
    assert {peer.read_answer().body for peer in waiting} == {b"b1"}
    assert ask(admin, f"set server {tg.service}/b1 maxconn 0") == "\n"
    assert not tg.log.records(level="error")


def queued(tg, admin):
    return next(int(line.split(",")[2]) for line in ask(admin, "show stat").splitlines()
                if line.startswith(f"{tg.service},BACKEND,"))


def test_a_backend_moves_when_its_new_address_is_well(shared_tidegate, recording_backend, admin):
    old, new = two(recording_backend)
    tg = shared_tidegate(conf.http(old, top=top(admin), service=SITE))
    tg.log.wait(msg="backend up")
    host, port = new.address.rsplit(":", 1)
    assert ask(admin, f"set server {tg.service}/b1 addr {host} port {port}") == "\n"
    settled(tg, {"b2"})
    assert column(admin, "b1")["addr"]["value"] == new.address
    assert column(admin, "b1", "configured")["address"] == old.address
    assert column(admin, "b1", "observed")["address"] == new.address


def test_where_a_name_is_no_order_says(shared_tidegate, admin):
    tg = shared_tidegate(conf.http(f"localhost:{net.free_port()}", top=top(admin)))
    name = json.loads(ask(admin, "show servers state json"))[0]["backend"]
    assert failure(ask(admin, f"set server {tg.service}/{name} addr 127.0.0.1:9")) == "conflict"


def test_checks_rest_and_go_on(shared_tidegate, recording_backend, admin):
    backend = recording_backend(names("b1"), name="b1")
    tg = shared_tidegate(conf.http(backend, top=top(admin) + 'log = { level = "debug"; };', service=SITE))
    tg.log.wait(msg="backend up")
    ask(admin, f"disable health {tg.service}/b1")
    checks = len(tg.log.records(msg="check"))
    backend.stop()
    settings.let_rest(0.5)
    assert len(tg.log.records(msg="check")) <= checks + 1
    assert not tg.log.records(msg="backend down")
    ask(admin, f"enable health {tg.service}/b1")
    assert tg.log.wait(msg="backend down")["reason"] == "connection refused"


def test_another_port_is_checked(shared_tidegate, recording_backend, admin):
    backend = recording_backend(name="b1")
    tg = shared_tidegate(conf.http(backend, top=top(admin), service=SITE))
    tg.log.wait(msg="backend up")
    ask(admin, f"set server {tg.service}/b1 check-port {net.free_port()}")
    assert tg.log.wait(msg="backend down")["reason"] == "connection refused"
    ask(admin, f"set server {tg.service}/b1 check-port 0")
    tg.log.wait(count=2, msg="backend up")


def test_orders_hold_when_the_proxy_is_replaced(tidegate, recording_backend, admin):
    tg = tidegate(conf.http(*two(recording_backend), top=top(admin), service=SITE))
    tg.log.wait(count=2, msg="backend up")
    ask(admin, f"drain {tg.service}/b1")
    settled(tg, {"b2"})
    os.kill(tg.role_pid("proxy"), 9)
    tg.log.wait(count=2, msg="child ready", child="proxy")
    assert set(who_answers(tg)) == {"b2"}


def test_rights_of_a_socket_bound_what_it_may(shared_tidegate, recording_backend, admin, tmp_path):
    port = net.free_port()
    more = (f'sockets = ( {{ bind = "unix:{tmp_path}/view.sock"; }}, '
            f'{{ bind = "{net.ADDRESS}:{port}"; rights = "operator"; }} );')
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), top=top(admin, more)))
    assert failure(ask(f"{tmp_path}/view.sock", f"drain {tg.service}/b1")) == "denied"
    assert "tidegate" in ask(f"{tmp_path}/view.sock", "show info")
    assert ask((net.ADDRESS, port), f"drain {tg.service}/b1") == "\n"
    assert column(admin, "b1")["state"]["who"].startswith("127.")


def test_a_control_port_is_for_this_machine(tmp_path, run_tidegate):
    path = tmp_path / "tidegate.conf"
    path.write_text(str(conf.http("127.0.0.1:9"))
                    + '\nadmin = { sockets = ( { bind = "192.0.2.1:99"; } ); };\n')
    said = run_tidegate("-t", "-c", path).stderr
    assert "admin.sockets[0].bind: \"192.0.2.1:99\" is not of this machine alone" in said


def test_a_prompt_stays_for_more_lines(shared_tidegate, recording_backend, admin):
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), top=top(admin)))
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(settings.TIMEOUT)
        peer.connect(admin)
        peer.sendall(f"prompt\nget weight {tg.service}/b1\nbogus\nquit\nshow info\n".encode())
        pieces = []
        while piece := peer.recv(65536):
            pieces.append(piece)
    said = b"".join(pieces).decode()
    assert said == ('\n> 1 (initial 1)\n\n> error unknown-command: no such command; "help" lists '
                    'them\n\n> \n')


def test_socat_and_tidectl_speak_it(shared_tidegate, recording_backend, admin, run_tidectl):
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), top=top(admin)))
    ended = run_tidectl("-s", admin, "drain", f"{tg.service}/b1", "why", "a", "test")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    ended = run_tidectl("-s", admin, "drain", f"{tg.service}/b9", "json")
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["error"] == "not-found" and ended.stderr == ""
    assert column(admin, "b1")["state"]["why"] == "a test"
