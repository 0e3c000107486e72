"""buffer_request: a body is here before a backend is asked for; its bounds, and what happens beyond them."""

import contextlib
import pathlib
import resource
import threading

import pytest

from harness import backends, client, conf, net, procfs, settings, stat

MEMORY = 'buffer_request = { memory = "1M"; };'
SMALL = 'buffer_request = { memory = "16K"; };'
FILE = 'buffer_request = { memory = "16K"; file = "100M"; };'
NO_LIMIT = 'limits = { body = "0"; };'
BODY = bytes(range(256)) * 800  # 200 KB
KINDS = {"memory": MEMORY, "file": FILE}


def put(body, target="/x", extra=b""):
    return client.post(body, target, extra=extra).replace(b"POST", b"PUT", 1)


def head(body, method=b"POST"):
    return method + b" /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)


def pieces(body, n=1024):
    return [body[i:i + n] for i in range(0, len(body), n)]


def in_flight(tmp_path, name="b1"):
    return stat.number(tmp_path / "admin.sock", name, "scur")


def admin(tmp_path):
    return f'admin = {{ socket = "{tmp_path}/admin.sock"; }};'


@pytest.mark.parametrize("service", KINDS.values(), ids=KINDS.keys())
def test_a_slow_upload_holds_no_backend(shared_tidegate, recording_backend, tmp_path, service):
    backend = recording_backend(name="b1")
    tg = shared_tidegate(conf.http(backend, workers=1, top=admin(tmp_path),
                                   service=service + "max_connections_per_backend = 1;"))
    slow = tg.client().send(head(BODY))
    parts = pieces(BODY)
    for i, piece in enumerate(parts[:-1]):
        slow.send(piece)
        if i % 50 == 49:
            settings.wait_until(lambda: in_flight(tmp_path) == 0, "the only place to be free")
            assert tg.exchange(client.get()).status == 200
    assert not any(request.target == "/x" for request in backend.requests)
    slow.send(parts[-1])
    assert slow.read_answer().status == 200
    assert backend.requests[-1].target == "/x" and backend.requests[-1].body == BODY
    assert slow.exchange(client.get("/next")).status == 200
    assert procfs.unnamed_files(tg.role_pid("proxy")) == []


@pytest.mark.parametrize("service", KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("method, extra, retry", [
    (b"PUT", b"", ""), (b"POST", b"Idempotency-Key: 7\r\n", "retry = { idempotency_key = true; };")])
def test_it_survives_a_backend_that_dies(shared_tidegate, recording_backend, service, method, extra, retry):
    def dies(conn):
        conn.read_request()
    bad, good = recording_backend(dies), recording_backend()
    tg = shared_tidegate(conf.http(f'{{ name = "bad"; address = "{bad.address}"; weight = 100; }}', good,
                                   workers=1, service=service + retry))
    request = client.post(BODY, "/x", extra=extra).replace(b"POST", method, 1)
    assert tg.exchange(request).status == 200
    assert bad.requests[0].body == BODY and good.requests[0].body == BODY
    record = tg.access.wait(path="/x")
    assert (record["retries"], record["failed"]) == ("1", "bad:empty-answer")


@pytest.mark.parametrize("service", KINDS.values(), ids=KINDS.keys())
def test_it_survives_a_backend_that_dies_half_way(shared_tidegate, recording_backend, service):
    def dies(conn):
        conn.read_head()
        conn.read(50_000)
        conn.reset()
    bad, good = recording_backend(dies), recording_backend()
    tg = shared_tidegate(conf.http(f'{{ name = "bad"; address = "{bad.address}"; weight = 100; }}', good,
                                   workers=1, listener=NO_LIMIT, service=service))
    body = BODY * 5 if service == MEMORY else BODY * 50
    assert tg.exchange(put(body)).status == 200
    assert good.requests[0].body == body


def test_without_it_a_long_body_cannot_be_repeated(shared_tidegate, recording_backend):
    def dies(conn):
        conn.read_request()
    bad, good = recording_backend(dies), recording_backend()
    tg = shared_tidegate(conf.http(f'{{ name = "bad"; address = "{bad.address}"; weight = 100; }}', good,
                                   workers=1))
    assert tg.exchange(put(BODY)).status == 502
    assert good.requests == []
    record = tg.access.wait(path="/x")
    assert (record["failed"], record["no_retry"]) == ("bad:empty-answer", "unrepeatable-body")


def in_pieces(body, in_chunks):
    """The head of a PUT, and what comes behind it, piece by piece."""
    if not in_chunks:
        return head(body, b"PUT"), pieces(body, 10_000)
    framed = [client.chunked(piece)[:-5] for piece in pieces(body, 10_000)]
    framed[-1] += b"0\r\n\r\n"
    return CHUNKED.replace(b"POST", b"PUT"), framed


@pytest.mark.parametrize("in_chunks", [False, True])
@pytest.mark.parametrize("length, buffer, is_kept", [(70_000, "512K", True), (90_000, "512K", False),
                                                     (15_000, "16K", True), (20_000, "16K", False)])
def test_without_it_what_fits_a_buffer_is_repeated(shared_tidegate, recording_backend, in_chunks, length, buffer,
                                                   is_kept):
    """However it comes: here each piece is with the backend before the next one is sent."""
    body = BODY[:length]
    first, parts = in_pieces(body, in_chunks)
    taken = threading.Semaphore(0)

    def dies(conn):
        conn.read_head()
        for part in parts:
            conn.read(len(part))
            taken.release()
    bad, good = recording_backend(dies), recording_backend()
    tg = shared_tidegate(conf.http(f'{{ name = "bad"; address = "{bad.address}"; weight = 100; }}', good,
                                   workers=1, listener=f'buffer = "{buffer}";'))
    peer = tg.client().send(first)
    for part in parts:
        peer.send(part)
        assert taken.acquire(timeout=settings.TIMEOUT)
    assert peer.read_answer().status == (200 if is_kept else 502)
    assert [request.body for request in good.requests] == ([body] if is_kept else [])
    assert tg.access.wait(path="/x").get("no_retry") == (None if is_kept else "unrepeatable-body")


CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_chunks_and_trailers_go_on_as_they_came(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, service=FILE))
    body = client.chunked(*pieces(BODY, 5000), trailers=b"X-Sum: 1\r\n")
    peer = tg.client().send(CHUNKED, *pieces(body, 3000))
    assert peer.read_answer().status == 200
    assert backend.requests[0].body == BODY
    assert body in backend.received


@pytest.mark.parametrize("service", KINDS.values(), ids=KINDS.keys())
def test_413_before_a_backend_sees_a_byte(shared_tidegate, recording_backend, service):
    """Of a length that nobody stated."""
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, service=service, listener='limits = { body = "150K"; };'))
    peer = tg.client().send(CHUNKED, *pieces(client.chunked(*pieces(BODY))))
    assert peer.read_answer().status == 413
    assert peer.read_to_end() == b""
    assert tg.access.wait(path="/x")["end"] == "request-limit"
    assert backend.connections == []


def test_a_chunk_that_is_wrong_is_seen_by_nobody(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, service=MEMORY))
    peer = tg.client().send(CHUNKED, client.chunked(BODY)[:-5] + b"zz\r\n")
    assert peer.read_answer().status == 400
    assert backend.connections == []


@pytest.mark.parametrize("service", [SMALL, 'buffer_request = { memory = "16K"; file = "32K"; };'])
def test_beyond_both_bounds_streaming_begins(shared_tidegate, recording_backend, service):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, service=service))
    parts = pieces(BODY * 2, 4096)
    peer = tg.client().send(head(BODY * 2), *parts[:-1])
    conn = backend.wait_connections(1)
    settings.wait_until(lambda: len(conn.received) > 300_000, "the body at the backend")
    peer.send(parts[-1])
    assert peer.read_answer().status == 200
    assert backend.requests[0].body == BODY * 2


def test_memory_is_bounded(tidegate, recording_backend):
    """A hundred bodies under way, each far longer than its bound."""
    backend = recording_backend()
    tg = tidegate(conf.http(backend, workers=1, listener=NO_LIMIT, service=FILE))
    tg.exchange(client.get())
    before = tg.rss_bytes("proxy")
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            peer = stack.enter_context(tg.client())
            peer.send(head(BODY * 20), BODY * 10)
        settings.wait_until(lambda: len(procfs.unnamed_files(tg.role_pid("proxy"))) == 100, "the files")
        settings.wait_until(lambda: bytes_stored(tg) > 100 * 1_800_000, "the bytes in them")
        if not settings.sanitizers():
            assert tg.rss_bytes("proxy") - before < 100 * 160_000
        assert len(backend.requests) == 1
    settings.wait_until(lambda: procfs.unnamed_files(tg.role_pid("proxy")) == [], "the files to go")


def bytes_stored(tg):
    folder = pathlib.Path(f"/proc/{tg.role_pid('proxy')}/fd")
    total = 0
    for number, name in procfs.descriptors(tg.role_pid("proxy")).items():
        if "(deleted)" in name and "memfd" not in name:
            with contextlib.suppress(OSError):
                total += (folder / str(number)).stat().st_size
    return total


def test_without_descriptors_streaming_begins(tidegate, recording_backend):
    """Of 256 one worker may have 16 files; the next body goes on without one."""
    backend = recording_backend()
    tg = tidegate(conf.http(backend, workers=1, service=FILE), files=256)
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(tg.client()).send(head(BODY), BODY[:-1])
        settings.wait_until(lambda: len(procfs.unnamed_files(tg.role_pid("proxy"))) == 16, "the files")
        assert backend.connections == []
        peer = stack.enter_context(tg.client()).send(head(BODY), BODY[:-1])
        backend.wait_connections(1)
        assert peer.send(BODY[-1:]).read_answer().status == 200
        assert len(procfs.unnamed_files(tg.role_pid("proxy"))) == 16
    settings.wait_until(lambda: procfs.unnamed_files(tg.role_pid("proxy")) == [], "the files to go")
    assert tg.exchange(client.post(BODY)).status == 200


def test_a_disk_that_is_full_gives_503(tidegate, recording_backend):
    backend = recording_backend()
    tg = tidegate(conf.http(backend, workers=1, service=FILE))
    resource.prlimit(tg.role_pid("proxy"), resource.RLIMIT_FSIZE, (100_000, 100_000))
    peer = tg.client().send(head(BODY), BODY[:-1])
    answer = peer.read_answer()
    assert answer.status == 503 and answer.get("connection") == "close"
    assert tg.access.wait(path="/x")["end"] == "no-resource"
    assert tg.log.wait(msg="cannot write to the file of a body")["svc"] == "site"
    assert backend.connections == []
    # What fits is served.
    assert tg.exchange(client.post(BODY[:90_000])).status == 200


def test_a_folder_that_is_gone_is_done_without(tidegate, recording_backend, tmp_path):
    folder = tmp_path / "spool"
    folder.mkdir()
    backend = recording_backend()
    tg = tidegate(conf.http(backend, top=f'buffer_folder = "{folder}";', service=FILE))
    folder.rmdir()
    assert tg.exchange(client.post(BODY)).status == 200
    assert backend.requests[0].body == BODY
    tg.log.wait(msg="cannot make a file for a body, going on without")


def test_files_have_no_name(shared_tidegate, recording_backend, tmp_path):
    folder = tmp_path / "spool"
    folder.mkdir()
    tg = shared_tidegate(conf.http(recording_backend(), top=f'buffer_folder = "{folder}";', service=FILE))
    peer = tg.client().send(head(BODY), BODY[:-1])
    settings.wait_until(lambda: procfs.unnamed_files(tg.role_pid("proxy")), "the file")
    assert procfs.unnamed_files(tg.role_pid("proxy"))[0].startswith(str(folder)) and list(folder.iterdir()) == []
    peer.reset()
    settings.wait_until(lambda: procfs.unnamed_files(tg.role_pid("proxy")) == [], "the file to go")
    assert tg.access.wait(path="/x")["end"] == "client-abort"


def test_a_client_that_stops_gets_408(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, service=FILE, listener='timeouts = { idle = "300ms"; };'))
    peer = tg.client().send(head(BODY), BODY[:100_000])
    assert peer.read_answer().status == 408
    assert tg.access.wait(path="/x")["end"] == "request-body-timeout"
    assert backend.connections == []


def test_a_body_that_trickles_gets_408(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(), service=MEMORY,
                                   listener='timeouts = { request_body = "500ms"; };'))
    peer = tg.client().send(head(BODY))
    until = settings.deadline()
    while not peer.is_readable():
        assert settings.time.monotonic() < until
        peer.try_send(b"x")
        settings.let_rest(0.02)
    assert peer.read_answer().status == 408


def test_the_body_is_not_waited_for_without_a_backend(shared_tidegate):
    tg = shared_tidegate(conf.http(service=MEMORY))
    peer = tg.client().send(head(BODY))
    assert peer.read_answer().status == 503
    assert tg.access.wait(path="/x")["end"] == "no-backend"


def test_expect_is_answered_here(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, service=MEMORY))
    peer = tg.client().send(head(BODY).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    assert peer.read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert backend.connections == []
    answer = peer.send(BODY).read_answer()
    assert answer.status == 200 and not answer.interim
    assert backend.requests[0].get("expect") is None


def test_requests_behind_it_are_served_in_order(shared_tidegate, recording_backend):
    backend = recording_backend(backends.handles(
        lambda request: backends.answer(body=request.target.encode())))
    tg = shared_tidegate(conf.http(backend, service=FILE))
    peer = tg.client().send(client.post(BODY, "/1") + put(BODY, "/2") + client.get("/3"))
    assert [peer.read_answer().body for _ in range(3)] == [b"/1", b"/2", b"/3"]


def test_small_bodies_and_none(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, workers=1, service=FILE))
    peer = tg.client()
    for n in (0, 1, 1000, 16_000, 16_320, 16_321, 33_000):
        assert peer.exchange(client.post(b"x" * n)).status == 200
        assert backend.requests[-1].body == b"x" * n
    assert peer.exchange(client.get()).status == 200


def test_a_buffered_body_waits_in_the_queue(shared_tidegate, recording_backend):
    def holds(conn):
        while conn.read_request() is not None:
            settings.let_rest(0.1)
            conn.send(backends.OK)
    backend = recording_backend(holds)
    tg = shared_tidegate(conf.http(backend, workers=2, service=FILE + "max_connections_per_backend = 1;"))
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(tg.client()).send(put(BODY)) for _ in range(6)]
        assert [peer.read_answer().status for peer in peers] == [200] * 6
    assert [request.body == BODY for request in backend.requests] == [True] * 6


def test_an_early_answer_ends_the_upload_to_the_backend(shared_tidegate, recording_backend):
    def early(conn):
        conn.read_head()
        conn.send(backends.answer("403 Forbidden", b"no"))
        conn.closed.wait(settings.TIMEOUT)
    backend = recording_backend(early)
    tg = shared_tidegate(conf.http(backend, workers=1, listener=NO_LIMIT, service=FILE))
    peer = tg.client()
    assert peer.exchange(client.post(BODY * 100)).status == 403
    # All of it was taken: the client's connection lives on.
    backend.connections[0].closed.set()
    assert peer.exchange(client.get()).status == 403
    settings.wait_until(lambda: procfs.unnamed_files(tg.role_pid("proxy")) == [], "the file to go")
    for conn in backend.connections:
        conn.closed.set()


@pytest.mark.parametrize("text, said", [
    ('buffer_request = { memory = "1K"; };', "16K"),
    ('buffer_request = { file = "1M"; };', "nothing is buffered without memory"),
])
def test_wrong_bounds_are_refused(run_tidegate, tmp_path, text, said):
    path = tmp_path / "x.conf"
    path.write_text(str(conf.http(f"{net.ADDRESS}:1", service=text)))
    checked = run_tidegate("-t", "-c", str(path))
    assert checked.returncode == 1 and said in checked.stderr


@pytest.mark.parametrize("folder, why", [("/nowhere", "No such file or directory"), ("/proc", "No such file or directory"),
                                         ("/dev/null", "Not a directory")])
def test_a_folder_without_files_is_refused(run_tidegate, tmp_path, folder, why):
    path = tmp_path / "x.conf"
    top = f'buffer_folder = "{folder}";'
    path.write_text(str(conf.http(f"{net.ADDRESS}:1", service=FILE, top=top)))
    line = 1 + next(i for i, text in enumerate(path.read_text().splitlines()) if top in text)
    checked = run_tidegate("-t", "-c", str(path))
    assert checked.returncode == 1
    assert f'{path}:{line}: buffer_folder: "{folder}": {why}; allowed: a folder' in checked.stderr
    path.write_text(str(conf.http(f"{net.ADDRESS}:1", service=MEMORY, top=top)))
    assert run_tidegate("-t", "-c", str(path)).returncode == 0
