"""Which certificate a client sees: by the name it asks for, and by the kind of key it takes."""

import shutil
import subprocess

import pytest

from harness import client, conf, settings, tls


@pytest.fixture(scope="module")
def many(module_tidegate, module_backend, authority, tmp_path_factory):
    """Certificates of one file, of two, and of a folder."""
    folder = tmp_path_factory.mktemp("certificates")
    first = authority.issue("first.example")
    rsa = authority.issue("first.example", rsa=True)
    for stem, names, joined in [("a", ["a.wild.example"], True), ("w", ["*.wild.example"], False)]:
        made = authority.issue(*names)
        shutil.copy(made.both if joined else made.pem, folder / f"{stem}.pem")
        if not joined:
            shutil.copy(made.key, folder / f"{stem}.key")
    (folder / "README").write_text("no certificate")
    listener = (f'tls = {{ certificates = ( "{first.both}", {{ file = "{rsa.pem}"; key = "{rsa.key}"; }}, '
                f'"{folder}" ); }};')
    return module_tidegate(conf.http(module_backend(), listener=listener))


def seen(tg, authority, name, **options):
    context = authority.context(verify=False, **options)
    with tls.TlsClient(tg.address, context, name) as peer:
        der = peer.tls.getpeercert(binary_form=True)
    text = tls.openssl("x509", "-inform", "der", "-noout", "-subject", "-text", stdin=der).decode()
    return text.split("CN = ")[1].split("\n")[0], "rsa" if "rsaEncryption" in text else "ecdsa"


@pytest.mark.parametrize("name, common_name", [
    ("first.example", "first.example"), ("FIRST.example", "first.example"),
    ("a.wild.example", "a.wild.example"), ("b.wild.example", "*.wild.example"),
    ("wild.example", "first.example"), ("c.b.wild.example", "first.example"),
    ("unknown.example", "first.example"), (None, "first.example")])
def test_by_name(many, authority, name, common_name):
    assert seen(many, authority, name) == (common_name, "ecdsa")


def test_by_kind_of_key(many, authority):
    assert seen(many, authority, "first.example", version="1.2", ciphers="ECDHE-RSA-AES128-GCM-SHA256") == (
        "first.example", "rsa")
    assert seen(many, authority, None, version="1.2", ciphers="aRSA") == ("first.example", "rsa")


def test_openssl_verifies_name_and_chain(many, authority):
    for version in ["-tls1_2", "-tls1_3"]:
        out = tls.openssl("s_client", "-connect", many.address, "-servername", "b.wild.example", version,
                          "-CAfile", authority.pem, "-verify_hostname", "b.wild.example",
                          "-verify_return_error", stdin=b"")
        assert b"Verify return code: 0 (ok)" in out


@pytest.mark.parametrize("arguments", [
    ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], ["-tls1_2", "-cipher", "AES128-SHA"],
    ["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"], ["-tls1_3", "-groups", "X448"]])
def test_what_is_old_or_weak_is_not_spoken(many, arguments):
    done = subprocess.run(["openssl", "s_client", "-connect", many.address, *arguments], input=b"",
                          capture_output=True, timeout=settings.TIMEOUT, check=False)
    assert done.returncode != 0 and b"handshake failure" in done.stderr + done.stdout or (
        b"alert protocol version" in done.stderr)


def test_nothing_is_negotiated_anew(many):
    """R asks for a renegotiation: the server says no."""
    done = subprocess.run(["openssl", "s_client", "-connect", many.address, "-tls1_2"], input=b"R\n",
                          capture_output=True, timeout=settings.TIMEOUT, check=False)
    assert b"no renegotiation" in done.stderr


def test_no_data_before_the_end_of_the_handshake(many, authority):
    out = tls.openssl("s_client", "-connect", many.address, "-tls1_3", "-ign_eof",
                      stdin=client.get(extra=b"Connection: close\r\n"))
    assert b"Max Early Data: 0" in out


def test_strict_names(tidegate, recording_backend, authority):
    tg = tidegate(conf.http(recording_backend(), listener=tls.listener(
        authority.issue("first.example"), extra="strict_sni = true;")))
    for name in ["other.example", None]:
        with pytest.raises(tls.ssl.SSLError, match="UNRECOGNIZED_NAME|unrecognized name"):
            tls.TlsClient(tg.address, authority.context(verify=False), name)
    with tls.TlsClient(tg.address, authority.context(), "first.example") as peer:
        assert peer.exchange(client.get()).status == 200


def test_protocols(many, authority):
    with tls.TlsClient(many.address, authority.context(protocols=["h2", "http/1.1"]), "first.example") as peer:
        assert peer.tls.selected_alpn_protocol() == "h2"
    with tls.TlsClient(many.address, authority.context(protocols=["http/1.1"]), "first.example") as peer:
        assert peer.tls.selected_alpn_protocol() == "http/1.1"
    with pytest.raises(tls.ssl.SSLError, match="NO_APPLICATION_PROTOCOL|no application protocol"):
        tls.TlsClient(many.address, authority.context(protocols=["smtp"]), "first.example")
