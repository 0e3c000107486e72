"""Interim answers may be large and not yet sent: the final one starts where it starts."""

import threading

import pytest

from harness import backends, client, conf, settings, wire

SECRET = b"SECRET! "


def padding(n):
    """Field lines of n bytes in all."""
    lines = b""
    while n > 0:
        piece = n if n <= 900 else 800
        lines += b"X-Pad: " + b"p" * (piece - 9) + b"\r\n"
        n -= piece
    return lines


def hints(n):
    return b"HTTP/1.1 103 Early Hints\r\n" + padding(n) + b"\r\n"


def fills_buffers_first(raw):
    """A script: /secret fills the worker's buffers; anything else gets `raw` and the end."""
    def script(conn):
        while True:
            request = conn.read_request()
            if request is None:
                return
            if request.target == "/secret":
                conn.send(backends.answer(body=SECRET * 37500))
                continue
            go.wait(settings.TIMEOUT)
            conn.send(raw)
            conn.finish_sending()
            conn.read_to_end()
    go = threading.Event()
    script.go = go
    return script


def answer_of_one_turn(tidegate, recording_backend, raw, service=""):
    """What the client gets of `raw` and the backend's end when both come in one turn."""
    script = fills_buffers_first(raw)
    backend = recording_backend(script)
    tg = tidegate(conf.http(backend, workers=1, service=service))
    with tg.client() as first:
        assert first.exchange(client.get("/secret")).complete
    peer = tg.client().send(client.get("/x", extra=b"Connection: close\r\n"))
    backend.wait_requests(2)
    with tg.standing_still():
        script.go.set()
        backend.connections[-1].wait_end_there()
    return peer.read_to_end()


@pytest.mark.parametrize("interim", [100, 1300, 4000, 15100])
def test_an_answer_that_is_cut_behind_them(shared_tidegate, recording_backend, interim):
    """It comes as it was sent, up to its cut; or not at all, and a whole 502 instead."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n" + padding(1400) + b"\r\n"
    raw = hints(interim) + head + b"ten bytes."
    got = answer_of_one_turn(shared_tidegate, recording_backend, raw)
    assert SECRET not in got
    assert got.startswith(hints(interim))
    final = got[len(hints(interim)):]
    assert final.count(b"HTTP/1.1 ") == 1
    if final.startswith(b"HTTP/1.1 502 "):
        assert len(final.split(b"\r\n\r\n", 1)[1]) == wire.Answer(
            final.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n").framing()
    else:
        assert final.endswith(b"\r\n\r\nten bytes.")


@pytest.mark.parametrize("page", [None, 9000, 65536], ids=["no page", "page", "large page"])
@pytest.mark.parametrize("interim", [20, 1290, 15100])
@pytest.mark.parametrize("after", [b"", b"HTTP/1.1 999 bad\r\n\r\n", b"HTTP/1.1 200 OK\r\nA"],
                         ids=["end", "bad", "half a head"])
def test_an_error_page_behind_them(shared_tidegate, recording_backend, tmp_path, after, interim, page):
    service = ""
    if page:
        (tmp_path / "page").write_bytes(b"P" * page)
        service = f'error_pages = ( {{ status = 502; file = "{tmp_path}/page"; }} );'
    got = answer_of_one_turn(shared_tidegate, recording_backend, hints(interim) + after, service)
    assert got.startswith(hints(interim) + b"HTTP/1.1 502 ")
    head, body = got[len(hints(interim)):].split(b"\r\n\r\n", 1)
    assert len(body) == wire.Answer(head + b"\r\n\r\n").framing()
    assert page is None or body == b"P" * page


def test_the_next_request_is_answered_behind_them(shared_tidegate, recording_backend):
    """Bytes of one answer are never taken for the next: the lengths add up."""
    raw = (hints(15100) + b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n" + padding(1400)
           + b"\r\nten bytes.")
    tg = shared_tidegate(conf.http(recording_backend(backends.answers(raw, raw)), workers=1))
    peer = tg.client()
    for _ in range(2):
        answer = peer.exchange(client.get())
        assert answer.body == b"ten bytes." and len(answer.interim) == 1
    assert peer.exchange(client.get()).body == b"ok"
