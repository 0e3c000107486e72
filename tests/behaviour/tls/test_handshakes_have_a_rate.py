"""With handshake_rate new clients wait for their turn; none is refused."""

import signal
import time

from harness import client, conf, metrics, net, tls


def ask(tg, context, **options):
    with tls.TlsClient(tg.address, context, **options) as peer:
        assert peer.exchange(client.get()).status == 200


def test_more_than_that_wait(tidegate, recording_backend, authority):
    page = f"{net.ADDRESS}:{net.free_port()}"
    tg = tidegate(conf.http(recording_backend(), top=f'admin = {{ http = "{page}"; }};', listener=tls.listener(
        authority.issue("site.example.org"), extra="handshake_rate = 20;")))
    context = authority.context()
    with tg.standing_still():
        tg.clients.extend(client.RawClient(tg.address) for _ in range(10))
        begin = time.monotonic()
    # Two at once, then twenty a second.
    for peer in tg.clients:
        peer.sock = tls.TlsSocket(peer.sock, context, "site.example.org")
        assert peer.exchange(client.get()).status == 200
    assert time.monotonic() - begin > 7 / 20
    seen = metrics.page(page)
    assert seen.value("listener_tls_throttles_total", listener="front") > 0
    assert seen.value("listener_tls_handshakes_total", listener="front") == 10


def test_who_waits_when_it_stops_is_served(tidegate, recording_backend, authority):
    tg = tidegate(conf.http(recording_backend(), top='shutdown_grace = "10s";', listener=tls.listener(
        authority.issue("site.example.org"), extra="handshake_rate = 1;")))
    context = authority.context()
    ask(tg, context)
    waiting = [client.RawClient(tg.address) for _ in range(3)]
    tg.clients.extend(waiting)
    tg.process.send_signal(signal.SIGTERM)
    for peer in waiting:
        peer.sock = tls.TlsSocket(peer.sock, context, "site.example.org")
        assert peer.exchange(client.get()).status == 200
    tg.wait()
