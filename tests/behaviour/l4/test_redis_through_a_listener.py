"""Redis, real server and benchmark, through a tcp listener."""

import subprocess

import pytest

from harness import conf, net, settings
from harness.redis import Redis


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path)
    yield server.address
    server.stop()


def run(program, tg, *argv):
    host, port = net.split(tg.address)
    done = subprocess.run([program, "-h", host, "-p", str(port), *argv], capture_output=True,
                          text=True, check=False, timeout=settings.TIMEOUT * 6)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_cli_and_benchmark(shared_tidegate, redis):
    tg = shared_tidegate(conf.tcp(redis))
    assert run("redis-cli", tg, "set", "key", "value").strip() == "OK"
    assert run("redis-cli", tg, "get", "key").strip() == "value"
    said = run("redis-benchmark", tg, "-c", "50", "-n", "4000", "-t", "set,get,lrange_100", "--csv")
    assert said.count('"') >= 6 and "rror" not in said, said
    said = run("redis-benchmark", tg, "-c", "50", "-n", "10000", "-P", "16", "-t", "ping", "--csv")
    assert "PING" in said and "rror" not in said, said


def test_large_values(shared_tidegate, redis, tmp_path):
    tg = shared_tidegate(conf.tcp(redis))
    value = tmp_path / "value"
    value.write_bytes(b"v" * 30_000_000)
    host, port = net.split(tg.address)
    with open(value, "rb") as stdin:
        done = subprocess.run(["redis-cli", "-h", host, "-p", str(port), "-x", "set", "big"],
                              stdin=stdin, capture_output=True, text=True, check=False,
                              timeout=settings.TIMEOUT * 3)
    assert done.stdout.strip() == "OK"
    assert run("redis-cli", tg, "strlen", "big").strip() == "30000000"
    assert len(run("redis-cli", tg, "get", "big").strip()) == 30_000_000
