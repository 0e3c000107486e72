"""tidegate-sim, as somebody runs it: modules that are loaded, decisions of a daemon made again, drawings."""

import json
import re
import shutil
import subprocess
import xml.dom.minidom

import pytest

from harness import client, conf, settings
from harness.control import ask

EXAMPLE = settings.TOP / "contrib" / "autoscaler"


def sim(*arguments, folder=None):
    return subprocess.run([settings.program("tidegate-sim"), *arguments], cwd=folder, text=True,
                          capture_output=True, timeout=settings.TIMEOUT * 3, check=False)


def runs(*arguments, folder=None):
    told = sim("--json", *arguments, folder=folder)
    assert (told.returncode, told.stderr) == (0, "")
    return json.loads(told.stdout)


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """Half an hour, in which the load doubles."""
    path = tmp_path_factory.mktemp("trace") / "half.csv"
    path.write_text("# minute,requests\n" + "".join(f"{i},{600 if i < 15 else 1200}\n" for i in range(30)))
    return path


def test_a_trace_is_run_and_measured(trace):
    told = runs("--trace", str(trace), "--scale", "200", "--module", "staffing", "wait=0.01", "--start-delay", "2s",
                "--service-time", "100ms", "--slots", "10", "--objective", "wait=500ms")
    assert (told["load"], told["peak"], told["seconds"], told["slots"]) == ("half.csv", 200, 1800, 10)
    optimum, staffing = told["runs"]
    assert (optimum["module"], staffing["module"], staffing["target"]) == ("optimum", "staffing", "wait=0.01")
    assert optimum["requests"] == staffing["requests"] > 250000
    assert staffing["cost"] >= optimum["cost"] and optimum["regret_percent"] == 0
    assert 1 < staffing["replica_hours"] < 3


def test_the_same_line_prints_the_same(trace):
    line = ("--trace", str(trace), "--module", "target", "in_flight=7")
    first = sim(*line)
    assert first.returncode == 0 and "in_flight=7" in first.stdout
    assert sim(*line).stdout == first.stdout
    assert sim(*line, "--seed", "2").stdout != first.stdout


def test_a_loaded_module_is_run(trace, tmp_path):
    shutil.copy(EXAMPLE / "aimd.c", tmp_path)
    shutil.copy(EXAMPLE / "Makefile", tmp_path)
    subprocess.run(["make", "-s", f"CPPFLAGS=-I{settings.TOP}/src"], cwd=tmp_path, check=True)
    (tmp_path / "aimd.so").chmod(0o755)
    told = runs("--trace", str(trace), "--scale", "300", "--module", "./aimd.so", "high=8", "low=4",
                folder=tmp_path)
    assert told["runs"][1]["module"] == "aimd" and told["runs"][1]["changes"] > 0
    wrong = sim("--trace", str(trace), "--module", "./aimd.so", "hihg=8", folder=tmp_path)
    assert (wrong.returncode, wrong.stderr) == (
        1, 'tidegate-sim: module "aimd": hihg: unknown key of module "aimd" (did you mean "high"?)\n')
    gone = sim("--trace", str(trace), "--module", "./gone.so", folder=tmp_path)
    assert gone.returncode == 1 and gone.stderr.startswith("tidegate-sim: --module: ./gone.so: ")


def test_all_are_compared_and_drawn(tmp_path):
    told = runs("--load", "flash", "--span", "3m", "--scale", "30", "--compare", "all", "--svg", "flash.svg",
                folder=tmp_path)
    names = {run["module"] for run in told["runs"]}
    assert names == {"optimum", "target", "staffing", "planner", "threshold", "hpa", "kpa", "nomad-target",
                     "nomad-threshold", "aws"}
    drawing = xml.dom.minidom.parse(str(tmp_path / "flash.svg"))
    assert len(drawing.getElementsByTagName("polyline")) == len(names)
    assert len(drawing.getElementsByTagName("circle")) == len(told["runs"]) - 1
    wrong = sim("--load", "flash", "--compare", "hpa", "--svg", "/nowhere/flash.svg", "--span", "1m")
    assert wrong.returncode == 1 and "--svg: /nowhere/flash.svg" in wrong.stderr


def test_what_it_decided_it_decides_again(trace, tmp_path):
    line = ("--trace", str(trace), "--scale", "300", "--module", "staffing", "--decisions", "log.json")
    told = runs(*line, folder=tmp_path)
    again = sim("--replay", "log.json", folder=tmp_path)
    assert again.returncode == 0
    n = int(re.fullmatch(r"(\d+) decisions: \1 the same, 0 other ones\n", again.stdout)[1])
    assert n > told["runs"][1]["changes"]
    other = sim("--replay", "log.json", "--module", "staffing", "wait=0.0001", folder=tmp_path)
    assert other.returncode == 0 and re.search("log.json:[0-9]+: recorded [0-9]+, decided [0-9]+", other.stdout)
    # One that is another is told, and fails.
    text = (tmp_path / "log.json").read_text().splitlines()
    record = json.loads(text[-1])
    record["desired"] += 5
    (tmp_path / "log.json").write_text("\n".join(text[:-1] + [json.dumps(record)]))
    wrong = sim("--replay", "log.json", folder=tmp_path)
    assert wrong.returncode == 1 and f"log.json:{n}: recorded " in wrong.stdout
    (tmp_path / "log.json").write_text(text[0] + "\n{}\n")
    broken = sim("--replay", "log.json", folder=tmp_path)
    assert broken.returncode == 1
    assert broken.stderr.startswith("tidegate-sim: log.json:2: no record of a decision: ")


def test_plans_are_made_again_from_their_records(trace, tmp_path):
    line = ("--trace", str(trace), "--scale", "300", "--start-delay", "2s", "--module", "planner", "penalty=50",
            "--decisions", "log.json")
    told = runs(*line, folder=tmp_path)
    again = sim("--replay", "log.json", folder=tmp_path)
    assert again.returncode == 0
    assert int(re.fullmatch(r"(\d+) decisions: \1 the same, 0 other ones\n", again.stdout)[1]) > 5
    record = json.loads((tmp_path / "log.json").read_text().splitlines()[-1])
    assert record["outlook"]["start_s"][0] == 2 and len(record["plan"]) > 10
    assert told["runs"][1]["beyond_percent"] < 5
    # A plan of other numbers is none, and is not passed over.
    record["plan"] = record["plan"][1:]
    (tmp_path / "log.json").write_text(json.dumps(record))
    broken = sim("--replay", "log.json", folder=tmp_path)
    assert broken.returncode == 1 and "planner" in broken.stderr


def test_decisions_of_a_daemon_are_made_again(tidegate, demo_backend, tmp_path):
    scaled = 'autoscale = { module = "target"; in_flight = 1; interval = "100ms"; max = 9; dry_run = true; };'
    admin = f"{tmp_path}/admin.sock"
    tg = tidegate(conf.http(demo_backend(), service=scaled, top=f'admin = {{ socket = "{admin}"; }};'))
    assert tg.exchange(client.get("/")).status == 200
    log = settings.wait_until(lambda: ask(admin, "show decisions site 64 json").strip(" \n[]") and
                              ask(admin, "show decisions site 64 json"), "a decision")
    (tmp_path / "daemon.json").write_text(log)
    again = sim("--replay", "daemon.json", folder=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    assert re.fullmatch(r"([1-9]\d*) decisions: \1 the same, 0 other ones\n", again.stdout)


@pytest.mark.parametrize("line, status, said", [
    (["--load", "flash", "--module", "hpa", "target=3"], 1,
     'module "hpa": target: 3 is out of range; allowed: 0.01 to 1'),
    (["--load", "nothing", "--module", "hpa"], 1, '--load: "nothing" is not known; allowed: diurnal, '),
    (["--trace", "/nowhere.csv", "--module", "hpa"], 1, "/nowhere.csv: "),
    (["--load", "flash"], 2, "nothing to run: --module NAME or --compare all is missing"),
    (["--load", "flash", "--compare", "hap"], 1, '--compare: "hap" is not known; allowed: all, '),
    (["--load", "flash", "--compare", "hpa,hpa"], 1, '--compare: "hpa" is there twice; allowed: '),
])
def test_what_is_wrong_is_told(line, status, said):
    told = sim(*line)
    assert (told.returncode, told.stdout) == (status, "")
    assert told.stderr.startswith("tidegate-sim: ") and said in told.stderr


def test_minutes_that_are_left_out_are_told(tmp_path):
    (tmp_path / "hole.csv").write_text("time,requests\n0,60\n1,60\n5,60\n")
    told = sim("--trace", "hole.csv", "--module", "hpa", folder=tmp_path)
    assert told.returncode == 0
    assert told.stderr == ("tidegate-sim: hole.csv: 3 of 6 minutes are left out, at most 3 in a row before line 4: "
                           "nothing comes in them\n")


def test_help_and_version():
    assert sim("--version").stdout.startswith("tidegate-sim ")
    assert "--start-delay" in sim("--help").stdout
