"""testssl.sh finds no protocol, cipher or hole that it warns of.

Of its checks those whose answer is ours to give, some 13 s of processor time for bash; what it says of certificates is of those
of the test.
"""

import json
import shutil
import subprocess

import pytest

from harness import conf, settings, tls

pytestmark = [pytest.mark.skipif(not shutil.which("testssl"), reason="needs testssl.sh"),
              pytest.mark.skipif(bool(settings.sanitizers()), reason="the answer of one build is that of all")]

# Protocols, cipher categories, forward secrecy, renegotiation, Heartbleed, CRIME.
CHECKS = ["-p", "-s", "-f", "-R", "-H", "-C", "--fast", "--sneaky"]
WANTED = {"SSLv2", "SSLv3", "TLS1_2", "TLS1_3", "cipherlist_NULL", "cipherlist_aNULL", "cipherlist_EXPORT", "cipherlist_LOW",
          "heartbleed", "secure_renego", "secure_client_renego", "CRIME_TLS"}


def test_as_it_is_without_a_word_of_configuration(tidegate, recording_backend, authority, tmp_path):
    files = [authority.issue("localhost"), authority.issue("localhost", rsa=True)]
    tg = tidegate(conf.http(recording_backend(), listener=tls.listener(*files)))
    host, _, port = tg.address.rpartition(":")
    found = tmp_path / "found.json"
    said = subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", host, "--add-ca",
                           authority.pem, *CHECKS, "--jsonfile", found, f"https://localhost:{port}"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=settings.TIMEOUT * 10, check=False).stdout
    findings = json.loads(found.read_text())
    # That openssl(1) here has no GOST is none of ours.
    bad = [one for one in findings if one["severity"] not in ("OK", "INFO") and one["id"] != "engine_problem"]
    assert not bad, said
    assert {one["id"] for one in findings if one["severity"] == "OK"} >= WANTED, said
