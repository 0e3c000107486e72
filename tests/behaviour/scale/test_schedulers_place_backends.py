"""Schedulers: each backend goes where there is room and where it may be; one that fits nowhere says why, and starts
when there is room again. Room that others leave for one of higher priority is kept for it."""

import json

import pytest

from harness import conf, control, docker_api, metrics, net, settings
from scale.conftest import Site, quickly

ROOM = 1.0
DEMAND = 0.3
FULL = "cpu: 0.3 wanted, 0.1 of 1 free"
WHY = [("n0", FULL), ("n1", FULL), ("n2", 'label: zone = "a" is required')]


class World:
    """Three nodes of one processor each, of which one is not of the zone that the service requires."""

    def __init__(self, tg, fakes, site, http):
        self.tg, self.fakes, self.site, self.http = tg, fakes, site, http

    def json(self, command):
        return json.loads(control.ask(self.site.admin, f"{command} json"))

    def scale(self, n):
        control.ask(self.site.admin, f"scale site {n}")

    def counts(self):
        return [len(fake.containers) for fake in self.fakes]


def of_zone_b(name, priority, cpu):
    """A service whose backends are on the third node."""
    return conf.service_entry(name, (), f"""
        health = {{ type = "http"; path = "/status/200"; interval = "50ms"; rise = 1; }};
        autoscale = {{ module = "target"; metric = "in-flight"; target = 4; min = 0; max = 8; {quickly("target", "")} }};
        scheduler = "spread"; placement = {{ require = {{ zone = "b"; }}; priority = {priority}; }};
        provider = {{ type = "docker"; image = "acme/api:7"; port = 9000; cpu = {cpu}; memory = "64M";
                      stop_grace = "1s"; }};""")


@pytest.fixture(scope="module")
def world(module_tidegate, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nodes")
    fakes = [docker_api.FakeDocker(folder / f"docker{i}.sock") for i in range(3)]
    nodes = ", ".join(f"""{{ name = "n{i}"; docker = "unix://{fake.path}"; address = "{net.ADDRESS}"; cpu = {ROOM};
                            memory = "{'16G' if i == 2 else '1G'}"; labels = {{ zone = "{'aab'[i]}"; }}; }}""" for i, fake in enumerate(fakes))
    http = f"{net.ADDRESS}:{net.free_port()}"
    text = conf.one(
        "http", (), top=f"""admin = {{ socket = "{folder}/admin.sock"; http = "{http}"; }};
            nodes = ( {nodes} );""",
        services=", ".join(of_zone_b(*one) for one in (("lo", 1, 0.4), ("wide", 5, 1.0))), service=f"""
            health = {{ type = "http"; path = "/status/200"; interval = "50ms"; rise = 1; }};
            autoscale = {{ module = "target"; metric = "in-flight"; target = 4; min = 0; max = 8;
                           start_timeout = "3s"; {quickly("target", "")} }};
            scheduler = "spread"; placement = {{ require = {{ zone = "a"; }}; }};
            provider = {{ type = "docker"; image = "acme/api:7"; port = 9000; cpu = {DEMAND}; memory = "64M";
                          stop_grace = "1s"; }};""")
    tg = module_tidegate(text)
    tg.log.wait(msg="node up", count=3)
    made = World(tg, fakes, Site(f"{folder}/admin.sock", folder), http)
    yield made
    made.scale(0)
    made.site.wait(ready=0, pending=0, down=0, draining=0)
    for fake in fakes:
        fake.stop()


def test_they_spread_fill_wait_and_go_on(world):
    world.scale(2)
    world.site.wait(ready=2, pending=0)
    assert world.counts() == [1, 1, 0], "spread: one on each of the zone"
    world.scale(7)
    seen = world.site.wait(ready=6, pending=1)
    assert world.counts() == [3, 3, 0], "three of 0.3 fit into 1.0, and none goes to another zone"
    assert seen["start_failures"] == 0 and seen["failures"] == 0, "to wait for room is no failed start"
    for command in ("show placement", "explain site"):
        said = control.ask(world.site.admin, command)
        assert all(f"{node}: {why}" in said for node, why in WHY), (command, said)
    nodes = world.json("show nodes")
    assert [node["cpu_free_milli"] for node in nodes] == [100, 100, 1000]
    less = "its configuration has 16384M of memory, its daemon 8192M: the smaller counts"
    assert [node["note"] for node in nodes] == ["", "", less]
    assert f" open 1.000 1.000 {8 << 30} {8 << 30} 0 0 zone=b {less}\n" in control.ask(world.site.admin, "show nodes")
    world.tg.log.wait(msg="node has less than is configured", node="n2", reason=less)
    page = metrics.page(world.http)
    known = {what: [page.value(f"node_{what}", node=f"n{i}") for i in range(3)]
             for what in ("open", "backends", "cpu_cores", "cpu_free_cores", "memory_bytes", "memory_free_bytes")}
    assert known == {"open": [1, 1, 1], "backends": [3, 3, 0], "cpu_cores": [1, 1, 1], "cpu_free_cores": [0.1, 0.1, 1],
                     "memory_bytes": [1 << 30, 1 << 30, 8 << 30], "memory_free_bytes": [832 << 20, 832 << 20, 8 << 30]}
    shown = world.json("show placement")[0]
    assert shown["next"] is None and [one["node"] for one in shown["backends"] if one["waiting"]] == [None]
    assert [(one["node"], one["why"]) for one in shown["nodes"]] == WHY
    one = next(iter(world.fakes[1].containers.values()))
    world.fakes[1].end(one, 1)
    settings.wait_until(lambda: world.counts()[1] == 3 and world.site.show()["ready"] == 6,
                        "its place to be taken again")


def test_a_node_where_nothing_starts_does_not_keep_others_from_it(world):
    """The emptiest one is the one whose disk is full, so each scheduler that spreads would take it again and again."""
    world.scale(0)
    world.site.wait(ready=0, pending=0, draining=0)
    world.fakes[0].standing["create"] = ("say", 500, "no space left on device")
    world.scale(2)
    world.site.wait(ready=2, pending=0)
    assert world.counts() == [0, 2, 0]
    assert ("n0: closed: a start failed there within the last minute, others go first"
            in control.ask(world.site.admin, "show placement"))
    assert world.json("show nodes")[0]["open"], "for other services it is as before"
    # Where no other is left it is tried again.
    del world.fakes[0].standing["create"]
    world.scale(4)
    world.site.wait(ready=4, pending=0)
    assert world.counts() == [1, 3, 0]


def test_a_plan_moves_nothing(world):
    world.scale(2)
    world.site.wait(ready=2, pending=0, draining=0)
    before = [sorted(fake.containers) for fake in world.fakes]
    plan = world.json("plan")
    used = sum(1 for some in before if some)
    assert (plan["nodes_used"], plan["nodes_after"], len(plan["moves"])) == (used, 1, used - 1)
    assert [sorted(fake.containers) for fake in world.fakes] == before


def test_room_that_is_made_is_kept(world):
    log, fake = world.tg.log, world.fakes[2]
    control.ask(world.site.admin, "scale lo 2")
    log.wait(msg="backend ready", svc="lo", count=2)
    fake.faults["stop"] = ["held"]  # one of them; the other frees its half
    control.ask(world.site.admin, "scale wide 1")
    log.wait(msg="backend nominated", svc="wide", reason="n2 is kept for it: 2 of lower priority go")
    log.wait(msg="backend stopped", svc="lo")
    world.tg.reload()
    settings.wait_until(lambda: [one["kept_for"] for one in world.json("show nodes")] == ["", "", "wide"], "the room to be kept")
    assert [(one["waiting"], one["nominated"]) for one in world.json("show placement wide")[0]["backends"]] == [(True, "n2")]
    log.wait(msg="backend waiting", svc="lo", count=2)
    assert "n2: cpu: 0.4 wanted, 0 of 1 free, room is kept for wide" in control.ask(world.site.admin, "show placement lo")
    fake.released.set()
    log.wait(msg="backend ready", svc="wide")
    assert len(log.records(msg="backend draining", svc="lo")) == 2
    for service in ("lo", "wide"):
        control.ask(world.site.admin, f"scale {service} 0")
    settings.wait_until(lambda: not fake.containers, "all to be gone")
