"""Mode http over TLS: what holds of plain connections holds here, and nobody takes a cut for an end."""

import asyncio
import hashlib
import json
import signal
import socket
import subprocess

import pytest
import websockets

from harness import activation, backends, client, conf, net, settings, tls, websocket
from harness.control import ask

VERSIONS = ["1.2", "1.3"]


@pytest.fixture(scope="module")
def site(module_tidegate, module_backend, authority):
    """A tidegate with TLS whose backend echoes bodies; .dial() is a client of it."""
    def handle(request):
        if request.target.startswith("/bytes/"):
            return backends.answer(body=b"x" * int(request.target.split("/")[2].split("?")[0]))
        return backends.answer(body=request.body)
    certificate = authority.issue("site.example.org")
    backend = module_backend(backends.handles(handle))
    tg = module_tidegate(conf.http(backend, listener="limits = { body = \"64M\"; }; " +
                                   tls.listener(certificate)))

    def dial(version=None, **options):
        made = tls.TlsClient(tg.address, authority.context(version), **options)
        tg.clients.append(made)
        return made
    tg.dial = dial
    tg.backend = backend
    return tg


@pytest.mark.parametrize("version", VERSIONS)
def test_requests_are_answered_and_told(site, version):
    peer = site.dial(version)
    target = f"/told-{version}"
    for _ in range(3):
        assert peer.exchange(client.get(target)).status == 200
    told = site.access.wait(path=target)
    assert (told["tls"], told["sni"]) == (version, "site.example.org")
    assert told["cipher"].startswith("TLS_")
    got = [request for request in site.backend.requests if request.target == target][0]
    assert got.get("x-forwarded-proto") == "https"
    assert got.get("forwarded").endswith("proto=https")


@pytest.mark.parametrize("version", VERSIONS)
def test_large_bodies_both_ways(site, version):
    body = bytes(range(256)) * 20_000
    answer = site.dial(version).exchange(client.post(body))
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest()


def test_pipelined_requests_in_one_record(site):
    peer = site.dial().send(client.get("/a") * 30)
    assert [peer.read_answer().status for _ in range(30)] == [200] * 30


def test_a_request_byte_by_byte(site):
    peer = site.dial()
    for byte in client.post(b"hello"):
        peer.send(bytes([byte]))
    assert peer.read_answer().body == b"hello"


def test_half_closed_client_gets_its_answer(site):
    peer = site.dial().send(client.get("/bytes/300000"))
    peer.finish_sending()
    answer = peer.read_answer()
    assert answer.complete and len(answer.body) == 300_000
    assert peer.read_to_end() == b"" and peer.ended == "eof"


def test_client_that_leaves_without_a_word_gets_its_answer(site):
    """As many do; a request is framed, so its end is known all the same."""
    peer = site.dial().send(client.get("/bytes/1000"))
    peer.leave()
    assert len(peer.read_answer().body) == 1000


def test_cut_answer_is_no_end(tidegate, recording_backend, authority):
    """Not even to a client that takes the end of the connection for that of the answer."""
    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        settings.wait_until(lambda: peer.received, "the beginning")
        conn.reset()
    tg = tidegate(conf.http(recording_backend(script), listener=tls.listener(
        authority.issue("site.example.org"))))
    peer = tls.TlsClient(tg.address, authority.context())
    tg.clients.append(peer)
    peer.send(client.get("/cut", version="1.0")).read_to_end()
    assert peer.received.endswith(b"hello") and peer.ended == "reset"
    assert tg.access.wait(path="/cut")["end"] == "answer-cut"


def test_the_last_answer_ends_with_a_word(site):
    """Also where it is longer than all that the kernel takes at once."""
    peer = site.dial(receive_buffer=4096)
    peer.send(client.get("/bytes/20000000", extra=b"Connection: close\r\n"))
    answer = peer.read_answer()
    assert answer.complete and len(answer.body) == 20_000_000
    assert peer.read_to_end() == b"" and peer.ended == "eof"


def test_the_end_of_the_last_answer_waits_for_a_slow_client(site):
    """The stream is over, and some of it not with the kernel yet: it is no silent client."""
    peer = site.dial(receive_buffer=4096)
    peer.send(client.get("/bytes/8000000?slow", extra=b"Connection: close\r\n"))
    head = peer.read_head()
    left = 8_000_000
    while left > 0 and not site.access.records(path="/bytes/8000000?slow"):
        left -= len(peer.read(min(left, 65536)))
    settings.let_rest(2.5)
    assert b"200 OK" in head and len(peer.read_to_end()) == left and peer.ended == "eof"


@pytest.mark.parametrize("ended_by", ["client", "time"])
def test_a_rest_that_ends_does_not_cut_the_answer_before_it(
        tidegate, run_tidegate, recording_backend, authority, tmp_path, ended_by):
    """The answer is over for us, and some of it not with the kernel: the connection lingers for that."""
    activation.skip_without_libsystemd(run_tidegate)
    body = b"x" * 15_000
    keep_alive = "500ms" if ended_by == "time" else "60s"
    bind = f"{net.ADDRESS}:{net.free_port()}"
    with socket.create_server(net.split(bind)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # those accepted have the same
        tg = activation.activated(tidegate, conf.http(
            recording_backend(backends.answers(backends.answer(body=body))), bind=bind,
            listener=f'timeouts = {{ keep_alive = "{keep_alive}"; }}; ' + tls.listener(
                authority.issue("site.example.org")),
            top=f'admin = {{ socket = "{tmp_path}/admin.sock"; }};'), sock)
    peer = tls.TlsClient(bind, authority.context(), receive_buffer=1)
    tg.clients.append(peer)
    peer.send(client.get("/slow"))
    tg.access.wait(path="/slow")
    if ended_by == "client":
        peer.finish_sending()

    def phases():
        return [one["phase"] for one in json.loads(ask(f"{tmp_path}/admin.sock", "show sess json"))]
    settings.wait_until(lambda: phases() != ["rest"], "the end of the rest")
    assert phases() == ["linger"]
    assert peer.read_answer().body == body
    assert peer.read_to_end() == b"" and peer.ended == "eof"


def test_answer_to_http10_ends_with_a_word(site):
    peer = site.dial().send(client.get("/bytes/100000", version="1.0"))
    assert len(peer.read_answer().body) == 100_000
    assert peer.read_to_end() == b"" and peer.ended == "eof"


def test_bad_request_over_tls_is_answered(site):
    peer = site.dial().send(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")
    assert peer.read_answer().status == 400
    assert peer.read_to_end() == b"" and peer.ended == "eof"


def test_curl(site, authority):
    host, port = site.address.split(":")
    done = subprocess.run(
        ["curl", "-sS", "--cacert", authority.pem, "--resolve", f"site.example.org:{port}:{host}",
         f"https://site.example.org:{port}/bytes/5000000", f"https://site.example.org:{port}/x",
         "-o", "/dev/null", "-w", "%{http_code} %{num_connects} %{http_version} %{size_download}\n"],
        capture_output=True, timeout=settings.TIMEOUT, check=False)
    assert done.stdout.decode().split("\n")[:1] == ["200 1 2 5000000"], done.stderr


def test_client_that_reads_nothing_is_closed(tidegate, recording_backend, authority):
    """It is slow, so its stream ends by its time, and the backend is free again."""
    backend = recording_backend(backends.answers(backends.answer(body=b"x" * 30_000_000)))
    tg = tidegate(conf.http(backend, listener='timeouts = { idle = "500ms"; }; ' + tls.listener(
        authority.issue("site.example.org"))))
    peer = tls.TlsClient(tg.address, authority.context(), receive_buffer=4096)
    peer.send(client.get("/slow"))
    assert tg.access.wait(path="/slow")["end"] == "client-timeout"
    peer.close()
    backend.wait_closed()


def test_websocket(tidegate, authority):
    async def talk(address):
        host, port = address.split(":")
        sock = socket.create_connection((host, int(port)))
        async with websockets.connect(f"wss://site.example.org:{port}/chat", max_size=None,
                                      ssl=authority.context(), sock=sock,
                                      server_hostname="site.example.org") as channel:
            for message in ["hello", b"\x00\xff", b"y" * 5_000_000]:
                await channel.send(message)
                assert await channel.recv() == message
    with websocket.echo() as backend:
        tg = tidegate(conf.http(backend, listener=tls.listener(authority.issue("site.example.org"))))
        asyncio.run(asyncio.wait_for(talk(tg.address), settings.TIMEOUT))
        assert tg.access.wait(path="/chat", status="101")["end"] == "done"


def test_a_draining_listener_says_so(tidegate, recording_backend, authority):
    """A connection that has made its handshake before is closed with its next answer."""
    tg = tidegate(conf.http(recording_backend(), listener=tls.listener(
        authority.issue("site.example.org")), top='shutdown_grace = "10s";'))
    peer = tls.TlsClient(tg.address, authority.context())
    assert peer.exchange(client.get()).status == 200
    tg.send_signal(signal.SIGTERM)
    assert peer.read_to_end() == b"" and peer.ended == "eof"
    assert tg.wait() == 0
