"""What a backend fails is tried again where that does no harm, on another one, within a budget."""

import contextlib
import threading

import pytest

from harness import backends, client, conf, net, settings, stat

KEYED = b"Idempotency-Key: 7\r\n"


def dies(conn):
    """Reads the request and closes without a byte."""
    conn.read_request()


def resets(conn):
    conn.read_request()
    conn.reset()


def half_a_head(conn):
    conn.read_request()
    conn.send(b"HTTP/1.1 200 OK\r\nContent-")


def hangs(conn):
    conn.read_request()
    conn.read_to_end()


def says(status):
    return backends.handles(lambda request: backends.answer(status, b"bad"))


def dead():
    return f"{net.ADDRESS}:{net.free_port()}"


def pair(bad, good, weight=100):
    """The bad one gets the first request."""
    return (f'{{ name = "bad"; address = "{conf.address_of(bad)}"; weight = {weight}; }}',
            f'{{ name = "good"; address = "{good.address}"; }}')


def retry(text):
    return f'retry = {{ {text} }}; timeouts = {{ response = "300ms"; }};'


BY_DEFAULT = {
    "closes": (dies, "empty-answer"),
    "resets": (resets, "empty-answer"),
    "half a head": (half_a_head, "bad-answer"),
    "hangs": (hangs, "response-timeout"),
}


@pytest.mark.parametrize("script, reason", BY_DEFAULT.values(), ids=BY_DEFAULT.keys())
def test_an_idempotent_request_goes_to_another_backend(shared_tidegate, recording_backend, script, reason):
    bad, good = recording_backend(script), recording_backend()
    tg = shared_tidegate(conf.http(*pair(bad, good), workers=1, service=retry("")))
    assert tg.exchange(client.get("/x")).status == 200
    record = tg.access.wait(path="/x")
    assert record["failed"] == f"bad:{reason}"
    assert (record["retries"], record["backend"], record["end"]) == ("1", "good", "done")
    assert len(bad.requests) == 1 and len(good.requests) == 1


def test_behind_an_interim_answer_there_is_no_other_try(shared_tidegate, recording_backend):
    """That has gone out; and the log says so."""
    def hints(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    bad, good = recording_backend(hints), recording_backend()
    tg = shared_tidegate(conf.http(*pair(bad, good), workers=1, service=retry("")))
    answer = tg.exchange(client.get("/x"))
    assert (answer.status, [interim.status for interim in answer.interim]) == (502, [103])
    record = tg.access.wait(path="/x")
    assert (record["end"], record["no_retry"]) == ("empty-answer", "interim-answer")


@pytest.mark.parametrize("script, status", [(dies, 502), (resets, 502), (half_a_head, 502),
                                            (hangs, 504)])
def test_what_cannot_be_repeated_is_not(shared_tidegate, recording_backend, script, status):
    bad, good = recording_backend(script), recording_backend()
    tg = shared_tidegate(conf.http(*pair(bad, good), workers=1, service=retry("")))
    assert tg.exchange(client.post(b"hello", "/x")).status == status
    record = tg.access.wait(path="/x")
    assert (record["retries"], record["backend"], record["no_retry"]) == ("0", "bad", "not-idempotent")
    assert record["failed"].startswith("bad:")
    assert good.requests == []


def test_what_is_not_configured_is_told_so(shared_tidegate, recording_backend):
    """Also of what could not be repeated if it were."""
    bad, good = recording_backend(dies), recording_backend()
    tg = shared_tidegate(conf.http(*pair(bad, good), workers=1, service=retry('on = ( "connect" );')))
    assert tg.exchange(client.post(b"hello", "/x")).status == 502
    assert tg.access.wait(path="/x")["no_retry"] == "not-configured"


def test_a_failed_connect_is_repeated_for_any_method(shared_tidegate, recording_backend):
    good = recording_backend()
    tg = shared_tidegate(conf.http(*pair(dead(), good), workers=1))
    assert tg.exchange(client.post(b"hello", "/x")).status == 200
    assert tg.access.wait(path="/x")["failed"] == "bad:connect-failed"
    assert good.requests[0].body == b"hello"


@pytest.mark.parametrize("allowed", [False, True])
def test_an_idempotency_key_may_make_a_post_repeatable(shared_tidegate, recording_backend, allowed):
    bad, good = recording_backend(dies), recording_backend()
    option = "idempotency_key = true;" if allowed else ""
    tg = shared_tidegate(conf.http(*pair(bad, good), workers=1, service=retry(option)))
    assert tg.exchange(client.post(b"hello", "/x", extra=KEYED)).status == (200 if allowed else 502)
    assert [request.body for request in good.requests] == ([b"hello"] if allowed else [])


@pytest.mark.parametrize("field", [b"Idempotency-Key:\r\n", b"Idempotency-Key:  \t\r\n"])
def test_an_empty_idempotency_key_is_none(shared_tidegate, recording_backend, field):
    bad, good = recording_backend(dies), recording_backend()
    tg = shared_tidegate(conf.http(*pair(bad, good), workers=1, service=retry("idempotency_key = true;")))
    assert tg.exchange(client.post(b"hello", "/x", extra=field)).status == 502
    assert good.requests == []


@pytest.mark.parametrize("status", ["503 Busy", "429 Slow", "404 No"])
def test_configured_statuses(shared_tidegate, recording_backend, status):
    bad, good = recording_backend(says(status)), recording_backend()
    tg = shared_tidegate(conf.http(*pair(bad, good), workers=1,
                                   service=retry('on = ( "503", "429" );')))
    answer = tg.exchange(client.get("/x"))
    record = tg.access.wait(path="/x")
    if status == "404 No":
        assert (answer.status, answer.body) == (404, b"bad")
        assert record["failed"] == "-"
    else:
        assert (answer.status, answer.body) == (200, b"ok")
        assert record["failed"] == "bad:bad-status"


def test_when_all_say_so_the_last_answer_is_passed_on(shared_tidegate, recording_backend):
    bad = [recording_backend(says(f"503 {name}"), name=name) for name in "abc"]
    tg = shared_tidegate(conf.http(*bad, workers=1, service=retry('attempts = 2; on = ( "503" );')))
    answer = tg.exchange(client.get("/x"))
    assert (answer.status, answer.body) == (503, b"bad")
    record = tg.access.wait(path="/x")
    assert (record["retries"], record["end"]) == ("2", "done")
    assert record["failed"].count("bad-status") == 2
    assert sum(len(backend.requests) for backend in bad) == 3
    assert all(len(backend.requests) == 1 for backend in bad)


def test_a_status_is_not_repeated_for_a_post(shared_tidegate, recording_backend):
    bad, good = recording_backend(says("503 Busy")), recording_backend()
    tg = shared_tidegate(conf.http(*pair(bad, good), workers=1, service=retry('on = ( "503" );')))
    assert tg.exchange(client.post(b"hello")).status == 503
    assert good.requests == []


def test_nothing_is_repeated_once_a_byte_went_out(shared_tidegate, recording_backend):
    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
    bad, good = recording_backend(script), recording_backend()
    tg = shared_tidegate(conf.http(*pair(bad, good), workers=1, service=retry("")))
    answer = tg.client().send(client.get("/x")).read_answer()
    assert answer.status == 200 and not answer.complete
    assert good.requests == []


def test_nothing_is_repeated_after_an_interim_answer(shared_tidegate, recording_backend):
    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        conn.send(backends.answer("503 Busy", b"bad"))
    bad, good = recording_backend(script), recording_backend()
    tg = shared_tidegate(conf.http(*pair(bad, good), workers=1, service=retry('on = ( "503" );')))
    answer = tg.exchange(client.get("/x"))
    assert answer.status == 503 and len(answer.interim) == 1
    assert good.requests == []


@pytest.mark.parametrize("attempts", [0, 1, 3])
def test_attempts_are_counted(shared_tidegate, recording_backend, attempts):
    bad = [recording_backend(dies, name=f"b{i}") for i in range(5)]
    tg = shared_tidegate(conf.http(*bad, workers=1, service=retry(f"attempts = {attempts};")))
    assert tg.exchange(client.get("/x")).status == 502
    record = tg.access.wait(path="/x")
    assert (record["retries"], record["no_retry"]) == (str(attempts), "attempts")
    assert len(record["failed"].split(",")) == attempts + 1
    # Never the same one twice while there is another.
    assert sorted(len(backend.requests) for backend in bad) == [0] * (4 - attempts) + [1] * (
        attempts + 1)


def test_a_body_is_sent_again_whole(shared_tidegate, recording_backend):
    bad, good = recording_backend(dies), recording_backend()
    tg = shared_tidegate(conf.http(*pair(bad, good), workers=1, service=retry("")))
    body = bytes(range(256)) * 40
    request = client.post(body, "/x").replace(b"POST", b"PUT", 1)
    assert tg.exchange(request).status == 200
    assert good.requests[0].body == body


def test_the_only_backend_is_tried_again_after_a_pause(shared_tidegate, recording_backend):
    backend = recording_backend(dies, dies, backends.serve)
    tg = shared_tidegate(conf.http(backend, workers=1, service=retry('backoff = "100ms";')))
    assert tg.exchange(client.get("/x")).status == 200
    record = tg.access.wait(path="/x")
    assert record["retries"] == "2"
    # 100 ms and 200 ms, each give or take a quarter.
    assert 225_000 <= int(record["queue_us"])
    assert len(backend.requests) == 3


def wait_retries(tmp_path, n):
    settings.wait_until(lambda: stat.number(tmp_path / "admin.sock", "BACKEND", "wretr") >= n, f"{n} retries")


def test_a_backend_that_restarts_costs_nothing(shared_tidegate, recording_backend, tmp_path):
    """It refuses for a moment; the pause is long enough."""
    port = net.free_port()
    tg = shared_tidegate(conf.http(f"{net.ADDRESS}:{port}", workers=1,
                                   top=f'admin = {{ socket = "{tmp_path}/admin.sock"; }};',
                                   service='retry = { attempts = 7; backoff = "50ms"; };'))
    with tg.client() as peer:
        peer.send(client.get("/x"))
        wait_retries(tmp_path, 1)
        recording_backend(port=port)
        assert peer.read_answer().status == 200
    assert tg.access.wait(path="/x")["failed"].startswith(f"{net.ADDRESS}:{port}:connect-failed")


def test_tcp_connects_are_tried_again_after_a_pause(shared_tidegate, recording_backend, tmp_path):
    port = net.free_port()
    tg = shared_tidegate(conf.tcp(f"{net.ADDRESS}:{port}", workers=1,
                                  top=f'admin = {{ socket = "{tmp_path}/admin.sock"; }};',
                                  service='retry = { attempts = 7; backoff = "50ms"; };'))
    with tg.client() as peer:
        peer.send(b"hello")
        wait_retries(tmp_path, 2)
        recording_backend(backends.echo, port=port)
        assert peer.read(5) == b"hello"
        peer.finish_sending()
        peer.read_to_end()
    record = tg.access.wait(end="done")
    assert int(record["retries"]) >= 2 and int(record["queue_us"]) > 0


def test_the_budget_bounds_retries(shared_tidegate, recording_backend):
    """All fail: ten a second on top of a tenth of the requests, whatever the clients ask for."""
    tg = shared_tidegate(conf.http(recording_backend(dies), recording_backend(resets),
                                   recording_backend(half_a_head), workers=1,
                                   service='retry = { attempts = 7; budget = 0.1; backoff = "0"; };'))
    statuses = []

    def ask():
        for _ in range(150):
            with contextlib.suppress(OSError):
                statuses.append(tg.exchange(client.get()).status)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(settings.TIMEOUT * 3)
    assert len(statuses) == 600 and set(statuses) <= {502, 503}
    tg.access.wait(count=600, method="GET")
    assert tg.access.records(method="GET", no_retry="budget")
    tried = sum(int(record["retries"]) for record in tg.access.records(method="GET"))
    # The floor counts for ten seconds; the run is shorter than that, or gets it once more.
    assert 100 <= tried <= 2 * 100 + 600 * 0.1 + 1


def test_one_worker_may_have_all_of_the_floor(tidegate, recording_backend):
    """Ten a second of the last ten seconds, though the client never meets the other workers."""
    bad = recording_backend(backends.handles(lambda _: backends.answer("503 Busy")))
    good = recording_backend()
    tg = tidegate(conf.http(bad, good, workers=8, service='balance = "first"; retry = { '
                            'on = ( "503" ); budget = 0; };'))
    with tg.client() as peer:
        statuses = [peer.exchange(client.get()).status for _ in range(100)]
    assert statuses == [200] * 100


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_failed_connects_are_not_in_the_budget(shared_tidegate, recording_backend, tmp_path, mode):
    """Two of three machines are gone: far more tries than the budget has, and every request is served."""
    good = recording_backend(name="good")
    text = conf.http if mode == "http" else conf.tcp
    tg = shared_tidegate(text(f'{{ name = "d1"; address = "{dead()}"; }}',
                              f'{{ name = "d2"; address = "{dead()}"; }}', good, workers=1,
                              top=f'admin = {{ socket = "{tmp_path}/admin.sock"; }};',
                              service=retry('attempts = 7; budget = 0; backoff = "0";')
                              + "outlier = { connects = 0; };"))
    # Once a second each may be met by a retry too; then by first tries alone.
    for _ in range(200):
        assert tg.exchange(client.get()).status == 200
    assert sum(stat.number(tmp_path / "admin.sock", name, "wretr") for name in ("d1", "d2")) > 100


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_connects_without_an_answer_lead_on_to_one_that_answers(shared_tidegate, recording_backend, mode):
    """Three at once, and two tries after the first: a host is dead, and nobody has told yet."""
    good = recording_backend(name="good")
    with contextlib.ExitStack() as stack:
        dead = ["%s:%d" % stack.enter_context(backends.full_listener())[0].getsockname() for _ in range(3)]
        text = conf.http if mode == "http" else conf.tcp
        tg = shared_tidegate(text(*(f'{{ name = "d{i}"; address = "{one}"; }}' for i, one in enumerate(dead)), good,
                                  workers=1, service='balance = "first"; timeouts = { connect = "100ms"; }; '
                                  "outlier = { connects = 0; }; retry = { attempts = 2; };"))
        assert tg.exchange(client.get()).status == 200
        failed = tg.access.wait(listener=tg.listener)["failed"]
        assert failed == "d0:connect-timeout,d1:connect-timeout,d2:connect-timeout"
