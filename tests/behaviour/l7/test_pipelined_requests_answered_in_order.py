"""Requests sent without waiting are answered one after the other, in their order."""

import threading

from harness import backends, client, conf, settings


def echo_target(request):
    return backends.answer(body=request.target.encode())


def test_many_in_one_write(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(backends.handles(echo_target))))
    peer = tg.client().send(b"".join(client.get(f"/{i}") for i in range(200)))
    assert [peer.read_answer().body for _ in range(200)] == [b"/%d" % i for i in range(200)]


def test_byte_by_byte(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(backends.handles(echo_target))))
    raw = b"".join(client.get(f"/{i}") for i in range(5))
    peer = tg.client().send(*[raw[i:i + 1] for i in range(len(raw))])
    assert [peer.read_answer().body for _ in range(5)] == [b"/%d" % i for i in range(5)]


def test_order_holds_when_the_first_is_slow(shared_tidegate, recording_backend):
    go = threading.Event()

    def slow_first(request):
        if request.target == "/0":
            assert go.wait(settings.TIMEOUT)
        return echo_target(request)
    one = recording_backend(backends.handles(slow_first))
    two = recording_backend(backends.handles(slow_first))
    tg = shared_tidegate(conf.http(one, two))
    peer = tg.client().send(b"".join(client.get(f"/{i}") for i in range(10)))
    settings.wait_until(lambda: one.requests or two.requests, "the first request")
    go.set()
    assert [peer.read_answer().body for _ in range(10)] == [b"/%d" % i for i in range(10)]


def test_with_bodies_of_both_kinds(shared_tidegate, recording_backend):
    def echo_body(request):
        return backends.answer(body=request.target.encode() + b":" + request.body)
    tg = shared_tidegate(conf.http(recording_backend(backends.handles(echo_body))))
    chunked = (b"POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
               + client.chunked(b"one", b"two"))
    raw = (client.post(b"hello", "/length") + chunked + client.get("/none") + chunked
           + client.post(b"", "/empty"))
    peer = tg.client().send(raw)
    assert [peer.read_answer().body for _ in range(5)] == [
        b"/length:hello", b"/chunked:onetwo", b"/none:", b"/chunked:onetwo", b"/empty:"]


def test_with_head_and_answers_without_a_body(shared_tidegate, recording_backend):
    def reply(request):
        if request.method == "HEAD":
            return b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        if request.target == "/204":
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        if request.target == "/304":
            return b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"
        return echo_target(request)
    tg = shared_tidegate(conf.http(recording_backend(backends.handles(reply))))
    head = client.get("/head").replace(b"GET", b"HEAD", 1)
    peer = tg.client().send(head + client.get("/204") + client.get("/a") + client.get("/304")
                            + head + client.get("/b"))
    assert peer.read_answer("HEAD").get("content-length") == "1000"
    assert peer.read_answer().status == 204
    assert peer.read_answer().body == b"/a"
    assert peer.read_answer().status == 304
    assert peer.read_answer("HEAD").status == 200
    assert peer.read_answer().body == b"/b"


def test_nothing_is_answered_after_close(shared_tidegate, recording_backend):
    backend = recording_backend(backends.handles(echo_target))
    tg = shared_tidegate(conf.http(backend))
    peer = tg.client().send(client.get("/a") + client.get("/b", extra=b"Connection: close\r\n")
                            + client.get("/c"))
    assert peer.read_answer().body == b"/a"
    last = peer.read_answer()
    assert last.body == b"/b" and last.get("connection") == "close"
    assert peer.read_to_end() == b""
    assert [request.target for request in backend.requests] == ["/a", "/b"]


def test_a_malformed_one_ends_the_row(shared_tidegate, recording_backend):
    backend = recording_backend(backends.handles(echo_target))
    tg = shared_tidegate(conf.http(backend))
    peer = tg.client().send(client.get("/a") + b"GET /b HTTP/1.1\nHost: a\r\n\r\n"
                            + client.get("/c"))
    assert peer.read_answer().body == b"/a"
    refused = peer.read_answer()
    assert refused.status == 400 and refused.get("connection") == "close"
    assert peer.read_to_end() == b""
    assert [request.target for request in backend.requests] == ["/a"]
