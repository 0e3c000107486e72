"""A client that closes while its request waits for a backend is not served any more; abort_on_close says when it is gone."""

import threading

import pytest

from harness import backends, client, conf, h2, net, settings, stat, tls

LISTENERS = {"http": h2.LISTENER, "tcp": ""}


class Site:
    """One place, which is taken: whoever comes waits."""

    def __init__(self, shared_tidegate, recording_backend, tmp_path, mode="http", service="", listener=None,
                 connect=lambda tg: tg.client()):
        self.socket = tmp_path / "admin.sock"
        self.free = threading.Event()

        def script(conn):
            if conn.read_request() is None:
                return
            assert self.free.wait(settings.TIMEOUT)
            conn.send(backends.OK)
        self.backend = recording_backend(script)
        self.tg = shared_tidegate(getattr(conf, mode)(
            self.backend, workers=1, listener=LISTENERS[mode] if listener is None else listener,
            service=f'max_connections_per_backend = 1; timeouts = {{ queue = "1h"; }}; idle_connections = 0; {service}',
            top=f'admin = {{ socket = "{self.socket}"; }};'))
        self.first = connect(self.tg).send(client.get("/first", extra=b"Connection: close\r\n"))
        self.backend.wait_connections(1)

    def wait_waiting(self, n):
        settings.wait_until(lambda: stat.number(self.socket, "BACKEND", "qcur") == n, f"{n} in the queue")

    def wait_gone(self, **record):
        self.wait_waiting(0)
        told = self.tg.access.wait(listener=self.tg.listener, end="queue-abort", **record)
        assert told["backend"] == "-"
        assert stat.number(self.socket, "BACKEND", "cli_abrt") >= 1

    def end_first(self):
        self.free.set()
        assert self.first.read_answer().status == 200
        self.first.close()

    def asked(self):
        if not self.free.is_set():
            self.end_first()
        self.tg.access.wait(listener=self.tg.listener, choice="balance")
        return [request.target for request in self.backend.requests]


@pytest.fixture
def site(shared_tidegate, recording_backend, tmp_path):
    return lambda **options: Site(shared_tidegate, recording_backend, tmp_path, **options)


REQUESTS = {
    "whole": client.get("/gone"),
    "two": client.get("/gone") + client.get("/further"),
    "a body": client.post(b"x" * 20_000, "/gone"),
    "part of a body": client.post(b"x" * 100, "/gone")[:-50],
}


@pytest.mark.parametrize("when", ["while it waits", "before it waits"])
@pytest.mark.parametrize("request_bytes", REQUESTS.values(), ids=REQUESTS.keys())
def test_http(site, request_bytes, when):
    site = site()
    peer = site.tg.client()
    if when == "while it waits":
        peer.send(request_bytes)
        site.wait_waiting(1)
        peer.finish_sending()
    else:
        with site.tg.standing_still():
            peer.send(request_bytes)
            peer.finish_sending()
    site.wait_gone(path="/gone")
    assert site.asked() == ["/first"]


def test_http_over_tls(site, authority):
    def connect(tg):
        tg.clients.append(tls.TlsClient(tg.address, authority.context()))
        return tg.clients[-1]
    site = site(listener=tls.listener(authority.issue("site.example.org")), connect=connect)
    peer = connect(site.tg).send(client.get("/gone"))
    site.wait_waiting(1)
    peer.leave()
    site.wait_gone(path="/gone")
    assert site.asked() == ["/first"]


@pytest.mark.parametrize("leave", ["cancel", "close", "reset"])
def test_http2(site, leave):
    site = site()
    with h2.H2Client(site.tg.address) as peer:
        stream = peer.request("/gone")
        site.wait_waiting(1)
        peer.cancel(stream) if leave == "cancel" else getattr(peer, leave)()
        site.wait_gone(path="/gone", version="2.0")
    assert site.asked() == ["/first"]


def test_http2_requests_have_an_end_and_wait_on(site):
    site = site()
    with h2.H2Client(site.tg.address) as peer:
        stream = peer.request("/stays")
        site.wait_waiting(1)
        site.end_first()
        assert peer.answer(stream).status == 200


@pytest.mark.parametrize("mode, sent", [("tcp", b""), ("http", client.get("/stays")), ("tcp", client.get("/stays"))])
def test_never(site, mode, sent):
    """It waits on, and gets what it waits for."""
    site = site(mode=mode, service='abort_on_close = "never";')
    peer = site.tg.client().send(sent)
    site.wait_waiting(1)
    peer.finish_sending()
    peer.wait_end_there()
    site.end_first()
    if sent:
        assert peer.read_answer().status == 200
    assert site.asked()[1:] == (["/stays"] if sent else [])


def test_a_tcp_client_that_said_nothing(site):
    site = site(mode="tcp")
    peer = site.tg.client()
    site.wait_waiting(1)
    peer.finish_sending()
    site.wait_gone()
    assert site.asked() == ["/first"]


def test_a_tcp_client_that_has_said_all(site):
    site = site(mode="tcp")
    peer = site.tg.client().send(client.get("/said"))
    site.wait_waiting(1)
    peer.finish_sending()
    peer.wait_end_there()
    site.end_first()
    assert peer.read_answer().status == 200
    assert site.asked() == ["/first", "/said"]


def test_a_tcp_client_that_has_said_all_and_is_gone_always(site):
    site = site(mode="tcp", service='abort_on_close = "always";')
    peer = site.tg.client().send(client.get("/said"))
    site.wait_waiting(1)
    peer.finish_sending()
    site.wait_gone()
    assert site.asked() == ["/first"]


@pytest.mark.parametrize("said", [b"", client.get("/said")], ids=["nothing", "all"])
def test_tcp_over_tls(site, authority, said):
    def connect(tg):
        tg.clients.append(tls.TlsClient(tg.address, authority.context()))
        return tg.clients[-1]
    site = site(mode="tcp", listener=tls.listener(authority.issue("site.example.org")), connect=connect)
    peer = connect(site.tg).send(said) if said else connect(site.tg)
    site.wait_waiting(1)
    peer.finish_sending()
    peer.leave()
    if not said:
        site.wait_gone()
    site.end_first()
    if said:
        assert peer.read_answer().status == 200
    assert site.asked() == ["/first", *(["/said"] if said else [])]


def test_the_pause_before_the_next_try(shared_tidegate):
    dead = f"{net.ADDRESS}:{net.free_port()}"
    tg = shared_tidegate(conf.http(dead, workers=1,
                                   service='health = { type = "none"; }; retry = { attempts = 3; backoff = "60s"; };'))
    peer = tg.client().send(client.get("/gone"))
    peer.finish_sending()
    assert peer.read_to_end() == b""
    told = tg.access.wait(path="/gone")
    assert told["end"] == "queue-abort" and "connect-failed" in told["failed"]
