"""Expect: 100-continue: the body waits for the backend's word (RFC 9110 10.1.1)."""

import time

import pytest

from harness import backends, client, conf, settings

HEAD = (b"POST /upload HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
        b"Content-Length: 5\r\n\r\n")


def test_body_is_sent_after_100(shared_tidegate, recording_backend):
    def script(conn):
        head = conn.read_head()
        assert head.get("expect") == "100-continue"
        conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = conn.read(5)
        conn.send(backends.answer(body=b"got " + body))
        backends.serve(conn)
    backend = recording_backend(script)
    tg = shared_tidegate(conf.http(backend))
    peer = tg.client().send(HEAD)
    assert peer.read_head().startswith(b"HTTP/1.1 100 ")
    peer.send(b"hello")
    assert peer.read_answer().body == b"got hello"
    assert backend.connections[0].failed is None
    assert peer.exchange(client.get()).body == b"ok"


@pytest.mark.parametrize("status", ["413 Content Too Large", "401 Unauthorized",
                                    "417 Expectation Failed", "200 OK"])
def test_final_answer_instead_of_100(shared_tidegate, recording_backend, status):
    def script(conn):
        conn.read_head()
        conn.send(backends.answer(status, b"no"))
        conn.read_to_end()
    tg = shared_tidegate(conf.http(recording_backend(script)))
    answer = tg.client().send(HEAD).read_answer()
    assert answer.status == int(status[:3]) and answer.body == b"no"
    assert not answer.interim


def test_client_that_does_not_wait(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    answer = tg.client().send(HEAD + b"hello").read_answer()
    assert answer.status == 200
    assert backend.requests[0].body == b"hello"


def test_backend_that_never_says_100(shared_tidegate, recording_backend):
    """The client sends its body after a while, as it may, and gets its answer."""
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    peer = tg.client().send(HEAD)
    backend.wait_requests(1)
    peer.send(b"hello")
    assert peer.read_answer().status == 200
    assert backend.requests[0].body == b"hello"


def test_chunked_body_after_100(shared_tidegate, recording_backend):
    def script(conn):
        request = conn.read_head()
        conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        conn.take_body(request, request.framing(), settings.deadline())
        conn.send(backends.answer(body=request.body))
    tg = shared_tidegate(conf.http(recording_backend(script)))
    peer = tg.client().send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n"
                            b"Transfer-Encoding: chunked\r\n\r\n")
    assert peer.read_head().startswith(b"HTTP/1.1 100 ")
    peer.send(client.chunked(b"hel", b"lo"))
    assert peer.read_answer().body == b"hello"


def test_body_past_the_limit_is_refused_before_it_is_sent(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, listener='limits = { body = "4"; };'))
    peer = tg.client().send(HEAD)
    assert peer.read_answer().status == 413
    assert peer.read_to_end() == b""
    assert backend.received == b""


def hangs(conn):
    conn.read_head()
    conn.read_to_end()


def test_neither_word_nor_answer_is_the_backends_fault(shared_tidegate, recording_backend):
    """The client waits as it may: 504 after the time for an answer, not 408."""
    tg = shared_tidegate(conf.http(recording_backend(hangs),
                                   service='timeouts = { response = "300ms"; };'))
    assert tg.client().send(HEAD).read_answer().status == 504
    assert tg.access.wait(path="/upload")["end"] == "response-timeout"


def test_another_backend_may_have_the_word(shared_tidegate, recording_backend):
    """Nothing of the body was asked for: PUT goes to the next."""
    backend = recording_backend(hangs, backends.serve)
    tg = shared_tidegate(conf.http(backend, service='timeouts = { response = "300ms"; };'))
    peer = tg.client().send(HEAD.replace(b"POST", b"PUT"))
    settings.wait_until(lambda: len(backend.requests) == 2, "the second try")
    peer.send(b"hello")
    assert peer.read_answer().body == b"ok"
    assert backend.requests[1].body == b"hello"


def test_the_time_for_the_body_begins_with_100(shared_tidegate, recording_backend):
    """A client that is let in late has as long as any other."""
    def script(conn):
        conn.read_head()
        time.sleep(2.5)  # the pace itself, not a wait for anything
        conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        conn.read(5)
        conn.send(backends.answer())
    tg = shared_tidegate(conf.http(recording_backend(script), workers=1,
                                   listener='timeouts = { request_body = "2s"; idle = "2s"; };'))
    peer = tg.client().send(HEAD)
    assert peer.read_head().startswith(b"HTTP/1.1 100 ")
    peer.send(b"hello")
    assert peer.read_answer().status == 200


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
PATIENCE = 'timeouts = { request_body = "300ms"; idle = "300ms"; };'


def test_another_interim_answer_is_not_the_word(shared_tidegate, recording_backend):
    """After a 103 the client still waits for the 100: 504 once the backend's time is up, not 408."""
    def script(conn):
        conn.read_head()
        conn.send(HINTS)
        conn.read_to_end()
    tg = shared_tidegate(conf.http(recording_backend(script), listener=PATIENCE,
                                   service='timeouts = { response = "900ms"; };'))
    answer = tg.client().send(HEAD).read_answer()
    assert [interim.status for interim in answer.interim] == [103]
    assert answer.status == 504
    assert tg.access.wait(path="/upload")["end"] == "response-timeout"


def test_the_word_may_come_after_another_interim_answer(shared_tidegate, recording_backend):
    """The client's time begins with the 100, however late."""
    def script(conn):
        conn.read_head()
        conn.send(HINTS)
        settings.let_rest(0.8)
        conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        conn.send(backends.answer(body=conn.read(5)))
    tg = shared_tidegate(conf.http(recording_backend(script), listener=PATIENCE))
    peer = tg.client().send(HEAD)
    assert peer.read_head().startswith(b"HTTP/1.1 103 ")
    assert peer.read_head().startswith(b"HTTP/1.1 100 ")
    send_in_two(peer)
    assert peer.read_answer().body == b"hello"


def send_in_two(peer):
    """With a pause that a client may make."""
    peer.send(b"he")
    settings.let_rest(0.15)
    peer.send(b"llo")


@pytest.mark.parametrize("says", [b"", HINTS], ids=["nothing", "103"])
def test_a_client_that_waits_no_longer_has_its_time(shared_tidegate, recording_backend, says):
    """RFC 9110 10.1.1: it need not wait for ever. Its body is late by nobody's clock."""
    def script(conn):
        request = conn.read_head()
        conn.send(says)
        conn.take_body(request, request.framing(), settings.deadline())
        conn.send(backends.answer(body=request.body))
    tg = shared_tidegate(conf.http(recording_backend(script), listener=PATIENCE))
    peer = tg.client().send(HEAD)
    settings.let_rest(0.8)
    send_in_two(peer)
    assert peer.read_answer().body == b"hello"


def test_one_that_stops_in_its_body_is_the_clients_fault(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(), listener=PATIENCE))
    peer = tg.client().send(HEAD)
    settings.let_rest(0.8)
    assert peer.send(b"he").read_answer().status == 408
    assert tg.access.wait(path="/upload")["end"] == "request-body-timeout"
