"""Checks of type grpc, and of type http where the service speaks HTTP/2; plain and over TLS."""

import ssl

import pytest

from harness import conf, h2_backend, settings

H2 = 'protocol = "h2"; '
CHECK = 'health = { type = "%s"; interval = "50ms"; timeout = "2s"; rise = 1; fall = 1; %s };'
SERVING, NOT_SERVING, UNKNOWN_SERVICE = (b"\0\0\0\0\x02\x08" + bytes([status]) for status in (1, 2, 3))


@pytest.fixture
def h2_backends():
    """h2_backends(handler, ...): an H2Backend."""
    with h2_backend.starting() as start:
        yield start


class Health:
    """A server whose health is `says`: the message, or a number of grpc-status, or None: no answer at all."""

    def __init__(self, says=SERVING):
        self.says = says

    def __call__(self, exchange):
        kind = [("content-type", "application/grpc")]
        if isinstance(self.says, int):
            exchange.answer(fields=[*kind, ("grpc-status", str(self.says))])
        elif self.says is not None:
            exchange.answer(fields=kind, body=self.says, trailers=[("grpc-status", "0")])


def test_grpc_serving_is_up_and_what_is_not_is_down(shared_tidegate, h2_backends):
    health = Health()
    backend = h2_backends(health)
    tg = shared_tidegate(conf.http(backend, service=CHECK % ("grpc", 'service = "acme.v1.Orders"; host = "h.example";')))
    tg.log.wait(msg="backend up", svc=tg.service, reason="SERVING")
    seen = backend.exchanges[0]
    assert (seen.get(":method"), seen.path) == ("POST", "/grpc.health.v1.Health/Check")
    assert (seen.get(":authority"), seen.get("content-type"), seen.get("te")) == (
        "h.example", "application/grpc", "trailers")
    assert seen.body == b"\0\0\0\0\x10\x0a\x0eacme.v1.Orders"
    settings.wait_until(lambda: backend.connections[0].is_over.is_set(), "the end of the first check")
    assert backend.connections[0].has_goaway and backend.connections[0].failed is None
    for says, reason in [(NOT_SERVING, "NOT_SERVING"), (UNKNOWN_SERVICE, "SERVICE_UNKNOWN"), (12, "grpc-status 12"),
                         (b"", "no answer of grpc.health.v1.Health")]:
        health.says = says
        tg.log.wait(msg="backend down", svc=tg.service, reason=reason)
        health.says = SERVING
        tg.log.wait(msg="backend up", svc=tg.service, count=len(tg.log.records(msg="backend down", svc=tg.service)) + 1)


def test_the_whole_server_is_asked_for_without_a_name(shared_tidegate, h2_backends):
    backend = h2_backends(Health())
    tg = shared_tidegate(conf.http(backend, service=H2 + CHECK % ("grpc", "")))
    tg.log.wait(msg="backend up", svc=tg.service, reason="SERVING")
    assert backend.exchanges[0].body == b"\0\0\0\0\0"


def test_http_checks_speak_what_the_service_does(shared_tidegate, h2_backends):
    answers = iter([(200, b"fine, all of it"), *[(200, b"broken")] * 10_000])

    def handle(exchange):
        status, body = next(answers)
        exchange.answer(status, body=body)
    backend = h2_backends(handle)
    tg = shared_tidegate(conf.http(backend, service=H2 + CHECK % ("http", 'path = "/ready"; body = "all of";')))
    tg.log.wait(msg="backend up", svc=tg.service, reason="status 200")
    tg.log.wait(msg="backend down", svc=tg.service, reason="body does not match")
    assert (backend.exchanges[0].get(":method"), backend.exchanges[0].path) == ("GET", "/ready")


def test_a_backend_of_http11_is_down(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(), service=H2 + CHECK % ("http", "")))
    tg.log.wait(msg="backend down", svc=tg.service, reason="the backend speaks no HTTP/2")


@pytest.mark.parametrize("kind", ["grpc", "http", "tcp"])
@pytest.mark.parametrize("protocols, passes", [(["h2"], True), (["http/1.1"], False), ([], False)])
def test_over_tls_it_must_be_agreed_on(shared_tidegate, h2_backends, authority, kind, protocols, passes):
    certificate = authority.issue("b.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.both)
    if protocols:
        context.set_alpn_protocols(protocols)
    backend = h2_backends(Health(), context=context)
    tg = shared_tidegate(conf.http(backend, service=H2 + f'tls = {{ ca = "{authority.pem}"; name = "b.example"; }}; ' +
                                   CHECK % (kind, "")))
    if passes:
        record = tg.log.wait(msg="backend up", svc=tg.service)
        assert record["reason"] == {"grpc": "SERVING", "http": "status 200"}.get(kind, record["reason"])
    else:
        record = tg.log.wait(msg="backend down", svc=tg.service)
        assert record["reason"].startswith("TLS: no-match")
