"""The access log: every field, text and JSON, what is not reached, and where it goes."""

import json
import pathlib
import re

from harness import backends, client, conf, net, settings

FIELDS = ["client", "listener", "service", "backend", "method", "host", "path", "version",
          "status", "bytes_in", "bytes_out", "retries", "failed", "choice", "queue_us",
          "connect_us", "response_us", "total_us", "end", "id"]
TCP_FIELDS = ["client", "listener", "service", "backend", "bytes_in", "bytes_out", "retries",
              "failed", "choice", "queue_us", "connect_us", "total_us", "end"]


def keys_of(line):
    """The keys of a text line, in order; no test value holds a blank."""
    return [pair.split("=", 1)[0] for pair in line.split(" ")[1:]]


def test_text_has_every_field(shared_tidegate, recording_backend):
    backend = recording_backend(name="b1")
    tg = shared_tidegate(conf.http(backend))
    peer = tg.client()
    request = client.get("/a?b=1", extra=b"X-Request-Id: abc-123\r\n")
    assert peer.exchange(request).status == 200
    record = tg.access.wait(path="/a?b=1")
    assert keys_of(record["line"]) == FIELDS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", record["time"])
    assert record["client"] == "%s:%d" % peer.sock.getsockname()
    assert (record["listener"], record["service"], record["backend"]) == (tg.listener, tg.service, "b1")
    assert (record["method"], record["host"]) == ("GET", "example.org")
    assert (record["version"], record["status"], record["end"]) == ("1.1", "200", "done")
    assert int(record["bytes_in"]) == len(request)
    assert int(record["bytes_out"]) > 0
    assert record["retries"] == "0"
    assert 0 <= int(record["response_us"]) <= int(record["total_us"])
    assert record["id"] == backend.requests[0].get("X-Request-Id")


def test_json_has_the_same_fields(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), top='log = { access = "json"; };'))
    assert tg.exchange(client.get("/a")).status == 200
    record = json.loads(tg.access.wait(path="/a")["line"])
    assert list(record) == ["time", *FIELDS]
    assert record["status"] == 200 and record["backend"] == "b1"
    assert record["failed"] == []
    for key in set(FIELDS) - {"failed"}:
        numeric = key in ("status", "retries") or key.startswith("bytes") or key.endswith("_us")
        assert isinstance(record[key], int if numeric else str), key


def test_mode_tcp_leaves_out_what_is_http(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.tcp(recording_backend(backends.echo, name="b1")))
    peer = tg.client().send(b"hello")
    peer.finish_sending()
    assert peer.read_to_end() == b"hello"
    record = tg.access.wait(backend="b1")
    assert keys_of(record["line"]) == TCP_FIELDS
    assert (record["bytes_in"], record["bytes_out"], record["end"]) == ("5", "5", "done")


def test_what_was_not_reached_is_a_dash(shared_tidegate):
    tg = shared_tidegate(conf.http())
    assert tg.exchange(client.get("/none")).status == 503
    record = tg.access.wait(path="/none")
    assert (record["service"], record["backend"], record["status"]) == (tg.service, "-", "503")
    assert (record["response_us"], record["end"]) == ("-", "no-backend")


def test_the_end_names_what_went_wrong(shared_tidegate, recording_backend):
    refused = f"{net.ADDRESS}:{net.free_port()}"
    tg = shared_tidegate(conf.http(refused))
    assert tg.exchange(client.get("/refused")).status == 503
    assert tg.access.wait(path="/refused")["end"] == "connect-failed"


def test_foreign_bytes_cannot_forge_a_line(tidegate, recording_backend):
    """Quotes and a request line that is not valid stay inside their field."""
    tg = tidegate(conf.http(recording_backend()))
    target = '/x"y=z;status=500'
    assert tg.exchange(client.get(target)).status in (200, 400)
    peer = tg.client().send(b"GET /bad\x01line HTTP/1.1\r\nHost: a\r\n\r\n")
    assert peer.read_answer().status == 400
    tg.access.wait(count=2, listener=tg.listener)
    lines = tg.access.text().splitlines()
    assert len(lines) == 2
    assert all("\x01" not in line and line.count(" status=") == 1 for line in lines)


def test_a_file_takes_the_access_log(tidegate, recording_backend, tmp_path):
    path = pathlib.Path(tmp_path, "access.log")
    tg = tidegate(conf.http(recording_backend(), top=f'log = {{ file = "{path}"; }};'))
    assert tg.exchange(client.get("/filed")).status == 200
    settings.wait_until(lambda: path.exists() and "path=/filed " in path.read_text(),
                        "the line in the file")
    assert tg.access.text() == ""


def test_off_means_no_line(tidegate, recording_backend):
    tg = tidegate(conf.http(recording_backend(), top='log = { access = "off"; };'))
    for number in range(5):
        assert tg.exchange(client.get(f"/{number}")).status == 200
    tg.stop()
    assert tg.access.text() == ""


def test_the_last_lines_are_written_before_the_end(tidegate, recording_backend):
    tg = tidegate(conf.http(recording_backend()))
    with tg.client() as peer:
        for number in range(200):
            assert peer.exchange(client.get(f"/{number}")).status == 200
    tg.stop()
    assert len(tg.access.records(status="200")) == 200


def test_refused_requests_are_named_as_far_as_they_were_read(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(), top='log = { access = "json"; };'))
    assert tg.exchange(b"GET /bad HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n").status == 400
    record = tg.access.wait(path="/bad")
    assert (record["method"], record["version"], record["status"]) == ("GET", "1.1", 400)
    assert tg.exchange(b"nonsense\r\n\r\n").status == 400
    assert tg.access.wait(method=None, bytes_in=12)["version"] is None


def test_the_trace_says_the_same_word(shared_tidegate, recording_backend):
    """At level debug the daemon's log has one line per stream, with the reason of its end."""
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), top='log = { level = "debug"; };'))
    assert tg.exchange(client.get("/a")).status == 200
    line = tg.log.wait(msg="stream ended")
    assert (line["svc"], line["srv"], line["status"], line["end"]) == (tg.service, "b1", "200", "done")
