"""A certificate that is renewed is used for new connections by itself; nothing else changes."""

import json
import os

import pytest

from harness import client, conf, control, metrics, net, settings, tls


def put(source, path):
    """As who renews does: a new file in the place of the old one."""
    new = path.with_suffix(".new")
    new.write_bytes(source.read_bytes())
    new.chmod(0o600)
    os.replace(new, path)


@pytest.fixture
def served(tidegate, recording_backend, authority, tmp_path):
    """A tidegate whose certificate is at .pem and .key, looked at often."""
    first = authority.issue("site.example.org")
    pem, key, admin = tmp_path / "a.pem", tmp_path / "a.key", f"{tmp_path}/admin.sock"
    page = f"{net.ADDRESS}:{net.free_port()}"
    put(first.pem, pem)
    put(first.key, key)
    text = conf.http(recording_backend(), listener=tls.listener(pem),
                     top=f'certificate_watch = "100ms"; admin = {{ socket = "{admin}"; http = "{page}"; }};')
    tg = tidegate(text)
    tg.text, tg.pem, tg.key, tg.admin, tg.page = text, pem, key, admin, page
    return tg


def serial(tg, authority):
    with tls.TlsClient(tg.address, authority.context()) as peer:
        assert peer.exchange(client.get()).status == 200
        return peer.tls.getpeercert()["serialNumber"]


def test_by_itself(served, authority):
    tg = served
    before = serial(tg, authority)
    peer = tls.TlsClient(tg.address, authority.context())
    tg.clients.append(peer)
    proxy = tg.role_pid("proxy")
    made = authority.issue("site.example.org")
    # What else is edited waits for who edits it.
    tg.conf_path.write_text("this is no configuration")
    put(made.pem, tg.pem)
    put(made.key, tg.key)
    settings.wait_until(lambda: serial(tg, authority) != before, "the new certificate")
    assert peer.exchange(client.get()).status == 200, "open connections stay"
    assert tg.role_pid("proxy") == proxy
    told = tg.log.records(msg="renewing certificates")
    assert [(one["changed"], one["kept"]) for one in told] == [("1", "0")]
    shown = json.loads(control.ask(tg.admin, "show cert json"))
    assert int(serial(tg, authority), 16) > 0 and shown[0]["file"] == str(tg.pem)
    der = tls.openssl("x509", "-in", made.pem, "-outform", "der")
    assert shown[0]["sha256"] == __import__("hashlib").sha256(der).hexdigest()
    # A backend more is one over the certificates that were read last.
    assert "New server" in control.ask(tg.admin, f"add server site/more {net.ADDRESS}:1")
    assert serial(tg, authority) != before


def test_what_is_half_written_changes_nothing(served, authority):
    tg = served
    before = serial(tg, authority)
    made = authority.issue("site.example.org")
    put(made.pem, tg.pem)
    said = tg.log.wait(msg="certificate")["said"]
    assert "a.key: the key is not that of the certificate" in said
    assert tg.log.wait(msg="renewing certificates")["kept"] == "1"
    assert serial(tg, authority) == before
    put(made.key, tg.key)
    settings.wait_until(lambda: serial(tg, authority) != before, "the new certificate")


def test_one_of_a_folder_that_is_of_no_use_costs_the_others_nothing(tidegate, recording_backend, authority, tmp_path):
    folder, admin = tmp_path / "certificates", f"{tmp_path}/admin.sock"
    folder.mkdir()
    for name in "ab":
        put(authority.issue(f"{name}.example.org").both, folder / f"{name}.pem")
    tg = tidegate(conf.http(recording_backend(), listener=tls.listener(folder),
                            top=f'certificate_watch = "100ms"; admin = {{ socket = "{admin}"; }};'))

    def shown():
        """{file: (names, state)}"""
        return {os.path.basename(one["file"]): (one["names"], one["state"])
                for one in json.loads(control.ask(admin, "show cert json"))}

    def serial_of(name):
        with tls.TlsClient(tg.address, authority.context(), name=f"{name}.example.org") as peer:
            return peer.tls.getpeercert()["serialNumber"]
    before = {name: serial_of(name) for name in "ab"}
    garbage = tmp_path / "garbage"
    garbage.write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    for name in "bc":
        put(garbage, folder / f"{name}.pem")
    put(authority.issue("a.example.org").both, folder / "a.pem")
    settings.wait_until(lambda: serial_of("a") != before["a"], "the new certificate")
    assert serial_of("b") == before["b"], "what was read before is in use"
    wanted = {"a.pem": ("a.example.org", "read"), "b.pem": ("b.example.org", "kept"), "c.pem": ("", "left-out")}
    settings.wait_until(lambda: shown() == wanted, "what came of the files")
    said = " ".join(record["said"] for record in tg.log.records(msg="certificate"))
    assert "b.pem: " in said and "c.pem: " in said
    text = control.ask(admin, "show cert")
    assert [line.split()[-1] for line in text.splitlines() if line][1:] == ["read", "kept", "left-out"]

    # Whoever mends it is heard, and a reload of the file takes no folder that is not whole.
    put(authority.issue("c.example.org").both, folder / "c.pem")
    settings.wait_until(lambda: shown().get("c.pem") == ("c.example.org", "read"), "the third one")
    assert shown()["b.pem"] == ("b.example.org", "kept") and serial_of("b") == before["b"]
    tg.fail_to_reload()
    put(authority.issue("b.example.org").both, folder / "b.pem")
    settings.wait_until(lambda: shown()["b.pem"] == ("b.example.org", "read"), "the second one")
    assert serial_of("b") != before["b"]


def test_what_is_in_use_is_shown(served, authority):
    tg = served
    lines = control.ask(tg.admin, "show cert").splitlines()
    assert lines[0] == "# name file not_after days_left kind sha256 names ocsp_until of use state"
    name, file, not_after, days, kind, sha256, names, ocsp, of, use, state = lines[1].split()
    assert (name, file, days, kind, names, ocsp) == ("front", str(tg.pem), "59", "ecdsa-256", "site.example.org", "-")
    assert (of, use, state) == ("listener", "server", "read")
    assert len(sha256) == 64 and len(not_after) == 20
    one = json.loads(control.ask(tg.admin, "show cert json"))[0]
    assert (one["sha256"], one["issuer"], one["not_after"]) == (sha256, "CN=tests", not_after)
    value = metrics.page(tg.page).value("certificate_not_after_timestamp_seconds", listener="front", file=file)
    end = tls.openssl("x509", "-in", tg.pem, "-noout", "-enddate").decode().strip().split("=")[1]
    assert value == tls.ssl.cert_time_to_seconds(end)


def test_what_backends_are_shown_and_who_is_believed_is_shown_too(tidegate, authority, tmp_path):
    """Of a file of authorities, or of lists, the first in it that ends."""
    own, other, admin = authority.issue("we"), tls.Authority(tmp_path / "other"), f"{tmp_path}/admin.sock"
    crl, both, page = authority.revoke(tmp_path / "crl.pem", days=5), tmp_path / "both.pem", f"{net.ADDRESS}:{net.free_port()}"
    both.write_bytes(authority.pem.read_bytes() + other.pem.read_bytes())
    tg = tidegate(conf.http(f"{net.ADDRESS}:1", listener=tls.listener(authority.issue("site.example.org"), extra=f'client_ca = "{both}";'),
                            service=f'tls = {{ ca = "{authority.pem}"; crl = "{crl}"; name = "a"; certificate = "{own.both}"; }};',
                            top=f'admin = {{ socket = "{admin}"; http = "{page}"; }};'))
    assert tg.process.poll() is None
    lines = [line.split() for line in control.ask(admin, "show cert").splitlines() if line]
    assert [(line[0], *line[-3:-1]) for line in lines[1:]] == [
        ("front", "listener", "server"), ("front", "listener", "authorities"), ("site", "service", "client"),
        ("site", "service", "authorities"), ("site", "service", "revoked")]
    shown = {one["use"]: one for one in json.loads(control.ask(admin, "show cert json")) if one["service"]}
    assert (shown["client"]["names"], shown["authorities"]["names"], shown["authorities"]["in_file"]) == ("we", "CN=tests", 1)
    assert (shown["revoked"]["kind"], shown["revoked"]["names"], shown["revoked"]["file"]) == ("crl", "CN=tests", str(crl))
    said = tls.openssl("crl", "-in", crl, "-noout", "-nextupdate").decode().strip().split("=")[1]
    seen = metrics.page(page)
    assert seen.value("crl_next_update_timestamp_seconds", service="site", file=str(crl)) == tls.ssl.cert_time_to_seconds(said)
    assert seen.value("authorities_not_after_timestamp_seconds", listener="front", file=str(both)) > 0
    assert seen.value("certificate_not_after_timestamp_seconds", service="site", file=str(own.both)) > 0


def test_that_it_ends_is_told_in_time(tidegate, recording_backend, authority, tmp_path):
    told = tmp_path / "told"
    files = [authority.issue(f"in{days}.example.org", days=days) for days in (40, 29, 5, -2)]
    hook = f'hooks = ( {{ name = "h"; on = ( "certificate-expires" ); exec = ( "/usr/bin/tee", "-a", "{told}" ); }} );'
    tg = tidegate(conf.http(recording_backend(), top=hook, listener=tls.listener(*files)))
    settings.wait_until(lambda: told.exists() and told.read_text().count("certificate-expires") == 3, "three events")
    records = {record["names"]: record["days_left"] for record in tg.log.records(msg="a certificate ends")}
    assert records == {"in29.example.org": "28", "in5.example.org": "4", "in-2.example.org": "-3"}
    assert "in-2.example.org) has expired" in told.read_text()
    assert "in5.example.org) expires within 5 days" in told.read_text()
