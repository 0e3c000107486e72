"""Fields for one hop stay on that hop: the standard ones and all that Connection names."""

import pytest

from harness import backends, client, conf

# RFC 9110 7.6.1 and what older senders use
HOP_BY_HOP = {
    "Keep-Alive": "timeout=5",
    "Proxy-Connection": "keep-alive",
    "TE": "trailers",
}

NOMINATIONS = {
    "one": ["Connection: x-a"],
    "list": ["Connection: x-a, x-b,x-c"],
    "empty elements": ["Connection: , x-a,, x-b , ,x-c,"],
    "several fields": ["Connection: x-a", "Connection: x-b", "Connection: x-c"],
    "with options": ["Connection: keep-alive, x-a, Upgrade, x-b"],
    "other case": ["CONNECTION: X-A, X-b, x-C"],
    "field after those it names": ["X-A: 1", "Connection: x-a"],
    "not there": ["Connection: x-nothing"],
}


def names_in(fields):
    """The names that Connection fields in this list of lines name."""
    named = set()
    for field in fields:
        name, value = field.split(":", 1)
        if name.lower() == "connection":
            named |= {word.strip().lower() for word in value.split(",") if word.strip()}
    return named


@pytest.fixture(scope="module")
def backend(module_backend):
    return module_backend(backends.handles(lambda request: answers[request.target]))


@pytest.fixture(scope="module")
def front(module_tidegate, backend):
    return module_tidegate(conf.http(backend, service="idle_connections = 0;"))


answers = {"/": backends.OK}


@pytest.mark.parametrize("fields", NOMINATIONS.values(), ids=NOMINATIONS.keys())
def test_request_fields_named_by_connection_are_removed(front, backend, fields):
    backend.forget()
    extra = [*fields, "X-A: 1", "X-B: 2", "X-a: 3", "X-C: 4", "X-Kept: 5"]
    request = client.get(extra="".join(line + "\r\n" for line in extra).encode())
    assert front.exchange(request).status == 200
    got = front_request(backend)
    for name in ("x-a", "x-b", "x-c"):
        assert (name in got.names()) == (name not in names_in(fields)), name
    assert got.get("x-kept") == "5"
    assert "keep-alive" not in got.names() and "upgrade" not in got.names()
    assert not names_in([f"Connection: {value}" for value in got.all("connection")]) \
        - {"close", "keep-alive"}


@pytest.mark.parametrize("fields", NOMINATIONS.values(), ids=NOMINATIONS.keys())
def test_answer_fields_named_by_connection_are_removed(front, backend, fields):
    extra = [*fields, "X-A: 1", "X-B: 2", "X-a: 3", "X-C: 4", "X-Kept: 5"]
    answers["/"] = backends.answer(body=b"ok", fields=[line.split(": ", 1) for line in extra])
    got = front.exchange(client.get())
    answers["/"] = backends.OK
    assert got.status == 200 and got.body == b"ok"
    for name in ("x-a", "x-b", "x-c"):
        assert (name in got.names()) == (name not in names_in(fields)), name
    assert got.get("x-kept") == "5"
    assert "keep-alive" not in got.names() and "upgrade" not in got.names()
    assert not names_in([f"Connection: {value}" for value in got.all("connection")]) \
        - {"close", "keep-alive"}


def front_request(backend):
    (request,) = backend.requests
    return request


@pytest.mark.parametrize("name, value", HOP_BY_HOP.items())
def test_standard_fields_are_removed_from_requests(front, backend, name, value):
    backend.forget()
    assert front.exchange(client.get(extra=f"{name}: {value}\r\n".encode())).status == 200
    assert not front_request(backend).has(name)


@pytest.mark.parametrize("name, value", HOP_BY_HOP.items())
def test_standard_fields_are_removed_from_answers(front, name, value):
    answers["/"] = backends.answer(body=b"ok", fields=[(name, value)])
    got = front.exchange(client.get())
    answers["/"] = backends.OK
    assert got.status == 200 and not got.has(name)


def test_upgrade_without_connection_is_not_sent_on(front, backend):
    backend.forget()
    assert front.exchange(client.get(extra=b"Upgrade: websocket\r\n")).status == 200
    assert not front_request(backend).has("upgrade")


def test_a_field_named_too_often_is_still_removed(front, backend):
    backend.forget()
    extra = b"Connection: " + b", ".join([b"x-a"] * 30) + b"\r\nX-A: 1\r\n"
    assert front.exchange(client.get(extra=extra)).status == 200
    assert not front_request(backend).has("x-a")


def test_connection_field_is_not_sent_on(front, backend):
    backend.forget()
    assert front.exchange(client.get(extra=b"Connection: close, x-a\r\n")).status == 200
    assert front_request(backend).all("connection") in ([], ["keep-alive"], ["close"])


def test_nominated_trailer_of_a_request_is_refused(shared_tidegate, recording_backend):
    """RFC 9110 7.6.1: trailers too. It cannot be taken out of a body that passes as it comes."""
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    request = (b"POST / HTTP/1.1\r\nHost: a\r\nConnection: x-t\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"3\r\nabc\r\n0\r\nX-T: 5\r\n\r\n")
    assert tg.exchange(request).status == 400
    assert tg.exchange(request.replace(b"X-T: 5", b"X-U: 5")).status == 200
    assert not any(b"X-T: 5" in conn.received for conn in backend.connections)


def test_nominated_trailer_of_an_answer_is_refused(shared_tidegate, recording_backend):
    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nConnection: X-T\r\nTransfer-Encoding: chunked\r\n\r\n"
                  b"3\r\nabc\r\n0\r\nX-T: leak\r\n\r\n")
    tg = shared_tidegate(conf.http(recording_backend(script)))
    assert tg.exchange(client.get()).status == 502


def test_a_nominated_field_says_nothing(front, backend):
    """What Connection names is for this hop: it is not carried on under another name either."""
    backend.forget()
    assert front.exchange(client.get(extra=b"Connection: x-request-id, x-forwarded-for\r\n"
                                           b"X-Request-Id: theirs\r\n"
                                           b"X-Forwarded-For: 192.0.2.1\r\n")).status == 200
    got = front_request(backend)
    assert got.get("x-request-id") not in (None, "theirs")
    assert "192.0.2.1" not in "".join(got.all("x-forwarded-for"))


def test_the_expectation_cannot_be_nominated(front, backend):
    backend.forget()
    assert front.exchange(client.get(extra=b"Connection: expect\r\n"
                                           b"Expect: 100-continue\r\n")).status == 400
    assert backend.requests == []
