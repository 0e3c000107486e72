"""A client that sends exact bytes and reads what comes."""

import contextlib
import select
import socket

from harness import net, settings, wire


class RawClient(wire.Wire):
    """One TCP connection to tidegate."""

    def __init__(self, address, receive_buffer=None, keep=True):
        host, port = net.split(address)
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.settimeout(settings.TIMEOUT)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            sock.connect((host, port))
        except OSError:
            sock.close()
            raise
        # A peer that has reset the connection by now is for the reads to tell.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(sock, keep)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, *pieces):
        """Sends the pieces, each with a write of its own."""
        self.sock.settimeout(settings.TIMEOUT)
        for piece in pieces:
            self.sock.sendall(piece)
        return self

    def try_send(self, *pieces):
        """The same to a peer that may have closed: true when all went out."""
        try:
            self.send(*pieces)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def hurry(self):
        """One with a small receive_buffer reads fast from now on."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

    def finish_sending(self):
        """Half-close: nothing more will come from here."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        net.reset_on_close(self.sock)
        self.sock.close()

    def close(self):
        self.sock.close()

    def is_readable(self):
        """Whether bytes, or an end, wait to be read right now."""
        return bool(self.buffer) or bool(select.select([self.sock], [], [], 0)[0])

    def read(self, n, seconds=None):
        """Exactly n bytes; fewer only when the connection ended."""
        return self.take(n, settings.deadline(seconds))

    def read_line(self, seconds=None):
        return self.take_through(b"\n", settings.deadline(seconds))

    def read_head(self, seconds=None):
        """The bytes of a head, through its empty line."""
        return self.take_through(b"\r\n\r\n", settings.deadline(seconds))

    def read_to_end(self, seconds=None):
        """Everything until the other side closes; `ended` says how."""
        return self.take_all(settings.deadline(seconds))

    def read_answer(self, method="GET", seconds=None):
        """The next final answer (with its interim ones); wire.Closed when there is none."""
        until = settings.deadline(seconds)
        interim = []
        while True:
            head = self.take_through(b"\r\n\r\n", until)
            if head is None:
                raise wire.Closed(f"no answer, {self.ended}; received {bytes(self.buffer)!r}")
            answer = wire.Answer(head)
            if answer.status == 101 or answer.status >= 200:
                break
            answer.complete = True
            interim.append(answer)
        answer.interim = interim
        framing = answer.framing()
        if method == "HEAD" or answer.status in (101, 204, 304):
            answer.complete = True
        else:
            self.take_body(answer, "close" if framing is None else framing, until)
        return answer

    def exchange(self, request, method=None):
        """Sends one request and reads its answer."""
        self.send(request)
        return self.read_answer(method or request.split(b" ", 1)[0].decode("latin-1"))


def warm(peer):
    """Two GETs with a second between them: after that, POSTs too use the kept connection for a while."""
    assert peer.exchange(get("/warm")).status == 200
    settings.let_rest(1.1)
    assert peer.exchange(get("/warm")).status == 200


def get(target="/", host="example.org", extra=b"", version="1.1"):
    """The bytes of a plain GET."""
    return (f"GET {target} HTTP/{version}\r\nHost: {host}\r\n".encode("latin-1") + extra + b"\r\n")


def post(body, target="/", host="example.org", extra=b""):
    return (f"POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n".encode()
            + extra + b"\r\n" + body)


def chunked(*pieces, trailers=b"", extension=b""):
    """A chunked body of these pieces."""
    out = []
    for piece in pieces:
        out += [b"%x%s\r\n" % (len(piece), extension), piece, b"\r\n"]
    return b"".join([*out, b"0\r\n", trailers, b"\r\n"])
