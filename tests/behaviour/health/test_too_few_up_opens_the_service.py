"""health.fail_open: when too few backends pass their checks, all are used; before that, those ejected."""

import json

from harness import backends, client, conf, settings

SERVICE = ('health = {{ type = "http"; path = "/check"; interval = "50ms"; rise = 1; fall = 1; '
           'fail_open = {percent}; }};')


class Switch:
    """Answers requests always, the check as the test wants it."""

    def __init__(self, passes=True):
        self.passes = passes
        self.is_bad = False

    def __call__(self, conn):
        while (request := conn.read_request()) is not None:
            fails = not self.passes if request.target == "/check" else self.is_bad
            conn.send(backends.answer("503 No") if fails else backends.OK)


def count(backend):
    return sum(request.target == "/x" for request in backend.requests)


def served(tg, made):
    """The names of the backends that answer some requests."""
    before = [count(backend) for backend in made]
    for _ in range(8):
        tg.exchange(client.get("/x"))
    return {backend.name for backend, n in zip(made, before) if count(backend) > n}


def test_all_are_used_while_too_few_are_up(shared_tidegate, recording_backend, run_tidectl, tmp_path):
    switches = [Switch() for _ in range(4)]
    made = [recording_backend(switch, name=f"b{i}") for i, switch in enumerate(switches)]
    tg = shared_tidegate(conf.http(*made, workers=1, service=SERVICE.format(percent=50),
                                   top=f'admin = {{ socket = "{tmp_path}/admin.sock"; }};'))
    tg.log.wait(count=4, msg="backend up")
    for number in (1, 2):
        switches[number].passes = False
        tg.log.wait(msg="backend down", srv=f"b{number}")
    settings.wait_until(lambda: served(tg, made) == {"b0", "b3"}, "the two that are up")
    switches[3].passes = False
    said = tg.log.wait(msg="too few backends are up, using all of them")
    assert (said["svc"], said["up"], said["of"]) == (tg.service, "1", "4")
    settings.wait_until(lambda: served(tg, made) == {"b0", "b1", "b2", "b3"}, "all four")
    rows = {row["svname"]: row for row in json.loads(
        run_tidectl("-s", f"{tmp_path}/admin.sock", "show", "stat", "json").stdout)}
    assert rows["BACKEND"]["check_desc"].startswith("fail-open")
    assert (rows["BACKEND"]["status"], rows["BACKEND"]["act"]) == ("UP", 1)
    assert rows["b1"]["status"] == "DOWN"
    switches[3].passes = True
    tg.log.wait(msg="no longer using all backends")
    settings.wait_until(lambda: served(tg, made) == {"b0", "b3"}, "the two that are up")
    assert len(tg.log.records(msg="too few backends are up, using all of them")) == 1


def test_the_ejected_are_used_before_those_that_are_down(shared_tidegate, recording_backend, run_tidectl,
                                                         tmp_path):
    """The threshold counts those that are up and not ejected: one backend is not left with all."""
    outlier = 'outlier = { consecutive = 2; base_ejection = "60s"; max_ejected = 50; };'
    switches = [Switch() for _ in range(4)]
    made = [recording_backend(switch, name=f"b{i}") for i, switch in enumerate(switches)]
    tg = shared_tidegate(conf.http(*made, workers=1, service=SERVICE.format(percent=50) + outlier,
                                   top=f'admin = {{ socket = "{tmp_path}/admin.sock"; }};'))
    tg.log.wait(count=4, msg="backend up")

    def desc():
        rows = {row["svname"]: row for row in json.loads(
            run_tidectl("-s", f"{tmp_path}/admin.sock", "show", "stat", "json").stdout)}
        return rows["BACKEND"]["check_desc"]

    def ejected():
        served(tg, made)
        return len(tg.log.records(msg="backend ejected")) == 2
    switches[1].is_bad = switches[2].is_bad = True
    settings.wait_until(ejected, "two to be ejected")
    settings.wait_until(lambda: served(tg, made) == {"b0", "b3"}, "the two that are well")
    switches[1].is_bad = switches[2].is_bad = False
    switches[3].passes = False
    said = tg.log.wait(msg="too few backends are well, using those ejected too")
    assert (said["up"], said["ejected"], said["of"]) == ("3", "2", "4")
    settings.wait_until(lambda: served(tg, made) == {"b0", "b1", "b2"}, "those that are up")
    assert "ejected" in desc()
    for number in (1, 2):
        switches[number].passes = False
    tg.log.wait(msg="too few backends are up, using all of them")
    settings.wait_until(lambda: served(tg, made) == {"b0", "b1", "b2", "b3"}, "all four")
    for number in (1, 2, 3):
        switches[number].passes = True
    settings.wait_until(lambda: served(tg, made) == {"b0", "b3"}, "the two that are well")


def test_by_default_none_up_is_503(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(Switch(False)), service=SERVICE.format(percent=0)))
    tg.log.wait(msg="backend down")
    tg.exchange_until(503)


def test_none_up_at_all_is_better_than_503(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend(Switch(False)), service=SERVICE.format(percent=1)))
    tg.log.wait(msg="backend down")
    tg.log.wait(msg="too few backends are up, using all of them")
    tg.exchange_until(200)
