"""Load that comes all at once, and load that rises and falls: nobody is turned away, nothing is cut.

A sawtooth is played for 40 seconds here, beside all other tests; for a few where a sanitizer slows everything
down, and as long as you like with tests/soak/run, which is this test with TG_SAWTOOTH seconds."""

import os
import threading
import time

import pytest

from harness import client, load, sawtooth, settings, stat

SLOW = client.get("/slow?ms=100")
CROWD = 60
SOON = 20 if settings.sanitizers() else 5  # seconds

LENGTH = float(os.environ.get("TG_SAWTOOTH", 4 if settings.sanitizers() else 40))


def ups(tg):
    return [(int(line["from"]), int(line["to"])) for line in tg.log.records(msg="scaling")
            if int(line["to"]) > int(line["from"])]


def in_flight(tg):
    return sorted(member["in_flight"] for member in tg.site.show()["members"])


@pytest.mark.parametrize("least", [1, 0])
def test_a_flash_crowd_is_served(scaled, admin, least):
    tg = scaled(f'metric = "in-flight"; target = 4; min = {least}; max = 6;',
                service="max_connections_per_backend = 4;")
    tg.site.wait(ready=least, desired=least)
    began = time.monotonic()
    with load.KeptLoad(tg.address, clients=CROWD, request=SLOW) as crowd:
        tg.site.wait(ready=6)
        assert time.monotonic() - began < SOON
        served = crowd.served_since(0)
        settings.wait_until(lambda: crowd.served_since(0) > served + 2 * CROWD, "all of it")
    assert not crowd.failures()
    assert len(ups(tg)) <= least + 3, ups(tg)
    # There are fewer places than clients all the time: they wait, none is sent on too early.
    assert stat.number(admin, "BACKEND", "qmax") >= CROWD - 4 * 6
    assert all(int(row["smax"]) <= 4 for server, row in stat.servers(admin).items()
               if server.startswith("auto-"))
    assert bool(tg.log.records(msg="service wanted")) == (least == 0)


def test_what_was_held_waits_for_places_too(scaled, admin):
    tg = scaled('metric = "in-flight"; target = 100; min = 0; max = 1;',
                service="max_connections_per_backend = 2;")
    tg.site.wait(desired=0, ready=0)
    answers = []

    def ask():
        answers.append(tg.exchange(SLOW).status)
    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 20
    assert len(tg.log.records(msg="backend starting")) == 1
    assert int(stat.servers(admin)["auto-1"]["smax"]) == 2


def test_load_that_returns_takes_back_what_drains(scaled):
    tg = scaled('metric = "in-flight"; target = 3; min = 1; max = 2;', service='balance = "least-conn";')
    tg.site.wait(ready=1)
    with load.KeptLoad(tg.address, clients=6, request=SLOW) as before:
        tg.site.wait(ready=2)
    peers = []
    for counts in ([0, 1], [1, 1]):  # the one that drains has something to do
        peers.append(tg.client().send(client.post(b"x", "/slow?ms=6000")))
        settings.wait_until(lambda: in_flight(tg) == counts, f"{counts} in flight")
    tg.site.wait(ready=1, draining=1)
    with load.KeptLoad(tg.address, clients=6, request=SLOW) as after:
        tg.site.wait(ready=2, draining=0)
        assert len(tg.log.records(msg="backend undrained")) == 1
        assert [peer.read_answer().status for peer in peers] == [200, 200]
    assert not before.failures() and not after.failures()
    assert len(tg.log.records(msg="backend starting")) == 2


@pytest.mark.long
def test_a_sawtooth_costs_no_request_and_cuts_none(scaled, admin):
    tg = scaled(sawtooth.AUTOSCALE)
    tg.site.wait(ready=1)
    told = print if "TG_SAWTOOTH" in os.environ else None
    outcome = sawtooth.play(tg, LENGTH, told)
    print(outcome)
    assert not outcome.failed, outcome.failed[:10]
    assert outcome.teeth >= 2
    assert outcome.events["starting"] > 4 and outcome.events["draining"] > 3
    assert not outcome.events["cut"] and not outcome.events["start failed"]
    # Nothing had to be tried again either.
    assert stat.number(admin, "BACKEND", "wretr") == 0
    assert stat.number(admin, "BACKEND", "wredis") == 0
    tg.site.wait(ready=1, draining=0)
    assert len(tg.site.processes()) == 1
