"""Each option of Connection is looked for among the fields: there may be 64, in all its fields."""

import pytest

from harness import backends, client, conf

MOST = 64


def options(*counts):
    """Connection fields, one for each count, with that many options."""
    return b"".join(b"Connection: " + b", ".join([b"x-a"] * n) + b"\r\n" for n in counts)


FITS = {"one field": (MOST,), "many fields": (1,) * MOST, "two": (MOST - 1, 1)}
TOO_MANY = {"one field": (MOST + 1,), "many fields": (1,) * (MOST + 1), "two": (MOST, 1),
            "many of many": (MOST,) * 40}


@pytest.fixture(scope="module")
def backend(module_backend):
    return module_backend(backends.handles(lambda request: answers["/"]))


@pytest.fixture(scope="module")
def front(module_tidegate, backend):
    return module_tidegate(conf.http(backend, workers=1))


answers = {}


@pytest.mark.parametrize("counts", FITS.values(), ids=FITS.keys())
def test_as_many_pass(front, backend, counts):
    answers["/"] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + options(*counts) + b"\r\nok"
    answer = front.exchange(client.get(extra=options(*counts) + b"X-A: 1\r\n"))
    assert answer.status == 200 and answer.body == b"ok"
    assert not backend.requests[-1].has("x-a")


@pytest.mark.parametrize("counts", TOO_MANY.values(), ids=TOO_MANY.keys())
def test_a_request_with_more_is_refused(front, backend, counts):
    backend.forget()
    answers["/"] = backends.OK
    assert front.exchange(client.get(extra=options(*counts))).status == 400
    assert backend.requests == []


@pytest.mark.parametrize("status", ["200 OK", "103 Early Hints"])
@pytest.mark.parametrize("counts", TOO_MANY.values(), ids=TOO_MANY.keys())
def test_an_answer_with_more_gives_502(front, counts, status):
    answers["/"] = (f"HTTP/1.1 {status}\r\n".encode() + options(*counts)
                    + b"\r\n" + backends.OK)
    assert front.exchange(client.get()).status == 502
