"""health.fail_open: when too few backends pass their checks, all are used."""

import json

from harness import backends, client, conf, settings

SERVICE = ('health = {{ type = "http"; path = "/check"; interval = "50ms"; rise = 1; fall = 1; '
           'fail_open = {percent}; }};')


class Switch:
    """Answers requests always, the check as the test wants it."""

    def __init__(self, passes=True):
        self.passes = passes

    def __call__(self, conn):
        while (request := conn.read_request()) is not None:
            fails = request.target == "/check" and not self.passes
            conn.send(backends.answer("503 No") if fails else backends.OK)


def count(backend):
    return sum(request.target == "/x" for request in backend.requests)


def served(tg, made):
    """The names of the backends that answer some requests."""
    before = [count(backend) for backend in made]
    for _ in range(8):
        tg.exchange(client.get("/x"))
    return {backend.name for backend, n in zip(made, before) if count(backend) > n}


def test_all_are_used_while_too_few_are_up(tidegate, recording_backend, run_tidectl, tmp_path):
    switches = [Switch() for _ in range(4)]
    made = [recording_backend(switch, name=f"b{i}") for i, switch in enumerate(switches)]
    tg = tidegate(conf.http(*made, workers=1, service=SERVICE.format(percent=50),
                            top=f'admin = {{ socket = "{tmp_path}/admin.sock"; }};'))
    tg.log.wait(count=4, msg="backend up")
    for number in (1, 2):
        switches[number].passes = False
        tg.log.wait(msg="backend down", srv=f"b{number}")
    settings.wait_until(lambda: served(tg, made) == {"b0", "b3"}, "the two that are up")
    switches[3].passes = False
    said = tg.log.wait(msg="too few backends are up, using all of them")
    assert (said["svc"], said["up"], said["of"]) == ("site", "1", "4")
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


def test_by_default_none_up_is_503(tidegate, recording_backend):
    tg = tidegate(conf.http(recording_backend(Switch(False)), service=SERVICE.format(percent=0)))
    tg.log.wait(msg="backend down")
    assert tg.exchange(client.get("/x")).status == 503


def test_none_up_at_all_is_better_than_503(tidegate, recording_backend):
    tg = tidegate(conf.http(recording_backend(Switch(False)), service=SERVICE.format(percent=1)))
    tg.log.wait(msg="backend down")
    tg.log.wait(msg="too few backends are up, using all of them")
    settings.wait_until(lambda: tg.exchange(client.get("/x")).status == 200, "an answer")
