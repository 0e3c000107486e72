"""What backends tell of their load (ORCA) is ours where the service is scaled, and no client's."""

import sys

import pytest

from harness import backends, client, conf

REPORT = "TEXT cpu_utilization=0.3, mem_utilization=0.8"
FIELD = f"endpoint-load-metrics: {REPORT}\r\n".encode()
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

WATCHED = 'autoscale = { module = "target"; metric = "in-flight"; target = 4; max = 2; dry_run = true; };'
SCALED = 'autoscale = { module = "target"; metric = "in-flight"; target = 4; max = 2; };'

# A backend that tells its load with each answer.
TELLING = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("endpoint-load-metrics", "TEXT cpu_utilization=0.3, mem_utilization=0.8")
        self.send_header("X-Told", "yes")
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture(autouse=True)
def needs_autoscale(tmp_path, run_tidegate):
    """Services are scaled by a later part of the same program."""
    path = tmp_path / "try.conf"
    path.write_text(conf.http("127.0.0.1:1", service=WATCHED).text)
    said = run_tidegate("-t", "-c", str(path)).stderr
    if "autoscale: not available in this version" in said:
        pytest.skip("this tidegate has no autoscale")


def through(tidegate, recording_backend, raw):
    tg = tidegate(conf.http(recording_backend(backends.answers(raw, then=None)), service=WATCHED))
    return tg.exchange(client.get())


def told(message):
    return [name for name in message.names() if name.startswith("endpoint-load")]


@pytest.mark.parametrize("name", ["endpoint-load-metrics", "Endpoint-Load-Metrics-Bin"])
@pytest.mark.parametrize("value", [REPORT, "no report at all"])
def test_of_heads(shared_tidegate, recording_backend, name, value):
    raw = backends.answer(fields=[("X-A", "1"), (name, value), ("X-B", "2")])
    answer = through(shared_tidegate, recording_backend, raw)
    assert told(answer) == []
    assert (answer.get("x-a"), answer.get("x-b")) == ("1", "2")


def test_of_interim_answers(shared_tidegate, recording_backend):
    raw = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n" + FIELD + b"\r\n" + backends.OK
    answer = through(shared_tidegate, recording_backend, raw)
    assert answer.interim[0].get("link") == "x"
    assert told(answer.interim[0]) == []


def test_of_trailers(shared_tidegate, recording_backend):
    body = b"2\r\nok\r\n0\r\nX-A: 1\r\n" + FIELD + b"X-B: 2\r\n\r\n"
    answer = through(shared_tidegate, recording_backend, CHUNKED + body)
    assert answer.body == b"ok"
    assert answer.trailers == [(b"X-A", b"1"), (b"X-B", b"2")]


def test_of_trailers_that_come_byte_by_byte(shared_tidegate, recording_backend):
    def script(conn):
        conn.read_request()
        conn.send(CHUNKED + b"2\r\nok\r\n")
        for byte in b"0\r\nX-A: 1\r\n" + FIELD + b"X-B: 2\r\n\r\n":
            conn.send(bytes([byte]))
            conn.wait_all_taken()
    tg = shared_tidegate(conf.http(recording_backend(script), service=WATCHED))
    answer = tg.exchange(client.get())
    assert answer.trailers == [(b"X-A", b"1"), (b"X-B", b"2")]


def test_of_a_backend_that_was_started(tidegate, tmp_path):
    program = tmp_path / "telling.py"
    program.write_text(TELLING)
    tg = tidegate(conf.http(service=f"""
        health = {{ type = "http"; path = "/"; interval = "100ms"; rise = 1; }};
        {SCALED}
        provider = {{ type = "process"; command = ( "{sys.executable}", "{program}", "{{port}}" ); }};"""))
    answer = tg.exchange_until(200)
    assert answer.get("x-told") == "yes"
    assert told(answer) == []
