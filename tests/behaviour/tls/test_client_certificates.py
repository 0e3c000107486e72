"""Listeners that ask clients for certificates: who is let in, what backends are told of them, and what nobody else can say."""

import base64
import hashlib
import shutil
import socket
import ssl
import subprocess

import pytest

from harness import client, conf, metrics, net, settings, tls

NAMES = ("client-cert", "client-cert-chain", "x-client-cert-subject", "x-client-cert-serial", "x-client-cert-sha256",
         "x-client-cert-verify")
FORGED = b"".join(b"%s: forged\r\n" % name.title().encode() for name in NAMES)


class Door:
    """A tidegate with a listener that requires certificates, one where they are optional, and two without."""

    def __init__(self, authority, folder, backend):
        self.authority = authority
        self.backend = backend
        self.revoked = authority.issue("revoked")
        self.crl = authority.revoke(folder / "crl.pem", self.revoked)
        self.admin = f"{net.ADDRESS}:{net.free_port()}"
        self.addresses = {name: f"{net.ADDRESS}:{net.free_port()}" for name in ("required", "optional", "tls", "plain")}

    def listener(self, name, keys, also=""):
        served = f'tls = {{ certificates = ( "{self.certificate.both}" ); {keys} }};' if name != "plain" else ""
        return (f'{{ name = "{name}"; bind = "{self.addresses[name]}"; mode = "http"; service = "site"; {also} {served} }}')

    def text(self):
        self.certificate = self.authority.issue("site.example.org")
        asks = f'client_ca = "{self.authority.pem}"; client_crl = "{self.crl}";'
        listeners = ", ".join([self.listener("required", asks), self.listener("plain", "", 'trusted_proxies = ( "127.0.0.9" );'),
                               self.listener("optional", f'{asks} client_verify = "optional";'), self.listener("tls", "")])
        return conf.Conf(f"""workers = 1; shutdown_grace = "1s"; certificate_watch = "100ms"; admin = {{ http = "{self.admin}"; }};
            listeners = ( {listeners} ); services = ( {conf.service_entry("site", [self.backend])} );""", self.addresses["required"])

    def dial(self, name, own=None, version=None, session=None, context=None):
        return tls.TlsClient(self.addresses[name], context or self.authority.context(own=own, version=version), session=session)

    def fields(self, peer, extra=b""):
        """Of a request, as its backend got them."""
        assert peer.exchange(client.get(extra=extra)).status == 200
        request = self.backend.requests[-1]
        return {name: request.get(name) for name in NAMES if request.has(name)}

    def refused(self):
        return sum(metrics.page(self.admin).value("listener_tls_failures_total", listener=name, reason="certificate")
                   for name in ("required", "optional"))


@pytest.fixture(scope="module")
def door(module_tidegate, module_backend, authority, tmp_path_factory):
    made = Door(authority, tmp_path_factory.mktemp("door"), module_backend())
    made.tg = module_tidegate(made.text())
    return made


def refusal(door, name, **options):
    """With TLS 1.3 the client hears of it behind its handshake."""
    before = door.refused()
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        with door.dial(name, **options) as peer:
            assert peer.exchange(client.get()) is not None
    settings.wait_until(lambda: door.refused() == before + 1, "a refusal that is counted")


@pytest.mark.parametrize("name", ["required", "optional"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_who_has_one_is_let_in_and_shown_to_the_backend(door, authority, name, version):
    own = authority.issue("somebody")
    der = tls.openssl("x509", "-in", own.pem, "-outform", "der")
    with door.dial(name, own=own, version=version) as peer:
        fields = door.fields(peer, FORGED)
    assert fields["client-cert"] == ":" + base64.b64encode(der).decode() + ":"
    assert fields["x-client-cert-subject"] == "CN=somebody"
    assert fields["x-client-cert-sha256"] == hashlib.sha256(der).hexdigest()
    serial = tls.openssl("x509", "-in", own.pem, "-noout", "-serial").decode().strip().split("=")[1]
    assert fields["x-client-cert-serial"] == serial
    assert set(fields) == set(NAMES) - {"client-cert-chain", "x-client-cert-verify"}
    door.tg.access.wait(listener=name, client_cert="CN=somebody", tls=version)


@pytest.mark.parametrize("name", ["optional", "tls", "plain"])
def test_nobody_says_so_himself(door, name):
    with client.RawClient(door.addresses[name]) if name == "plain" else door.dial(name) as peer:
        assert door.fields(peer, FORGED) == {}


def test_a_trusted_proxy_may_where_we_do_not_look(door):
    with client.RawClient(door.addresses["plain"]) as peer:
        assert door.fields(peer, FORGED) == {}
    with socket.create_connection(net.split(door.addresses["plain"]), settings.TIMEOUT, ("127.0.0.9", 0)) as raw:
        raw.sendall(client.get(extra=FORGED + b"Connection: close\r\n"))
        assert b" 200 " in raw.recv(65536)
    assert all(door.backend.requests[-1].get(name) == "forged" for name in NAMES)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_who_has_none_or_a_bad_one_is_not(door, authority, tmp_path, version):
    stranger = tls.Authority(tmp_path / "other").issue("somebody")
    refusal(door, "required", version=version)
    for own in (stranger, authority.issue("late", days=-1), door.revoked):
        for name in ("required", "optional"):
            refusal(door, name, own=own, version=version)


def test_a_key_on_a_curve_that_is_not_taken_is_as_weak_as_any_other(door, authority):
    refusal(door, "required", own=authority.issue("odd", curve="secp256k1"), version="1.2")


def test_the_log_says_why(door):
    def provoke():
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            with door.dial("required", own=door.revoked) as peer:
                assert peer.exchange(client.get()) is not None
        return door.tg.log.records(msg="no TLS handshake", reason="certificate", detail="certificate revoked")
    settings.wait_until(provoke, "a line on it")


def test_a_session_without_one_is_worth_nothing_where_one_is_required(door, authority):
    context = authority.context()
    with door.dial("optional", context=context) as peer:
        assert door.fields(peer) == {}
        session = peer.tls.session
    with door.dial("optional", context=context, session=session) as peer:
        assert door.fields(peer) == {} and peer.tls.session_reused
    refusal(door, "required", context=context, session=session)


def test_curl(door, authority):
    program = shutil.which("curl")
    if not program:
        pytest.skip("curl is not installed")
    own = authority.issue("curl")
    host, port = net.split(door.addresses["required"])
    base = [program, "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", authority.pem, "--resolve",
            f"site.example.org:{port}:{host}", f"https://site.example.org:{port}/"]
    done = subprocess.run(base + ["--cert", own.pem, "--key", own.key], capture_output=True, text=True,
                          timeout=settings.TIMEOUT, check=False)
    assert done.stdout == "200", done.stderr
    done = subprocess.run(base, capture_output=True, text=True, timeout=settings.TIMEOUT, check=False)
    assert done.returncode != 0 and done.stdout != "200"


def test_zz_who_is_revoked_later_comes_in_no_more(door, authority):
    """Neither anew nor by a session; who is connected stays. The last of this file: the list is another then."""
    context = authority.context(own=authority.issue("leaving"))
    own = authority.folder / f"c{authority.made}"
    with door.dial("required", context=context) as peer:
        assert door.fields(peer)["x-client-cert-subject"] == "CN=leaving"
        session = peer.tls.session
        with door.dial("required", context=context, session=session) as again:
            assert door.fields(again)["x-client-cert-subject"] == "CN=leaving" and again.tls.session_reused
            session = again.tls.session
        authority.revoke(door.crl, door.revoked, tls.Certificate(own))
        door.tg.log.wait(msg="renewing certificates")
        settings.wait_until(lambda: door.tg.log.records(msg="reloaded"), "the end of it")
        refusal(door, "required", context=context, session=session)
        assert door.fields(peer)["x-client-cert-subject"] == "CN=leaving"
