"""The page of metrics: its form, as promtool judges it, and its numbers."""

import os
import signal
import subprocess

from harness import backends, client, conf, metrics, net, settings


def top(port, more=""):
    return f'admin = {{ http = "{port}"; {more} }};'


def promtool_says(page):
    checked = subprocess.run([metrics.program("promtool"), "check", "metrics"], input=page,
                             capture_output=True, timeout=settings.TIMEOUT, check=False)
    return checked.returncode, checked.stdout + checked.stderr


def test_promtool_has_nothing_to_say(shared_tidegate, recording_backend, port):
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), top=top(port)))
    tg.log.wait(msg="backend up")
    assert tg.exchange(client.get("/")).status == 200
    for target in ("/metrics", "/metrics?backends=1", "/metrics?backends=0"):
        assert promtool_says(metrics.get(port, target).body) == (0, b"")


def test_requests_are_counted_by_class_and_reason(shared_tidegate, recording_backend, port):
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), top=top(port)))
    tg.log.wait(msg="backend up")
    with tg.client() as peer:
        for _ in range(3):
            assert peer.exchange(client.get("/")).status == 200
        assert peer.exchange(b"GET / HTTP/1.1\r\n\r\n").status == 400
    tg.access.wait(count=4)
    page = metrics.page(port)
    assert page.value("listener_connections_total", listener=tg.listener) == 1
    assert page.value("listener_streams_total", listener=tg.listener) == 4
    assert page.value("listener_responses_total", listener=tg.listener, code="2xx") == 3
    assert page.value("listener_responses_total", listener=tg.listener, code="4xx") == 1
    assert page.value("listener_ends_total", listener=tg.listener, reason="done") == 3
    assert page.value("listener_ends_total", listener=tg.listener, reason="bad-request") == 1
    assert page.value("service_responses_total", service=tg.service, code="2xx") == 3
    assert page.value("service_ends_total", service=tg.service, reason="done") == 3
    assert page.value("backend_responses_total", service=tg.service, backend="b1", code="2xx") == 3
    assert page.value("backend_ends_total", service=tg.service, backend="b1", reason="done") == 3
    assert not page.has("backend_ends_total", service=tg.service, backend="b1", reason="bad-answer")
    assert page.value("service_sent_bytes_total", service=tg.service) > 0
    assert page.value("backend_up", service=tg.service, backend="b1") == 1


def test_times_are_in_histograms(shared_tidegate, recording_backend, port):
    def slow(conn):
        while conn.read_request():
            settings.let_rest(0.06)
            conn.send(backends.OK)

    tg = shared_tidegate(conf.http(recording_backend(slow, name="b1"), top=top(port)))
    tg.log.wait(msg="backend up")
    with tg.client() as peer:
        for _ in range(2):
            assert peer.exchange(client.get("/")).status == 200
    tg.access.wait(count=2)
    page = metrics.page(port)
    for name in ("service_response_head_seconds", "service_duration_seconds"):
        assert page.value(f"{name}_count", service=tg.service) == 2
        assert page.value(f"{name}_bucket", service=tg.service, le="+Inf") == 2
        assert page.value(f"{name}_bucket", service=tg.service, le="0.05") == 0
        assert page.value(f"{name}_sum", service=tg.service) >= 0.12
    for name in ("backend_response_head_seconds", "backend_duration_seconds"):
        assert page.value(f"{name}_bucket", service=tg.service, backend="b1", le="0.05") == 0
        assert page.value(f"{name}_count", service=tg.service, backend="b1") == 2
        assert page.value(f"{name}_sum", service=tg.service, backend="b1") >= 0.12
    assert page.value("backend_connect_seconds_count", service=tg.service, backend="b1") == 1
    assert page.value("listener_duration_seconds_count", listener=tg.listener) == 2
    assert page.value("listener_duration_seconds_sum", listener=tg.listener) >= 0.12
    # One connection served both.
    assert page.value("service_connect_seconds_count", service=tg.service) == 1
    assert page.value("service_queue_seconds_count", service=tg.service) == 0


def test_waiting_is_in_its_histogram(shared_tidegate, recording_backend, port):
    first_may_end = []

    def script(conn):
        while request := conn.read_request():
            if request.target == "/first":
                settings.wait_until(lambda: first_may_end, "the test")
            conn.send(backends.OK)

    tg = shared_tidegate(conf.http(recording_backend(script, name="b1"), top=top(port),
                                   service="max_connections_per_backend = 1; queue = 10;"))
    tg.log.wait(msg="backend up")
    one, two = tg.client().send(client.get("/first")), tg.client()
    settings.wait_until(lambda: metrics.page(port).value("service_in_flight", service=tg.service) == 1,
                        "the first to be in flight")
    two.send(client.get("/second"))
    settings.wait_until(lambda: metrics.page(port).value("service_queue_length",
                                                         service=tg.service) == 1,
                        "the second to wait")
    first_may_end.append(True)
    assert one.read_answer().status == 200 and two.read_answer().status == 200
    tg.access.wait(count=2)
    page = metrics.page(port)
    assert page.value("service_queue_seconds_count", service=tg.service) == 1
    assert page.value("service_queued_total", service=tg.service) == 1
    assert page.value("service_queue_length", service=tg.service) == 0
    assert page.value("service_in_flight", service=tg.service) == 0


def test_tcp_is_in_them_too(shared_tidegate, demo_backend, port):
    tg = shared_tidegate(conf.tcp(demo_backend(name="b1", tcp=True), top=top(port)))
    tg.log.wait(msg="backend up")
    with tg.client() as peer:
        peer.send(b"x").finish_sending()
        assert peer.read_to_end()
    tg.access.wait()
    page = metrics.page(port)
    assert page.value("service_duration_seconds_count", service=tg.service) == 1
    assert page.value("service_connect_seconds_count", service=tg.service) == 1
    assert page.value("service_response_head_seconds_count", service=tg.service) == 0
    assert page.value("listener_duration_seconds_count", listener=tg.listener) == 1
    assert page.value("backend_connect_seconds_count", service=tg.service, backend="b1") == 1
    assert page.value("backend_duration_seconds_count", service=tg.service, backend="b1") == 1
    assert page.value("listener_ends_total", listener=tg.listener, reason="done") == 1


def test_retries_and_health_are_told(shared_tidegate, recording_backend, port):
    nobody = f"{net.ADDRESS}:{net.free_port()}"
    good = recording_backend(name="good")
    tg = shared_tidegate(conf.http(f'{{ name = "bad"; address = "{nobody}"; weight = 3; }}', good,
                                   top=top(port)))
    tg.log.wait(count=2, msg="backend up")
    for _ in range(4):
        assert tg.exchange(client.get("/")).status == 200
    tg.access.wait(count=4)
    page = metrics.page(port)
    retries = page.value("service_retries_total", service=tg.service)
    assert retries >= 1
    assert page.value("backend_connect_errors_total", service=tg.service, backend="bad") == retries
    assert page.value("backend_retries_total", service=tg.service, backend="bad") == retries
    assert page.value("backend_weight", service=tg.service, backend="bad") == 3
    # After three connects in a row that fail, it is ejected.
    states = [page.value("service_backends", service=tg.service, state=state) for state in ("up", "ejected")]
    assert sum(states) == 2
    assert states[1] == page.value("service_ejections_total", service=tg.service)


def test_checks_that_fail_take_a_backend_down(shared_tidegate, port):
    nobody = f"{net.ADDRESS}:{net.free_port()}"
    tg = shared_tidegate(conf.http(nobody, top=top(port),
                                   service='health = { type = "tcp"; interval = "100ms"; };'))
    tg.log.wait(msg="backend down")
    page = metrics.page(port)
    assert page.value("backend_up", service=tg.service, backend=nobody) == 0
    assert page.value("backend_check_failures_total", service=tg.service, backend=nobody) >= 1
    assert page.value("service_backends", service=tg.service, state="down") == 1
    assert page.value("service_usable_backends", service=tg.service) == 0


def test_workers_and_processes_are_told(shared_tidegate, recording_backend, port):
    tg = shared_tidegate(conf.http(recording_backend(), top=top(port), workers=2))
    settings.wait_until(lambda: all(metrics.page(port).value("worker_accepting", worker=w) == 1
                                    for w in "01"), "both workers to accept")
    with tg.client() as peer:
        assert peer.exchange(client.get("/")).status == 200
        # An open connection has a timer: the wheel turns.
        settings.wait_until(
            lambda: sum(metrics.page(port).value("worker_loop_lag_seconds_count", worker=w)
                        for w in "01") >= 2, "ticks to be counted")
    page = metrics.page(port)
    for process in ("parent", "proxy", "keeper"):
        assert page.value("process_resident_memory_bytes", process=process) > 1 << 20
        assert page.value("process_start_time_seconds", process=process) > 1.7e9
    assert page.value("process_cpu_seconds_total", process="proxy") >= 0
    assert page.value("workers") == 2
    assert page.value("proxy_up") == 1


def test_numbers_survive_the_keeper_and_the_proxy(tidegate, recording_backend, port):
    tg = tidegate(conf.http(recording_backend(), top=top(port)))
    tg.log.wait(msg="backend up")
    assert tg.exchange(client.get("/")).status == 200
    tg.access.wait()
    for role in ("keeper", "proxy"):
        before = tg.role_pid(role)
        os.kill(before, signal.SIGKILL)
        settings.wait_until(lambda: tg.role_pid(role) not in (None, before), f"another {role}")
        settings.wait_until(lambda: len(tg.log.records(msg="child ready", child=role)) == 2,
                            f"the other {role} to serve")
        assert metrics.page(port).value("service_duration_seconds_count", service=tg.service) == 1
    tg.log.wait(msg="child ready", child="proxy", count=2)
