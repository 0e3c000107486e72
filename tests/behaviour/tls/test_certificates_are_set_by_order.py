"""An operator puts another certificate in the place of one that runs: whole or not at all, and no connection notices."""

import hashlib
import json
import os
import signal

from harness import client, conf, control, settings, tls


def fingerprint(certificate):
    return hashlib.sha256(tls.openssl("x509", "-in", certificate.pem, "-outform", "der")).hexdigest()


def served(tg, authority, name="site.example.org"):
    """The fingerprint of what a new client is shown."""
    with tls.TlsClient(tg.address, authority.context(), name) as peer:
        assert peer.exchange(client.get()).status == 200
        return hashlib.sha256(peer.tls.getpeercert(binary_form=True)).hexdigest()


def test_set_commit_and_abort(tidegate, recording_backend, authority, tmp_path):
    first, other, second = (authority.issue(name) for name in ("site.example.org", "other.example.org", "site.example.org"))
    folder, admin = tmp_path / "site", f"{tmp_path}/admin.sock"
    folder.mkdir()
    for one, name in [(first, "a.pem"), (other, "b.pem")]:
        (folder / name).write_bytes(one.both.read_bytes() + authority.pem.read_bytes())
        (folder / name).chmod(0o600)
    file = f"{folder}/a.pem"
    tg = tidegate(conf.http(recording_backend(), listener=tls.listener(folder),
                            top=f'certificate_watch = "100ms"; admin = {{ socket = "{admin}"; }};'))
    old, new = fingerprint(first), fingerprint(second)

    def set_it(text, file=file, words="set cert"):
        return control.ask(admin, f"{words} {file} <<\n{text}\n")

    text = second.both.read_text() + authority.pem.read_text()
    # What does not fit is refused in words.
    for wrong, why in [(second.pem.read_text() + first.key.read_text(), "the key is not that of the certificate"),
                       (second.pem.read_text(), "there is no private key in it"), ("nonsense", "there is no certificate in it")]:
        answer = set_it(wrong)
        assert control.failure(answer) == "refused" and why in answer
    assert "no listener has a certificate of file" in set_it(text, file=f"{tmp_path}/c.pem")
    assert control.failure(control.ask(admin, f"set cert {file}")) == "usage"
    assert "there is no ongoing transaction" in control.ask(admin, f"commit cert {file}")
    # Nothing changes before it is committed; one at a time.
    assert set_it(text) == f"Transaction created for certificate {file}!\n\n"
    assert set_it(text) == f"Transaction updated for certificate {file}!\n\n"
    assert f'the ongoing transaction is about "{file}"' in set_it(text, file=f"{folder}/b.pem")
    assert control.ask(admin, f"abort cert {file}") == f"Transaction aborted for certificate '{file}'!\n\n"
    assert control.failure(control.ask(admin, f"commit cert {file}")) == "refused"
    assert served(tg, authority) == old
    # HAProxy's words. Open connections stay, and so does what was not asked for.
    peer = tls.TlsClient(tg.address, authority.context())
    tg.clients.append(peer)
    assert "created" in set_it(text, words="set ssl cert")
    assert control.ask(admin, f"commit ssl cert {file} why renewal") == "Success!\n\n"
    assert served(tg, authority) == new
    assert served(tg, authority, "other.example.org") == fingerprint(other)
    assert peer.exchange(client.get()).status == 200
    assert [one["sha256"] for one in json.loads(control.ask(admin, "show cert json"))] == [new, fingerprint(other)]
    assert tg.log.wait(msg="certificate set")["why"] == "renewal"
    # It outlives a proxy, and what is renewed beside it.
    os.kill(tg.role_pid("proxy"), signal.SIGKILL)
    tg.log.wait(msg="child ready", child="proxy", count=2)
    assert served(tg, authority) == new
    authority.say(second, f"{file}.ocsp")
    settings.wait_until(lambda: json.loads(control.ask(admin, "show cert json"))[0]["ocsp_until"], "a response")
    assert served(tg, authority) == new
    # The file has the last word.
    tg.reload()
    assert served(tg, authority) == old
    assert "PRIVATE" not in tg.log.text()
