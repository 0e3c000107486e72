"""address = "srv:...": hosts, ports, weights and priorities are what the SRV records say."""

import itertools

import pytest

from harness import client, conf, names, net, settings, stat
from harness.load import Load

pytestmark = pytest.mark.long

HEALTH = 'health = { type = "http"; interval = "50ms"; rise = 1; fall = 2; };'
NAME = "_http._tcp.app.test"


@pytest.fixture
def site(recording_backend, name_server):
    """Four backends on four ports; n3 has an address of its own."""
    site = [recording_backend(name=f"n{i}", address=net.own_address(1) if i == 3 else None)
            for i in range(4)]
    for backend in site:
        name_server.names[f"{backend.name}.test"] = [net.split(backend.address)[0]]
    return site


def record(backend, weight=1, priority=0):
    return (priority, weight, backend.port, f"{backend.name}.test")


def start(shared_tidegate, name_server, tmp_path, slots="", service=HEALTH, **options):
    top = f'admin = {{ socket = "{tmp_path}/admin"; }}; ' + name_server.top()
    entry = f'{{ name = "pool"; address = "srv:{NAME}"; {slots} }}'
    return shared_tidegate(conf.http(entry, top=top, service=service, **options))


def rows(tmp_path, service="site"):
    return stat.servers(tmp_path / "admin", service)


_numbers = itertools.count()


def served(tg, site, n=40, under=""):
    """How many of n requests each backend got."""
    path = f"{under}/share/{next(_numbers)}"
    for _ in range(n):
        assert tg.exchange(client.get(path)).status == 200
    return [sum(request.target == path for request in backend.requests) for backend in site]


def used(tg, site):
    """Who got something of many."""
    return tuple(i for i, n in enumerate(served(tg, site, 20)) if n > 0)


def wait_shares(tg, site, wanted, n=40, under=""):
    """Until shares are these, give or take what workers and other clients make of the turns."""
    def as_wanted():
        got = served(tg, site, n, under)
        return all((w == 0) == (g == 0) and abs(g - w) <= 5 for g, w in zip(got, wanted))
    settings.wait_until(as_wanted, f"shares of {wanted}")


def test_ports_and_weights_are_those_of_the_records(shared_tidegate, name_server, site, tmp_path):
    name_server.services[NAME] = [record(site[0], 30), record(site[1], 10), record(site[3], 0)]
    tg = start(shared_tidegate, name_server, tmp_path)
    for backend, weight in ((site[0], "256"), (site[1], "85"), (site[3], "1")):
        tg.log.wait(msg="name resolved", addr=backend.address, weight=weight, backup="0")
        tg.log.wait(msg="backend up", addr=backend.address)
    tg.exchange_until(200)
    wait_shares(tg, site[:2], [30, 10])
    shown = rows(tmp_path)
    assert sorted(int(shown[f"pool-{i}"]["weight"]) for i in range(1, 4)) == [1, 85, 256]
    assert (shown["pool-16"]["status"], shown["pool-16"]["addr"]) == ("DOWN", "")
    assert "pool-17" not in shown


def test_weights_change_at_run_time(shared_tidegate, name_server, site, tmp_path):
    name_server.services[NAME] = [record(site[0], 10), record(site[1], 10)]
    tg = start(shared_tidegate, name_server, tmp_path, workers=1)
    tg.log.wait(count=2, msg="backend up")
    tg.exchange_until(200)
    wait_shares(tg, site[:2], [20, 20])
    with Load(tg.address) as load:
        name_server.services[NAME] = [record(site[0], 10), record(site[1], 30)]
        tg.log.wait(msg="name resolved", addr=site[0].address, weight="85")
    wait_shares(tg, site[:2], [10, 30])
    assert load.failures() == []
    assert not tg.log.records(msg="backend down")


def test_higher_priorities_are_backups(shared_tidegate, name_server, site, tmp_path):
    name_server.services[NAME] = [record(site[0], priority=1), record(site[1], priority=5),
                                  record(site[2], priority=9)]
    tg = start(shared_tidegate, name_server, tmp_path)
    tg.log.wait(count=3, msg="backend up")
    tg.exchange_until(200)
    wait_shares(tg, site[:3], [40, 0, 0])
    shown = rows(tmp_path)
    assert [shown[f"pool-{i}"]["bck"] for i in range(1, 4)].count("1") == 2
    site[0].stop()
    tg.log.wait(msg="backend down", addr=site[0].address)
    wait_shares(tg, site[1:3], [20, 20])
    # With its record gone the next priority is the first.
    name_server.services[NAME] = [record(site[1], priority=5), record(site[2], priority=9)]
    tg.log.wait(msg="name resolved", addr=site[1].address, backup="0")
    wait_shares(tg, site[1:3], [40, 0])


@pytest.mark.parametrize("ttl", [0, 1])
def test_records_come_and_go_and_no_request_fails(shared_tidegate, name_server, site, tmp_path, ttl):
    name_server.ttl = ttl
    name_server.services[NAME] = [record(site[0])]
    tg = start(shared_tidegate, name_server, tmp_path, "slots = 3;")
    tg.log.wait(msg="backend up", addr=site[0].address)
    tg.exchange_until(200)
    with Load(tg.address, clients=2) as load:
        for present in ((0, 1), (1, 2), (3,), (0, 2, 3), (1,)):
            name_server.services[NAME] = [record(site[i]) for i in present]
            settings.wait_until(lambda: used(tg, site) == present, f"exactly {present}")
    assert load.served_since(0) > 100
    assert load.failures() == []


TROUBLES = {
    "servfail": lambda server, name, _: server.trouble.update({name: names.SERVFAIL}),
    "nxdomain": lambda server, name, _: server.trouble.update({name: names.NXDOMAIN}),
    "garbage": lambda server, name, _: server.trouble.update({name: names.GARBAGE}),
    "empty": lambda server, name, _: server.services.update({name: []}),
    "nowhere": lambda server, name, _: server.services.update({name: [(0, 0, 0, "")]}),
    "port-0": lambda server, name, targets: server.services.update({name: [(0, 1, 0, targets[1])]}),
    "targets-fail": lambda server, _, targets: server.trouble.update(dict.fromkeys(targets, names.SERVFAIL)),
    "targets-lie": lambda server, _, targets: server.names.update(dict.fromkeys(targets, ["0.0.0.0"])),
}


def test_failing_and_lying_records_keep_the_last_good_set(shared_tidegate, name_server, site, tmp_path):
    """Each trouble has a service and names of its own, and all go through theirs at once."""
    asked = {trouble: f"_http._tcp.{trouble}.test" for trouble in TROUBLES}
    targets = {trouble: [f"n{i}.{trouble}.test" for i in range(2)] for trouble in TROUBLES}

    def mend():
        name_server.trouble.clear()
        for trouble in TROUBLES:
            for backend, target in zip(site, targets[trouble]):
                name_server.names[target] = [net.split(backend.address)[0]]
            name_server.services[asked[trouble]] = [(0, 1, backend.port, target)
                                                    for backend, target in zip(site, targets[trouble])]
    mend()
    health = HEALTH.replace("50ms", "1s")
    tg = shared_tidegate(conf.http(
        site[3], top=f'admin = {{ socket = "{tmp_path}/admin"; }}; ' + name_server.top(),
        listener=f"""routes = ( {", ".join(f'{{ path = "/{trouble}/"; service = "{trouble}"; }}'
                                                  for trouble in TROUBLES)} );""",
        services=", ".join(conf.service_entry(
            trouble, [f'{{ name = "pool"; address = "srv:{name}"; }}'], health)
            for trouble, name in asked.items())))
    for trouble in TROUBLES:
        tg.log.wait(count=2, msg="backend up", svc=trouble)
    for trouble, begin in TROUBLES.items():
        begin(name_server, asked[trouble], targets[trouble])
    name_server.wait_asked(3, [[asked[trouble], *targets[trouble]] for trouble in TROUBLES])
    for trouble, name in asked.items():
        said = tg.log.wait(msg="name does not resolve, trying again", svc=trouble)
        assert (said["srv"], said["name"], said["keeps"]) == ("pool", name, "2")
    for trouble in TROUBLES:
        assert len(tg.log.records(msg="name does not resolve, trying again", svc=trouble)) == 1
        assert rows(tmp_path, trouble)["pool-1"]["check_desc"].startswith("name fails"), trouble
        wait_shares(tg, site[:2], [20, 20], under=f"/{trouble}")
    mend()
    for trouble in TROUBLES:
        tg.log.wait(msg="name resolves again", srv="pool", svc=trouble)
    assert not tg.log.records(msg="backend down")
    assert not tg.log.records(msg="address left its name")


def test_the_percent_of_an_agent_multiplies_the_weight_of_the_record(
        shared_tidegate, name_server, site, recording_backend, tmp_path):
    agent = recording_backend(lambda conn: conn.send(b"50%\n"), address=net.own_address(1))
    name_server.services[NAME] = [record(site[3], 10)]
    service = HEALTH + f' agent = {{ port = {agent.port}; interval = "100ms"; }};'
    tg = start(shared_tidegate, name_server, tmp_path, service=service)
    tg.log.wait(msg="backend up", addr=site[3].address)
    settings.wait_until(lambda: rows(tmp_path)["pool-1"]["weight"] == "128",
                        "half of 256")


@pytest.mark.parametrize("trouble, why", [
    (None, "the name does not exist (NXDOMAIN)"), (names.SERVFAIL, "the name server answers SERVFAIL")])
def test_a_target_that_fails_is_told_by_its_name(shared_tidegate, name_server, site, tmp_path, trouble, why):
    """Not as if the service failed; the others are used."""
    name_server.services[NAME] = [record(site[0]), (0, 1, 80, "away.test")]
    if trouble:
        name_server.trouble["away.test"] = trouble
    tg = start(shared_tidegate, name_server, tmp_path)
    said = tg.log.wait(msg="name does not resolve, trying again", svc=tg.service)
    assert (said["name"], said["reason"]) == (NAME, f"its target away.test: {why}")
    tg.log.wait(msg="backend up", addr=site[0].address)
