"""The http check: what it asks, which answers pass, and how often it must."""

import json

import pytest

from harness import backends, client, conf

ALWAYS = 'health = { type = "http"; interval = "50ms"; timeout = "2s"; rise = 2; fall = 2; %s };'


class Switch:
    """A script that answers each request with `answer`, which the test may change."""

    def __init__(self, answer):
        self.answer = answer

    def __call__(self, conn):
        while conn.read_request() is not None:
            conn.send(self.answer)


def test_a_passing_backend_is_up_and_gets_traffic(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, service=ALWAYS % ""))
    tg.log.wait(msg="backend up", svc=tg.service, srv=backend.name, reason="status 200")
    tg.exchange_until(200)
    assert tg.exchange(client.get("/")).status == 200


def test_the_request_is_the_configured_one(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, service=ALWAYS % (
        'method = "OPTIONS"; path = "/ready?x=1"; host = "check.example.org";')))
    tg.log.wait(msg="backend up")
    request = backend.requests[0]
    assert request.start == b"OPTIONS /ready?x=1 HTTP/1.1"
    assert request.get("Host") == "check.example.org"
    assert request.get("Connection") == "close"
    assert request.get("User-Agent").startswith("tidegate/")


def test_the_default_request_names_the_backend(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, service=ALWAYS % ""))
    tg.log.wait(msg="backend up")
    assert backend.requests[0].start == b"GET / HTTP/1.1"
    assert backend.requests[0].get("Host") == backend.address


@pytest.mark.parametrize("expect, status, passes", [
    ("", "200 OK", True),
    ("", "302 Found", True),
    ("", "404 Not Found", False),
    ("", "503 Service Unavailable", False),
    ('expect = "200,404";', "404 Not Found", True),
    ('expect = "200,404";', "302 Found", False),
    ('expect = "500-599";', "503 Service Unavailable", True),
])
def test_the_status_must_be_an_expected_one(shared_tidegate, recording_backend, expect, status, passes):
    backend = recording_backend(Switch(backends.answer(status)))
    tg = shared_tidegate(conf.http(backend, service=ALWAYS % expect))
    said = tg.log.wait(msg="backend up" if passes else "backend down")
    assert said["reason"] == f"status {status[:3]}"


@pytest.mark.parametrize("answer, reason", [
    (backends.answer(body=b"all is well today"), "status 200"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"4\r\nall \r\n7\r\nis well\r\n0\r\n\r\n", "status 200"),
    (backends.answer(body=b"all is lost"), "body does not match"),
    (backends.answer(body=b"x" * 65536 + b"all is well"), "body does not match"),
    (b"HTTP/1.1 200 OK\r\nX: all is well\r\nContent-Length: 0\r\n\r\n", "body does not match"),
])
def test_the_body_must_hold_the_substring(shared_tidegate, recording_backend, answer, reason):
    backend = recording_backend(Switch(answer))
    tg = shared_tidegate(conf.http(backend, service=ALWAYS % 'body = "all is well";'))
    passes = reason == "status 200"
    assert tg.log.wait(msg="backend up" if passes else "backend down")["reason"] == reason


@pytest.mark.parametrize("answer, reason", [
    (b"HTTP/1.1 200 OK\n\n", "answer is not valid"),
    (b"HTTP/2 200 OK\r\n\r\n", "answer is not valid"),
    (b"220 mail.example.org ESMTP\r\n", "answer is not valid"),
])
def test_what_is_not_http_fails(shared_tidegate, recording_backend, answer, reason):
    backend = recording_backend(Switch(answer))
    tg = shared_tidegate(conf.http(backend, service=ALWAYS % ""))
    assert tg.log.wait(msg="backend down")["reason"] == reason


def test_a_backend_that_closes_fails(shared_tidegate, recording_backend):
    backend = recording_backend(lambda conn: conn.read_request())
    tg = shared_tidegate(conf.http(backend, service=ALWAYS % ""))
    assert tg.log.wait(msg="backend down")["reason"] == "connection closed too early"


def test_a_silent_backend_fails_by_its_timeout(shared_tidegate, recording_backend):
    backend = recording_backend(lambda conn: conn.read_to_end())
    tg = shared_tidegate(conf.http(backend, service=(
        'health = { type = "http"; interval = "50ms"; timeout = "100ms"; };')))
    assert tg.log.wait(msg="backend down")["reason"] == "answer timeout"


def test_it_goes_down_and_up_with_its_answers(shared_tidegate, recording_backend):
    switch = Switch(backends.answer())
    backend = recording_backend(switch)
    tg = shared_tidegate(conf.http(backend, service=ALWAYS % ""))
    tg.log.wait(msg="backend up")
    switch.answer = backends.answer("500 Broken")
    assert tg.log.wait(msg="backend down")["reason"] == "status 500"
    tg.exchange_until(503)
    switch.answer = backends.answer()
    tg.log.wait(count=2, msg="backend up")
    tg.exchange_until(200)


def test_a_backend_gets_no_traffic_before_its_first_pass(tidegate, recording_backend):
    """The good one serves from the start; the other, whose check hangs, is never picked."""
    good = recording_backend(name="good")
    hanging = recording_backend(lambda conn: conn.read_to_end(), name="hanging")
    tg = tidegate(conf.http(good, hanging, service=(
        'health = { type = "http"; path = "/check"; interval = "50ms"; timeout = "1s"; };')))
    tg.log.wait(msg="backend up", srv="good")
    tg.exchange_until(200)
    for number in range(20):
        assert tg.exchange(client.get(f"/{number}")).status == 200
    assert all(bytes(conn.received).startswith(b"GET /check ")
               for conn in hanging.connections if conn.received)


def test_the_check_may_use_another_port(shared_tidegate, recording_backend):
    serving = recording_backend(name="serving")
    checked = recording_backend(name="checked")
    tg = shared_tidegate(conf.http(serving, service=ALWAYS % f"port = {checked.port};"))
    tg.log.wait(msg="backend up", srv="serving")
    assert not serving.requests
    assert checked.requests
    assert tg.exchange(client.get("/")).status == 200
    assert serving.requests[0].target == "/"


def test_show_stat_tells_the_result_of_checks(shared_tidegate, recording_backend, run_tidectl, tmp_path):
    up = recording_backend(name="up")
    down = recording_backend(Switch(backends.answer("503 Busy")), name="down")
    tg = shared_tidegate(conf.http(up, down, service=ALWAYS % "",
                                   top=f'admin = {{ socket = "{tmp_path}/admin.sock"; }};'))
    tg.log.wait(msg="backend up", srv="up")
    tg.log.wait(msg="backend down", srv="down")
    shown = run_tidectl("-s", f"{tmp_path}/admin.sock", "show", "stat", "json")
    rows = {row["svname"]: row for row in json.loads(shown.stdout)}
    assert (rows["up"]["status"], rows["up"]["check_status"]) == ("UP", "L7OK")
    assert rows["up"]["check_code"] == 200
    assert (rows["down"]["status"], rows["down"]["check_status"]) == ("DOWN", "L7STS")
    assert rows["down"]["check_code"] == 503
    assert rows["down"]["last_chk"] == "status 503"
    assert rows["BACKEND"]["status"] == "UP"
    assert rows["BACKEND"]["act"] == 1
