"""tcp_keepalive and tcp_user_timeout: what the kernel was told of either side's sockets."""

import re
import shutil
import subprocess

import pytest

from harness import backends, conf, settings

KEYS = 'tcp_keepalive = "60s"; tcp_user_timeout = "90s";'

pytestmark = pytest.mark.skipif(not shutil.which("ss"), reason="needs ss (iproute2)")


def keepalive_left(remote):
    """Seconds until the keepalive timer of the socket connected there runs out; None: it has none."""
    said = subprocess.run(["ss", "-Htno", "state", "established", "dst", remote], check=True,
                          capture_output=True, text=True).stdout
    found = re.search(r"timer:\(keepalive,(?:(\d+)min)?(?:(\d+)sec)?", said)
    return int(found[1] or 0) * 60 + int(found[2] or 0) if found else None


def is_told(remote, keys):
    left = keepalive_left(remote)
    return left is not None and 50 <= left <= 60 if keys else left is None


@pytest.mark.parametrize("mode", [conf.tcp, conf.http])
@pytest.mark.parametrize("front, back", [(KEYS, KEYS), ("", KEYS), (KEYS, ""), ("", "")])
def test_each_side_has_its_own(shared_tidegate, recording_backend, mode, front, back):
    backend = recording_backend(lambda conn: (conn.read(1), conn.read_to_end()))
    tg = shared_tidegate(mode(backend, listener=front, service=back))
    peer = tg.client().send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    backend.wait_connections(1)
    settings.wait_until(lambda: backend.connections[0].received, "the request")
    client = "{}:{}".format(*peer.sock.getsockname())
    # Until the last byte is acknowledged another timer stands there.
    settings.wait_until(lambda: is_told(client, front), "the client's side")
    settings.wait_until(lambda: is_told(backend.address, back), "the backend's side")


def test_unix_sockets_know_no_such_thing(shared_tidegate, tmp_path, recording_backend):
    tg = shared_tidegate(conf.one("tcp", [recording_backend(backends.echo)], listener=KEYS, service=KEYS,
                                  bind=f"unix:{tmp_path}/front.sock"))
    assert tg.running()
