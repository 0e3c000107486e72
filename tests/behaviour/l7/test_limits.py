"""Sizes a client may use: at the limit it passes, one more is refused."""

import pytest

from harness import client, conf


@pytest.fixture(scope="module")
def backend(module_backend):
    return module_backend()


@pytest.fixture(scope="module")
def front(module_tidegate, backend):
    return module_tidegate(conf.http(backend, service="idle_connections = 0;", listener='''
        limits = { head = "2K"; headers = 10; uri = "256"; body = "1000";
                   chunk_extensions = "16"; };'''))


def judge(front, backend, raw, status):
    backend.forget()
    peer = front.client()
    peer.try_send(raw)
    answer = peer.read_answer()
    assert answer.status == status
    if status != 200:
        assert answer.get("connection") == "close"
        assert peer.read_to_end() == b""
        assert not any(request.complete for request in backend.requests)
    else:
        assert len(backend.requests) == 1
    peer.close()


@pytest.mark.parametrize("size, status", [(256, 200), (257, 414), (1500, 414), (5000, 414)])
def test_uri(front, backend, size, status):
    judge(front, backend, client.get("/" + "a" * (size - 1)), status)


@pytest.mark.parametrize("size, status", [(2048, 200), (2049, 431), (4096, 431), (100_000, 431)])
def test_head(front, backend, size, status):
    plain = client.get(extra=b"A: \r\n")
    judge(front, backend, client.get(extra=b"A: " + b"b" * (size - len(plain)) + b"\r\n"), status)


@pytest.mark.parametrize("count, status", [(10, 200), (11, 431), (100, 431)])
def test_header_lines(front, backend, count, status):
    judge(front, backend, client.get(extra=b"A: b\r\n" * (count - 1)), status)


@pytest.mark.parametrize("size, status", [(0, 200), (1000, 200), (1001, 413), (10 ** 9, 413)])
def test_body_of_a_stated_length(front, backend, size, status):
    body = b"x" * min(size, 2000)
    raw = client.post(b"").replace(b"Length: 0", b"Length: %d" % size) + body
    judge(front, backend, raw, status)


@pytest.mark.parametrize("sizes, status", [([1000], 200), ([500, 500], 200), ([1001], 413),
                                           ([500, 501], 413), ([1] * 1000, 200),
                                           ([1] * 1001, 413)])
def test_chunked_body(front, backend, sizes, status):
    body = client.chunked(*[b"x" * size for size in sizes])
    judge(front, backend, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
          + body, status)


@pytest.mark.parametrize("size, status", [(0, 200), (16, 200), (17, 400), (5000, 400)])
def test_chunk_extension(front, backend, size, status):
    extension = b";" + b"a" * size if size else b""
    body = client.chunked(b"hello", b"world", extension=extension)
    judge(front, backend, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
          + body, status)


@pytest.mark.parametrize("fields, status", [(10, 200), (500, 400)])
def test_trailers(front, backend, fields, status):
    body = client.chunked(b"hello", trailers=b"A: b\r\n" * fields)
    judge(front, backend, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
          + body, status)


def test_body_without_a_limit(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, listener='limits = { body = "0"; };'))
    assert tg.exchange(client.post(b"x" * 5_000_000)).status == 200
    assert len(backend.requests[0].body) == 5_000_000


def assert_one_more_waits_for(tg, peers):
    more = tg.client()
    more.try_send(client.get())
    # The others are served meanwhile, it is not.
    assert [peer.exchange(client.get()).status for peer in peers] == [200] * len(peers)
    assert not more.is_readable()
    peers[0].close()
    assert more.read_answer().status == 200


def test_connections_of_a_listener(shared_tidegate, recording_backend):
    """Beyond max_connections a connection waits in the kernel; when one ends it has its turn."""
    tg = shared_tidegate(conf.http(recording_backend(), listener="max_connections = 3;", workers=1))
    peers = [tg.client() for _ in range(3)]
    assert [peer.exchange(client.get()).status for peer in peers] == [200] * 3
    assert_one_more_waits_for(tg, peers)
    assert [peer.exchange(client.get()).status for peer in peers[1:]] == [200] * 2


def test_connections_in_all(tidegate, recording_backend):
    tg = tidegate(conf.http(recording_backend(), top="max_connections = 4;", workers=1))
    peers = [tg.client() for _ in range(4)]
    assert [peer.exchange(client.get()).status for peer in peers] == [200] * 4
    assert_one_more_waits_for(tg, peers)
