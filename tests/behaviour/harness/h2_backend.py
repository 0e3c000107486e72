"""A backend that speaks HTTP/2, by python3-h2, which checks each frame against the states of RFC 9113.

    backend = h2_backend.H2Backend(lambda exchange: exchange.answer(body=b"ok"))

The handler is called in the thread of the connection, when a request is whole; with at_head=True when its head is. It
answers, now or later, from any thread. `takes` False: bodies are not given back to the windows.
"""

import contextlib
import socket
import threading

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from harness import backends, net, proxy, settings

MAX_STREAMS = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS
INITIAL_WINDOW = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE
REFUSED_STREAM = h2.errors.ErrorCodes.REFUSED_STREAM


class Exchange:
    """One request: .fields (a list), .body, .trailers; .is_whole; .reset: the code, once it was."""

    def __init__(self, conn, stream, fields):
        self.conn = conn
        self.stream = stream
        self.fields = [(name.decode(), value.decode()) for name, value in fields]
        self.body = b""
        self.trailers = None
        self.is_whole = False
        self.reset = None
        self.waiting = b""  # of the answer, for room
        self.last = None  # what goes behind it

    def get(self, name):
        return dict(self.fields).get(name)

    @property
    def path(self):
        return self.get(":path")

    def interim(self, status, fields=()):
        self.conn.do(lambda state: state.send_headers(self.stream, [(":status", str(status)), *fields]))

    def head(self, status=200, fields=(), end=False):
        self.conn.do(lambda state: state.send_headers(self.stream, [(":status", str(status)), *fields], end_stream=end))

    def data(self, body, end=False, trailers=None):
        with self.conn.lock:
            self.waiting += body
            if end or trailers:
                self.last = trailers or ()
            self.conn.do(self.send_waiting)

    def send_waiting(self, state):
        while self.waiting and self.reset is None:
            room = min(state.local_flow_control_window(self.stream), state.max_outbound_frame_size, len(self.waiting))
            if room == 0:
                return
            state.send_data(self.stream, self.waiting[:room])
            self.waiting = self.waiting[room:]
        if self.last is None or self.reset is not None:
            return
        if self.last:
            state.send_headers(self.stream, list(self.last), end_stream=True)
        else:
            state.end_stream(self.stream)
        self.last = None

    def answer(self, status=200, fields=(), body=b"", trailers=None):
        with self.conn.lock:
            self.head(status, fields, end=not body and not trailers)
            if body or trailers:
                self.data(body, end=True, trailers=trailers)

    def refuse(self, code=REFUSED_STREAM):
        self.conn.do(lambda state: state.reset_stream(self.stream, code))


class Connection:
    def __init__(self, backend, sock):
        self.backend = backend
        self.sock = sock
        self.lock = threading.RLock()
        self.exchanges = {}
        self.is_over = threading.Event()
        self.is_greeted = threading.Event()  # our SETTINGS are known to the other side
        self.has_goaway = False
        self.n_acked = 0  # of our PING
        self.failed = None
        self.state = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding=None, validate_outbound_headers=False))

    def do(self, work):
        with self.lock:
            work(self.state)
            self.sock.sendall(self.state.data_to_send())

    def goaway(self, last_stream):
        """It goes on with what there is up to this stream. As a frame, for h2 would end all."""
        with self.lock:
            self.sock.sendall(b"\0\0\x08\x07\0\0\0\0\0" + last_stream.to_bytes(4, "big") + b"\0\0\0\0")

    def wait_ping(self):
        """What was sent before is read there. Not in the thread of the connection."""
        wanted = self.n_acked + 1
        self.do(lambda state: state.ping(b"areyouup"))
        settings.wait_until(lambda: self.n_acked >= wanted, "an answer to PING")

    def send(self, piece):
        with self.lock:
            self.sock.sendall(piece)

    def take_header(self):
        """A PROXY header, where the backend has a list for them; what came behind it."""
        if self.backend.proxy_headers is None:
            return b""
        raw = backends.Connection(self.sock, None, 0)
        self.backend.proxy_headers.append(proxy.read(raw))
        self.sock.settimeout(None)
        return bytes(raw.buffer)

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def run(self):
        try:
            self.state.local_settings = h2.settings.Settings(client=False, initial_values=self.backend.greeting(self))
            piece = self.take_header()
            self.do(lambda state: state.initiate_connection())
            while piece := piece or self.sock.recv(65536):
                with self.lock:
                    for event in self.state.receive_data(piece):
                        self.on(event)
                    self.sock.sendall(self.state.data_to_send())
                piece = b""
        except (OSError, h2.exceptions.ProtocolError) as failed:
            self.failed = failed
        finally:
            self.sock.close()
            self.is_over.set()

    def on(self, event):
        backend = self.backend
        if isinstance(event, h2.events.RequestReceived):
            made = self.exchanges[event.stream_id] = Exchange(self, event.stream_id, event.headers)
            backend.exchanges.append(made)
            if backend.at_head:
                backend.handler(made)
        elif isinstance(event, h2.events.DataReceived):
            self.exchanges[event.stream_id].body += event.data
            if backend.on_data:
                backend.on_data(self.exchanges[event.stream_id], event.data)
            if backend.takes:
                with contextlib.suppress(h2.exceptions.StreamClosedError):
                    self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            self.exchanges[event.stream_id].trailers = event.headers
        elif isinstance(event, h2.events.StreamEnded):
            made = self.exchanges[event.stream_id]
            made.is_whole = True
            if not backend.at_head:
                backend.handler(made)
        elif isinstance(event, h2.events.StreamReset):
            self.exchanges[event.stream_id].reset = event.error_code
        elif isinstance(event, h2.events.PingAckReceived):
            self.n_acked += 1
        elif isinstance(event, h2.events.SettingsAcknowledged):
            self.is_greeted.set()
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.has_goaway = True
        elif isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
            for made in list(self.exchanges.values()):
                made.send_waiting(self.state)


class H2Backend:
    def __init__(self, handler=lambda exchange: exchange.answer(body=b"ok"), at_head=False, takes=True, context=None,
                 **given):
        self.handler = handler
        self.at_head = at_head
        self.takes = takes
        self.context = context
        self.proxy_headers = None  # a list: each connection begins with one
        self.on_data = None  # called for each piece of a body
        self.settings = {getattr(h2.settings.SettingCodes, name.upper()): value for name, value in given.items()}
        self.connections = []
        self.exchanges = []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((net.ADDRESS, net.free_port()))
        self.listener.listen(1024)
        self.address = "%s:%d" % self.listener.getsockname()
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def greeting(self, conn):
        """The SETTINGS that this connection begins with; nothing is said before."""
        return self.settings

    def allow(self, n):
        """MAX_CONCURRENT_STREAMS from now on."""
        self.settings = {**self.settings, MAX_STREAMS: n}
        for conn in self.connections:
            conn.do(lambda state: state.update_settings({MAX_STREAMS: n}))

    def serve(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.context:
            try:
                sock = self.context.wrap_socket(sock, server_side=True)
            except OSError:
                sock.close()
                return
        conn = Connection(self, sock)
        self.connections.append(conn)
        conn.run()

    def wait_exchanges(self, n):
        settings.wait_until(lambda: len(self.exchanges) >= n, f"{n} requests at {self.address}")
        return self.exchanges[n - 1]

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(settings.TIMEOUT)
        for conn in self.connections:
            conn.close()
            assert conn.is_over.wait(settings.TIMEOUT)


@contextlib.contextmanager
def starting():
    """In the block H2Backends are made by what it is given; stopped behind it."""
    made = []

    def start(*arguments, **options):
        made.append(H2Backend(*arguments, **options))
        return made[-1]
    try:
        yield start
    finally:
        for backend in made:
            backend.stop()
