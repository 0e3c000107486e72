"""Clients that ask get what the authority says of the certificate they are shown, from a file that is renewed."""

import json
import subprocess

from harness import conf, control, metrics, net, settings, tls


def stapled(tg, authority, *options):
    """(status, serial, until) of the OCSP response that openssl gets; None: it gets none."""
    said = subprocess.run(["openssl", "s_client", "-connect", tg.address, "-servername", "site.example.org", "-status",
                           "-CAfile", authority.pem, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=settings.TIMEOUT * 3, check=True).stdout
    if "OCSP response: no response sent" in said:
        return None
    return tuple(said.partition(f"{word}: ")[2].partition("\n")[0]
                 for word in ("Cert Status", "Serial Number", "Next Update"))


def serial(certificate):
    return tls.openssl("x509", "-in", certificate.pem, "-noout", "-serial").decode().strip().partition("=")[2]


def test_from_a_file_that_is_renewed(tidegate, recording_backend, authority, tmp_path):
    ecdsa, rsa, other = authority.issue("site.example.org"), authority.issue("site.example.org", rsa=True), authority.issue("x")
    files = {}
    for one, name in [(ecdsa, "e"), (rsa, "r")]:
        files[name] = tmp_path / f"{name}.pem"
        files[name].write_bytes(one.pem.read_bytes() + authority.pem.read_bytes() + one.key.read_bytes())
        files[name].chmod(0o600)
    response = tmp_path / "e.pem.ocsp"
    authority.say(rsa, tmp_path / "elsewhere", minutes=1000)
    admin, page = f"{tmp_path}/admin.sock", f"{net.ADDRESS}:{net.free_port()}"
    text = conf.http(recording_backend(), top=f'certificate_watch = "100ms"; admin = {{ socket = "{admin}"; http = "{page}"; }};')
    text.text = text.text.replace("service = ", f"""tls = {{ certificates = (
        "{files['e']}", {{ file = "{files['r']}"; ocsp = "{tmp_path}/elsewhere"; }} ); }}; service = """, 1)
    tg = tidegate(text)
    with_rsa = ("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")
    with_ecdsa = ("-tls1_3", "-sigalgs", "ecdsa_secp256r1_sha256")
    assert stapled(tg, authority, *with_rsa)[:2] == ("good", serial(rsa))
    assert stapled(tg, authority, *with_ecdsa) is None, "there is no file yet"

    authority.say(ecdsa, response)
    settings.wait_until(lambda: stapled(tg, authority, *with_ecdsa), "a response")
    first = stapled(tg, authority, *with_ecdsa)
    assert first[:2] == ("good", serial(ecdsa))
    shown = {one["kind"]: one["ocsp_until"] for one in json.loads(control.ask(admin, "show cert json"))}
    lines = [line.split() for line in control.ask(admin, "show cert").splitlines() if line]
    assert lines[0][8] == "ocsp_until" and lines[1][7] == shown["ecdsa-256"] and len(shown["rsa-2048"]) == 20
    seen = metrics.page(page)
    until = seen.value("certificate_ocsp_next_update_timestamp_seconds", listener="front", file=str(files["e"]))
    assert until == tls.ssl.cert_time_to_seconds(first[2])
    assert seen.value("listener_tls_stapled_total", listener="front") >= 3

    # What is of no use is told of, and what holds still stays.
    authority.say(other, response)
    assert "e.pem.ocsp: it is about another certificate" in tg.log.wait(msg="certificate")["said"]
    assert stapled(tg, authority, *with_ecdsa) == first
    response.unlink()
    settings.wait_until(lambda: stapled(tg, authority, *with_ecdsa) is None, "no response")


def test_what_is_revoked_is_warned_of(tidegate, recording_backend, authority, tmp_path):
    one, path = authority.issue("site.example.org"), tmp_path / "a.pem"
    path.write_bytes(one.pem.read_bytes() + authority.pem.read_bytes() + one.key.read_bytes())
    path.chmod(0o600)
    authority.say(one, tmp_path / "a.pem.ocsp", revoked=True)
    tg = tidegate(conf.http(recording_backend(), listener=tls.listener(path)))
    assert stapled(tg, authority) is None
    assert "a.pem.ocsp: it says of the certificate: revoked" in tg.log.text()


def test_what_is_revoked_later_is_good_no_more(tidegate, recording_backend, authority, tmp_path):
    one, path = authority.issue("site.example.org"), tmp_path / "a.pem"
    path.write_bytes(one.pem.read_bytes() + authority.pem.read_bytes() + one.key.read_bytes())
    path.chmod(0o600)
    authority.say(one, tmp_path / "a.pem.ocsp")
    tg = tidegate(conf.http(recording_backend(), listener=tls.listener(path), top='certificate_watch = "100ms";'))
    assert stapled(tg, authority)[0] == "good"
    authority.say(one, tmp_path / "a.pem.ocsp", revoked=True)
    assert "a.pem.ocsp: it says of the certificate: revoked" in tg.log.wait(msg="certificate")["said"]
    settings.wait_until(lambda: stapled(tg, authority) is None, "no response")
