"""early_data: a question may come before the end of a resumed handshake; backends are told, and it is answered once."""

import contextlib
import socket
import subprocess
import threading

import h2.config
import h2.connection
import pytest

from harness import client, conf, metrics, net, process, settings, tls

CLOSE = b"Connection: close\r\n"
TOP = 'admin = {{ http = "{page}"; }};'


class Tap:
    """Passes one connection on, and keeps what the client says; behind the server's first word only once `until` holds (None: the
    server has closed), so that the handshake is not over before."""

    def __init__(self, target, until=None):
        self.until, self.is_answered, self.is_over = until or (lambda: self.is_over), False, False
        self.is_passed = self.is_confirmed = False  # the end of the handshake, and what comes of it
        self.listener = socket.create_server((net.ADDRESS, 0))
        self.address = "{}:{}".format(*self.listener.getsockname())
        self.said = b""
        self.target = target
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        front, _ = self.listener.accept()
        host, port = self.target.rsplit(":", 1)
        back = socket.create_connection((host, int(port)))
        back.settimeout(settings.TIMEOUT)
        front.settimeout(settings.TIMEOUT)

        def up():
            with contextlib.suppress(OSError):
                while piece := front.recv(65536):
                    self.said += piece
                    if self.is_answered:
                        settings.wait_until(self.until, "what is early")
                        self.is_passed = True
                    back.sendall(piece)
                back.shutdown(socket.SHUT_WR)
        reader = threading.Thread(target=up, daemon=True)
        reader.start()
        with contextlib.suppress(OSError):
            with contextlib.suppress(ConnectionError):
                while piece := back.recv(65536):
                    self.is_confirmed = self.is_passed
                    self.is_answered = True
                    front.sendall(piece)
            self.is_over = True
            front.shutdown(socket.SHUT_WR)
        reader.join(settings.TIMEOUT)
        front.close()
        back.close()
        self.listener.close()


def s_client(address, *arguments, stdin=b"", authority=None, until=None):
    """What it prints, to the end of the connection, or until something has come of it."""
    with subprocess.Popen(["openssl", "s_client", "-connect", address, "-servername", "site.example.org",
                           "-CAfile", authority.pem, "-ign_eof", *map(str, arguments)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        killer = threading.Timer(settings.TIMEOUT, run.kill)
        killer.start()
        try:
            run.stdin.write(stdin)
            run.stdin.flush()
            if until is not None:
                settings.wait_until(until, "what s_client is to do")
                run.kill()
            return run.stdout.read()
        finally:
            killer.cancel()
            run.kill()


class Site:
    def __init__(self, tidegate, backend, authority, folder, extra="early_data = true;", **options):
        self.authority, self.folder = authority, folder
        self.page = f"{net.ADDRESS}:{net.free_port()}"
        self.backend = backend
        self.tg = tidegate(conf.http(backend, listener=tls.listener(authority.issue("site.example.org"), extra=extra),
                                     top=TOP.format(page=self.page), **options))

    def session(self, *more):
        """Of a whole request; in a file."""
        path = self.folder / "session"
        path.unlink(missing_ok=True)
        said = s_client(self.tg.address, "-quiet", "-sess_out", path, *more,
                        stdin=client.get(extra=CLOSE), authority=self.authority)
        assert b"200 OK" in said and path.exists(), said
        return path

    def early(self, request, session, address=None, then=b""):
        data = self.folder / "data"
        data.write_bytes(request)
        return s_client(address or self.tg.address, "-sess_in", session, "-early_data", data, stdin=then,
                        authority=self.authority)

    def refused(self):
        return metrics.page(self.page).value("listener_ends_total", listener="front", reason="too-early")

    def taken(self):
        return metrics.page(self.page).value("listener_tls_early_total", listener="front")


@pytest.fixture
def site(tidegate, recording_backend, authority, tmp_path):
    return lambda **options: Site(tidegate, recording_backend(), authority, tmp_path, **options)


def marks(backend):
    """Path and Early-Data of each request."""
    return [(one.target, one.all("early-data")) for one in backend.requests]


def test_questions_are_passed_on_and_told_and_never_twice(site):
    s = site()
    session = s.session()
    tap = Tap(s.tg.address, lambda: len(s.backend.requests) == 2)
    said = s.early(client.get("/early", extra=CLOSE), session, address=tap.address)
    assert b"Early data was accepted" in said and b"200 OK" in said, said
    assert sorted(marks(s.backend)) == [("/", []), ("/early", ["1"])] and s.taken() == 1
    # Who has recorded it plays it again: bytes for bytes, at once.
    with client.RawClient(s.tg.address) as peer:
        peer.send(tap.said).finish_sending()
        peer.read_to_end()
    assert len(s.backend.requests) == 2 and s.taken() == 1
    # A client that uses a ticket twice goes on without.
    said = s.early(client.get("/again", extra=CLOSE), session, then=client.get("/then", extra=CLOSE))
    assert b"Early data was rejected" in said and b"200 OK" in said
    assert sorted(marks(s.backend)) == [("/", []), ("/early", ["1"]), ("/then", [])]
    # What may not be repeated is its client's to say again.
    body = b"Content-Length: 5\r\n\r\nwords"
    chunks = b"Transfer-Encoding: chunked\r\n\r\n5\r\nwords\r\n0\r\n\r\n"
    for request in [client.post(b"words", "/order", extra=CLOSE),
                    *(client.get("/order", extra=CLOSE)[:-2] + whole for whole in (body, chunks)),
                    client.get("/chat", extra=b"Upgrade: websocket\r\nConnection: upgrade, close\r\n")]:
        before = s.refused()
        tap = Tap(s.tg.address, lambda: s.refused() > before)
        said = s.early(request, s.session(), address=tap.address)
        assert b"425 Too Early" in said, said
        assert s.tg.access.wait(status="425")["end"] == "too-early"
    assert not any(one.target in ("/order", "/chat") for one in s.backend.requests)
    # With the handshake over it is as ever.
    with tls.TlsClient(s.tg.address, s.authority.context()) as peer:
        assert peer.exchange(client.post(b"words", "/order")).status == 200
    assert ("/order", []) in marks(s.backend)


@pytest.mark.parametrize("timeouts, requests", [
    ('tls_handshake = "2s";', [client.get("/kept"), client.get("/kept") + client.get("/half")[:-2]]),
    ('tls_handshake = "1h";', [client.get("/last", extra=CLOSE)]),
], ids=["handshake", "close"])
def test_who_does_not_end_his_handshake_is_not_waited_for(site, timeouts, requests):
    s = site(extra="early_data = true; }; timeouts = { idle = \"1h\"; keep_alive = \"1h\"; request_head = \"1h\"; " + timeouts)
    for request in requests:
        tap = Tap(s.tg.address)
        s.early(request, s.session(), address=tap.address)
        assert tap.is_answered and tap.is_over
    assert s.taken() == len(requests)


def test_a_slow_backend_holds_up_no_handshake(tidegate, recording_backend, authority, tmp_path):
    """Its end is taken while the answer is awaited, so that what was sent with the question is early no more."""
    taps = []

    def script(conn):
        while conn.read_request() is not None:
            if taps:
                asked.set()
                settings.wait_until(lambda: taps[0].is_confirmed, "the end of the handshake")
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    asked = threading.Event()
    s = Site(tidegate, recording_backend(script), authority, tmp_path)
    session = s.session()
    taps.append(Tap(s.tg.address, asked.is_set))
    said = s.early(client.get("/early") + client.post(b"words", "/order", extra=CLOSE), session, address=taps[0].address)
    assert said.count(b"200 OK") == 2, said
    assert sorted(marks(s.backend)) == [("/", []), ("/early", ["1"]), ("/order", [])]


def test_what_fills_the_buffer_does_not_hide_the_end_of_the_handshake(tidegate, recording_backend, authority, tmp_path):
    """The client has sent it; that we read it only behind a slow answer is not its fault."""
    def script(conn):
        while (request := conn.read_request()) is not None:
            if request.target == "/slow":
                asked.set()
                settings.wait_until(lambda: taps[0].is_passed, "the end of the handshake")
                settings.let_rest(3)
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    asked, taps = threading.Event(), []
    s = Site(tidegate, recording_backend(script), authority, tmp_path,
             extra='early_data = true; early_data_size = "64K"; }; timeouts = { tls_handshake = "2s";')
    session = s.session()
    taps.append(Tap(s.tg.address, asked.is_set))
    more = client.get("/more", extra=b"X-Long: %s\r\n" % (b"x" * 900))
    said = s.early(client.get("/slow") + more * 40 + client.get("/last", extra=CLOSE), session, address=taps[0].address)
    assert said.count(b"200 OK") == 42, said
    assert ("/slow", ["1"]) in marks(s.backend)


def test_not_behind_an_upgrade_nor_where_it_is_too_long(site):
    s = site(extra="early_data = true; early_data_size = 512;")
    session = s.session()
    s.tg.upgrade().wait()
    said = s.early(client.get("/late", extra=CLOSE), session, then=client.get("/then", extra=CLOSE))
    assert b"Early data was rejected" in said and b"Reused" in said, said
    assert s.taken() == 0 and sorted(marks(s.backend)) == [("/", []), ("/then", [])]


def test_off_it_is_not_taken(site):
    s = site(extra="")
    said = s_client(s.tg.address, "-quiet", "-sess_out", s.folder / "session",
                    stdin=client.get(extra=CLOSE), authority=s.authority)
    assert b"200 OK" in said
    text = tls.openssl("sess_id", "-in", s.folder / "session", "-noout", "-text")
    assert b"Max Early Data: 0" in text


def test_http2_too(site):
    s = site()
    path = s.folder / "session"
    conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    conn.initiate_connection()
    conn.send_headers(1, [(":method", "GET"), (":scheme", "https"), (":authority", "site.example.org"), (":path", "/two")],
                      end_stream=True)
    whole = conn.data_to_send()
    head = [(":method", "GET"), (":scheme", "https"), (":authority", "site.example.org")]
    conn.send_headers(3, [*head, (":path", "/body")])
    conn.send_data(3, b"words", end_stream=True)
    conn.send_headers(5, [*head, (":path", "/empty"), ("content-length", "0")])
    conn.send_data(5, b"", end_stream=True)
    early = whole + conn.data_to_send()
    s_client(s.tg.address, "-quiet", "-alpn", "h2", "-sess_out", path, stdin=whole, authority=s.authority,
             until=lambda: path.exists() and len(s.backend.requests) == 1)
    data = s.folder / "data"
    data.write_bytes(early)

    def is_handled():
        return len(s.backend.requests) >= 3 and s.tg.access.records(end="too-early")
    tap = Tap(s.tg.address, is_handled)
    said = s_client(tap.address, "-alpn", "h2", "-sess_in", path, "-early_data", data, authority=s.authority,
                    until=is_handled)
    assert b"Early data was rejected" not in said and s.taken() == 1
    assert sorted(marks(s.backend)) == [("/empty", ["1"]), ("/two", []), ("/two", ["1"])]
    assert [line["path"] for line in s.tg.access.records(end="too-early")] == ["/body"]


@pytest.mark.parametrize("mode, keys, top, why", [
    ("http", 'early_data = true; session_lifetime = "0";', "", "leaves no session to resume"),
    ("tcp", "early_data = true;", "", "what can be repeated is known of requests only"),
    ("http", 'ciphers = "AES128-GCM-SHA256";', "key_isolation = true;", "decrypts with the private key"),
])
def test_what_cannot_be_is_told(authority, recording_backend, tmp_path, mode, keys, top, why):
    path = tmp_path / "t.conf"
    path.write_text(str(getattr(conf, mode)(recording_backend(), top=top, bind=f"{net.ADDRESS}:1",
                                            listener=tls.listener(authority.issue("site.example.org"), extra=keys))))
    told = process.run_tidegate("-t", "-c", path)
    assert told.returncode == 1 and why in told.stderr, told
