"""With handshake_rate new clients wait for their turn; none is refused."""

import signal
import socket
import time

from harness import client, conf, metrics, net, settings, tls


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


def opens(tg, context, source):
    """Whether a handshake of this client address is gone on with."""
    raw = socket.create_connection(net.split(tg.address), settings.TIMEOUT, (source, 0))
    raw.settimeout(settings.TIMEOUT)
    with raw:
        try:
            tls.TlsSocket(raw, context, "site.example.org")
        except ConnectionError:
            return False
        return True


def test_one_client_has_a_rate_of_its_own_and_others_theirs(tidegate, recording_backend, authority):
    page = f"{net.ADDRESS}:{net.free_port()}"
    tg = tidegate(conf.http(recording_backend(), workers=2, top=f'admin = {{ http = "{page}"; }};', listener=tls.listener(
        authority.issue("site.example.org"), extra="handshake_rate_per_address = 1; }; trusted_proxies = ( \"127.0.0.9\" ); "
        "timeouts = { tls_handshake = \"1h\";")))
    context = authority.context()

    def refused():
        return metrics.page(page).value("listener_tls_failures_total", listener="front", reason="rate")
    # Two at once, then one a second, with whichever worker.
    began = time.monotonic()
    opened = sum(opens(tg, context, "127.0.0.2") for _ in range(12))
    assert 2 <= opened <= 2 + time.monotonic() - began and refused() == 12 - opened
    tg.log.wait(msg="no TLS handshake", reason="rate")
    # One that is silent costs nothing, and others and proxies are not concerned.
    silent = [socket.create_connection(net.split(tg.address), settings.TIMEOUT, ("127.0.0.3", 0)) for _ in range(5)]
    assert opens(tg, context, "127.0.0.3")
    assert all(opens(tg, context, "127.0.0.9") for _ in range(5))
    for one in silent:
        one.close()
    # In time he is let in again, and with a reload that takes the limit away at once.
    settings.wait_until(lambda: opens(tg, context, "127.0.0.2"), "a turn")
    tg.reload(tg.conf_path.read_text().replace("handshake_rate_per_address = 1;", ""))
    assert all(opens(tg, context, "127.0.0.2") for _ in range(5))
