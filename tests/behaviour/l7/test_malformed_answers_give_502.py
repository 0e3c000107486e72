"""A backend's answer is a stranger's bytes too: what is not valid HTTP/1.1 gives 502.

Each case is a row: name, the section it is about (RFC 9110, 9112), the bytes
the backend sends, and what the client must see:

    BAD          502, and the backend's connection is closed
    PASSES       the answer, whole, with the body given (b"ok" unless said)
    CUT          never a whole answer: 502, or the message ends before its end
"""

import re
import threading

import pytest

from harness import backends, client, conf, settings, wire

BAD, PASSES, CUT = "502", "passes", "cut"
TE = b"Transfer-Encoding: chunked\r\n"


def ans(fields=b"Content-Length: 2\r\n", body=b"ok", line=b"HTTP/1.1 200 OK\r\n"):
    return line + fields + b"\r\n" + body


def status(line):
    return ans(line=line + b"\r\n")


def field(line):
    return ans(b"Content-Length: 2\r\n" + line + b"\r\n")


def chunks(body):
    return ans(TE, body)


STATUS_LINE = [
    ("plain", "9112 4", ans(), PASSES),
    ("no reason", "9112 4", status(b"HTTP/1.1 200 "), PASSES),
    ("no reason and no space", "9112 4", status(b"HTTP/1.1 200"), PASSES),
    ("obs-text in the reason", "9112 4", status(b"HTTP/1.1 200 \xe9"), PASSES),
    ("unknown status of a known class", "9110 15", status(b"HTTP/1.1 299 Odd"), PASSES),
    ("2.0", "9112 4", status(b"HTTP/2.0 200 OK"), BAD),
    ("1.2", "9112 4", status(b"HTTP/1.2 200 OK"), BAD),
    ("0.9", "9112 4", status(b"HTTP/0.9 200 OK"), BAD),
    ("lower case", "9112 4", status(b"http/1.1 200 OK"), BAD),
    ("another protocol", "9112 4", status(b"ICY 200 OK"), BAD),
    ("SSH banner", "9112 4", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", BAD),
    ("no version", "9112 4", status(b"200 OK"), BAD),
    ("two spaces", "9112 4", status(b"HTTP/1.1  200 OK"), BAD),
    ("tab", "9112 4", status(b"HTTP/1.1\t200 OK"), BAD),
    ("two digits", "9112 4", status(b"HTTP/1.1 20 OK"), BAD),
    ("four digits", "9112 4", status(b"HTTP/1.1 2000 OK"), BAD),
    ("letters", "9112 4", status(b"HTTP/1.1 2xx OK"), BAD),
    ("minus", "9112 4", status(b"HTTP/1.1 -20 OK"), BAD),
    ("099", "9110 15", status(b"HTTP/1.1 099 No"), BAD),
    ("000", "9110 15", status(b"HTTP/1.1 000 No"), BAD),
    ("600", "9110 15", status(b"HTTP/1.1 600 No"), BAD),
    ("reason without a space", "9112 4", status(b"HTTP/1.1 200OK"), BAD),
    ("NUL in the reason", "9112 4", status(b"HTTP/1.1 200 O\0K"), BAD),
    ("control character in the reason", "9112 4", status(b"HTTP/1.1 200 O\x01K"), BAD),
    ("empty line before", "9112 2.2", b"\r\n" + ans(), BAD),
    ("white space before", "9112 2.2", b" " + ans(), BAD),
    ("a page without a head", "9112 2.1", b"<html>\r\n\r\n</html>", BAD),
    ("binary", "9112 2.1", bytes(range(256)) + b"\r\n\r\n", BAD),
]

FIELDS = [
    ("LF ends the status line", "9112 2.2", ans().replace(b"OK\r\n", b"OK\n"), BAD),
    ("LF ends a field", "9112 2.2", field(b"A: b").replace(b"b\r\n", b"b\n"), BAD),
    ("LF ends the head", "9112 2.2", ans(body=b"").replace(b"\r\n\r\n", b"\r\n\n") + b"ok", BAD),
    ("LF everywhere", "9112 2.2", ans().replace(b"\r\n", b"\n"), BAD),
    ("CR in a value", "9112 2.2", field(b"A: b\rc"), BAD),
    ("CR ends a field", "9112 2.2", field(b"A: b").replace(b"b\r\n", b"b\r"), BAD),
    ("folded", "9112 5.2", field(b"A: b\r\n c"), BAD),
    ("folded by a tab", "9112 5.2", field(b"A: b\r\n\tc"), BAD),
    ("space before the colon", "9112 5.1", field(b"A : b"), BAD),
    ("no colon", "9112 5", field(b"A b"), BAD),
    ("empty name", "9110 5.1", field(b": b"), BAD),
    ("parentheses in the name", "9110 5.1", field(b"(A): b"), BAD),
    ("not ASCII in the name", "9110 5.1", field(b"A\xe9: b"), BAD),
    ("NUL in the value", "9110 5.5", field(b"A: b\0c"), BAD),
    ("control character in the value", "9110 5.5", field(b"A: b\x1fc"), BAD),
    ("DEL in the value", "9110 5.5", field(b"A: b\x7fc"), BAD),
    ("vertical tab in the value", "9110 5.5", field(b"A: b\vc"), BAD),
    ("obs-text in the value", "9110 5.5", field(b"A: \xff\x80"), PASSES),
    ("underscore in the name", "9110 5.1", field(b"X_A: b"), PASSES),
    ("empty value", "9110 5.5", field(b"A:"), PASSES),
    ("head too long", "9110 5.4", field(b"A: " + b"b" * 200000), BAD),
    ("head too long, never ending", "9110 5.4", ans()[:17] + b"A: b\r\n" * 50000, BAD),
    ("too many fields", "9110 5.4", field(b"\r\n".join([b"A: b"] * 5000)), BAD),
]


def length(value, body=b"ok"):
    return ans(b"Content-Length: " + value + b"\r\n", body)


def coding(value, body=b"2\r\nok\r\n0\r\n\r\n"):
    return ans(b"Transfer-Encoding: " + value + b"\r\n", body)


FRAMING = [
    ("length and coding", "9112 6.3", ans(TE + b"Content-Length: 2\r\n", b"2\r\nok\r\n0\r\n\r\n"),
     BAD),
    ("coding after length", "9112 6.3", ans(b"Content-Length: 2\r\n" + TE, b"ok"), BAD),
    ("two lengths", "9112 6.3", ans(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"ok!"), BAD),
    ("list of lengths", "9110 8.6", length(b"2, 3", b"ok!"), BAD),
    ("length of letters", "9110 8.6", length(b"two"), BAD),
    ("length with a sign", "9110 8.6", length(b"+2"), BAD),
    ("negative length", "9110 8.6", length(b"-2"), BAD),
    ("hexadecimal length", "9110 8.6", length(b"0x2"), BAD),
    ("empty length", "9110 8.6", length(b""), BAD),
    ("length past 64 bits", "9110 8.6", length(b"18446744073709551618"), BAD),
    ("space in the length", "9110 8.6", length(b"2 2"), BAD),
    ("gzip", "9112 6.1", coding(b"gzip"), BAD),
    ("gzip, chunked", "9112 6.1", coding(b"gzip, chunked"), BAD),
    ("chunked, gzip", "9112 6.1", coding(b"chunked, gzip"), BAD),
    ("identity", "9112 7", coding(b"identity", b"ok"), BAD),
    ("unknown coding", "9112 7", coding(b"cow"), BAD),
    ("chunked twice", "9112 6.1", coding(b"chunked, chunked"), BAD),
    ("two codings", "9112 6.1", ans(TE + TE, b"2\r\nok\r\n0\r\n\r\n"), BAD),
    ("empty coding", "9112 6.1", coding(b""), BAD),
    ("chunked in 1.0", "9112 6.1",
     ans(TE, b"2\r\nok\r\n0\r\n\r\n", b"HTTP/1.0 200 OK\r\n"), BAD),
    ("folded coding", "9112 5.2", coding(b"\r\n chunked"), BAD),
    ("coding in other case", "9112 7", coding(b"CHUNKED"), PASSES),
    ("length with zeros before", "9110 8.6", length(b"002"), PASSES),
    ("underscore in a trailer name", "9112 7.1.2",
     chunks(b"2\r\nok\r\n0\r\nA_B: c\r\n\r\n"), PASSES),
    ("204 with a coding", "9112 6.1", ans(TE, b"", b"HTTP/1.1 204 No Content\r\n"), BAD),
    ("100 with a coding", "9112 6.1", ans(TE, b"", b"HTTP/1.1 100 Continue\r\n") + ans(), BAD),
    ("103 with a coding", "9112 6.1", ans(TE, b"", b"HTTP/1.1 103 Early Hints\r\n") + ans(), BAD),
    ("chunk extension", "9112 7.1.1", chunks(b"2;a=b\r\nok\r\n0\r\n\r\n"), PASSES),
    ("trailers", "9112 7.1.2", chunks(b"2\r\nok\r\n0\r\nA: b\r\n\r\n"), PASSES),
    ("interim answers first", "9110 15.2",
     b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + ans(),
     PASSES),
    ("101 not asked for", "9110 15.2.2",
     b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", BAD),
    ("interim answer without an end", "9110 15.2", b"HTTP/1.1 100 Continue\nA", BAD),
    ("malformed after an interim answer", "9110 15.2",
     b"HTTP/1.1 100 Continue\r\n\r\n" + ans(TE + b"Content-Length: 2\r\n"), BAD),
]

CHUNKS = [
    ("no size", "9112 7.1", chunks(b"\r\nok\r\n0\r\n\r\n"), CUT),
    ("letters for a size", "9112 7.1", chunks(b"zz\r\nok\r\n0\r\n\r\n"), CUT),
    ("negative size", "9112 7.1", chunks(b"-2\r\nok\r\n0\r\n\r\n"), CUT),
    ("0x size", "9112 7.1", chunks(b"0x2\r\nok\r\n0\r\n\r\n"), CUT),
    ("space after the size", "9112 7.1", chunks(b"2 \r\nok\r\n0\r\n\r\n"), CUT),
    ("size past 64 bits", "9112 7.1", chunks(b"10000000000000002\r\nok\r\n0\r\n\r\n"), CUT),
    ("LF after the size", "9112 7.1", chunks(b"2\nok\r\n0\r\n\r\n"), CUT),
    ("LF after the data", "9112 7.1", chunks(b"2\r\nok\n0\r\n\r\n"), CUT),
    ("data longer than its size", "9112 7.1", chunks(b"1\r\nok\r\n0\r\n\r\n"), CUT),
    ("LF ends the body", "9112 7.1", chunks(b"2\r\nok\r\n0\r\n\n"), CUT),
    ("trailer without a colon", "9112 7.1.2", chunks(b"2\r\nok\r\n0\r\nAb\r\n\r\n"), CUT),
    ("folded trailer", "9112 7.1.2", chunks(b"2\r\nok\r\n0\r\nA: b\r\n c\r\n\r\n"), CUT),
    ("Content-Length in the trailers", "9110 6.5.1",
     chunks(b"2\r\nok\r\n0\r\nContent-Length: 9\r\n\r\n"), CUT),
    ("17 digits of size", "9112 7.1", chunks(b"2\r\nok\r\n" + b"0" * 17 + b"\r\n\r\n"), CUT),
    ("zeros without an end", "9112 7.1", chunks(b"2\r\nok\r\n" + b"0" * 50000), CUT),
    ("later chunk bad", "9112 7.1", chunks(b"2\r\nok\r\n2\r\nok\r\nzz\r\n"), CUT),
]

# The backend closes after these.
ENDS = [
    ("closed without a byte", "9112 8", b"", BAD),
    ("closed in the status line", "9112 8", b"HTTP/1.1 200", BAD),
    ("closed in the head", "9112 8", b"HTTP/1.1 200 OK\r\nContent-Le", BAD),
    ("closed before the empty line", "9112 8", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", BAD),
    ("closed after an interim answer", "9112 8", b"HTTP/1.1 100 Continue\r\n\r\n", BAD),
    ("closed before the body", "9112 8", ans(body=b""), CUT),
    ("closed in the body", "9112 8", length(b"5", b"hel"), CUT),
    ("closed in a chunk", "9112 8", chunks(b"5\r\nhel"), CUT),
    ("closed between chunks", "9112 8", chunks(b"2\r\nok\r\n"), CUT),
    ("closed after the last chunk", "9112 8", chunks(b"2\r\nok\r\n0\r\n"), CUT),
    ("closed in the trailers", "9112 8", chunks(b"2\r\nok\r\n0\r\nA: b\r\n"), CUT),
    ("body ends with the connection", "9112 6.3", ans(b"Connection: close\r\n"), PASSES),
    ("body ends with the connection in 1.0", "9112 6.3",
     ans(b"", line=b"HTTP/1.0 200 OK\r\n"), PASSES),
]

TABLES = [("status line", STATUS_LINE, False), ("fields", FIELDS, False),
          ("framing", FRAMING, False), ("chunks", CHUNKS, False), ("ends", ENDS, True)]

CASES = [pytest.param(raw, expected, closes, id=re.sub(r"[^A-Za-z0-9]+", "-", f"{table} {name}"))
         for table, cases, closes in TABLES for name, _section, raw, expected in cases]


class Scripted:
    """Plays the case under way on every connection; sentinels get a plain answer."""

    def __init__(self):
        self.pieces = []
        self.closes = False

    def __call__(self, conn):
        while True:
            request = conn.read_request()
            if request is None:
                return
            if request.target == "/sentinel":
                conn.send(backends.OK)
                continue
            conn.send(*[piece for piece in self.pieces if piece])
            if self.closes:
                return


@pytest.fixture(scope="module")
def script():
    return Scripted()


@pytest.fixture(scope="module")
def backend(module_backend, script):
    return module_backend(script)


@pytest.fixture(scope="module")
def front(module_tidegate, backend):
    return module_tidegate(conf.http(backend, workers=1, top='log = { access = "off"; };'))


def in_one(raw):
    return [raw]


def byte_by_byte(raw):
    return [raw[i:i + 1] for i in range(min(len(raw), 400))] + [raw[400:]]


def read(peer):
    """The answer and whether all of it came."""
    try:
        answer = peer.read_answer()
    except wire.WireError as broken:
        return None, str(broken)
    return answer, answer.complete


@pytest.mark.parametrize("raw, expected, closes", CASES)
def test_case(front, backend, script, raw, expected, closes):
    """However it is cut up on the way."""
    for cut_up in (in_one, byte_by_byte):
        script.pieces, script.closes = cut_up(raw), closes
        try:
            judge_case(front, backend, expected)
        except AssertionError as failed:
            raise AssertionError(f"{cut_up.__name__}: {failed}") from failed
    assert front.exchange(client.get("/sentinel")).body == b"ok"


def judge_case(front, backend, expected):
    backend.forget()
    with client.RawClient(front.address) as peer:
        peer.send(client.get("/case"))
        answer, complete = read(peer)
        if expected == PASSES:
            assert answer.status in (200, 299) and complete and answer.body == b"ok"
        elif expected == BAD:
            assert answer.status == 502 and complete, answer
        else:
            assert answer is None or answer.status == 502 or not complete, answer.raw
            if answer is None or answer.status != 502:
                peer.read_to_end()
    if expected != PASSES:
        settle(backend)


def settle(backend):
    """Every connection that played the case is closed by tidegate."""
    for conn in list(backend.connections):
        conn.closed.wait(settings.TIMEOUT)
        assert conn.closed.is_set(), "a connection with a malformed answer was kept"


def test_there_are_enough_cases():
    names = [case.id for case in CASES]
    assert len(names) == len(set(names)) >= 40


@pytest.mark.parametrize("first, method", [
    (ans(), "GET"),
    (b"HTTP/1.1 204 No Content\r\n\r\n", "GET"),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", "GET"),
    (ans(body=b""), "HEAD"),
], ids=["length", "204", "304", "head"])
def test_bytes_after_an_answer_answer_nothing(front, backend, script, first, method):
    """An answer nobody asked for must not meet the next request (response splitting)."""
    script.pieces = [first + ans(body=b"no", line=b"HTTP/1.1 203 Smuggled\r\n")]
    script.closes = False
    for _ in range(3):
        with client.RawClient(front.address) as peer:
            answer = peer.exchange(f"{method} /case HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert answer.complete and answer.status != 203
            after = peer.exchange(client.get("/sentinel"))
            assert after.status == 200 and after.body == b"ok"


def test_reset_before_the_answer_gives_502(shared_tidegate, recording_backend):
    def script(conn):
        conn.read_request()
        conn.reset()
    tg = shared_tidegate(conf.http(recording_backend(script)))
    assert tg.exchange(client.get()).status == 502


def test_reset_in_the_answer_cuts_it(shared_tidegate, recording_backend):
    def script(conn):
        conn.read_request()
        conn.send(length(b"5", b"hel"))
        passed.wait(settings.TIMEOUT)
        conn.reset()
    passed = threading.Event()
    tg = shared_tidegate(conf.http(recording_backend(script)))
    peer = tg.client().send(client.get("/cut"))
    head = peer.read_head()
    assert b" 200 " in head
    passed.set()
    assert len(peer.read_to_end()) <= 3
    assert tg.access.wait(path="/cut")["end"] in ("answer-cut", "back-abort")


def test_reasons_are_counted_and_logged(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(backends.answers(b"bad\r\n\r\n", then=None),
                                                     backends.answers(b"", then=None))))
    assert tg.exchange(client.get("/malformed")).status == 502
    assert tg.exchange(client.get("/empty")).status == 502
    assert tg.access.wait(path="/malformed")["end"] == "bad-answer"
    assert tg.access.wait(path="/empty")["end"] == "empty-answer"


@pytest.mark.parametrize("raw", [b"SSH-2.0-OpenSSH_9.2\r\n", b"220 ready", b"HTTP/1.1 2\r\n"],
                         ids=["SSH", "SMTP", "status"])
def test_what_cannot_become_an_answer_is_refused_at_once(front, backend, script, raw):
    """The backend says no more, and does not close."""
    script.pieces = [raw]
    script.closes = False
    with client.RawClient(front.address) as peer:
        assert peer.exchange(client.get("/case")).status == 502
