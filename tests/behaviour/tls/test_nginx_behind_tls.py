"""A real server behind TLS: nginx that wants to see a certificate, and a real client, curl, in front."""

import shutil
import signal
import socket
import subprocess

import pytest

from harness import conf, net, settings, tls

CONF = """daemon off;
master_process off;
error_log {folder}/error.log;
pid {folder}/pid;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen {address} ssl;
    ssl_certificate {pem}; ssl_certificate_key {key};
    ssl_protocols {protocols};
    ssl_verify_client on; ssl_client_certificate {ca};
    keepalive_requests 2;
    location / {{ return 200 "$ssl_client_s_dn $ssl_server_name $ssl_protocol $ssl_session_reused\\n"; }}
  }}
}}
"""


def accepts(address):
    try:
        socket.create_connection(net.split(address), settings.TIMEOUT).close()
        return True
    except OSError:
        return False


@pytest.fixture
def nginx(tmp_path, authority):
    program = shutil.which("nginx")
    if not program:
        pytest.skip("nginx is not installed")
    started = []

    def start(protocols):
        made = authority.issue("site.example.org")
        address = f"{net.ADDRESS}:{net.free_port()}"
        path = tmp_path / "nginx.conf"
        path.write_text(CONF.format(folder=tmp_path, address=address, pem=made.pem, key=made.key, ca=authority.pem,
                                    protocols=protocols))
        started.append(subprocess.Popen([program, "-c", path, "-p", tmp_path], stderr=subprocess.DEVNULL))
        settings.wait_until(lambda: accepts(address), "nginx")
        return address
    yield start
    for one in started:
        one.send_signal(signal.SIGTERM)
        one.wait(settings.TIMEOUT)


@pytest.mark.parametrize("protocols, said", [("TLSv1.2", "TLSv1.2"), ("TLSv1.3", "TLSv1.3")])
def test_nginx(tidegate, nginx, authority, protocols, said):
    curl = shutil.which("curl")
    if not curl:
        pytest.skip("curl is not installed")
    tg = tidegate(conf.http(nginx(protocols), listener=tls.listener(authority.issue("front.example.org")), workers=1,
                            service='timeouts = { connect = "60s"; }; '
                            f'tls = {{ ca = "{authority.pem}"; name = "site.example.org"; '
                            f'certificate = "{authority.issue("tidegate").both}"; }};'))
    host, port = net.split(tg.address)
    where = f"https://front.example.org:{port}/"
    done = subprocess.run([curl, "-sS", "--cacert", authority.pem, "--resolve", f"front.example.org:{port}:{host}",
                           *[where] * 9], capture_output=True, text=True, timeout=settings.TIMEOUT, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 9
    assert all(line.startswith(f"CN=tidegate site.example.org {said} ") for line in lines), lines
    # nginx closes after two requests: each connection but the first resumes.
    assert lines[0].endswith(" .") and lines[-1].endswith(" r"), lines
