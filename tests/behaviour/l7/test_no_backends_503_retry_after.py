"""Having no backend that may serve is a legal state: 503 with Retry-After."""

import threading

import pytest

from harness import client, conf, net, settings


def assert_503(answer):
    assert answer.status == 503 and answer.complete
    assert int(answer.get("retry-after")) >= 1


@pytest.mark.parametrize("workers", [1, 2])
def test_service_without_backends(shared_tidegate, workers):
    tg = shared_tidegate(conf.http(workers=workers))
    peer = tg.client()
    for _ in range(3):
        assert_503(peer.exchange(client.get("/none")))
    assert tg.access.wait(path="/none")["end"] == "no-backend"


def test_service_whose_key_is_missing(shared_tidegate):
    made = conf.http()
    made.text = made.text.replace("backends = (  );", "")
    assert "backends" not in made.text
    assert_503(shared_tidegate(made).exchange(client.get()))


def test_weight_zero_gets_nothing(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(f'{{ address = "{backend.address}"; weight = 0; }}'))
    assert_503(tg.exchange(client.get()))
    assert backend.connections == []


def test_all_down(shared_tidegate):
    dead = f"{net.ADDRESS}:{net.free_port()}"
    tg = shared_tidegate(conf.http(dead, service='health = { type = "tcp"; interval = "50ms"; };'))
    assert_503(tg.exchange(client.get()))


def test_no_traffic_before_the_first_pass(tidegate, recording_backend):
    """A backend under check gets nothing until a check has passed; then it does."""
    healthy = threading.Event()

    def script(conn):
        while True:
            request = conn.read_request()
            if request is None:
                return
            probe = request.target == "/healthz"
            status = "200 OK" if healthy.is_set() or not probe else "500 No"
            conn.send(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status.encode())
    backend = recording_backend(script)
    tg = tidegate(conf.http(backend, service='health = { type = "http"; path = "/healthz"; '
                                             'interval = "50ms"; rise = 1; fall = 1; };'))
    settings.wait_until(lambda: backend.requests, "a probe")
    assert_503(tg.exchange(client.get()))
    assert all(request.target == "/healthz" for request in backend.requests)
    healthy.set()
    tg.exchange_until(200)
    healthy.clear()
    tg.exchange_until(503)


def test_name_that_does_not_resolve(shared_tidegate):
    tg = shared_tidegate(conf.http("no-such-host.invalid:80"))
    assert_503(tg.exchange(client.get()))
