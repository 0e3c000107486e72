"""Every request has an id: the client's, or one made here; the log line has the same."""

import pytest

from harness import client, conf

TRUSTED = 'trusted_proxies = ( "127.0.0.0/8" );'


def test_one_is_made(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    for number in range(50):
        tg.exchange(client.get(f"/{number}"))
    made = {request.target: request.get("x-request-id") for request in backend.requests}
    assert len(set(made.values())) == len(made) == 50
    assert all(len(one) >= 16 and one.isalnum() for one in made.values())
    assert tg.access.wait(path="/49")["id"] == made["/49"]


@pytest.mark.parametrize("given", ["abc-123", "a" * 64, "550e8400-e29b-41d4-a716-446655440000"])
def test_a_usable_one_is_passed(shared_tidegate, recording_backend, given):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, listener=TRUSTED))
    tg.exchange(client.get("/x", extra=f"X-Request-Id: {given}\r\n".encode()))
    assert backend.requests[0].get("x-request-id") == given
    assert tg.access.wait(path="/x")["id"] == given


@pytest.mark.parametrize("given", ["", "a b", "a" * 5000, "a\"b", "\x80\x81"])
def test_one_that_is_not_usable_is_replaced(shared_tidegate, recording_backend, given):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, listener=TRUSTED))
    tg.exchange(client.get("/x", extra=f"X-Request-Id: {given}\r\n".encode("latin-1")))
    made = backend.requests[0].get("x-request-id")
    assert made != given and made.isalnum()
    assert tg.access.wait(path="/x")["id"] == made


def test_two_become_one(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, listener=TRUSTED))
    tg.exchange(client.get("/x", extra=b"X-Request-Id: one\r\nX-Request-Id: two\r\n"))
    assert len(backend.requests[0].all("x-request-id")) == 1
