"""Every final answer says when it was made (RFC 9110 6.6.1): the backend's word, or else ours."""

import email.utils
import time

import pytest

from harness import backends, client, conf, net, settings

OLD = "Sun, 06 Nov 1994 08:49:37 GMT"


def is_now(answer):
    """Exactly one Date, of this moment give or take what a busy machine takes."""
    value = answer.get("date")
    seconds = email.utils.mktime_tz(email.utils.parsedate_tz(value))
    assert value == email.utils.formatdate(seconds, usegmt=True), f"not as RFC 9110 has it: {value}"
    return abs(seconds - time.time()) < settings.TIMEOUT


OURS = {
    "400": b"GET / HTTP/1.1\r\n\r\n",
    "404": client.get("/", "other.example"),
    "501": b"BREW / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "503": client.get("/", "a.example"),
    "503 to HEAD": client.get("/", "a.example").replace(b"GET", b"HEAD"),
    "200 to OPTIONS": b"OPTIONS / HTTP/1.1\r\nHost: a.example\r\nMax-Forwards: 0\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", OURS.values(), ids=OURS.keys())
def test_our_own_have_one(shared_tidegate, request_bytes):
    made = conf.http(f"{net.ADDRESS}:{net.free_port()}")
    made.text = made.text.replace('service = "site";\n',
                                  'routes = ( { host = "a.example"; service = "site"; } );\n')
    assert is_now(shared_tidegate(made).exchange(request_bytes))


def through(tidegate, recording_backend, raw, method="GET", **options):
    tg = tidegate(conf.http(recording_backend(backends.answers(raw, then=None)), **options))
    return tg.exchange(client.get().replace(b"GET", method.encode(), 1))


WITHOUT = {
    "with a length": backends.OK,
    "without a body": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
    "an error": b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "until close": b"HTTP/1.1 200 OK\r\n\r\nbody",
    "named by Connection": b"HTTP/1.1 200 OK\r\nDate: " + OLD.encode() +
                           b"\r\nConnection: date\r\nContent-Length: 0\r\n\r\n",
    "in HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("raw", WITHOUT.values(), ids=WITHOUT.keys())
def test_an_answer_without_one_gets_it(shared_tidegate, recording_backend, raw):
    assert is_now(through(shared_tidegate, recording_backend, raw))


def test_to_head_too(shared_tidegate, recording_backend):
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    assert is_now(through(shared_tidegate, recording_backend, raw, "HEAD"))


def test_a_held_back_answer_too(shared_tidegate, recording_backend):
    assert is_now(through(shared_tidegate, recording_backend, backends.OK,
                          service='buffer_response = { memory = "64K"; };'))


@pytest.mark.parametrize("name", ["Date", "date", "DATE"])
def test_the_backends_own_stays(shared_tidegate, recording_backend, name):
    raw = backends.answer(fields=[(name, OLD), ("X-Date", "1")])
    assert through(shared_tidegate, recording_backend, raw).all("date") == [OLD]


def test_interim_answers_get_none(shared_tidegate, recording_backend):
    answer = through(shared_tidegate, recording_backend,
                     b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + backends.OK)
    assert [interim.has("date") for interim in answer.interim] == [False]
    assert is_now(answer)


def test_time_goes_on_between_two_answers(shared_tidegate, recording_backend):
    """What is written once a second is not written once."""
    tg = shared_tidegate(conf.http(recording_backend(), workers=1))
    peer = tg.client()
    first = peer.exchange(client.get()).get("date")
    settings.let_rest(1.1)
    assert peer.exchange(client.get()).get("date") != first
