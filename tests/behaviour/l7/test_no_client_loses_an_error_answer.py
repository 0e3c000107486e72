"""A client that sends all of its request first and reads later still gets the answer that came early."""

import contextlib
import threading

import pytest

from harness import backends, client, conf, net, settings

MUCH = 24_000_000  # more than all socket buffers on the way hold


def post(length=MUCH, extra=b""):
    return (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n" % length) + extra + b"\r\n"


def sends_all_then_reads(tg, head, body=b"x" * MUCH):
    """The answer; a client that cannot send all fails."""
    with tg.client() as peer:
        peer.send(head, body)
        answer = peer.read_answer()
        assert answer.complete
        assert peer.read_to_end() == b"" and peer.ended == "eof"
        return answer


def chunks():
    return client.chunked(*[b"x" * 1_000_000] * (MUCH // 1_000_000))


CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("head, body", [(post(), b"x" * MUCH), (CHUNKED, chunks())],
                         ids=["length", "chunked"])
def test_413(shared_tidegate, recording_backend, head, body):
    tg = shared_tidegate(conf.http(recording_backend(), listener='limits = { body = "1K"; };'))
    assert sends_all_then_reads(tg, head, body).status == 413


@pytest.mark.parametrize("extra, status", [(b"Expect: nothing\r\n", 417), (b"A b: c\r\n", 400),
                                           (b"A: b\r\n" * 200, 431)])
def test_a_bad_head(shared_tidegate, recording_backend, extra, status):
    tg = shared_tidegate(conf.http(recording_backend()))
    assert sends_all_then_reads(tg, post(extra=extra)).status == status


def test_404(shared_tidegate, recording_backend):
    backend = recording_backend()
    text = str(conf.http(backend)).replace('mode = "http"; service = "site";', 'mode = "http";')
    tg = shared_tidegate(conf.Conf(text, text.split('bind = "')[1].split('"')[0]))
    head = post().replace(b"Content-Length: %d" % MUCH, b"Content-Length: 999999")
    assert sends_all_then_reads(tg, head, b"x" * 999_999).status == 404


def test_503_no_backend(shared_tidegate):
    tg = shared_tidegate(conf.http(listener='limits = { body = "0"; };'))
    assert sends_all_then_reads(tg, post()).status == 503


def holds(conn):
    conn.read_request()
    conn.read_to_end()


def test_503_queue_full(shared_tidegate, recording_backend):
    backend = recording_backend(holds)
    tg = shared_tidegate(conf.http(backend, workers=1, listener='limits = { body = "0"; };',
                                   service="max_connections_per_backend = 1; queue = 0;"))
    first = tg.client().send(client.get("/first"))
    backend.wait_requests(1)
    assert sends_all_then_reads(tg, post()).status == 503
    first.close()


def test_503_queue_timeout(shared_tidegate, recording_backend):
    backend = recording_backend(holds)
    tg = shared_tidegate(conf.http(backend, workers=1, listener='limits = { body = "0"; };',
                                   service='max_connections_per_backend = 1; timeouts = { queue = "200ms"; };'))
    first = tg.client().send(client.get("/first"))
    backend.wait_requests(1)
    assert sends_all_then_reads(tg, post()).status == 503
    first.close()


def test_408_when_the_rest_comes_late(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(), listener='''limits = { body = "0"; };
        timeouts = { idle = "300ms"; };'''))
    with tg.client() as peer:
        peer.send(post(), b"x" * 1000)
        tg.access.wait(status=408)
        peer.send(b"x" * (MUCH - 1000))
        assert peer.read_answer().status == 408
        assert peer.read_to_end() == b"" and peer.ended == "eof"


def early(size, then):
    def script(conn):
        conn.read_head()
        with contextlib.suppress(OSError):
            conn.send(backends.answer("403 Forbidden", b"e" * size))
            then(conn)
    return script


def waits(conn):
    conn.closed.wait(settings.TIMEOUT)


def closes(conn):
    """The close resets, as bytes of the body are unread."""


def half_closes(conn):
    conn.finish_sending()
    conn.closed.wait(settings.TIMEOUT)


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize("then", [waits, closes, half_closes, lambda conn: conn.read_to_end()],
                         ids=["stops reading", "closes", "half-closes", "reads on"])
def test_an_early_answer_of_the_backend(shared_tidegate, recording_backend, size, then):
    backend = recording_backend(early(size, then))
    # A backend that reads on may have read all before its answer is seen: then the client may stay.
    tg = shared_tidegate(conf.http(backend, workers=1, listener='''limits = { body = "0"; };
        timeouts = { keep_alive = "1s"; };'''))
    if then is closes and size > 10:
        pytest.skip("what a backend sends before it resets may be lost on the way")
    answer = sends_all_then_reads(tg, post())
    assert answer.status == 403 and len(answer.body) == size
    for conn in backend.connections:
        conn.closed.set()


def test_a_long_error_page_to_a_client_that_takes_none_of_it(shared_tidegate, recording_backend, tmp_path):
    page = tmp_path / "page.html"
    page.write_bytes(b"e" * 65536)
    tg = shared_tidegate(conf.http(f"{net.ADDRESS}:{net.free_port()}", listener='limits = { body = "0"; };',
                                   service=f'''retry = {{ attempts = 0; }};
        error_pages = ( {{ status = 503; file = "{page}"; }} );'''))
    with tg.client(receive_buffer=4096) as peer:
        peer.send(post(), b"x" * MUCH)
        assert peer.read_answer().body == b"e" * 65536


def test_502_of_a_backend_that_dies_in_the_body(shared_tidegate, recording_backend):
    def dies(conn):
        conn.read_head()
        conn.read(100_000)
        conn.reset()
    tg = shared_tidegate(conf.http(recording_backend(dies), listener='limits = { body = "0"; };',
                                   service="retry = { attempts = 0; };"))
    assert sends_all_then_reads(tg, post()).status == 502


def test_a_client_that_never_ends_is_left(shared_tidegate, recording_backend):
    """It may send on for a while, not for ever."""
    tg = shared_tidegate(conf.http(recording_backend(), listener='limits = { body = "1K"; };'))
    peer = tg.client().send(post(1 << 40))
    assert peer.read_answer().status == 413
    until = settings.deadline(60)
    while peer.try_send(b"x" * 100):
        assert settings.time.monotonic() < until, "it takes all"
        settings.let_rest(0.1)


def test_others_are_served_meanwhile(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(), workers=1, listener='limits = { body = "1K"; };'))
    stop = threading.Event()

    def floods():
        with tg.client() as peer:
            peer.send(post(1 << 40))
            while not stop.is_set() and peer.try_send(b"x" * 1_000_000):
                pass
    thread = threading.Thread(target=floods)
    thread.start()
    try:
        for _ in range(50):
            assert tg.exchange(client.get()).status == 200
    finally:
        stop.set()
        thread.join(settings.TIMEOUT)
