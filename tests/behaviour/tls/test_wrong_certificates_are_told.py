"""Each error of a certificate is told with its file and what is wrong, before anything changes."""

import shutil

import pytest

from harness import client, conf, tls
from harness.redis import speaks_tls


def check(run_tidegate, tmp_path, text):
    path = tmp_path / "t.conf"
    path.write_text(str(text))
    done = run_tidegate("-t", "-c", path)
    return done.returncode, (done.stdout + done.stderr).replace(str(tmp_path) + "/", "")


def listening(entry):
    return conf.http("127.0.0.1:1", listener=f"tls = {{ certificates = ( {entry} ); }};")


@pytest.fixture
def files(tmp_path, authority):
    """A certificate beside the configuration, to be spoilt."""
    made = authority.issue("site.example.org")
    for source, name in [(made.pem, "a.pem"), (made.key, "a.key"), (made.both, "both.pem")]:
        shutil.copy(source, tmp_path / name)
    return tmp_path


def test_good_ones(files, run_tidegate):
    for entry in ['"a.pem"', '"both.pem"', '{ file = "a.pem"; key = "a.key"; }', '{ file = "both.pem"; }']:
        code, said = check(run_tidegate, files, listening(entry))
        assert (code, said) == (0, "t.conf: configuration is valid\n")


def spoil_other_key(files, authority):
    shutil.copy(authority.issue("x").key, files / "a.key")


def spoil_no_key(files, _):
    (files / "a.key").unlink()


def spoil_text(files, _):
    (files / "a.pem").write_text("hello")


def spoil_passphrase(files, _):
    plain = files / "plain"
    (files / "a.key").rename(plain)
    tls.openssl("pkey", "-in", plain, "-aes128", "-passout", "pass:secret", "-out", files / "a.key")


def spoil_everybody_writes(files, _):
    (files / "a.key").chmod(0o666)


def spoil_gone(files, _):
    (files / "a.pem").unlink()


def spoil_weak(files, _):
    tls.openssl("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", files / "a.key", "-out",
                files / "a.pem", "-subj", "/CN=weak")


def spoil_curve(files, _):
    tls.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1", "-nodes", "-keyout",
                files / "a.key", "-out", files / "a.pem", "-subj", "/CN=odd")


@pytest.mark.parametrize("spoil, wanted", [
    (spoil_other_key, "a.key: the key is not that of the certificate"),
    (spoil_no_key, "a.pem: there is no private key in it, and no file a.key"),
    (spoil_text, "a.pem: there is no certificate in it (PEM)"),
    (spoil_passphrase, "a.key: the key has a passphrase, which nobody can give here"),
    (spoil_everybody_writes, "a.key: everybody may change this key: mode 0666; wanted: 0640 or less"),
    (spoil_gone, "a.pem: No such file or directory"),
    (spoil_weak, "a.key: the RSA key has 1024 bits; allowed: 2048 and more"),
    (spoil_curve, "a.key: the key is on a curve that clients do not take: secp256k1; allowed: prime256v1 (P-256), "
                  "secp384r1 (P-384), secp521r1 (P-521)"),
])
def test_errors(files, run_tidegate, authority, spoil, wanted):
    spoil(files, authority)
    code, said = check(run_tidegate, files, listening('"a.pem"'))
    assert code == 1 and "listeners[0].tls.certificates[0]" in said and wanted in said


def test_what_is_no_certificate_is_told_of_its_own_file(files, run_tidegate):
    (files / "a.pem").write_text("hello")
    code, said = check(run_tidegate, files, listening('{ file = "a.pem"; key = "a.key"; }'))
    assert code == 1 and "a.pem: there is no certificate in it (PEM)" in said


def test_errors_of_a_folder_name_the_file(files, run_tidegate, authority):
    folder = files / "d"
    folder.mkdir()
    code, said = check(run_tidegate, files, listening('"d"'))
    assert code == 1 and "d: there is no file in it whose name ends in .pem or .crt" in said
    shutil.copy(files / "both.pem", folder / "good.pem")
    assert check(run_tidegate, files, listening('"d/"'))[0] == 0
    (folder / "bad.crt").write_text("nothing")
    code, said = check(run_tidegate, files, listening('"d"'))
    assert code == 1 and "d/bad.crt: there is no certificate in it" in said
    code, said = check(run_tidegate, files, listening('{ file = "d"; key = "a.key"; }'))
    assert code == 1 and "key: not with a folder" in said


def test_warnings(files, run_tidegate, authority):
    ended = authority.issue("site.example.org", days=-3)
    shutil.copy(ended.both, files / "both.pem")
    code, said = check(run_tidegate, files, listening('"both.pem"'))
    assert code == 0 and "warning: listeners[0].tls.certificates[0]: both.pem: the certificate has expired at 20" in said
    (files / "a.key").chmod(0o644)
    code, said = check(run_tidegate, files, listening('"a.pem"'))
    assert code == 0 and "a.key: everybody may read this key: mode 0644; wanted: 0640 or less" in said


def test_what_is_no_file(files, run_tidegate):
    (files / "a.key").unlink()
    (files / "a.key").mkdir()
    code, said = check(run_tidegate, files, listening('"a.pem"'))
    assert code == 1 and "a.key: not a regular file" in said


def test_a_reload_that_cannot_use_it_changes_nothing(tidegate, recording_backend, files, authority):
    text = conf.http(recording_backend(), listener=f'tls = {{ certificates = ( "{files}/a.pem" ); }};')
    tg = tidegate(text)
    peer = tls.TlsClient(tg.address, authority.context())
    tg.clients.append(peer)
    spoil_other_key(files, authority)
    tg.fail_to_reload()
    told = tg.log.records(msg="configuration")[-1]["error"]
    assert "listeners[0].tls.certificates[0]" in told and "the key is not that of the certificate" in told
    assert peer.exchange(client.get()).status == 200
    with tls.TlsClient(tg.address, authority.context()) as another:
        assert another.exchange(client.get()).status == 200


def test_renewed_ones_are_taken_by_a_reload(tidegate, recording_backend, files, authority):
    """Connections that are open stay, and go on."""
    text = conf.http(recording_backend(), listener=f'tls = {{ certificates = ( "{files}/a.pem" ); }};')
    tg = tidegate(text)
    peer = tls.TlsClient(tg.address, authority.context())
    tg.clients.append(peer)
    before = peer.tls.getpeercert()["serialNumber"]
    made = authority.issue("site.example.org")
    shutil.copy(made.pem, files / "a.pem")
    shutil.copy(made.key, files / "a.key")
    tg.reload()
    assert peer.exchange(client.get()).status == 200
    with tls.TlsClient(tg.address, authority.context()) as another:
        assert another.tls.getpeercert()["serialNumber"] != before
        assert another.exchange(client.get()).status == 200


def with_node(files):
    tls_files = f'ca = "{files}/ca.pem"; certificate = "{files}/a.pem"; key = "{files}/a.key";'
    return conf.http("127.0.0.1:1", top=f'nodes = ( {{ name = "n"; docker = "tcp://127.0.0.1:1"; tls = {{ {tls_files} }}; }} );')


def with_redis(files, own=True):
    tls_files = f'certificate = "{files}/a.pem"; key = "{files}/a.key";' if own else ""
    return conf.http("127.0.0.1:1", top=f'store = {{ type = "redis"; url = "rediss://127.0.0.1:1"; ca = "{files}/ca.pem"; '
                                        f'{tls_files} }};')


def spoil_node_ca(files, _):
    (files / "ca.pem").write_text("hello")


@pytest.mark.parametrize("spoil, wanted", [
    (lambda files, authority: None, None),
    (spoil_other_key, "tls.key: a.key: the key is not that of the certificate"),
    (spoil_text, "tls.certificate: a.pem: there is no certificate in it (PEM)"),
    (spoil_node_ca, "tls.ca: ca.pem: there is no certificate in it (PEM)"),
])
def test_of_a_node_they_are_warnings(files, run_tidegate, authority, spoil, wanted):
    """The node is down while they are so, and everything else goes on."""
    shutil.copy(authority.pem, files / "ca.pem")
    spoil(files, authority)
    code, said = check(run_tidegate, files, with_node(files))
    assert code == 0, said
    if wanted is None:
        assert said == "t.conf: configuration is valid\n"
    else:
        assert f"warning: nodes[0].{wanted}; until it is mended the node is down" in said


@pytest.mark.skipif(not speaks_tls(), reason="tidegate is built with a hiredis without TLS")
@pytest.mark.parametrize("spoil, wanted", [
    (lambda files, authority: None, None),
    (spoil_other_key, "store.key: a.key: the key is not that of the certificate"),
    (spoil_gone, "store.certificate: a.pem: No such file or directory"),
    (spoil_node_ca, "store.ca: ca.pem: there is no certificate in it (PEM)"),
])
def test_of_a_redis_they_are_errors(files, run_tidegate, authority, spoil, wanted):
    """Without them nothing is kept there, and a start or a reload would fail."""
    shutil.copy(authority.pem, files / "ca.pem")
    spoil(files, authority)
    code, said = check(run_tidegate, files, with_redis(files))
    if wanted is None:
        assert (code, said) == (0, "t.conf: configuration is valid\n")
        assert check(run_tidegate, files, with_redis(files, own=False)) == (code, said)
    else:
        assert code == 1 and wanted in said, said
