"""expect = "answer": tidegate sends the 100 itself when it wants the body, and never when it refuses."""

import contextlib
import threading

import pytest

from harness import backends, client, conf, net, settings

HEAD = (b"PUT /upload HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nExpect: 100-continue\r\nX-B: 2\r\n"
        b"Content-Length: 5\r\n\r\n")
ANSWER = 'expect = "answer";'


def test_the_100_comes_without_the_backends_word(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, service=ANSWER))
    peer = tg.client().send(HEAD)
    assert peer.read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    answer = peer.send(b"hello").read_answer()
    assert answer.status == 200 and not answer.interim
    request = backend.requests[0]
    assert request.get("expect") is None and request.body == b"hello"
    assert (request.get("x-a"), request.get("x-b")) == ("1", "2")
    assert peer.exchange(client.get()).body == b"ok"


def test_a_100_of_the_backend_is_not_passed_on(shared_tidegate, recording_backend):
    def script(conn):
        conn.read_head()
        conn.send(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n")
        conn.read(5)
        conn.send(backends.OK)
    tg = shared_tidegate(conf.http(recording_backend(script), service=ANSWER))
    peer = tg.client().send(HEAD)
    assert peer.read_head().startswith(b"HTTP/1.1 100 ")
    answer = peer.send(b"hello").read_answer()
    assert answer.status == 200
    assert [interim.status for interim in answer.interim] == [103]


def test_a_client_that_does_not_wait_gets_none(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, service=ANSWER))
    answer = tg.client().send(HEAD + b"hello").read_answer()
    assert answer.status == 200 and not answer.interim
    assert backend.requests[0].get("expect") is None


def test_the_time_for_the_body_begins_with_our_100(shared_tidegate, recording_backend):
    """Who waited for a place was not asked for its body meanwhile."""
    go = threading.Event()

    def script(conn):
        conn.read_request()
        go.wait(settings.TIMEOUT)
        conn.send(backends.OK)
        backends.serve(conn)
    backend = recording_backend(script, backends.serve)
    tg = shared_tidegate(conf.http(backend, workers=1,
                                   service=ANSWER + "max_connections_per_backend = 1;",
                                   listener='timeouts = { request_body = "300ms"; };'))
    busy = tg.client().send(client.get("/busy"))
    backend.wait_requests(1)
    peer = tg.client().send(HEAD)
    settings.let_rest(0.8)
    go.set()
    assert busy.read_answer().status == 200
    assert peer.read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    peer.send(b"he")
    settings.let_rest(0.15)
    assert peer.send(b"llo").read_answer().status == 200


@pytest.mark.parametrize("service, listener, raw, status", [
    (ANSWER, 'limits = { body = "4"; };', HEAD, 413),
    (ANSWER, "", HEAD.replace(b"100-continue", b"200-ok"), 417),
], ids=["too long", "unknown"])
def test_no_100_when_it_is_refused(shared_tidegate, recording_backend, service, listener, raw, status):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, service=service, listener=listener))
    answer = tg.client().send(raw).read_answer()
    assert answer.status == status and not answer.interim
    assert backend.received == b""


def test_no_100_without_a_backend(shared_tidegate):
    tg = shared_tidegate(conf.http(f"{net.ADDRESS}:{net.free_port()}",
                                   service=ANSWER + "retry = { attempts = 0; };"))
    answer = tg.client().send(HEAD).read_answer()
    assert answer.status == 503 and not answer.interim


def test_no_100_while_the_backend_is_full(shared_tidegate, recording_backend):
    def holds(conn):
        conn.read_request()
        conn.read_to_end()
    tg = shared_tidegate(conf.http(recording_backend(holds), workers=1, service=ANSWER + """
        max_connections_per_backend = 1; timeouts = { queue = "300ms"; };"""))
    with contextlib.ExitStack() as stack:
        stack.enter_context(tg.client()).send(client.get("/first"))
        answer = stack.enter_context(tg.client()).send(HEAD).read_answer()
    assert answer.status == 503 and not answer.interim


def test_an_error_after_the_100_is_still_an_answer(shared_tidegate, recording_backend):
    def dies(conn):
        conn.read_head()
    tg = shared_tidegate(conf.http(recording_backend(dies), service=ANSWER + "retry = { attempts = 0; };"))
    answer = tg.client().send(HEAD).read_answer()
    assert answer.status == 502 and len(answer.interim) <= 1


def test_it_is_sent_again_to_another_backend_without_a_second_100(shared_tidegate, recording_backend):
    def dies(conn):
        conn.read_request()
    bad, good = recording_backend(dies), recording_backend()
    tg = shared_tidegate(conf.http(f'{{ name = "bad"; address = "{bad.address}"; weight = 100; }}', good,
                                   workers=1, service=ANSWER))
    peer = tg.client().send(HEAD)
    assert peer.read_head().startswith(b"HTTP/1.1 100 ")
    answer = peer.send(b"hello").read_answer()
    assert answer.status == 200 and not answer.interim
    assert good.requests[0].body == b"hello"


def test_http10_clients_get_none(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(), service=ANSWER))
    peer = tg.client().send(HEAD.replace(b"HTTP/1.1", b"HTTP/1.0"), b"hello")
    answer = peer.read_answer()
    assert answer.status == 200 and not answer.interim


def test_by_default_the_backend_has_the_word(shared_tidegate, recording_backend):
    def script(conn):
        head = conn.read_head()
        assert head.get("expect") == "100-continue"
        conn.send(backends.answer("417 Expectation Failed", b"no"))
    tg = shared_tidegate(conf.http(recording_backend(script), service='expect = "forward";'))
    answer = tg.client().send(HEAD).read_answer()
    assert answer.status == 417 and not answer.interim
