"""A client on a unix socket has no address: it is forwarded as `unknown` (RFC 7239 6.2)."""

import socket

from harness import client, conf, settings


def test_forwarded_says_unknown(shared_tidegate, recording_backend, tmp_path):
    path = tmp_path / "front.sock"
    backend = recording_backend()
    shared_tidegate(conf.http(backend, bind=f"unix:{path}"))
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(settings.TIMEOUT)
    sock.connect(str(path))
    with sock:
        sock.sendall(client.get("/", "a.example"))
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
    values = backend.requests[0].all("Forwarded")
    assert values == ['for=unknown;host="a.example";proto=http']
