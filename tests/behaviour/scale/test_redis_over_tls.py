"""A redis that is spoken to by TLS, with certificates of both sides; another certificate is refused."""

import json

import pytest

from harness import control, settings
from harness.redis import Redis, Tls, speaks_tls

PLAIN = 'metric = "in-flight"; target = 2; min = 1; max = 4; '


pytestmark = pytest.mark.skipif(not speaks_tls(), reason="tidegate is built with a hiredis without TLS")


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path, tls=Tls(tmp_path / "own"))
    yield server
    server.stop()


def store(redis, tls):
    return f'store = {{ type = "redis"; url = "rediss://{redis.address}"; {tls.store()} }};'


def test_samples_and_leases_go_by_tls(scaled, redis):
    tg = scaled(PLAIN, top=store(redis, redis.tls))
    tg.log.wait(msg="the store is well")
    tg.site.wait(ready=1, desired=1)
    settings.wait_until(lambda: tg.site.show()["lead"]["role"] == "leads", "it to lead")
    assert redis.ask("hget", "tg:{site}:now", "ready") == "1"
    assert json.loads(control.ask(tg.site.admin, "show store json"))["well"]


def test_who_shows_another_certificate_is_no_redis(scaled, redis, tmp_path):
    tg = scaled(PLAIN, top=store(redis, Tls(tmp_path / "other")))
    down = tg.log.wait(msg="the store is not well, no service is made smaller")
    assert "its certificate is refused: " in down["reason"], down
    assert redis.ask("dbsize") == 0
