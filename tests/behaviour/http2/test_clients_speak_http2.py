"""HTTP/2 to clients: over TLS where they offer it, and by prior knowledge; to backends it is HTTP/1.1."""

import hashlib
import ssl
import subprocess

import h2.config
import h2.connection
import h2.events
import pytest

from harness import backends, client, conf, h2 as harness_h2, settings, tls

H2Client = harness_h2.H2Client


def handle(request):
    if request.target.startswith("/bytes/"):
        return backends.answer(body=b"x" * int(request.target.split("/")[2].split("?")[0]))
    if request.target == "/chunks":
        return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" +
                client.chunked(b"hello ", b"world", trailers=b"X-Sum: 11\r\n"))
    return backends.answer(body=request.body, fields=[("X-Method", request.method), ("Connection", "keep-alive")])


def serve(conn):
    while (request := conn.read_request()) is not None:
        if request.target == "/close":
            conn.send(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
            return
        conn.send(handle(request))


@pytest.fixture(scope="module")
def site(module_tidegate, module_backend, authority):
    """One with a plain and a TLS listener; .dial(secure) is a client of one of them."""
    backend = module_backend(serve)
    secure = f'{harness_h2.net.ADDRESS}:{harness_h2.net.free_port()}'
    text = conf.http(backend, listener=harness_h2.LISTENER + ' limits = { body = "64M"; };')
    certificate = authority.issue("site.example.org")
    old = f'{harness_h2.net.ADDRESS}:{harness_h2.net.free_port()}'
    rsa = authority.issue("site.example.org", rsa=True)
    text.text = text.text.replace(
        "listeners = (", 'listeners = ( { name = "old"; bind = "%s"; service = "site"; %s }, ' % (
            old, tls.listener(rsa, extra='ciphers = "ALL:!aNULL:!eNULL:@SECLEVEL=0";')))
    text.text = text.text.replace(
        "listeners = (", 'listeners = ( { name = "secure"; bind = "%s"; service = "site"; %s limits = { body = "64M"; }; },'
        % (secure, tls.listener(certificate)))
    tg = module_tidegate(text)

    def dial(is_secure=False, **options):
        context = authority.context(protocols=["h2", "http/1.1"]) if is_secure else None
        made = H2Client(secure if is_secure else tg.address, context, **options)
        tg.clients.append(made)
        return made
    tg.dial, tg.backend, tg.secure, tg.authority, tg.old_ciphers = dial, backend, secure, authority, old
    return tg


def run(*argv, stdin=None):
    done = subprocess.run(argv, input=stdin, capture_output=True, timeout=settings.TIMEOUT * 3, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "tls"])
def test_a_request_goes_to_a_backend_of_http11(site, is_secure):
    peer = site.dial(is_secure)
    target = f"/one?{is_secure}"
    answer = peer.exchange(target, method="POST", body=b"abc", extra=[("cookie", "a=1"), ("cookie", "b=2")])
    assert (answer.status, answer.body, answer.get("x-method")) == (200, b"abc", "POST")
    assert answer.get("connection") is None and answer.get("date")
    got = [request for request in site.backend.requests if request.target == target][0]
    assert got.start == f"POST {target} HTTP/1.1".encode()
    assert (got.get("host"), got.get("cookie"), got.body) == ("example.org", "a=1; b=2", b"abc")
    assert got.get("transfer-encoding") == "chunked"
    assert got.get("x-forwarded-proto") == ("https" if is_secure else "http")
    told = site.access.wait(path=target)
    assert (told["method"], told["status"], told["end"]) == ("POST", "200", "done")
    if is_secure:
        assert (told["tls"], told["sni"]) == ("1.3", "site.example.org")


def test_http11_is_spoken_on_the_same_address(site):
    assert site.exchange(client.get("/old")).status == 200
    with tls.TlsClient(site.secure, site.authority.context(protocols=["http/1.1"])) as peer:
        assert peer.exchange(client.get()).status == 200
    with tls.TlsClient(site.secure, site.authority.context()) as peer:
        assert peer.exchange(client.get()).status == 200
    # Upgrade is no way to it (RFC 9113 3.1).
    peer = site.client()
    asks = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    assert peer.exchange(client.get("/upgrade", extra=asks)).status == 200
    # Pieces of the preface, and what only looks like one.
    pieces = site.dial(begins=False)
    for at in range(len(harness_h2.PREFACE)):
        pieces.send(harness_h2.PREFACE[at:at + 1])
    pieces.send(harness_h2.frames.SettingsFrame())
    assert pieces.exchange("/pieces").status == 200
    other = site.client().send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX")
    assert other.read_answer().status == 505


@pytest.mark.parametrize("cipher, speaks", [("ECDHE-RSA-AES128-GCM-SHA256", "h2"), ("ECDHE-RSA-AES128-SHA256", "http/1.1"),
                                            ("AES128-GCM-SHA256", "http/1.1"), ("AES256-SHA", "http/1.1")])
def test_prohibited_ciphers_have_http11(site, cipher, speaks):
    """RFC 9113 9.2.2, appendix A; where the operator lets them be spoken at all."""
    def dial(protocols):
        return tls.TlsClient(site.old_ciphers, site.authority.context("1.2", protocols, cipher + ":@SECLEVEL=0"),
                             "site.example.org")
    with dial(["h2", "http/1.1"]) as peer:
        assert (peer.tls.cipher()[0], peer.tls.selected_alpn_protocol()) == (cipher, speaks)
    if speaks != "h2":
        with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
            dial(["h2"])


def test_streams_are_answered_beside_each_other(site):
    peer = site.dial()
    streams = [peer.request(f"/many/{i}", method="PUT", body=b"%d" % i) for i in range(50)]
    assert [peer.answer(stream).body for stream in streams] == [b"%d" % i for i in range(50)]


@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "tls"])
def test_large_bodies_both_ways(site, is_secure):
    body = bytes(range(256)) * 12_000
    peer = site.dial(is_secure)
    length = [("content-length", str(len(body)))]
    streams = [peer.request("/up", method="POST", body=body, extra=extra) for extra in ([], length)]
    for stream in streams:
        assert hashlib.sha256(peer.answer(stream).body).digest() == hashlib.sha256(body).digest()


def test_bodies_without_a_length_and_trailers(site):
    peer = site.dial()
    answer = peer.exchange("/chunks")
    assert (answer.body, answer.trailers) == (b"hello world", [("x-sum", "11")])
    assert answer.get("transfer-encoding") is None
    answer = peer.exchange("/close")
    assert (answer.status, answer.body, answer.is_whole) == (200, b"until the end", True)
    answer = peer.exchange("/trailers", method="POST", body=b"x" * 100, trailers=[("x-check", "ok")])
    assert answer.body == b"x" * 100
    got = [request for request in site.backend.requests if request.target == "/trailers"][0]
    assert got.trailers == [(b"x-check", b"ok")]


def test_heads_without_bodies(site):
    peer = site.dial()
    for method, path in [("HEAD", "/bytes/300"), ("GET", "/bytes/0"), ("OPTIONS", "*")]:
        answer = peer.exchange(path, method=method)
        assert (answer.status, answer.body, answer.is_whole) == (200, b"", True)
    # Refused as in HTTP/1.1.
    stream = peer.next_stream
    peer.send(peer.head([(":method", "CONNECT"), (":authority", "example.org:443")]))
    assert peer.answer(stream).status == 501


def test_limits_are_those_of_http11(site):
    peer = site.dial()
    assert peer.exchange("/" + "a" * 9000).status == 414
    assert peer.exchange("/", extra=[("x", "a" * 20000), ("y", "b" * 20000)]).status == 431
    assert peer.exchange("/", extra=[(f"x-{i}", "a") for i in range(101)]).status == 431
    assert peer.exchange("/").status == 200


def test_curl(site):
    for arguments, version in [(["--http2-prior-knowledge", f"http://{site.address}/bytes/70000"], b"2"),
                               (["--http1.1", f"http://{site.address}/bytes/70000"], b"1.1"),
                               (["--cacert", str(site.authority.pem), "--connect-to",
                                 f"site.example.org:443:{site.secure}", "https://site.example.org/bytes/70000"],
                                b"2")]:
        assert run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_version} %{http_code} %{size_download}",
                   *arguments) == version + b" 200 70000"
    body = b"y" * 1_000_000
    sent = run("curl", "-sS", "--http2-prior-knowledge", "-T", "-", f"http://{site.address}/put", stdin=body)
    assert sent == body


def test_nghttp_and_h2load(site):
    told = run("nghttp", "-nv", "-m", "3", f"http://{site.address}/bytes/100000")
    assert told.count(b":status: 200") == 3
    told = run("h2load", "-n", "400", "-c", "4", "-m", "10", f"http://{site.address}/bytes/100")
    assert b"400 succeeded, 0 failed, 0 errored" in told


def test_the_h2_library(site):
    """A client that checks each frame against the states of RFC 9113."""
    raw = client.RawClient(site.address)
    site.clients.append(raw)
    state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    state.initiate_connection()
    for stream in (1, 3):
        state.send_headers(stream, harness_h2.get("/lib", "POST"))
        state.send_data(stream, b"body", end_stream=stream == 1)
    state.send_headers(3, [("x-late", "1")], end_stream=True)
    raw.send(state.data_to_send())
    bodies = {1: b"", 3: b""}
    ended = set()
    while len(ended) < 2:
        for event in state.receive_data(raw.sock.recv(65536)):
            if isinstance(event, h2.events.DataReceived):
                bodies[event.stream_id] += event.data
                state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if isinstance(event, h2.events.StreamEnded):
                ended.add(event.stream_id)
        raw.send(state.data_to_send())
    assert bodies == {1: b"body", 3: b"body"}
