"""What backends tell of their load (ORCA) is the client's where nobody scales the service."""

import pytest

from harness import backends, client, conf

REPORT = "TEXT cpu_utilization=0.3, mem_utilization=0.8"


def through(tidegate, recording_backend, raw):
    tg = tidegate(conf.http(recording_backend(backends.answers(raw, then=None))))
    return tg.exchange(client.get())


@pytest.mark.parametrize("name", ["endpoint-load-metrics", "Endpoint-Load-Metrics-Bin"])
@pytest.mark.parametrize("value", [REPORT, "no report at all"])
def test_in_heads(shared_tidegate, recording_backend, name, value):
    answer = through(shared_tidegate, recording_backend, backends.answer(fields=[(name, value)]))
    assert answer.all(name.lower()) == [value]


def test_in_interim_answers(shared_tidegate, recording_backend):
    raw = f"HTTP/1.1 103 Early Hints\r\nendpoint-load-metrics: {REPORT}\r\n\r\n".encode()
    answer = through(shared_tidegate, recording_backend, raw + backends.OK)
    assert answer.interim[0].all("endpoint-load-metrics") == [REPORT]


def test_in_trailers(shared_tidegate, recording_backend):
    """A name the proxy knows, and yet one that may come late."""
    body = f"2\r\nok\r\n0\r\nX-A: 1\r\nendpoint-load-metrics: {REPORT}\r\n\r\n"
    raw = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}".encode()
    answer = through(shared_tidegate, recording_backend, raw)
    assert answer.status == 200 and answer.body == b"ok"
    assert answer.trailers == [(b"X-A", b"1"), (b"endpoint-load-metrics", REPORT.encode())]


def test_of_a_request_too(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    extra = f"endpoint-load-metrics: {REPORT}\r\n".encode()
    assert tg.exchange(client.get(extra=extra)).status == 200
    assert backend.requests[0].all("endpoint-load-metrics") == [REPORT]
