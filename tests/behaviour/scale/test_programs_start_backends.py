"""provider exec: programs of the user's list, start and stop backends; what they do wrong is told and tried again."""

import os
import signal

import pytest

from harness import client, load, logs, procfs, settings
from harness.control import ask

SLOW = client.get("/slow?ms=100")

# One program for all verbs: tidegate-demo in a session of its own, and a file of each in FOLDER. What a
# file "wrong-VERB" there says goes wrong.
PROGRAM = '''#!/usr/bin/python3
import json, os, signal, socket, subprocess, sys, time

question = json.load(sys.stdin)
verb, folder = question["verb"], os.environ["FOLDER"]
assert verb == sys.argv[1] and question["service"] == "site" and question["run"].startswith("/")
with open(f"{folder}/asked", "a") as log:
    print(verb, question.get("name", ""), file=log)
try:
    wrong = open(f"{folder}/wrong-{verb}").read()
except FileNotFoundError:
    wrong = ""
if wrong == "fails":
    sys.exit("out of machines")
if wrong == "hangs":
    time.sleep(1000)
if wrong == "garbage":
    sys.exit(print('{"address": "not one"}' if verb == "start" else "[{"))


def path(name):
    return f"{folder}/backend-{name}"


def read(name):
    try:
        pid, address = open(path(name)).read().split()
        os.kill(int(pid), 0)
        return int(pid), address
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None, None


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % probe.getsockname()[1]


def start(name):
    pid, address = read(name)
    if pid is None:
        address = free_address()
        # Its end is not ours to wait for.
        script = '"$0" -l "$1" -n "$2" </dev/null >/dev/null 2>&1 & echo $!'
        pid = int(subprocess.run(["setsid", "sh", "-c", script, os.environ["DEMO"], address, name],
                                 stdout=subprocess.PIPE, text=True, check=True).stdout)
        with open(path(name) + ".new", "w") as out:
            out.write(f"{pid} {address}")
        os.rename(path(name) + ".new", path(name))
    print(json.dumps({"address": address}))


def stop(name):
    pid, _ = read(name)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
    while read(name)[0] is not None:
        time.sleep(0.01)
    if os.path.exists(path(name)):
        os.unlink(path(name))


if verb == "list":
    names = [f.removeprefix("backend-") for f in os.listdir(folder)
             if f.startswith("backend-") and not f.endswith(".new")]
    print(json.dumps([{"name": n, "address": read(n)[1]} for n in names if read(n)[0]]))
else:
    {"start": start, "stop": stop}[verb](question["name"])
'''


class Programs:
    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "program"
        self.path.write_text(PROGRAM)
        self.path.chmod(0o755)

    def provider(self):
        verbs = "".join(f'{verb} = ( "{self.path}", "{verb}" ); ' for verb in ("list", "start", "stop"))
        return f'type = "exec"; {verbs} timeout = "2s";'

    def go_wrong(self, verb, how):
        new = self.folder / "new"
        new.write_text(how)
        new.rename(self.folder / f"wrong-{verb}")

    def mend(self, verb):
        (self.folder / f"wrong-{verb}").unlink()

    def asked(self, verb):
        """The names it was asked for with this verb."""
        asked = self.folder / "asked"
        lines = asked.read_text().splitlines() if asked.exists() else []
        return [line.split(" ")[1] for line in lines if line.split(" ")[0] == verb]

    def backends(self):
        """Pids of those that run."""
        return [pid for pid in procfs.with_variable("FOLDER", self.folder)
                if procfs.alive(pid) and "tidegate-demo" in os.readlink(f"/proc/{pid}/exe")]


@pytest.fixture
def programs(tmp_path):
    folder = tmp_path / "programs"
    folder.mkdir()
    return Programs(folder)


@pytest.fixture
def begun(scaled, programs):
    """begun(least): tidegate before a service whose backends these programs start."""
    def start(least=0):
        demo = settings.program("tidegate-demo")
        return scaled(f'metric = "in-flight"; target = 4; min = {least}; max = 2; start_timeout = "20s";',
                      programs=programs.provider(),
                      environment=("FOLDER=" + str(programs.folder), "DEMO=" + demo))
    return start


def test_from_zero_to_two_and_back(begun, programs):
    tg = begun()
    tg.site.wait(desired=0, ready=0, provider="exec")
    assert not programs.asked("start")
    with load.KeptLoad(tg.address, clients=8, request=SLOW) as busy:
        tg.site.wait(ready=2)
        assert len(programs.backends()) == 2
        members = [member["name"] for member in tg.site.show()["members"]]
        assert sorted(set(programs.asked("start"))) == sorted(members)
    tg.site.wait(ready=0, draining=0, desired=0)
    assert not busy.failures()
    assert not programs.backends() and sorted(programs.asked("stop")) == sorted(members)
    assert tg.exchange(client.get()).status == 200  # and up again
    tg.stop()
    assert not programs.backends()


def test_another_keeper_goes_on_with_what_runs(begun, programs):
    tg = begun(least=2)
    tg.site.wait(ready=2)
    before = sorted(programs.backends())
    os.kill(tg.role_pid("keeper"), signal.SIGKILL)
    tg.log.wait(msg="child ready", child="keeper", count=2)
    tg.site.wait(ready=2, pending=0, draining=0)
    assert sorted(programs.backends()) == before and len(before) == 2
    assert tg.exchange(client.get()).status == 200
    tg.stop()  # perhaps before the new keeper has asked what runs
    assert not programs.backends()


@pytest.mark.parametrize("how, reason", [
    ("fails", "out of machines"), ("hangs", "was killed"), ("garbage", "address")])
def test_a_start_that_goes_wrong_is_told_and_tried_again(begun, programs, how, reason):
    programs.go_wrong("start", how)
    tg = begun()
    tg.site.wait(desired=0, ready=0)
    answer = tg.exchange(client.get())
    assert answer.status == 503 and answer.get("Retry-After") == "1"
    assert reason in tg.log.wait(msg="backend start failed")["reason"]
    assert len(programs.asked("start")) == 1
    programs.mend("start")
    tg.exchange_until(200)
    tg.site.wait(ready=1, failures=0)
    assert len(programs.backends()) == 1


@pytest.mark.long  # it is given again after ten seconds
@pytest.mark.parametrize("how, reason", [("fails", "out of machines"), ("hangs", "was killed")])
def test_a_stop_that_goes_wrong_is_given_again(begun, programs, admin, how, reason):
    programs.go_wrong("stop", how)
    tg = begun()
    with load.KeptLoad(tg.address, clients=1, request=SLOW) as busy:
        tg.site.wait(ready=1)
        ask(admin, "scale site 0")
        busy.over.set()
    assert reason in tg.log.wait(msg="backend not stopped")["reason"]
    assert len(programs.backends()) == 1 and tg.site.show()["draining"] == 1
    programs.mend("stop")
    tg.site.wait(draining=0, ready=0)
    assert not programs.backends()


def test_a_stop_that_goes_wrong_at_the_end_is_tried_again(begun, programs):
    tg = begun(least=1)
    tg.site.wait(ready=1)
    programs.go_wrong("stop", "fails")
    tg.send_signal(signal.SIGTERM)
    assert "out of machines" in tg.log.wait(msg="backend not stopped")["reason"]
    programs.mend("stop")
    assert tg.wait() == 0
    assert not programs.backends()


@pytest.mark.parametrize("how, reason", [
    ("fails", "out of machines"), ("hangs", "was killed"), ("garbage", "list")])
def test_a_list_that_goes_wrong_starts_nothing(begun, programs, how, reason):
    programs.go_wrong("list", how)
    tg = begun(least=1)
    assert reason in tg.log.wait(msg="cannot list what runs", count=2)["reason"]
    assert not programs.asked("start")
    # Nothing can be started before: it is asked for again soon, not with the next one that is due.
    times = [logs.moment(line) for line in tg.log.records(msg="cannot list what runs")]
    assert 0.9 < times[1] - times[0] < 8
    programs.mend("list")
    tg.site.wait(ready=1)
    assert len(programs.backends()) == 1
