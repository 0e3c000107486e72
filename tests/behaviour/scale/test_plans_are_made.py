"""The planner of the daemon: what it learns becomes a plan, made beside the loop, that people can read."""

import json
import re

import pytest

from harness import client, load, settings
from harness.control import ask, failure

PLANNER = 'min = 2; max = 6; interval = "100ms"; concurrency = 2;'


@pytest.fixture
def planned(scaled):
    """One whose plan is there, under load."""
    tg = scaled(PLANNER, module="planner")
    tg.site.wait(ready=2)
    with load.Load(tg.address, clients=2, request=client.get("/slow?ms=20")):
        yield tg


def test_a_plan_is_made_read_and_recorded(planned, admin):
    assert failure(ask(admin, "explain site --tabel")) == "usage"
    settings.wait_until(lambda: "running \\ load" in ask(admin, "explain site --table"), "a plan")
    table = ask(admin, "explain site --table")
    assert re.search(r"start delay: .* s \+- .*standard error, of \d+|start delay: .*measured once", table)
    assert re.search(r"service time: \S+ s \+- ", table)
    bands = [[float(word) for word in line.split()[:4]] for line in table.splitlines()
             if re.fullmatch(r"\s+[\d.e+-]+\s+\d+\s+\d+\s+\d+\s+[-+=~]+", line)]
    assert len(bands) > 15
    for _, start, wait, stop in bands:
        assert start <= wait <= stop
    for column in range(4):
        values = [band[column] for band in bands]
        assert values == sorted(values)
    lines = json.loads(ask(admin, "explain site --table json"))
    assert any("standard error" in line for line in lines)
    settings.wait_until(lambda: "plan" in json.loads(ask(admin, "explain site json")), "a decision by the plan")
    record = json.loads(ask(admin, "explain site json"))
    assert record["module"] == "planner" and record["outlook"]["service_s"][0] > 0.01


def test_others_have_no_table(scaled, admin):
    tg = scaled('metric = "in-flight"; target = 2; min = 1; max = 2;')
    tg.site.wait(ready=1)
    assert failure(ask(admin, "explain site --table")) == "not-found"
