"""gRPC: errors of our own are in its words, and grpc-timeout bounds the whole exchange."""

import threading

import pytest

from harness import backends, client, conf, net, settings


def call(path, fields=b"", kind=b"application/grpc+proto"):
    return client.post(b"\0\0\0\0\0", path, extra=b"Content-Type: %s\r\n%s" % (kind, fields))


def refused_backend():
    return f"{net.ADDRESS}:{net.free_port()}"


def grpc_of(answer):
    return answer.status, answer.get("content-type"), int(answer.get("grpc-status"))


def test_no_route_is_unimplemented_and_the_log_has_the_status(shared_tidegate):
    made = conf.http(refused_backend())
    made.text = made.text.replace('service = "site";\n',
                                  'routes = ( { host = "a.example"; service = "site"; } );\n')
    tg = shared_tidegate(made)
    answer = tg.exchange(call("/s/M"))
    assert grpc_of(answer) == (200, "application/grpc", 12)
    assert answer.get("grpc-message") == "Not Found" and answer.body == b""
    record = tg.access.wait(path="/s/M")
    assert (record["status"], record["end"]) == ("404", "no-route")


@pytest.mark.parametrize("kind, is_grpc", [(b"application/grpc", True),
                                           (b"application/grpc;x=y", True),
                                           (b"application/grpc-web+proto", False)])
def test_no_backend_is_unavailable(shared_tidegate, kind, is_grpc):
    tg = shared_tidegate(conf.http(refused_backend()))
    answer = tg.exchange(call("/s/M", kind=kind))
    assert answer.has("grpc-status") == is_grpc
    if is_grpc:
        assert grpc_of(answer) == (200, "application/grpc", 14)
    else:
        assert answer.status == 503 and b"503" in answer.body
    assert tg.access.wait(path="/s/M")["status"] == "503"


def test_the_clients_deadline_ends_the_wait_for_an_answer(shared_tidegate, recording_backend):
    closed = threading.Event()

    def script(conn):
        conn.read_request()
        conn.read_to_end()
        closed.set()

    tg = shared_tidegate(conf.http(recording_backend(script)))
    answer = tg.exchange(call("/s/Slow", b"grpc-timeout: 300m\r\n"))
    assert grpc_of(answer) == (200, "application/grpc", 4)
    record = tg.access.wait(path="/s/Slow")
    assert (record["status"], record["end"]) == ("504", "deadline")
    assert int(record["total_us"]) >= 300000
    assert closed.wait(settings.TIMEOUT), "the backend is told"


@pytest.mark.parametrize("sent", [b"1\r\nx\r\n", b"2\r\nx"])
def test_the_clients_deadline_ends_an_answer_that_has_begun(shared_tidegate, recording_backend, sent):
    """By trailers, or where it stands inside a piece by a cut."""
    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", sent)
        conn.read_to_end()

    tg = shared_tidegate(conf.http(recording_backend(script)))
    answer = tg.exchange(call("/s/Stream", b"grpc-timeout: 300m\r\n"))
    assert (answer.status, answer.complete) == (200, sent.endswith(b"\n"))
    assert (b"grpc-status", b"4") in (answer.trailers or []) or not answer.complete
    assert tg.access.wait(path="/s/Stream")["end"] == "deadline"


@pytest.mark.parametrize("timeout", [b"5H", b"soon", b"123456789S"])
def test_no_longer_than_configured(shared_tidegate, recording_backend, timeout):
    backend = recording_backend(backends.answers(then=lambda conn: conn.read_to_end()))
    tg = shared_tidegate(conf.http(backend, service='timeouts = { response = "200ms"; };'))
    answer = tg.exchange(call("/s/M", b"grpc-timeout: %s\r\n" % timeout))
    assert grpc_of(answer) == (200, "application/grpc", 4)
    assert tg.access.wait(path="/s/M")["end"] == "response-timeout"


def test_of_what_is_not_grpc_it_says_nothing(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    answer = tg.exchange(client.get("/x", extra=b"grpc-timeout: 1n\r\n"))
    assert answer.status == 200 and backend.requests[0].get("grpc-timeout") == "1n"
