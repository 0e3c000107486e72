"""Bytes to messages: a small reader that repairs nothing.

It is the judge of what tidegate sends, so it is strict: lines end in CRLF, a
body has exactly one framing, and the raw bytes stay at hand.
"""

import contextlib
import socket

from harness import procfs, settings

_NOWHERE = bytearray(1 << 20)  # of what is received to be dropped


class WireError(AssertionError):
    """The bytes are not a valid HTTP/1.1 message."""


class Closed(EOFError):
    """The other side closed (or reset) where a message was expected."""


class Message:
    """A request or an answer: start line, fields, body, and the bytes they came as."""

    def __init__(self, head):
        self.head = head
        lines = head[:-4].split(b"\r\n")
        if b"\n" in head.replace(b"\r\n", b"") or b"\r" in head.replace(b"\r\n", b""):
            raise WireError(f"bare CR or LF in head: {head!r}")
        self.start = lines[0]
        self.fields = []
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon or not name or name != name.strip():
                raise WireError(f"not a field line: {line!r}")
            self.fields.append((name, value.strip(b" \t")))
        self.body = b""
        self.raw_body = b""
        self.trailers = []
        self.complete = False

    @property
    def raw(self):
        return self.head + self.raw_body

    def all(self, name):
        """Every value of a field, in order."""
        wanted = name.lower().encode()
        return [value.decode("latin-1") for key, value in self.fields if key.lower() == wanted]

    def get(self, name, otherwise=None):
        """The value of a field that may be there once; more than one is an error."""
        values = self.all(name)
        if len(values) > 1:
            raise WireError(f"{name} is there {len(values)} times")
        return values[0] if values else otherwise

    def has(self, name):
        return bool(self.all(name))

    def names(self):
        return [key.decode("latin-1").lower() for key, _ in self.fields]

    def framing(self):
        """'chunked', a length, or None."""
        coding = ",".join(self.all("transfer-encoding")).lower().replace(" ", "")
        lengths = self.all("content-length")
        if coding and lengths:
            raise WireError("Transfer-Encoding and Content-Length together")
        if coding:
            if coding.split(",")[-1] != "chunked":
                raise WireError(f"transfer coding {coding!r}")
            return "chunked"
        if lengths:
            if len(set(lengths)) > 1 or not lengths[0].isdigit():
                raise WireError(f"Content-Length {lengths!r}")
            return int(lengths[0])
        return None


class Request(Message):
    def __init__(self, head):
        super().__init__(head)
        parts = self.start.split(b" ")
        if len(parts) != 3:
            raise WireError(f"request line: {self.start!r}")
        self.method, self.target, self.version = (part.decode("latin-1") for part in parts)

    def __repr__(self):
        return f"<Request {self.method} {self.target}>"


class Answer(Message):
    def __init__(self, head):
        super().__init__(head)
        parts = self.start.split(b" ", 2)
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
            raise WireError(f"status line: {self.start!r}")
        self.version = parts[0].decode()
        self.status = int(parts[1])
        self.reason = parts[2].decode("latin-1") if len(parts) > 2 else ""
        self.interim = []

    def __repr__(self):
        return f"<Answer {self.status} {self.body[:60]!r}>"


class Wire:
    """One socket, read through a buffer; everything read is kept in `received`."""

    def __init__(self, sock, keep=True):
        self.sock = sock
        self.keep = keep
        self.received = bytearray()
        self.buffer = bytearray()
        self.ended = None  # 'eof' or 'reset' once it is over
        self.addresses = None
        with contextlib.suppress(OSError):  # a reset that came already is for the reads to tell
            self.addresses = sock.getpeername(), sock.getsockname()

    def far(self):
        """The other end's socket as the kernel sees it; None once it is reset or closed."""
        return procfs.tcp_socket(*self.addresses)

    def wait_far(self, holds, what):
        settings.wait_until(lambda: holds(self.far()), f"{what} to be at the other end")

    def wait_bytes_there(self, n=1):
        """n bytes sent from here lie at the other end, unread."""
        self.wait_far(lambda far: far and far.unread >= n, f"{n} bytes")

    def wait_all_taken(self):
        """What was sent from here has been read at the other end."""
        self.wait_far(lambda far: far and far.unread == 0, "an empty queue")

    def wait_bytes_held_back(self, n=1):
        """The other end has n bytes for us that were not acknowledged: our window is shut."""
        self.wait_far(lambda far: far and far.unacked >= n, f"{n} bytes on their way")

    def wait_end_there(self):
        """The half-close from here has come to the other end."""
        self.wait_far(lambda far: far and far.state == "CLOSE_WAIT", "an end")

    def wait_reset_there(self):
        """The reset from here has come to the other end."""
        self.wait_far(lambda far: far is None, "a reset")

    def _receive(self, until, receive):
        """What receive() gives; nothing at the end, once and for all."""
        if self.ended:
            return None
        self.sock.settimeout(settings.left(until))
        try:
            got = receive()
        except (ConnectionResetError, BrokenPipeError):
            self.ended = "reset"
            return None
        except socket.timeout:
            raise settings.NotInTime(
                f"no more bytes came; so far: {bytes(self.buffer[-400:])!r}") from None
        if not got:
            self.ended = "eof"
        return got

    def _fill(self, until):
        piece = self._receive(until, lambda: self.sock.recv(65536))
        if not piece:
            return False
        self.buffer += piece
        if self.keep:
            self.received += piece
        return True

    def take(self, n, until):
        """Exactly n bytes, or what came before the end."""
        while len(self.buffer) < n and self._fill(until):
            pass
        with memoryview(self.buffer) as view:  # a slice of the buffer would be one more copy
            piece = bytes(view[:n])
        del self.buffer[:n]
        return piece

    def take_through(self, mark, until):
        """Bytes up to and with `mark`; None when the end comes first."""
        start = 0
        while True:
            at = self.buffer.find(mark, start)
            if at >= 0:
                return self.take(at + len(mark), until)
            start = max(0, len(self.buffer) - len(mark) + 1)
            if not self._fill(until):
                return None

    def take_all(self, until):
        """Everything up to the end of the connection."""
        while self._fill(until):
            pass
        return self.take(len(self.buffer), until)

    def skip(self, n, until):
        """Drops n bytes, or as many as come before the end; returns how many. `received` has none of them: the
        kernel throws them away (MSG_TRUNC)."""
        taken = min(n, len(self.buffer))
        del self.buffer[:taken]
        while taken < n:
            most = min(n - taken, len(_NOWHERE))
            got = self._receive(until, lambda: self.sock.recv_into(_NOWHERE, most, socket.MSG_TRUNC))
            if not got:
                break
            taken += got
        return taken

    def take_chunked(self, message, until):
        raw, body = [], []  # pieces: what is put together grows with each chunk
        try:
            self._take_chunks(message, raw, body, until)
        finally:
            message.raw_body, message.body = b"".join(raw), b"".join(body)

    def _take_chunks(self, message, raw, body, until):
        while True:
            line = self.take_through(b"\r\n", until)
            if line is None:
                return
            raw.append(line)
            size = line[:-2].split(b";")[0].strip()
            if not size or size.strip(b"0123456789abcdefABCDEF"):
                raise WireError(f"chunk size line: {line!r}")
            if int(size, 16) == 0:
                break
            piece = self.take(int(size, 16) + 2, until)
            raw.append(piece)
            if len(piece) < int(size, 16) + 2:
                return
            if piece[-2:] != b"\r\n":
                raise WireError(f"chunk does not end in CRLF: {piece[-20:]!r}")
            body.append(memoryview(piece)[:-2])
        while True:
            line = self.take_through(b"\r\n", until)
            if line is None:
                return
            raw.append(line)
            if line == b"\r\n":
                message.complete = True
                return
            name, _, value = line[:-2].partition(b":")
            message.trailers.append((name, value.strip(b" \t")))

    def take_body(self, message, framing, until):
        if framing == "chunked":
            self.take_chunked(message, until)
        elif framing == "close":
            message.body = message.raw_body = self.take_all(until)
            message.complete = self.ended == "eof"
        else:
            message.body = message.raw_body = self.take(framing, until)
            message.complete = len(message.body) == framing
