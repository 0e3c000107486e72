"""Services that are scaled, while their configuration, their tidegate or an operator's mind changes."""

import os
import re
import signal

import pytest

from harness import client, load, settings
from harness.control import ask

SLOW = client.get("/slow?ms=100")
PLAIN = 'metric = "in-flight"; target = 2; min = 1; max = 4;'


@pytest.fixture
def two(scaled, recording_backend):
    """two(autoscale): with another service, `plain`, beside the one that is scaled."""
    def start(autoscale=PLAIN, **options):
        address = recording_backend().address
        plain = f'{{ name = "plain"; health = {{ type = "none"; }}; backends = ( "{address}" ); }}'
        return scaled(autoscale, services=plain, **options)
    return start


def text_of(tg):
    return tg.conf_path.read_text()


def edit(tg, before, after):
    text = text_of(tg)
    assert before in text
    return text.replace(before, after)


def without_site(tg):
    text = edit(tg, 'mode = "http"; service = "site"', 'mode = "http"; service = "plain"')
    return re.sub(r'\{ name = "site".*?\}, (?=\{ name = "plain")', "", text, flags=re.S)


def started(tg):
    return [line["srv"] for line in tg.log.records(msg="backend starting")]


def states(tg):
    return {member["name"]: member["state"] for member in tg.site.show()["members"]}


def steady(busy):
    settings.wait_until(lambda: busy.served_since(0) > 20, "load")


def more(busy):
    """Until requests that began from now on are served."""
    seen = len(busy.results)
    settings.wait_until(lambda: len(busy.results) > seen + 20, "more requests")


def test_another_command_costs_nothing_that_runs(scaled):
    tg = scaled(PLAIN.replace("min = 1", "min = 2"))
    tg.site.wait(ready=2)
    before = tg.site.processes()
    with load.KeptLoad(tg.address, clients=2, request=SLOW) as busy:
        steady(busy)
        tg.reload(edit(tg, '"-n", "{name}"', '"-n", "new-{name}"'))
        more(busy)
        assert tg.site.processes() == before
        assert tg.site.show()["ready"] == 2
        os.kill(before[0], signal.SIGKILL)
    tg.site.wait(ready=2, pending=0, draining=0)
    fresh = [pid for pid in tg.site.processes() if pid not in before]
    assert len(fresh) == 1
    with open(f"/proc/{fresh[0]}/cmdline", "rb") as line:
        assert b"new-auto-3" in line.read()


def test_a_service_that_goes_ends_what_it_has_in_flight_first(two):
    tg = two(PLAIN.replace("target = 2", "target = 4")) # three are in flight
    tg.site.wait(ready=1)
    text = text_of(tg)
    peer = tg.client().send(client.get("/slow?ms=1500"))
    settings.wait_until(lambda: tg.site.show()["members"][0]["in_flight"] == 1, "it is in flight")
    tg.reload(without_site(tg))
    # There again before that has ended: nobody is sent to the one that goes, which ends in peace.
    tg.reload(text)
    with load.KeptLoad(tg.address, clients=2, request=SLOW) as busy:
        tg.site.wait(ready=1)
        steady(busy)
        assert peer.read_answer().status == 200
        tg.site.wait(ready=1, draining=0)
        more(busy)
    assert not busy.failures()
    assert started(tg) == ["auto-1", "auto-2"]
    assert len(tg.site.processes()) == 1


def test_a_service_that_goes_while_its_backends_start_leaves_none(two, admin):
    tg = two(PLAIN)
    tg.site.wait(ready=1)
    ask(admin, "scale site 4")
    tg.reload(without_site(tg))
    settings.wait_until(lambda: not tg.site.processes(), "the end of all")


def test_one_that_is_scaled_no_more_drains_and_can_be_again(two):
    tg = two(PLAIN.replace("min = 1", "min = 2"))
    tg.site.wait(ready=2)
    text = text_of(tg)
    peer = tg.client().send(client.get("/slow?ms=1000"))
    settings.wait_until(lambda: any(member["in_flight"] for member in tg.site.show()["members"]),
                        "it is in flight")
    plain = re.search(r'name = "plain".*?backends = (\( .*? \))', text, re.S).group(1)
    tg.reload(re.sub(r"autoscale = \{.*?\};\s*provider = \{.*?\};(.*?)backends = \(\s*\)",
                     rf"\1backends = {plain}", text, flags=re.S))
    assert peer.read_answer().status == 200
    settings.wait_until(lambda: not tg.site.processes(), "the end of both")
    tg.reload(text)
    tg.site.wait(ready=2, draining=0)
    assert len(tg.site.processes()) == 2


def test_a_lower_most_stops_those_above_it_when_they_are_done(scaled, admin):
    tg = scaled(PLAIN.replace("min = 1", "min = 4"))
    tg.site.wait(ready=4)
    with load.KeptLoad(tg.address, clients=8, request=SLOW) as busy:
        steady(busy)
        tg.reload(edit(tg, "min = 4; max = 4;", "min = 1; max = 2;"))
        tg.site.wait(ready=2, draining=0)
        more(busy)
    assert not busy.failures()
    assert not tg.log.records(msg="backend cut")


@pytest.mark.parametrize("order, end", [("drain", "undrain"), ("disable server", "enable server")])
def test_what_an_operator_ordered_of_one_stays(scaled, admin, order, end):
    tg = scaled(PLAIN)
    ask(admin, "scale site 2")
    tg.site.wait(ready=2)
    ask(admin, f"{order} site/auto-2")
    tg.site.wait(ready=1, down=1)
    with load.KeptLoad(tg.address, clients=2, request=SLOW) as busy:
        steady(busy)
        # Too many, and too few again: neither makes it serve.
        peer = tg.client().send(client.get("/slow?ms=300"))
        ask(admin, "scale site 1")
        tg.site.wait(ready=1, down=0, draining=0)
        assert list(states(tg)) == ["auto-1"]
        assert peer.read_answer().status == 200
        ask(admin, "scale site 2")
        tg.site.wait(ready=2, draining=0)
        assert list(states(tg)) == ["auto-1", "auto-3"]
        ask(admin, f"{order} site/auto-1")
        tg.site.wait(ready=1, down=1)
        ask(admin, f"{end} site/auto-1")
        tg.site.wait(ready=2)
    assert not busy.failures()
    assert started(tg) == ["auto-1", "auto-2", "auto-3"]


def test_one_that_an_operator_deletes_is_stopped_and_replaced(scaled, admin):
    tg = scaled(PLAIN)
    ask(admin, "scale site 2")
    tg.site.wait(ready=2)
    with load.KeptLoad(tg.address, clients=2, request=SLOW) as busy:
        steady(busy)
        ask(admin, "disable server site/auto-1")
        settings.wait_until(lambda: ask(admin, "del server site/auto-1") ==
                            "Server deleted.\n\n", "nothing is in flight there")
        settings.wait_until(lambda: list(states(tg).items()) == [("auto-2", "ready"),
                                                                 ("auto-3", "ready")], "another")
        more(busy)
    assert not busy.failures()
    assert len(tg.site.processes()) == 2


def test_an_upgrade_under_load_doubles_and_stops_none(scaled, admin, tmp_path):
    tg = scaled(PLAIN.replace("min = 1", "min = 2"), top=f'state_file = "{tmp_path}/state";')
    tg.site.wait(ready=2)
    before = tg.site.processes()
    with load.Load(tg.address, clients=2, request=SLOW) as busy:
        steady(busy)
        tg.upgrade()
        tg.site.wait(ready=2, pending=0, draining=0)
        more(busy)
        assert [pid for pid in before if pid in tg.site.processes()] == before
        tg.upgrade()
        tg.site.wait(ready=2, pending=0, draining=0)
        more(busy)
    assert not busy.failures()
    assert [pid for pid in before if pid in tg.site.processes()] == before
    assert not tg.log.records(msg="killing a second backend of one name")


def test_an_upgrade_stops_none_that_the_old_one_still_uses(scaled, admin):
    """What is in flight there is not in the statistics of the new one."""
    tg = scaled(PLAIN, service='balance = "round-robin";', top='shutdown_grace = "60s";')
    ask(admin, "scale site 2")
    tg.site.wait(ready=2)
    slow = [tg.client().send(client.post(b"x", "/slow?ms=3000")) for _ in range(2)]
    settings.wait_until(lambda: [m["in_flight"] for m in tg.site.show()["members"]] == [1, 1],
                        "one at each")
    tg.upgrade()
    tg.site.wait(ready=2)
    ask(admin, "scale site 1")
    tg.site.wait(ready=1, draining=1)
    assert [peer.read_answer().status for peer in slow] == [200, 200]
    tg.site.wait(ready=1, draining=0)
    assert len(tg.site.processes()) == 1
    assert not tg.log.records(msg="backend cut")


def test_a_keeper_that_dies_while_one_drains_cuts_nothing(scaled, admin, tmp_path):
    tg = scaled(PLAIN, top=f'state_file = "{tmp_path}/state";')
    ask(admin, "scale site 2")
    tg.site.wait(ready=2)
    peers = [tg.client().send(client.get("/slow?ms=2500")) for _ in range(2)]
    settings.wait_until(lambda: all(m["in_flight"] for m in tg.site.show()["members"]), "in flight")
    ask(admin, "scale site 1")
    tg.site.wait(draining=1)
    state = tmp_path / "state"
    settings.wait_until(lambda: '"drain"' in state.read_text(), "it is kept")
    os.kill(tg.role_pid("keeper"), signal.SIGKILL)
    tg.log.wait(count=2, msg="child ready", child="keeper")
    with load.KeptLoad(tg.address, clients=1, request=SLOW) as busy:
        for peer in peers:
            assert peer.read_answer().status == 200
        tg.site.wait(ready=1, draining=0, pending=0)
    assert not busy.failures()
    assert len(tg.site.processes()) == 1
    # Names go on from the highest that is known.
    ask(admin, "scale site 3")
    tg.site.wait(ready=3)
    names = list(states(tg))
    assert len(set(names)) == 3
    assert not tg.log.records(msg="backend cut")


def test_a_reload_while_backends_start_starts_none_twice(scaled, admin):
    tg = scaled(PLAIN)
    tg.site.wait(ready=1)
    text = text_of(tg)
    ask(admin, "scale site 4")
    tg.reload(text.replace("workers = 2;", "workers = 2; max_connections = 500;"))
    ask(admin, "scale site 5")
    tg.reload(text.replace('"-n", "{name}"', '"-n", "new-{name}"'))
    tg.site.wait(ready=5, pending=0, draining=0)
    assert started(tg) == [f"auto-{i}" for i in range(1, 6)]
    assert len(tg.site.processes()) == 5
    assert not tg.log.records(msg="backend start failed")
    assert not tg.log.records(msg="killing a second backend of one name")


def test_two_services_are_scaled_at_once(scaled, admin, tmp_path):
    demo = settings.program("tidegate-demo")
    other = f"""{{ name = "other"; health = {{ type = "tcp"; interval = "100ms"; rise = 1; }};
        autoscale = {{ module = "target"; {PLAIN} interval = "250ms"; }};
        provider = {{ type = "process"; environment = ( "TG_TEST={tmp_path}" );
                      command = ( "{demo}", "-l", "127.0.0.1:{{port}}", "-n", "{{name}}" ); }}; }}"""
    tg = scaled(PLAIN, services=other)
    tg.site.wait(ready=1)
    ask(admin, "scale site 3; scale other 2")
    tg.site.wait(ready=3)
    settings.wait_until(lambda: '"ready": 2' in ask(admin, "show autoscale other json") or
                        '"ready":2' in ask(admin, "show autoscale other json"), "the other's")
    # Both have an auto-1: it is the service that tells them apart.
    assert len(tg.site.processes()) == 5
    ask(admin, "scale site 0")
    tg.site.wait(ready=0, draining=0)
    assert len(tg.site.processes()) == 2


def test_new_processes_take_over_what_is_scaled(scaled):
    """workers changed, without a state file: what the autoscaler started runs on, and so does what was ordered."""
    tg = scaled(PLAIN, workers=1)
    ask(tg.site.admin, "scale site 3")
    tg.site.wait(ready=3)
    before = sorted(tg.site.processes())
    with load.KeptLoad(tg.address, clients=2, request=SLOW) as busy:
        steady(busy)
        tg.reload(edit(tg, "workers = 1;", "workers = 2;"))
        old = tg.follow()
        more(busy)
        tg.site.wait(ready=3, desired=3)
        assert sorted(tg.site.processes()) == before
        assert old.wait(settings.TIMEOUT) == 0
        more(busy)
        assert sorted(tg.site.processes()) == before
    assert not busy.failures()
