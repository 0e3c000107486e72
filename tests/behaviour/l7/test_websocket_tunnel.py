"""Upgrade: after a matching 101 bytes go both ways untouched."""

import asyncio

import pytest
import websockets

from harness import backends, client, conf, settings, websocket

ASK = (b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: %s\r\n"
       b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
SWITCH = (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n"
          b"Sec-WebSocket-Accept: x\r\n\r\n")


def test_websocket_client_and_server(shared_tidegate):
    async def talk(url):
        async with websockets.connect(url, max_size=None, open_timeout=settings.TIMEOUT) as socket:
            for message in ["hello", b"\x00\xff", "x" * 100, b"y" * 5_000_000]:
                await socket.send(message)
                assert await asyncio.wait_for(socket.recv(), settings.TIMEOUT) == message
            for number in range(500):
                await socket.send(str(number))
            for number in range(500):
                assert await asyncio.wait_for(socket.recv(), settings.TIMEOUT) == str(number)
            pong = await socket.ping()
            await asyncio.wait_for(pong, settings.TIMEOUT)
    with websocket.echo() as address:
        tg = shared_tidegate(conf.http(address))
        asyncio.run(talk(f"ws://{tg.address}/chat"))
        assert tg.access.wait(path="/chat", status="101")["end"] == "done"


def tunnel(conn):
    request = conn.read_request()
    conn.send(SWITCH % request.get("upgrade").encode())
    backends.echo(conn)


def test_request_carries_upgrade_and_bytes_pass(shared_tidegate, recording_backend):
    backend = recording_backend(tunnel)
    tg = shared_tidegate(conf.http(backend))
    peer = tg.client().send(ASK % b"websocket")
    answer = peer.read_answer()
    assert answer.status == 101
    assert answer.get("upgrade") == "websocket"
    assert answer.get("connection").lower() == "upgrade"
    got = backend.requests[0]
    assert got.get("upgrade") == "websocket"
    assert got.get("connection").lower() == "upgrade"
    assert got.get("sec-websocket-key") == "AAAAAAAAAAAAAAAAAAAAAA=="
    raw = bytes(range(256)) + b"GET / HTTP/1.1\n\r\r\n"
    assert peer.send(raw).read(len(raw)) == raw


def test_bytes_right_behind_the_heads_pass(shared_tidegate, recording_backend):
    """The backend may speak first, in the same segment as its 101."""
    def script(conn):
        request = conn.read_request()
        conn.send(SWITCH % request.get("upgrade").encode() + b"first")
        backends.echo(conn)
    tg = shared_tidegate(conf.http(recording_backend(script)))
    peer = tg.client().send(ASK % b"websocket")
    assert peer.read_answer().status == 101
    assert peer.read(5) == b"first"
    assert peer.send(b"second").read(6) == b"second"


def test_half_close_passes_through_the_tunnel(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(tunnel)))
    peer = tg.client().send(ASK % b"websocket")
    assert peer.read_answer().status == 101
    peer.send(b"last words")
    peer.finish_sending()
    assert peer.read_to_end() == b"last words" and peer.ended == "eof"


def test_any_protocol_may_be_asked_for(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(tunnel)))
    peer = tg.client().send(ASK % b"own-protocol/2")
    assert peer.read_answer().get("upgrade") == "own-protocol/2"
    assert peer.send(b"x").read(1) == b"x"


@pytest.mark.parametrize("answer", [backends.OK, backends.answer("403 Forbidden", b"no"),
                                    backends.answer("426 Upgrade Required", b"")])
def test_backend_may_decline(shared_tidegate, recording_backend, answer):
    tg = shared_tidegate(conf.http(recording_backend(backends.answers(answer))))
    peer = tg.client()
    assert peer.exchange(ASK % b"websocket").status == int(answer.split()[1])
    assert peer.exchange(client.get()).body == b"ok"


def test_426_says_that_the_connection_closes(shared_tidegate, recording_backend):
    """RFC 9112 9.6, beside the option that the Upgrade field needs (RFC 9110 15.5.22)."""
    answer = backends.answer("426 Upgrade Required", fields=[("Connection", "upgrade"),
                                                             ("Upgrade", "websocket")])
    # One worker: the second request goes on the backend connection of the first.
    tg = shared_tidegate(conf.http(recording_backend(backends.answers(answer)), workers=1))
    peer = tg.client().send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    got = peer.read_answer()
    assert (got.get("connection"), got.get("upgrade")) == ("upgrade, close", "websocket")
    peer.read_to_end()
    lasting = tg.client().exchange(client.get())
    assert lasting.status == 200


@pytest.mark.parametrize("switch", [
    SWITCH % b"other",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
], ids=["another protocol", "no Upgrade", "no Connection"])
def test_101_that_does_not_match_gives_502(shared_tidegate, recording_backend, switch):
    tg = shared_tidegate(conf.http(recording_backend(backends.answers(switch, then=backends.echo))))
    peer = tg.client().send(ASK % b"websocket")
    assert peer.read_answer().status == 502


def test_idle_tunnel_is_closed_by_its_timeout(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(tunnel),
                                   service='timeouts = { tunnel = "300ms"; idle = "60s"; };'))
    peer = tg.client().send(ASK % b"websocket")
    assert peer.read_answer().status == 101
    assert peer.read_to_end() == b""
    assert tg.access.wait(path="/chat")["end"] == "tunnel-timeout"


def test_a_tunnel_in_use_outlives_its_timeout(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(tunnel),
                                   service='timeouts = { tunnel = "1s"; };'))
    peer = tg.client().send(ASK % b"websocket")
    assert peer.read_answer().status == 101
    until = settings.deadline(2.5)
    while settings.time.monotonic() < until:
        assert peer.send(b"x").read(1) == b"x"


def test_a_tunnel_in_use_ends_at_its_longest_life(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(tunnel),
                                   service='timeouts = { tunnel_max = "600ms"; };'))
    peer = tg.client().send(ASK % b"websocket")
    assert peer.read_answer().status == 101
    began = settings.time.monotonic()
    until = settings.deadline()
    while peer.try_send(b"x") and peer.read(1) == b"x":
        assert settings.time.monotonic() < until, "it lives on"
    assert settings.time.monotonic() - began >= 0.5
    assert tg.access.wait(path="/chat")["end"] == "tunnel-lifetime"


def test_a_plain_request_is_no_tunnel(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(),
                                   service='timeouts = { tunnel_max = "100ms"; };'))
    peer = tg.client()
    assert peer.exchange(client.get()).status == 200
    settings.let_rest(0.3)
    assert peer.exchange(client.get()).status == 200
