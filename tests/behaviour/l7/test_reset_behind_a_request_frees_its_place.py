"""A client that asks and resets at once is gone: nothing is kept until some timeout."""

import pytest

from harness import client, conf, procfs, settings

COUNT = 20
PATIENT = '''timeouts = { request_body = "1h"; idle = "1h"; keep_alive = "1h"; };'''
WAITS = '''timeouts = { response = "1h"; idle = "1h"; }; idle_connections = 0;'''

REQUESTS = {
    "part of a body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
    "part of a chunk": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
    "whole": client.get("/"),
    "whole, with a body": client.post(b"hello"),
    "two": client.get("/") * 2,
    "part of a head": client.get("/")[:-2],
}


def sockets(tg):
    """How many sockets the proxy holds: what it has by itself, and one for each place taken."""
    held = procfs.descriptors(tg.role_pid("proxy")).values()
    return sum(what.startswith("socket:") for what in held)


def reset_behind(peers, request_bytes):
    for peer in peers:
        peer.send(request_bytes)
        peer.wait_bytes_there(len(request_bytes))
        peer.reset()
        peer.wait_reset_there()


@pytest.mark.parametrize("accepted", [True, False], ids=["accepted before", "accepted after"])
@pytest.mark.parametrize("request_bytes", REQUESTS.values(), ids=REQUESTS.keys())
def test_whatever_was_asked(shared_tidegate, recording_backend, request_bytes, accepted):
    """Of a backend that does not answer: nothing but the reset can free the places."""
    backend = recording_backend(lambda conn: conn.read_to_end())
    tg = shared_tidegate(conf.http(backend, workers=1, listener=PATIENT, service=WAITS))
    before = sockets(tg)
    if accepted:
        peers = [tg.client() for _ in range(COUNT)]
        settings.wait_until(lambda: sockets(tg) == before + COUNT, "all to be accepted")
    with tg.standing_still():
        if not accepted:
            peers = [tg.client() for _ in range(COUNT)]
        reset_behind(peers, request_bytes)
    if request_bytes != REQUESTS["part of a head"]:
        tg.access.wait(count=COUNT, listener=tg.listener)
    settings.wait_until(lambda: sockets(tg) == before, "no place to be held")
    backend.wait_closed()
