"""tests/bench: every scenario works, and the calls a request or a check costs are as designed.

Nothing here is timed: figures of a machine that runs tests mean nothing.
"""

import json
import os
import re
import shutil
import subprocess

import pytest

from harness import settings

# Of a binary with sanitizers the calls are not its own, and the loads only take long.
pytestmark = pytest.mark.skipif(bool(settings.sanitizers()), reason="figures of a build as released")

RUN = settings.TOP / "tests" / "bench" / "run"
CHURN = settings.TOP / "tests" / "bench" / "churn"
CHECKS = settings.TOP / "tests" / "bench" / "checks"
GATE = settings.TOP / "tests" / "bench" / "gate"


def bench(tmp_path, *arguments):
    found = tmp_path / "bench.json"
    command = ["/usr/bin/python3", str(RUN), "--binary", settings.program("tidegate"),
               "--json", str(found), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False,
                           timeout=15 * settings.TIMEOUT)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    return json.loads(found.read_text())


def installed(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def test_every_scenario_completes_without_errors(tmp_path):
    found = bench(tmp_path, "--smoke")
    expected = {"tidegate", "floor"} | {name for name in ("haproxy", "nginx") if installed(name)}
    behind_h2 = {"h2-h2", "grpc"} if installed("nghttpd") else set()
    assert len(found["runs"]) == 14 + len(behind_h2)
    for scenario, proxies in found["runs"].items():
        # Debian's nginx relays TCP only with a module of its own.
        without = {"nginx"} if scenario.startswith("tcp-") else set()
        if scenario in ("h2", "https-idle", *behind_h2):
            without = {"floor"}
        elif scenario.startswith(("https-", "tls-")):
            without = {"floor", "haproxy", "nginx"}
        assert set(proxies) >= expected - without, scenario
        for runs in proxies.values():
            assert all(run["errors"] == 0 for run in runs), (scenario, proxies)


@pytest.mark.skipif(not installed("strace"), reason="strace is not installed")
def test_request_costs_four_io_calls(tmp_path):
    found = bench(tmp_path, "--only", "http-64,tcp-rr", "--proxies", "tidegate", "--rounds", "0")
    assert len(found["calls"]) == 2
    for scenario, proxies in found["calls"].items():
        calls = proxies["tidegate"]
        assert 3.9 <= calls["io"] <= 4.2, (scenario, calls)
        # Once in a while the parent asks whether all loops turn: that is of no request.
        assert {name for name, n in calls["calls"].items() if n > 0.05} == {"recvfrom", "sendto"}, (scenario, calls)


def test_backends_come_and_go_under_load_without_an_error():
    command = ["/usr/bin/python3", str(CHURN), "--minutes", "0.02", "--slice", "1.2", "--rate", "500", "--connections", "8",
               "--backends", "4", "--every", "0.1", "--build", str(settings.build_folder())]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5 * settings.TIMEOUT)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert re.search(r"^\d{3} requests, 0 errors, \d+ changes$", ended.stdout, re.M), ended.stdout


@pytest.mark.skipif(not installed("strace"), reason="strace is not installed")
def test_a_tcp_check_of_a_near_backend_costs_four_calls():
    command = ["/usr/bin/python3", str(CHECKS), "--backends", "50", "--interval", "100",
               "--rounds", "1", "--seconds", "0.1", "--wait", "0",
               "--build", str(settings.build_folder())]
    ended = subprocess.run(command, capture_output=True, text=True, check=False,
                           timeout=5 * settings.TIMEOUT)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    calls = dict(re.findall(r"(\w+) ([\d.]+)(?:,|$)", ended.stdout.splitlines()[-1]))
    assert (calls["setsockopt"], calls["connect"]) == ("1", "3"), calls
    assert not calls.keys() & {"socket", "close", "epoll_ctl", "getsockopt"}, calls


@pytest.mark.skipif(not all(map(installed, ("valgrind", "strace", "openssl"))),
                    reason="valgrind, strace or openssl is not installed")
def test_a_request_costs_about_what_is_recorded():
    """make bench-check is exact; a compiler that is another one makes some instructions more or fewer."""
    command = ["/usr/bin/python3", str(GATE), "--binary", settings.program("tidegate"), "--only", "http,tcp",
               "--within", "25"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False,
                           timeout=10 * settings.TIMEOUT)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
