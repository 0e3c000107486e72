"""/healthz, /readyz and /status, as load balancers and operators ask for them."""

import email.utils
import json
import os
import signal
import subprocess
import time

from harness import client, conf, metrics, net, settings


def top(port):
    return f'admin = {{ http = "{port}"; }};'


def status_of(port, target):
    return metrics.get(port, target).status


def wait_status(port, target, wanted):
    settings.wait_until(lambda: status_of(port, target) == wanted, f"{target} to be {wanted}")


def test_ready_when_it_accepts_and_can_serve(shared_tidegate, recording_backend, port):
    shared_tidegate(conf.http(recording_backend(), top=top(port)))
    wait_status(port, "/readyz", 200)
    assert metrics.get(port, "/readyz").text == "ok\n"
    answer = metrics.get(port, "/healthz")
    assert (answer.status, answer.text) == (200, "ok\n")


def test_not_ready_without_a_backend_that_is_up(shared_tidegate, port):
    nobody = f"{net.ADDRESS}:{net.free_port()}"
    tg = shared_tidegate(conf.http(nobody, top=top(port), service='health = { type = "tcp"; };'))
    tg.log.wait(msg="backend down")
    settings.wait_until(lambda: metrics.get(port, "/readyz").text == f"no usable backend: {tg.service}\n",
                        "the reason to be the service alone")
    assert status_of(port, "/readyz") == 503
    assert status_of(port, "/healthz") == 200


def test_one_service_that_is_down_does_not_take_the_others_with_it(shared_tidegate, recording_backend,
                                                                   port):
    nobody = f"{net.ADDRESS}:{net.free_port()}"
    other = conf.service_entry("other", [nobody], 'health = { type = "tcp"; };')
    tg = shared_tidegate(conf.http(recording_backend(), top=top(port), services=other))
    tg.log.wait(msg="backend down")
    wait_status(port, "/readyz", 200)
    assert metrics.get(port, "/readyz").text == "no usable backend: other\nok\n"
    assert status_of(port, "/readyz?services=all") == 503
    assert status_of(port, f"/readyz?service={tg.service}") == 200
    assert status_of(port, "/readyz?service=other") == 503
    assert status_of(port, "/readyz?service=nobody") == 404


def test_not_healthy_while_the_proxy_is_gone(tidegate, recording_backend, port):
    tg = tidegate(conf.http(recording_backend(), top=top(port)))
    wait_status(port, "/readyz", 200)
    # The new one cannot start while the parent stands still.
    os.kill(tg.pid, signal.SIGSTOP)
    try:
        os.kill(tg.role_pid("proxy"), signal.SIGKILL)
        wait_status(port, "/healthz", 503)
        assert status_of(port, "/readyz") == 503
        page = metrics.page(port)
        assert page.value("proxy_up") == 0
        assert json.loads(metrics.get(port, "/status").text)["ready"] is False
    finally:
        os.kill(tg.pid, signal.SIGCONT)
    wait_status(port, "/healthz", 200)
    wait_status(port, "/readyz", 200)


def test_status_tells_what_runs(shared_tidegate, recording_backend, port):
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), top=top(port)))
    wait_status(port, "/readyz", 200)
    with tg.client() as peer:
        assert peer.exchange(client.get("/")).status == 200
        tg.access.wait()
        told = json.loads(metrics.get(port, "/status").text)
        assert told["listeners"] == [{
            "name": tg.listener, "address": tg.address, "mode": "http", "open_connections": 1,
            "connections_per_second": told["listeners"][0]["connections_per_second"],
            "streams_per_second": told["listeners"][0]["streams_per_second"], "streams": 1}]
    service = told["services"][0]
    assert (service["name"], service["usable"], service["streams"]) == (tg.service, True, 1)
    assert service["backends"]["total"] == service["backends"]["up"] == 1
    assert told["ready"] is True and told["uptime_seconds"] > 0
    assert told["version"] in subprocess.run([settings.program("tidegate"), "-V"], text=True,
                                             capture_output=True, check=True).stdout
    assert [p["pid"] for p in told["processes"]] == [tg.pid, tg.role_pid("proxy"),
                                                     tg.role_pid("keeper")]


def test_curl_is_served(shared_tidegate, recording_backend, port):
    shared_tidegate(conf.http(recording_backend(), top=top(port)))

    def curl(*arguments):
        return subprocess.run(["curl", "-sS", "--max-time", str(settings.TIMEOUT), *arguments],
                              text=True, capture_output=True, check=True).stdout

    assert "tidegate_build_info{" in curl(f"http://{port}/metrics")
    assert curl("-0", f"http://{port}/metrics?backends=1").startswith("# HELP tidegate_build_info")
    assert curl("-I", f"http://{port}/metrics").startswith("HTTP/1.1 200 OK\n")
    code = ["-o", os.devnull, "-w", "%{http_code}"]
    assert curl(*code, f"http://{port}/") == "404"
    assert curl(*code, "-d", "x=1", f"http://{port}/metrics") == "405"
    assert curl(*code, "-X", "DELETE", f"http://{port}/readyz") == "405"
    assert curl(*code, "-H", f"X: {'a' * 9000}", f"http://{port}/healthz") == "431"


def test_it_is_on_loopback_unless_an_address_is_given(shared_tidegate, recording_backend):
    number = net.free_port("127.0.0.1")
    shared_tidegate(conf.http(recording_backend(), top=top(number)))
    assert status_of(f"127.0.0.1:{number}", "/healthz") == 200
    assert net.is_free(net.ADDRESS, number)


def test_an_address_in_use_stops_the_start(tidegate, recording_backend, port):
    tidegate(conf.http(recording_backend(), top=top(port)))
    second = tidegate(conf.http(recording_backend(), top=top(port)), wait=False)
    second.expect_status = 1
    assert second.wait() == 1
    assert "admin.http" in second.log.wait(msg="cannot start")["error"]


def test_answers_tell_the_time(shared_tidegate, recording_backend, port):
    shared_tidegate(conf.http(recording_backend(), top=top(port)))
    before = int(time.time())
    told = metrics.get(port, "/healthz").fields["Date"]
    moment = email.utils.parsedate_to_datetime(told).timestamp()
    assert told.endswith(" GMT") and before <= moment <= time.time()
