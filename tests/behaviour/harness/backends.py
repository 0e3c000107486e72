"""Servers for the back side: they record exact bytes and play scripts.

A script is a function of one argument, the connection (class Connection). The
server runs it in a thread per connection and closes after it, so a script says
in plain order what the backend does:

    def script(conn):
        request = conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhel")
        conn.reset()
"""

import contextlib
import socket
import threading

from harness import net, procfs, settings, wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answer(status="200 OK", body=b"", fields=(), length=True):
    """The bytes of an answer."""
    head = f"HTTP/1.1 {status}\r\n".encode()
    for name, value in fields:
        head += f"{name}: {value}\r\n".encode("latin-1")
    if length:
        head += b"Content-Length: %d\r\n" % len(body)
    return head + b"\r\n" + body


class Connection(wire.Wire):
    """The backend's end of one connection; `received` holds every byte that came."""

    def __init__(self, sock, peer, number):
        super().__init__(sock)
        self.peer = peer
        self.number = number
        self.requests = []
        self.closed = threading.Event()
        self.failed = None

    def send(self, *pieces):
        self.sock.settimeout(settings.TIMEOUT)
        for piece in pieces:
            self.sock.sendall(piece)

    def read(self, n):
        return self.take(n, settings.deadline())

    def read_to_end(self):
        return self.take_all(settings.deadline())

    def read_head(self):
        """The head of a request, as wire.Request; None when the other side closed."""
        head = self.take_through(b"\r\n\r\n", settings.deadline(24 * 3600))
        if head is None:
            return None
        request = wire.Request(head)
        self.requests.append(request)
        return request

    def read_request(self):
        """Head and body of a request; None when the other side closed."""
        request = self.read_head()
        if request is not None:
            self.take_body(request, request.framing() or 0, settings.deadline())
        return request

    def finish_sending(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        net.reset_on_close(self.sock)
        self.sock.close()

    def close(self):
        self.sock.close()


def serve(conn):
    """Answers every request with 200 and 'ok', on one connection as long as the client wants."""
    while conn.read_request() is not None:
        conn.send(OK)


def answers(*raw, then=serve):
    """A script: one request read, one answer sent, for each; then goes on with `then`."""
    def script(conn):
        for piece in raw:
            if conn.read_request() is None:
                return
            conn.send(piece)
        if then:
            then(conn)
    return script


def handles(handler):
    """A script: handler(request) gives the bytes that answer it; None closes."""
    def script(conn):
        while True:
            request = conn.read_request()
            reply = handler(request) if request is not None else None
            if reply is None:
                return
            conn.send(reply)
    return script


def echo(conn):
    """TCP: sends back what comes, with the half-close."""
    conn.keep = False
    conn.sock.settimeout(None)
    while True:
        piece = conn.sock.recv(65536)
        if not piece:
            break
        conn.sock.sendall(piece)
    conn.finish_sending()


@contextlib.contextmanager
def full_listener():
    """A listener whose queue is full: who connects waits for its next try, a second later."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((net.ADDRESS, net.free_port()))
        listener.listen(0)
        fillers = []
        while procfs.connecting_to(listener.getsockname()) == 0:
            fillers.append(stack.enter_context(socket.socket()))
            fillers[-1].setblocking(False)
            fillers[-1].connect_ex(listener.getsockname())
        fillers.pop().close()
        settings.wait_until(lambda: procfs.connecting_to(listener.getsockname()) == 0,
                            "the last one to give up")
        yield listener, len(fillers)


class RecordingBackend:
    """A TCP server of threads; `connections` lists what came, in order of accept."""

    def __init__(self, *scripts, name=None, port=None, address=None):
        self.scripts = scripts or (serve,)
        self.lock = threading.Lock()
        self.connections = []
        self.all_connections = []
        self.stopping = False
        host = address or net.ADDRESS
        self.listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, port or net.free_port(host)))
        self.listener.listen(1024)
        host, self.port = self.listener.getsockname()[:2]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.name = name or self.address
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            if self.stopping:
                sock.close()
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                number = len(self.all_connections)
                conn = Connection(sock, peer, number)
                self.all_connections.append(conn)
                self.connections.append(conn)
            script = self.scripts[min(number, len(self.scripts) - 1)]
            threading.Thread(target=self._run, args=(script, conn), daemon=True).start()

    @staticmethod
    def _run(script, conn):
        try:
            script(conn)
        except (OSError, settings.NotInTime, wire.WireError, ValueError) as failed:
            conn.failed = failed
        finally:
            conn.close()
            conn.closed.set()

    @property
    def received(self):
        """All bytes of all connections, in order of accept."""
        return b"".join(bytes(conn.received) for conn in list(self.connections))

    @property
    def requests(self):
        """All requests read so far, in order of accept."""
        return [request for conn in list(self.connections) for request in list(conn.requests)]

    def forget(self):
        """Starts a new record: connections accepted so far are no longer listed."""
        with self.lock:
            self.connections = []

    def wait_closed(self):
        """Waits until every listed connection is over, so that `received` is final."""
        settings.wait_until(lambda: all(c.closed.is_set() for c in list(self.connections)),
                            f"all connections to {self.name} to be closed")

    def wait_connections(self, n):
        settings.wait_until(lambda: len(self.connections) >= n, f"{n} connections at {self.name}")
        return self.connections[n - 1]

    def wait_requests(self, n):
        settings.wait_until(lambda: len(self.requests) >= n, f"{n} requests at {self.name}")
        return self.requests[n - 1]

    def close_listener(self):
        """Refuses connections from now on; those made live on."""
        self.stopping = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.thread.join(settings.TIMEOUT)

    def stop(self):
        self.close_listener()
        for conn in list(self.all_connections):
            try:
                conn.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            conn.closed.wait(settings.TIMEOUT)
