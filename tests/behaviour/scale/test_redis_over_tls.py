"""A redis that is spoken to by TLS, with certificates of both sides; another certificate is refused."""

import json
import re
import shutil
import subprocess

import pytest

from harness import control, certificates, net, settings
from harness.redis import Redis

PLAIN = 'metric = "in-flight"; target = 2; min = 1; max = 4; '


def has_tls():
    said = subprocess.run([settings.program("tidegate"), "-VV"], capture_output=True, text=True, check=False)
    return re.search(r"redis TLS\s+yes", said.stdout + said.stderr) is not None


pytestmark = pytest.mark.skipif(not has_tls() or not shutil.which("openssl"),
                                reason="this tidegate is built with a hiredis without TLS, or openssl is not there")


@pytest.fixture
def redis(tmp_path):
    for name in ("own", "other"):
        authority = certificates.Authority(tmp_path / name)
        authority.issue("server", f"IP:{net.ADDRESS}")
        authority.issue("client")
    port, own = net.free_port(), tmp_path / "own"
    server = Redis(tmp_path, lines=(f"tls-port {port}", f"tls-cert-file {own}/server.pem",
                                    f"tls-key-file {own}/server-key.pem", f"tls-ca-cert-file {own}/ca.pem",
                                    "tls-auth-clients yes"))
    server.tls = f"rediss://{net.ADDRESS}:{port}"
    yield server
    server.stop()


def store(redis, folder):
    return (f'store = {{ type = "redis"; url = "{redis.tls}"; ca = "{folder}/ca.pem"; '
            f'certificate = "{folder}/client.pem"; key = "{folder}/client-key.pem"; }};')


def test_samples_and_leases_go_by_tls(scaled, redis, tmp_path):
    tg = scaled(PLAIN, top=store(redis, tmp_path / "own"))
    tg.log.wait(msg="the store is well")
    tg.site.wait(ready=1, desired=1)
    settings.wait_until(lambda: tg.site.show()["lead"]["role"] == "leads", "it to lead")
    assert redis.ask("hget", "tg:{site}:now", "ready") == "1"
    assert json.loads(control.ask(tg.site.admin, "show store json"))["well"]


def test_who_shows_another_certificate_is_no_redis(scaled, redis, tmp_path):
    tg = scaled(PLAIN, top=store(redis, tmp_path / "other"))
    down = tg.log.wait(msg="the store is not well, no service is made smaller")
    assert "its certificate is refused: " in down["reason"], down
    assert redis.ask("dbsize") == 0
