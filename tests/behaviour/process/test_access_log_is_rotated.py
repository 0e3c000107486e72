"""SIGUSR1 opens the access log anew: by hand, and by the real logrotate with the file in contrib/."""

import os
import shutil
import signal
import subprocess

import pytest

from harness import client, conf, load, logs, settings

RULES = settings.TOP / "contrib/logrotate/tidegate"


@pytest.fixture
def log(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    return folder / "access.log"


def start(tidegate, backend, log):
    return tidegate(conf.http(backend, top=f'log = {{ file = "{log}"; }};'))


def ask(tg, path):
    assert tg.exchange(client.get(path)).status == 200


def test_moved_file_is_replaced(tidegate, demo_backend, log):
    tg = start(tidegate, demo_backend(), log)
    ask(tg, "/first")
    logs.LogFile(log).wait(path="/first")
    moved = log.with_suffix(".1")
    log.rename(moved)
    ask(tg, "/second")
    logs.LogFile(moved).wait(path="/second")  # still the same file
    tg.send_signal(signal.SIGUSR1)
    tg.log.wait(msg="access log opened anew", file=str(log))
    ask(tg, "/third")
    logs.LogFile(log).wait(path="/third")
    assert not logs.LogFile(moved).records(path="/third")
    os.kill(tg.role_pid("keeper"), signal.SIGKILL)  # the next one has the new file
    tg.log.wait(count=2, msg="child ready", child="keeper")
    ask(tg, "/fourth")
    logs.LogFile(log).wait(path="/fourth")


def test_no_line_is_lost_or_doubled(tidegate, demo_backend, log):
    tg = start(tidegate, demo_backend(), log)
    with load.Load(tg.address) as asking:
        for n in range(10):
            log.rename(log.with_suffix(f".{n}"))
            tg.send_signal(signal.SIGUSR1)
            tg.log.wait(count=n + 1, msg="access log opened anew")
            seen = len(asking.results)
            settings.wait_until(lambda: len(asking.results) > seen + 5, "more requests")
    assert asking.failures() == []
    tg.stop()
    files = [log, *(log.with_suffix(f".{n}") for n in range(10))]
    assert sum(len(logs.LogFile(file).records()) for file in files) == len(asking.results)


def test_file_that_cannot_be_opened_leaves_the_one_before(tidegate, demo_backend, log):
    tg = start(tidegate, demo_backend(), log)
    moved = log.with_suffix(".1")
    log.rename(moved)
    log.mkdir()
    tg.send_signal(signal.SIGUSR1)
    said = tg.log.wait(level="error", msg="going on with the access log as it is")
    assert said["reason"] == f"log.file: {log}: cannot open: Is a directory"
    ask(tg, "/after")
    logs.LogFile(moved).wait(path="/after")


def test_without_a_file_nothing_happens(tidegate, demo_backend):
    tg = tidegate(conf.http(demo_backend()))
    tg.send_signal(signal.SIGUSR1)
    tg.log.wait(msg="no access log file to open anew")
    ask(tg, "/still")


def test_logrotate(tidegate, demo_backend, log, tmp_path):
    """The file in contrib/, with our folder, and kill for systemctl."""
    program = shutil.which("logrotate", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("logrotate is missing")
    tg = start(tidegate, demo_backend(), log)
    ask(tg, "/first")
    logs.LogFile(log).wait(path="/first")
    rules = tmp_path / "rules"
    order = "systemctl kill --kill-whom=main --signal=USR1 tidegate.service"
    text = RULES.read_text()
    assert order in text and "/var/log/tidegate" in text
    rules.write_text(text.replace("/var/log/tidegate", str(log.parent))
                     .replace(order, f"kill -USR1 {tg.pid}"))
    rules.chmod(0o644)
    ended = subprocess.run([program, "--force", "--state", str(tmp_path / "state"), str(rules)],
                           capture_output=True, text=True, check=False, timeout=settings.TIMEOUT)
    assert ended.returncode == 0, ended.stderr
    tg.log.wait(msg="access log opened anew")
    ask(tg, "/second")
    logs.LogFile(log).wait(path="/second")
    assert logs.LogFile(f"{log}.1").records(path="/first")
