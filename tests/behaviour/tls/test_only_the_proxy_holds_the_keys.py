"""Private keys are with the parent, who reads them, and the proxy, who signs: in no other process, and shown nowhere."""

import os

import pytest

from harness import conf, control, procfs, settings, tls


@pytest.mark.skipif(bool(settings.sanitizers()), reason="a sanitizer maps more than can be read")
def test_keeper_and_control_socket_do_not_have_them(tidegate, recording_backend, authority, tmp_path):
    if not os.access("/proc/1/mem", os.R_OK):
        pytest.skip("memory of other processes may not be read here")
    certificate = authority.issue("site.example.org")
    secret = certificate.key.read_bytes().splitlines()[1]
    admin = f"{tmp_path}/admin.sock"
    tg = tidegate(conf.http(recording_backend(), top=f'admin = {{ socket = "{admin}"; }};',
                            listener=tls.listener(certificate)))

    def have():
        return [role for role in ("proxy", "keeper") if secret in procfs.memory_has(tg.role_pid(role), [secret])]
    assert have() == ["proxy"]
    tg.reload()
    assert have() == ["proxy"]
    shown = control.ask(admin, "show config") + control.ask(admin, "save config")
    assert str(certificate.both) in shown and "base64" not in shown and secret.decode() not in shown
