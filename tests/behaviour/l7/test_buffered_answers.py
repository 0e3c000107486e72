"""buffer_response: a backend is free as soon as its answer is here; an answer cut before it began costs nothing."""

import contextlib
import resource
import time

import pytest

from harness import backends, client, conf, net, procfs, settings, stat

MEMORY = 'buffer_response = { memory = "32M"; };'
SMALL = 'buffer_response = { memory = "16K"; };'
FILE = 'buffer_response = { memory = "16K"; file = "100M"; };'
KINDS = {"memory": MEMORY, "file": FILE}
LONG = bytes(range(256)) * 65536  # 16 MB: more than all socket buffers on the way hold


def answer_chunked(body, n=100_000, extra=b""):
    return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + extra + b"\r\n"
            + client.chunked(*[body[i:i + n] for i in range(0, len(body), n)]))


def answer_until_close(body):
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body


FORMS = {"length": lambda body: backends.answer(body=body), "chunked": answer_chunked,
         "until close": answer_until_close}


def in_flight(tmp_path, name="b1"):
    return stat.number(tmp_path / "admin.sock", name, "scur")


def once(raw):
    """A script: one answer, then the connection ends."""
    def script(conn):
        conn.read_request()
        conn.send(raw)
    return script


@pytest.mark.parametrize("service", KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_slow_reader_holds_no_backend(shared_tidegate, recording_backend, tmp_path, service,
                                        form):
    script = once(form(LONG)) if form is answer_until_close else backends.answers(form(LONG))
    backend = recording_backend(script, backends.serve, name="b1")
    tg = shared_tidegate(conf.http(backend, workers=1,
                                   top=f'admin = {{ socket = "{tmp_path}/admin.sock"; }};',
                                   service=service + "max_connections_per_backend = 1;"))
    slow = tg.client(receive_buffer=4096, keep=False).send(client.get("/long"))
    backend.wait_requests(1)
    settings.wait_until(lambda: in_flight(tmp_path) == 0, "the backend to be free")
    # Its only place, and its connection, serve others meanwhile.
    assert tg.exchange(client.get("/other")).status == 200
    assert len(backend.connections) == (2 if form is answer_until_close else 1)
    assert not tg.access.records(path="/long")
    slow.hurry()
    answer = slow.read_answer()
    assert answer.complete and answer.body == LONG
    record = tg.access.wait(path="/long")
    assert (record["end"], record["backend"], record["status"]) == ("done", "b1", "200")
    assert int(record["bytes_out"]) > len(LONG)
    assert slow.exchange(client.get("/again")).status == 200
    assert procfs.unnamed_files(tg.role_pid("proxy")) == []


def test_without_it_a_slow_reader_holds_one(shared_tidegate, recording_backend, tmp_path):
    backend = recording_backend(backends.answers(backends.answer(body=LONG)), name="b1")
    tg = shared_tidegate(conf.http(backend, workers=1,
                                   top=f'admin = {{ socket = "{tmp_path}/admin.sock"; }};'))
    slow = tg.client(receive_buffer=4096, keep=False).send(client.get("/long"))
    backend.wait_requests(1)
    settings.let_rest(0.5)
    assert in_flight(tmp_path) == 1
    slow.hurry()
    assert slow.read_answer().body == LONG


@pytest.mark.parametrize("service", [SMALL, 'buffer_response = { memory = "16K"; file = "1M"; };'])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_beyond_the_bounds_the_backend_waits(tidegate, recording_backend, service, form):
    backend = recording_backend(once(form(LONG)))
    tg = tidegate(conf.http(backend, workers=1, service=service))
    tg.exchange(client.get("/x"))
    before = tg.rss_bytes("proxy")
    slow = tg.client(receive_buffer=4096, keep=False).send(client.get("/long"))
    backend.wait_requests(2)
    settings.let_rest(0.5)
    assert not backend.connections[1].closed.is_set()
    if not settings.sanitizers():
        assert tg.rss_bytes("proxy") - before < 1_000_000
    slow.hurry()
    answer = slow.read_answer()
    assert answer.complete and answer.body == LONG


def test_a_http10_client_gets_it_unchunked(shared_tidegate, recording_backend):
    backend = recording_backend(once(answer_chunked(LONG)))
    tg = shared_tidegate(conf.http(backend, service=FILE))
    peer = tg.client(receive_buffer=4096, keep=False).send(client.get(version="1.0"))
    conn = backend.wait_connections(1)
    settings.wait_until(conn.closed.is_set, "the end of the answer")
    peer.hurry()
    answer = peer.read_answer()
    assert answer.body == LONG and peer.ended == "eof"


def test_small_reads_and_sizes(shared_tidegate, recording_backend):
    sizes = [0, 1, 1000, 16_000, 16_320, 16_321, 32_640, 32_641, 65_536, 100_000, 300_000]

    def serve_sizes(conn):
        while (request := conn.read_request()) is not None:
            body = LONG[:int(request.target[1:])]
            raw = answer_chunked(body, 997) if len(body) % 2 else backends.answer(body=body)
            for i in range(0, len(raw), 7001):
                conn.send(raw[i:i + 7001])
    tg = shared_tidegate(conf.http(recording_backend(serve_sizes), workers=1, service=FILE))
    peer = tg.client()
    for size in sizes:
        assert peer.exchange(client.get(f"/{size}")).body == LONG[:size]


CUTS = {
    "after the head": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
    "in the body": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nhello",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "before the last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
}


def cuts(raw, reset):
    def script(conn):
        conn.read_request()
        conn.send(raw)
        if reset:
            conn.reset()
    return script


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("raw", CUTS.values(), ids=CUTS.keys())
def test_an_answer_cut_before_it_began_is_tried_again(shared_tidegate, recording_backend, raw, reset):
    bad, good = recording_backend(cuts(raw, reset)), recording_backend()
    tg = shared_tidegate(conf.http(f'{{ name = "bad"; address = "{bad.address}"; weight = 100; }}', good,
                                   workers=1, service=MEMORY))
    peer = tg.client()
    answer = peer.exchange(client.get("/x"))
    assert (answer.status, answer.body, answer.complete) == (200, b"ok", True)
    record = tg.access.wait(path="/x")
    assert (record["retries"], record["end"], record["status"]) == ("1", "done", "200")
    assert record["failed"].startswith("bad:")
    assert peer.exchange(client.get("/y")).status == 200


@pytest.mark.parametrize("raw", CUTS.values(), ids=CUTS.keys())
def test_what_cannot_be_repeated_gets_502_whole(shared_tidegate, recording_backend, raw):
    bad, good = recording_backend(once(raw)), recording_backend()
    tg = shared_tidegate(conf.http(f'{{ name = "bad"; address = "{bad.address}"; weight = 100; }}', good,
                                   workers=1, service=MEMORY))
    peer = tg.client()
    answer = peer.exchange(client.post(b"hello", "/x"))
    assert answer.status == 502 and answer.complete
    end = "bad-answer" if raw == CUTS["bad chunk"] else "answer-cut"
    assert tg.access.wait(path="/x")["end"] == end
    assert good.requests == []
    assert peer.exchange(client.get("/y")).status in (200, 502)


def test_a_body_that_comes_late_is_whole_at_the_next_backend(shared_tidegate, recording_backend):
    """The answer begins before the body, and is cut while the body comes."""
    def cuts(conn):
        conn.read_head()
        conn.send(CUTS["in the body"])
        conn.read(1)
        conn.reset()
    bad, good = recording_backend(cuts), recording_backend()
    tg = shared_tidegate(conf.http(f'{{ name = "bad"; address = "{bad.address}"; weight = 100; }}', good,
                                   workers=1, service='buffer_response = { memory = "1M"; hold = "1h"; };'))
    body = LONG[:10_000]
    request = client.post(body, "/x").replace(b"POST", b"PUT", 1)
    peer = tg.client().send(request[:-len(body)])
    bad.wait_requests(1)
    for i in range(0, len(body), 100):
        assert peer.try_send(body[i:i + 100])
        settings.let_rest(0.002)
    answer = peer.read_answer()
    # What was let go before the cut cannot be said again; never is a part of it taken for the whole.
    assert answer.complete and answer.status in (200, 502)
    assert all(request.body == body for request in good.requests)


def test_when_all_are_cut_the_client_gets_502(shared_tidegate, recording_backend):
    bad = recording_backend(once(CUTS["in the body"]))
    tg = shared_tidegate(conf.http(bad, workers=1, service=MEMORY + 'retry = { backoff = "1ms"; };'))
    answer = tg.exchange(client.get("/x"))
    assert answer.status == 502 and answer.complete
    record = tg.access.wait(path="/x")
    assert (record["retries"], record["end"]) == ("2", "answer-cut")


@pytest.mark.parametrize("service", [MEMORY, FILE])
def test_a_cut_after_it_began_is_seen(shared_tidegate, recording_backend, service):
    """Longer than memory, or than it says to be: it has begun."""
    size = 64 << 20
    bad = recording_backend(once(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + LONG[:1_000_000]))
    tg = shared_tidegate(conf.http(bad, workers=1, service=service))
    answer = tg.client().send(client.get("/x")).read_answer()
    assert answer.status == 200 and not answer.complete
    assert tg.access.wait(path="/x")["end"] == "answer-cut"


def begins(piece, live=b""):
    """An answer that has no end while anybody waits for it."""
    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + live + b"\r\n")
        conn.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        conn.read_to_end()
    return script


def test_hold_bounds_how_long_an_answer_waits_for_its_end(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(begins(b"a")), workers=1,
                                   service='buffer_response = { memory = "1M"; hold = "500ms"; };'))
    began = time.monotonic()
    peer = tg.client().send(client.get())
    assert peer.read_head().startswith(b"HTTP/1.1 200")
    assert time.monotonic() - began >= 0.45
    assert peer.read_line() == b"1\r\n" and peer.read_line() == b"a\r\n"


def buffered(memory="1M", hold="1h"):
    return f'buffer_response = {{ memory = "{memory}"; hold = "{hold}"; }};'


@pytest.mark.parametrize("service, piece, live", [
    (buffered(hold="0"), b"a", b""),
    (buffered(), b"a", b"Content-Type: text/event-stream; charset=utf-8\r\n"),
    (buffered(), b"a", b"X-Accel-Buffering: no\r\n"),
    (buffered(memory="16K"), b"x" * 200_000, b""),
], ids=["hold 0", "events", "says so", "memory is full"])
def test_what_is_not_held(shared_tidegate, recording_backend, service, piece, live):
    tg = shared_tidegate(conf.http(recording_backend(begins(piece, live)), workers=1, service=service))
    peer = tg.client().send(client.get())
    assert peer.read_head().startswith(b"HTTP/1.1 200")
    assert peer.read_line() == b"%x\r\n" % len(piece)
    assert peer.read(len(piece)) == piece if len(piece) < 16_000 else peer.read(1) == b"x"


def test_a_held_answer_whose_backend_stalls(shared_tidegate, recording_backend):
    def stalls(conn):
        conn.read_request()
        conn.send(CUTS["in the body"])
        conn.read_to_end()
    tg = shared_tidegate(conf.http(recording_backend(stalls), workers=1,
                                   service='buffer_response = { memory = "1M"; hold = "1h"; };'
                                           'timeouts = { idle = "300ms"; };'))
    answer = tg.exchange(client.get("/x"))
    assert answer.status == 504 and answer.complete
    assert tg.access.wait(path="/x")["end"] == "back-idle-timeout"


def test_interim_answers_go_on_at_once(shared_tidegate, recording_backend):
    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        settings.let_rest(0.2)
        conn.send(backends.OK)
    tg = shared_tidegate(conf.http(recording_backend(script), workers=1, service=MEMORY))
    answer = tg.exchange(client.get())
    assert answer.body == b"ok" and len(answer.interim) == 1


def test_our_own_100_goes_before_an_answer_that_is_held(shared_tidegate, recording_backend):
    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
        settings.let_rest(0.2)
        conn.send(b"llo")
    tg = shared_tidegate(conf.http(recording_backend(script), workers=1,
                                   service=MEMORY + 'expect = "answer";'))
    peer = tg.client().send(client.post(b"hello", extra=b"Expect: 100-continue\r\n")[:-5])
    assert peer.read_head().startswith(b"HTTP/1.1 100")
    assert peer.send(b"hello").read_answer().body == b"hello"


def test_a_client_that_goes_while_it_is_held_frees_the_backend(shared_tidegate, recording_backend):
    def stalls(conn):
        conn.read_request()
        conn.send(CUTS["in the body"])
        conn.read_to_end()
    backend = recording_backend(stalls)
    tg = shared_tidegate(conf.http(backend, workers=1,
                                   service='buffer_response = { memory = "1M"; hold = "1h"; };'))
    peer = tg.client().send(client.get("/x"))
    backend.wait_requests(1)
    peer.reset()
    assert tg.access.wait(path="/x")["end"] == "client-abort"
    backend.wait_closed()


def test_a_client_that_never_reads_is_closed(shared_tidegate, recording_backend):
    backend = recording_backend(backends.answers(backends.answer(body=LONG)))
    tg = shared_tidegate(conf.http(backend, workers=1, service=FILE,
                                   listener='timeouts = { idle = "500ms"; };'))
    tg.client(receive_buffer=4096, keep=False).send(client.get("/x"))
    record = tg.access.wait(path="/x")
    assert (record["end"], record["status"]) == ("client-timeout", "200")
    settings.wait_until(lambda: procfs.unnamed_files(tg.role_pid("proxy")) == [], "the file to go")


def test_a_cut_by_us_does_not_look_like_the_end(shared_tidegate, recording_backend):
    """To a HTTP/1.0 client the end of the connection is the end of the answer."""
    backend = recording_backend(once(answer_until_close(LONG)))
    tg = shared_tidegate(conf.http(backend, workers=1,
                                   service=FILE + 'timeouts = { total = "700ms"; };'))
    peer = tg.client(receive_buffer=4096, keep=False).send(client.get("/x", version="1.0"))
    assert tg.access.wait(path="/x")["end"] == "total-timeout"
    peer.read_to_end()
    assert peer.ended == "reset"


@pytest.mark.parametrize("limit", ["disk", "folder", "descriptors"])
def test_without_a_file_the_backend_waits_and_nothing_is_lost(tidegate, recording_backend, tmp_path,
                                                              limit):
    folder = tmp_path / "spool"
    folder.mkdir()
    body = LONG[:6_000_000]
    backend = recording_backend(backends.answers(backends.answer(body=body)))
    # Of 256 descriptors 16 may be files.
    tg = tidegate(conf.http(backend, workers=1, service=FILE,
                            top=f'buffer_folder = "{folder}";'), files=256)
    if limit == "disk":
        resource.prlimit(tg.role_pid("proxy"), resource.RLIMIT_FSIZE, (100_000, 100_000))
    elif limit == "folder":
        folder.rmdir()
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(tg.client(receive_buffer=4096, keep=False)).send(client.get("/x"))
                 for _ in range(18 if limit == "descriptors" else 1)]
        if limit == "descriptors":
            settings.wait_until(lambda: len(procfs.unnamed_files(tg.role_pid("proxy"))) == 16, "the files")
        for peer in peers:
            peer.hurry()
            answer = peer.read_answer()
            assert answer.complete and answer.body == body


def test_a_client_that_sends_all_before_it_reads(shared_tidegate, recording_backend):
    """The backend answers early and at length: it is free, and neither waits for the other."""
    def early(conn):
        conn.read_head()
        conn.send(backends.answer("403 Forbidden", LONG))
        conn.closed.wait(settings.TIMEOUT)
    backend = recording_backend(early)
    tg = shared_tidegate(conf.http(backend, workers=1, listener='limits = { body = "0"; };', service=FILE))
    with tg.client() as peer:
        peer.send(client.post(LONG * 2))
        answer = peer.read_answer()
        assert answer.status == 403 and answer.body == LONG
        assert peer.read_to_end() == b"" and peer.ended == "eof"
    backend.connections[0].closed.set()


def test_both_ways_buffered(shared_tidegate, recording_backend):
    def echoes(conn):
        while (request := conn.read_request()) is not None:
            conn.send(backends.answer(body=request.body))
    tg = shared_tidegate(conf.http(recording_backend(echoes), workers=2,
                                   listener='limits = { body = "0"; };',
                                   service=FILE + 'buffer_request = { memory = "16K"; file = "1G"; };'))
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(tg.client()) for _ in range(4)]
        for n in (100_000, 3_000_000, 10):
            for peer in peers:
                peer.send(client.post(LONG[:n]))
            for peer in peers:
                assert peer.read_answer().body == LONG[:n]
    assert procfs.unnamed_files(tg.role_pid("proxy")) == []


def test_memory_is_given_back(shared_tidegate, recording_backend):
    backend = recording_backend(backends.answers(backends.answer(body=LONG)))
    tg = shared_tidegate(conf.http(backend, workers=1, service=FILE))
    for _ in range(3):
        peer = tg.client(receive_buffer=4096, keep=False).send(client.get("/x"))
        settings.wait_until(lambda: procfs.unnamed_files(tg.role_pid("proxy")), "the file")
        peer.reset()
        settings.wait_until(lambda: procfs.unnamed_files(tg.role_pid("proxy")) == [], "the file to go")


def test_a_dead_address_is_no_trouble(shared_tidegate):
    tg = shared_tidegate(conf.http(f"{net.ADDRESS}:{net.free_port()}", service=MEMORY))
    assert tg.exchange(client.get()).status == 503


def test_stopping_while_bodies_wait(tidegate, recording_backend):
    """Both ways, at the end of its grace: it exits clean."""
    backend = recording_backend(backends.answers(backends.answer(body=LONG)))
    tg = tidegate(conf.http(backend, workers=1, top='shutdown_grace = "300ms";',
                            service=FILE + 'buffer_request = { memory = "16K"; file = "1M"; };'))
    slow = tg.client(receive_buffer=4096, keep=False).send(client.get("/down"))
    settings.wait_until(lambda: len(procfs.unnamed_files(tg.role_pid("proxy"))) == 1, "a file of an answer")
    late = tg.client().send(client.post(LONG[:200_000], "/up")[:-1])
    settings.wait_until(lambda: len(procfs.unnamed_files(tg.role_pid("proxy"))) == 2, "a file of a request")
    held = tg.client().send(client.post(b"hello", "/held")[:-1])
    tg.stop()
    assert {record["end"] for record in tg.access.records(listener="front")} == {"shutdown"}
    for peer in (slow, late, held):
        peer.close()


def test_memory_is_bounded_for_all(tidegate, recording_backend):
    """What does not fit waits at its backend; nothing is lost."""
    body = LONG[:8_000_000]
    backend = recording_backend(backends.answers(*[answer_chunked(body)] * 7))
    tg = tidegate(conf.http(backend, workers=1, service=MEMORY, top='buffer_memory = "4M";'))
    rss = tg.rss_bytes()
    most = (300 if settings.sanitizers() else 16) * 1_000_000
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(tg.client(receive_buffer=65536, keep=False)).send(client.get("/x"))
                for _ in range(6)]
        backend.wait_requests(6)
        assert tg.exchange(client.get("/y")).complete
        assert tg.rss_bytes() - rss < most
        for peer in slow:
            assert peer.read_answer().body == body
        assert tg.rss_bytes() - rss < most


def test_a_try_starts_with_no_answer(shared_tidegate, recording_backend, tmp_path):
    """The status of an answer that was held and cut is not counted for the next backend."""
    first = recording_backend(once(CUTS["in the body"]), name="first")
    second = recording_backend(once(b""), name="second")
    tg = shared_tidegate(conf.http(f'{{ name = "first"; address = "{first.address}"; weight = 100; }}',
                                   second, workers=1, service=MEMORY + "retry = { attempts = 1; };",
                                   top=f'admin = {{ socket = "{tmp_path}/admin.sock"; }};'))
    assert tg.exchange(client.get("/x")).status == 502
    assert tg.access.wait(path="/x")["failed"] == "first:answer-cut,second:empty-answer"
    assert stat.number(tmp_path / "admin.sock", "second", "hrsp_2xx") == 0


def test_a_trickling_backend_keeps_no_client_that_never_reads(shared_tidegate, recording_backend):
    def trickles(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + LONG)
        while True:
            conn.send(b"x")
            time.sleep(0.05)  # the pace itself, not a wait for anything
    tg = shared_tidegate(conf.http(recording_backend(trickles), workers=1, service=FILE,
                                   listener='timeouts = { idle = "500ms"; };'))
    tg.client(receive_buffer=4096, keep=False).send(client.get("/x"))
    assert tg.access.wait(path="/x")["end"] == "client-timeout"
