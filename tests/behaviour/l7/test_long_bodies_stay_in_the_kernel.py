"""Long bodies between plain connections, of answers and of requests, go from one to the other without being read: whole, cut as they were
cut, and nothing behind them reaches anybody."""

import contextlib
import json
import threading

import pytest

from harness import backends, client, conf, settings
from harness.control import ask

MIB = 1 << 20
LONG = 16 * MIB  # more than the sockets of both sides hold
BODY = bytes(range(256)) * (LONG // 256)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LONG
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON"


@pytest.fixture
def serving(shared_tidegate, recording_backend, tmp_path):
    """serving(script, ..., service=TEXT): a tidegate before them, which tells its pipes in use."""
    admin = f"{tmp_path}/admin.sock"

    def make(*scripts, **more):
        tg = shared_tidegate(conf.http(recording_backend(*scripts), top=f'admin = {{ socket = "{admin}"; }};', workers=1, **more))
        tg.admin = admin
        return tg
    return make


def pipes_used(tg):
    return json.loads(ask(tg.admin, "show info json"))["PipesUsed"]


def wait_pipes(tg, n):
    settings.wait_until(lambda: pipes_used(tg) == n, f"{n} pipes in use")


def sends(*pieces, then=backends.serve):
    """A script: the first request is answered by these pieces, sent one by one, functions called."""
    def script(conn):
        conn.read_request()
        for piece in pieces:
            if callable(piece):
                piece(conn)
            else:
                conn.send(piece)
        then(conn)
    return script


def begin(tg, path="/", version="1.1"):
    """A client that has read the head of an answer, while a piece of its body waits in a pipe."""
    peer = tg.client(keep=False).send(client.get(path, version=version))
    assert b" 200 " in peer.read_head()
    wait_pipes(tg, 1)
    return peer


FRAMED = {
    "length": (HEAD + BODY, "1.1", BODY),
    "until close": (b"HTTP/1.1 200 OK\r\n\r\n" + BODY, "1.0", BODY),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
               + 2 * (b"%x\r\n" % (LONG // 2) + BODY[:LONG // 2] + b"\r\n") + b"0\r\n\r\n", "1.1", None),
}


@pytest.mark.parametrize("raw, version, body", FRAMED.values(), ids=FRAMED.keys())
def test_whole(serving, raw, version, body):
    closes = version == "1.0"
    tg = serving(sends(raw, then=(lambda conn: None) if closes else backends.serve))
    peer = begin(tg, version=version)
    expected = raw[raw.index(b"\r\n\r\n") + 4:] if body is None else body
    assert peer.read(len(expected)) == expected
    if closes:
        assert peer.read_to_end() == b""
    else:
        assert peer.exchange(client.get("/next")).body == b"ok"
    wait_pipes(tg, 0)


@pytest.mark.parametrize("end", ["reset", "close"])
def test_cut_by_the_backend(serving, end):
    go = threading.Event()

    def cut(conn):
        go.wait(settings.TIMEOUT)
        getattr(conn, end)()
    tg = serving(sends(HEAD, BODY[:LONG - MIB], cut, then=lambda conn: None))
    peer = begin(tg, "/cut")
    assert peer.read(LONG - MIB) == BODY[:LONG - MIB]
    go.set()
    peer.read_to_end()
    assert tg.access.wait(path="/cut")["end"] == "answer-cut"
    wait_pipes(tg, 0)


def test_given_up_by_the_client(serving):
    """What was in its pipe comes out at nobody: the pipe is closed."""
    def send_what_it_takes(conn):
        with contextlib.suppress(OSError):
            conn.sock.sendall(BODY)
    tg = serving(sends(HEAD, send_what_it_takes, then=lambda conn: None))
    begin(tg, "/gone").close()
    assert tg.access.wait(path="/gone")["end"] == "client-abort"
    wait_pipes(tg, 0)


def test_what_stands_behind_is_no_answer(serving):
    tg = serving(sends(HEAD + BODY + POISON), backends.serve)
    peer = begin(tg)
    assert peer.read(LONG) == BODY
    assert peer.exchange(client.get("/next")).body == b"ok"


def test_not_where_it_is_buffered(serving):
    """A slow client holds no backend: the whole answer is here before it reads."""
    taken = threading.Event()
    script = sends(HEAD, BODY, lambda conn: (conn.wait_all_taken(), taken.set()))
    tg = serving(script, service=f'buffer_response = {{ memory = "{LONG * 2}"; }};')
    peer = tg.client(keep=False).send(client.get("/"))
    assert b" 200 " in peer.read_head()
    assert taken.wait(settings.TIMEOUT)
    assert pipes_used(tg) == 0
    assert peer.read(LONG) == BODY


# The other way.

POST = b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % LONG
CHUNKED = b"POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = 2 * (b"%x\r\n" % (LONG // 2) + BODY[:LONG // 2] + b"\r\n") + b"0\r\n\r\n"
NO_LIMIT = 'limits = { body = "0"; };'


class Taker:
    """A backend that reads a head, and of the body what it is told to, when it is told to."""

    def __init__(self, answer=backends.OK):
        self.go = threading.Event()
        self.answer = answer
        self.taken = None
        self.n = LONG

    def script(self, conn):
        conn.keep = False
        conn.read_head()
        self.go.wait(settings.TIMEOUT)
        self.taken = conn.read(self.n)
        conn.send(self.answer)
        backends.serve(conn)


def upload(tg, head, body):
    """Sends from a thread; what could not be sent is nobody's concern."""
    peer = tg.client(keep=False)

    def run():
        with contextlib.suppress(OSError):
            peer.sock.sendall(head + body)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return peer, thread


@pytest.mark.parametrize("head, body", [(POST, BODY), (CHUNKED, CHUNKS)], ids=["length", "chunks"])
def test_of_a_request(serving, head, body):
    taker = Taker()
    taker.n = len(body)
    tg = serving(taker.script, listener=NO_LIMIT)
    # The request behind it is looked at as ever.
    peer, thread = upload(tg, head, body + client.get("/next"))
    wait_pipes(tg, 1)
    taker.go.set()
    assert peer.read_answer().body == b"ok"
    assert peer.read_answer().body == b"ok"
    thread.join(settings.TIMEOUT)
    assert taker.taken == body
    record = tg.access.wait(path="/up")
    assert (record["end"], int(record["bytes_in"])) == ("done", len(head) + len(body))
    wait_pipes(tg, 0)


def test_of_a_request_whose_client_goes(serving):
    taker = Taker()
    tg = serving(taker.script, listener=NO_LIMIT)
    peer, _ = upload(tg, POST, BODY[:LONG - MIB])
    wait_pipes(tg, 1)
    peer.reset()
    taker.go.set()
    assert tg.access.wait(path="/up")["end"] == "client-abort"
    wait_pipes(tg, 0)


def test_of_a_request_that_is_answered_early(serving):
    """The backend has said enough: what waits in the pipe goes nowhere."""
    early = threading.Event()

    def script(conn):
        conn.keep = False
        conn.read_head()
        early.wait(settings.TIMEOUT)
        conn.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        conn.read_to_end()
    tg = serving(script, backends.serve, listener=NO_LIMIT)
    peer, thread = upload(tg, POST, BODY)
    wait_pipes(tg, 1)
    early.set()
    assert peer.read_answer().status == 413
    thread.join(settings.TIMEOUT)
    wait_pipes(tg, 0)
