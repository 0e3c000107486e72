"""A client of HTTP/2 that says exact frames, and reads what comes frame by frame.

    with h2.H2Client(tg.address) as peer:
        stream = peer.request("/x")
        assert peer.answer(stream).status == 200

`takes` False: what comes is not given back to the windows (RFC 9113 5.2) until it is set.
"""

import contextlib
import socket

import hpack
from hyperframe import frame as frames

from harness import net, settings, tls

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# RFC 9113 7
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = range(4)
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = range(5, 10)
ENHANCE_YOUR_CALM = 11
LISTENER = "h2c = true;"


class Ended(AssertionError):
    """The connection ended before what was waited for."""


class Answer:
    """What came on one stream: `heads` of interim ones, .status, .fields, .body, .trailers; `reset`: the code of RST_STREAM."""

    def __init__(self):
        self.heads = []
        self.fields = None
        self.trailers = None
        self.body = b""
        self.is_whole = False
        self.reset = None

    @property
    def status(self):
        return int(self.get(":status"))

    @property
    def interim(self):
        return [int(dict(head)[":status"]) for head in self.heads]

    def get(self, name):
        return dict(self.fields or []).get(name)

    def add_head(self, fields):
        if self.fields is not None:
            self.trailers = fields
        elif dict(fields)[":status"].startswith("1"):
            self.heads.append(fields)
        else:
            self.fields = fields


class Head(list):
    """The frames of one: HEADERS, and CONTINUATION where it is long."""

    def __init__(self, stream, block, flags=(), most=16384):
        pieces = [block[at:at + most] for at in range(0, len(block), most)] or [b""]
        made = [frames.HeadersFrame(stream, pieces[0], flags=flags)]
        made += [frames.ContinuationFrame(stream, piece) for piece in pieces[1:]]
        made[-1].flags.add("END_HEADERS")
        super().__init__(made)
        self.stream_id = stream

    def serialize(self):
        return b"".join(one.serialize() for one in self)


def get(path="/", method="GET", host="example.org", scheme="http", extra=()):
    """The fields of a request."""
    return [(":method", method), (":scheme", scheme), (":authority", host), (":path", path), *extra]


class H2Client:
    def __init__(self, address, context=None, name="site.example.org", settings_sent=None, takes=True,
                 receive_buffer=None, begins=True):
        host, port = net.split(address)
        self.sock = socket.socket()
        self.sock.settimeout(settings.TIMEOUT)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.connect((host, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.sock = tls.TlsSocket(self.sock, context, name)
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.decoder.max_header_list_size = 1 << 20
        self.buffer = b""
        self.next_stream = 1
        self.takes = takes
        self.received = []  # all frames
        self.answers = {}
        self.block = None  # a head that is not whole
        self.settings = {}
        self.goaway = None
        self.windows = {0: 65535}  # what may be sent
        self.ended = False
        if begins:
            self.send(PREFACE)
            self.send(frames.SettingsFrame(settings=settings_sent or {}))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        net.reset_on_close(getattr(self.sock, "raw", self.sock))
        self.close()

    # saying

    def send(self, *pieces):
        """Frames, or bytes, with one write."""
        self.sock.sendall(b"".join(piece if isinstance(piece, bytes) else piece.serialize()
                                   for piece in pieces))
        return self

    def try_send(self, *pieces):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send(*pieces)
            return True
        return False

    def head(self, fields, end=True, stream=None):
        """The frames of these fields, on the next stream."""
        if stream is None:
            stream = self.next_stream
            self.next_stream += 2
            self.answers[stream] = Answer()
            self.windows[stream] = self.settings.get(frames.SettingsFrame.INITIAL_WINDOW_SIZE, 65535)
        return Head(stream, self.encoder.encode(fields), ["END_STREAM"] if end else [])

    def request(self, path="/", method="GET", body=None, trailers=None, extra=(), end=True, **options):
        """Sends one; its stream. A body goes out as windows let it."""
        fields = get(path, method, extra=extra, **options)
        head = self.head(fields, end=end and body is None and trailers is None)
        self.send(head)
        if body is not None:
            self.data(head.stream_id, body, end=end and trailers is None)
        if trailers is not None:
            self.send(self.head(trailers, stream=head.stream_id))
        return head.stream_id

    def data(self, stream, body=b"", end=True):
        view = memoryview(body)
        at = 0
        while True:
            room = min(16384, len(view) - at, self.windows[0], self.windows[stream])
            if room == 0 and at < len(view):
                self.step()
                continue
            made = frames.DataFrame(stream, bytes(view[at:at + room]))
            at += room
            self.windows[0] -= room
            self.windows[stream] -= room
            if at == len(view) and end:
                made.flags.add("END_STREAM")
            self.send(made)
            if at == len(view):
                return

    def cancel(self, stream, code=CANCEL):
        self.send(frames.RstStreamFrame(stream, code))

    def take_from(self, stream, n):
        """So many bytes may come on this stream, and on the connection."""
        self.send(frames.WindowUpdateFrame(stream, n), frames.WindowUpdateFrame(0, n))

    # hearing

    def read_frame(self, seconds=None):
        """The next one; None at the end of the connection."""
        until = settings.deadline(seconds)
        while True:
            if len(self.buffer) >= 9:
                made, length = frames.Frame.parse_frame_header(memoryview(self.buffer[:9]))
                if len(self.buffer) >= 9 + length:
                    made.parse_body(memoryview(self.buffer[9:9 + length]))
                    self.buffer = self.buffer[9 + length:]
                    self.received.append(made)
                    return made
            self.sock.settimeout(settings.left(until))
            try:
                got = self.sock.recv(65536)
            except (ConnectionResetError, BrokenPipeError):
                got = b""
            except socket.timeout:
                raise settings.NotInTime(f"no frame; so far {self.received}") from None
            if not got:
                self.ended = True
                return None
            self.buffer += got

    def step(self, seconds=None):
        """Reads one frame and does what it asks for; the frame, None at the end."""
        made = self.read_frame(seconds)
        if made is not None:
            getattr(self, f"on_{type(made).__name__}", lambda _: None)(made)
        return made

    def on_SettingsFrame(self, made):
        if "ACK" in made.flags:
            return
        initial = frames.SettingsFrame.INITIAL_WINDOW_SIZE
        change = made.settings.get(initial, 65535) - self.settings.get(initial, 65535)
        for stream in self.windows:
            self.windows[stream] += change if stream else 0
        self.settings.update(made.settings)
        self.try_send(frames.SettingsFrame(flags=["ACK"]))

    def on_PingFrame(self, made):
        if "ACK" not in made.flags:
            self.try_send(frames.PingFrame(opaque_data=made.opaque_data, flags=["ACK"]))

    def on_WindowUpdateFrame(self, made):
        self.windows[made.stream_id] = self.windows.get(made.stream_id, 0) + made.window_increment

    def on_HeadersFrame(self, made):
        self.block = [made, made.data]
        self.end_head(made)

    def on_ContinuationFrame(self, made):
        self.block[1] += made.data
        self.end_head(made)

    def end_head(self, made):
        if "END_HEADERS" not in made.flags:
            return
        head, block = self.block
        answer = self.answers[head.stream_id]
        answer.add_head(self.decoder.decode(block))
        answer.is_whole |= "END_STREAM" in head.flags

    def on_DataFrame(self, made):
        answer = self.answers[made.stream_id]
        answer.body += made.data
        answer.is_whole |= "END_STREAM" in made.flags
        if self.takes and made.flow_controlled_length:
            self.try_send(frames.WindowUpdateFrame(0, made.flow_controlled_length),
                          *([] if answer.is_whole else
                            [frames.WindowUpdateFrame(made.stream_id, made.flow_controlled_length)]))

    def on_RstStreamFrame(self, made):
        self.answers.setdefault(made.stream_id, Answer()).reset = made.error_code

    def on_GoAwayFrame(self, made):
        self.goaway = made

    def wait(self, holds, what):
        """Reads frames until holds(); what it returns."""
        until = settings.deadline()
        while True:
            value = holds()
            if value:
                return value
            if self.step(settings.left(until)) is None:
                raise Ended(f"the connection ended, waited for: {what}; frames: {self.received}")

    def answer(self, stream):
        """All of it, also when it is reset."""
        answer = self.answers[stream]
        self.wait(lambda: answer.is_whole or answer.reset is not None, f"an answer on {stream}")
        return answer

    def exchange(self, path="/", **options):
        return self.answer(self.request(path, **options))

    def wait_head(self, stream):
        answer = self.answers[stream]
        self.wait(lambda: answer.fields is not None or answer.reset is not None, f"a head on {stream}")
        return answer

    def wait_reset(self, stream):
        answer = self.answers[stream]
        self.wait(lambda: answer.reset is not None, f"a reset of {stream}")
        return answer.reset

    def wait_ping(self):
        """All that was sent before is read there."""
        self.send(frames.PingFrame(opaque_data=b"areyouup"))
        self.wait(lambda: any(isinstance(one, frames.PingFrame) and "ACK" in one.flags
                              for one in self.received), "a word")

    def wait_end(self):
        """Reads to the end of the connection; the last GOAWAY, or None."""
        while self.step() is not None:
            pass
        return self.goaway
