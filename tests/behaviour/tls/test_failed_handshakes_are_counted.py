"""What goes wrong before the first request is counted by its reason, and harms nobody else."""

import ssl
import subprocess

import pytest

from harness import client, conf, metrics, net, settings, tls


@pytest.fixture(scope="module")
def site(module_tidegate, module_backend, authority):
    admin = f"{net.ADDRESS}:{net.free_port()}"
    tg = module_tidegate(conf.http(
        module_backend(), top=f'admin = {{ http = "{admin}"; }};',
        listener='timeouts = { tls_handshake = "300ms"; }; ' +
        tls.listener(authority.issue("site.example.org"), extra="strict_sni = true;")))
    tg.admin = admin
    return tg


def counted(tg, reason):
    return metrics.counted(tg.admin, "listener_tls_failures_total", "front", reason)


def test_plain_http_is_told_so(site):
    with counted(site, "plain-http"):
        with client.RawClient(site.address) as peer:
            answer = peer.exchange(client.post(b"x" * 100_000))
            assert answer.status == 400 and b"HTTPS" in answer.body
            assert peer.read_to_end() == b"" and peer.ended == "eof"
    told = site.log.wait(msg="no TLS handshake")
    assert (told["reason"], told["detail"], told["listener"]) == ("plain-http", "http request", "front")


def test_something_else_is_closed(site):
    with counted(site, "not-tls"):
        with client.RawClient(site.address) as peer:
            peer.send(b"SSH-2.0-OpenSSH_9.2\r\n").read_to_end()
            assert peer.ended == "eof"


@pytest.mark.parametrize("beginning", [b"", b"\x16\x03\x01\x02"])
def test_silence_has_its_time(site, beginning):
    with counted(site, "timeout"):
        with client.RawClient(site.address) as peer:
            assert peer.send(beginning).read_to_end() == b""


def test_client_that_goes_away(site):
    with counted(site, "closed"):
        client.RawClient(site.address).close()
    with counted(site, "closed"):
        with client.RawClient(site.address) as peer:
            peer.send(b"\x16\x03\x01\x02\x00")
            peer.reset()


def test_nothing_in_common(site):
    with counted(site, "no-match"):
        subprocess.run(["openssl", "s_client", "-connect", site.address, "-servername", "site.example.org",
                        "-tls1_2", "-cipher", "AES128-SHA"], input=b"", capture_output=True,
                       timeout=settings.TIMEOUT, check=False)


def test_unknown_name(site, authority):
    with counted(site, "unknown-name"):
        with pytest.raises(ssl.SSLError):
            tls.TlsClient(site.address, authority.context(), "other.example.org")


def test_client_that_does_not_trust_us(site):
    with counted(site, "alert"):
        with pytest.raises(ssl.SSLError):
            tls.TlsClient(site.address, ssl.create_default_context(), "site.example.org")


def test_broken_protocol(site):
    """A record that is one of TLS, and a message in it that is none."""
    with counted(site, "protocol"):
        with client.RawClient(site.address) as peer:
            peer.send(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff").read_to_end()


def test_others_are_served_meanwhile(site, authority):
    idle = [client.RawClient(site.address) for _ in range(50)]
    with tls.TlsClient(site.address, authority.context()) as peer:
        assert peer.exchange(client.get()).status == 200
    for one in idle:
        one.read_to_end()
    page = metrics.page(site.admin)
    assert page.value("listener_tls_handshakes_total", listener="front") >= 1
