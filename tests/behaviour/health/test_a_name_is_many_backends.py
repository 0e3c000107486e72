"""One entry with slots: each address of its name is a backend, as long as the name has it."""

import itertools
import os
import signal
import threading

import pytest

from harness import backends, client, conf, names, net, settings, stat
from harness.load import Load

pytestmark = pytest.mark.long

HEALTH = 'health = { type = "http"; interval = "50ms"; rise = 1; fall = 2; };'
ADDRESSES = [net.own_address(0), net.own_address(1), net.own_address(2)]


@pytest.fixture
def site(recording_backend):
    """Three backends on three addresses and one port."""
    port = net.free_port(*ADDRESSES, "::1")
    return [recording_backend(name=f"n{i}", address=address, port=port)
            for i, address in enumerate(ADDRESSES)]


def pool(backend, slots=4, name="app.test"):
    return f'{{ name = "pool"; address = "{name}:{backend.port}"; slots = {slots}; }}'


def start(shared_tidegate, name_server, site, tmp_path, slots=4, service=HEALTH, **options):
    top = f'admin = {{ socket = "{tmp_path}/admin"; }}; ' + name_server.top()
    return shared_tidegate(conf.http(pool(site[0], slots), top=top, service=service, **options))


def rows(tmp_path, service="site"):
    return stat.servers(tmp_path / "admin", service)


def targets(backend):
    return [request.target for request in backend.requests]


def arrives(tg, backend, path):
    """Asks until a request has come to this backend."""
    def came():
        assert tg.exchange(client.get(path)).status == 200
        return path in targets(backend)
    settings.wait_until(came, f"a request at {backend.name}")


def never_arrives(tg, backend, path):
    """Once the keeper's word has come to the workers: that is soon, but behind its line in the log."""
    tried = itertools.count()

    def passes_by():
        again = f"{path}-{next(tried)}"
        for _ in range(12):
            assert tg.exchange(client.get(again)).status == 200
        return again not in targets(backend)
    settings.wait_until(passes_by, f"requests to pass {backend.name} by")
    assert passes_by()


def test_every_address_is_a_backend_of_its_own(shared_tidegate, name_server, site, tmp_path):
    name_server.names["app.test"] = list(reversed(ADDRESSES))
    tg = start(shared_tidegate, name_server, site, tmp_path)
    for slot, address in enumerate(ADDRESSES, 1):
        tg.log.wait(msg="backend up", srv=f"pool-{slot}", addr=f"{address}:{site[0].port}")
    tg.exchange_until(200)
    for backend in site:
        arrives(tg, backend, f"/{backend.name}")
    settings.wait_until(lambda: rows(tmp_path)["pool-4"]["check_status"] != "INI", "the free one to be told of")
    shown = rows(tmp_path)
    assert [shown[f"pool-{i}"]["status"] for i in range(1, 5)] == ["UP", "UP", "UP", "DOWN"]
    assert (shown["pool-4"]["check_status"], shown["pool-4"]["addr"]) == ("RSLV", "")
    assert shown["pool-4"]["last_chk"] == "no address: the name has no more"
    assert all(int(shown[f"pool-{i}"]["stot"]) > 0 for i in range(1, 4))
    assert not tg.log.records(msg="backend down")


def test_addresses_of_both_families(shared_tidegate, name_server, site, recording_backend, tmp_path):
    six = recording_backend(name="six", address="::1", port=site[0].port)
    name_server.names["app.test"] = ["::1", ADDRESSES[0]]
    tg = start(shared_tidegate, name_server, site, tmp_path)
    tg.log.wait(msg="backend up", srv="pool-1", addr=site[0].address)
    tg.log.wait(msg="backend up", srv="pool-2", addr=six.address)
    tg.exchange_until(200)
    arrives(tg, six, "/six")


@pytest.mark.parametrize("ttl", [0, 1])
def test_addresses_come_and_go_and_no_request_fails(shared_tidegate, name_server, site, tmp_path, ttl):
    a, b, c = ADDRESSES
    name_server.ttl = ttl
    name_server.names["app.test"] = [a]
    tg = start(shared_tidegate, name_server, site, tmp_path)
    tg.log.wait(msg="backend up", srv="pool-1")
    tg.exchange_until(200)
    with Load(tg.address, clients=2) as load:
        for step, present in enumerate([[a, b], [c, b], [b], [c, a], [a, b, c], [c]]):
            name_server.names["app.test"] = present
            for i, backend in enumerate(site):
                if ADDRESSES[i] in present:
                    arrives(tg, backend, f"/{step}")
            settings.wait_until(lambda: is_gone(tg, site, present), "the others to be left")
            for i, backend in enumerate(site):
                if ADDRESSES[i] not in present:
                    never_arrives(tg, backend, f"/after-{step}")
    assert load.served_since(0) > 100
    assert load.failures() == []


def is_gone(tg, site, present):
    """By the log: the last that was said of each absent address is that it left or was replaced."""
    last = {}
    for record in tg.log.records():
        if record.get("msg") in ("name resolved", "address left its name"):
            if record["msg"] == "name resolved":
                last = {srv: addr for srv, addr in last.items() if srv != record["srv"]}
                last[record["srv"]] = record["addr"]
            else:
                last.pop(record["srv"], None)
    wanted = {b.address for i, b in enumerate(site) if ADDRESSES[i] in present}
    return set(last.values()) == wanted


def test_all_at_once_are_replaced_and_no_request_fails(shared_tidegate, name_server, site, tmp_path):
    name_server.names["app.test"] = ADDRESSES[:1]
    tg = start(shared_tidegate, name_server, site, tmp_path, slots=2)
    tg.log.wait(msg="backend up", srv="pool-1")
    tg.exchange_until(200)
    with Load(tg.address) as load:
        arrives(tg, site[0], "/old")
        name_server.names["app.test"] = ADDRESSES[1:]
        arrives(tg, site[1], "/new")
        arrives(tg, site[2], "/new")
        never_arrives(tg, site[0], "/after")
    assert load.failures() == []


@pytest.mark.parametrize("slots", [1, 4])
def test_an_address_where_nobody_listens_yet_takes_nobodys_place(shared_tidegate, name_server, site,
                                                                 tmp_path, recording_backend, slots):
    """The old ones serve on until something of the new is well, or they are not."""
    new = ADDRESSES[2]
    name_server.names["app.test"] = ADDRESSES[:2] if slots > 1 else ADDRESSES[:1]
    tg = start(shared_tidegate, name_server, site, tmp_path, slots, workers=1)
    tg.log.wait(count=min(slots, 2), msg="backend up")
    site[2].stop()
    name_server.names["app.test"] = [new]
    said = tg.log.wait(msg="backend stays, its new address fails its checks")
    assert said["reason"] == "connection refused"
    for number in range(20):
        assert tg.exchange(client.get(f"/{number}")).status == 200
    late = recording_backend(name="late", address=new, port=site[0].port)
    arrives(tg, late, "/late")
    never_arrives(tg, site[0], "/after")


def test_an_old_address_stays_only_as_long_as_no_new_one_is_well(shared_tidegate, name_server, site,
                                                                 tmp_path):
    """Two go, one that is dead and one that is well come."""
    name_server.names["app.test"] = ADDRESSES[:2]
    tg = start(shared_tidegate, name_server, site, tmp_path, 4, workers=1)
    tg.log.wait(count=2, msg="backend up")
    name_server.names["app.test"] = ["127.255.255.254", ADDRESSES[2]]
    arrives(tg, site[2], "/new")
    never_arrives(tg, site[0], "/old")
    never_arrives(tg, site[1], "/old")


def test_streams_of_an_address_that_left_go_to_their_end(shared_tidegate, name_server, site,
                                                         recording_backend, tmp_path):
    may_end = threading.Event()

    def script(conn):
        while (request := conn.read_request()) is not None:
            if request.target != "/long":
                conn.send(backends.OK)
                continue
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nfir")
            may_end.wait(settings.TIMEOUT)
            conn.send(b"st!")
    site[0].scripts = (script,)
    name_server.names["app.test"] = ADDRESSES[:1]
    tg = start(shared_tidegate, name_server, site, tmp_path, slots=2)
    tg.log.wait(msg="backend up", srv="pool-1")
    tg.exchange_until(200)
    with tg.client() as peer:
        peer.send(client.get("/long"))
        peer.read_head()
        name_server.names["app.test"] = ADDRESSES[:2]
        tg.log.wait(msg="backend up", srv="pool-2")
        name_server.names["app.test"] = ADDRESSES[1:]
        left = tg.log.wait(msg="address left its name", addr=site[0].address)
        assert (left["srv"], left["in_flight"]) == ("pool-1", "1")
        never_arrives(tg, site[0], "/new")
        # Its slot is nobody's until that stream has ended: the third address waits.
        name_server.wait_asked()
        assert not tg.log.records(msg="name resolved", addr=site[2].address)
        may_end.set()
        assert peer.read(6) == b"first!"
    tg.log.wait(msg="backend up", srv="pool-1", addr=site[2].address)
    tg.exchange_until(200)
    arrives(tg, site[2], "/third")


TROUBLES = {
    "servfail": lambda server, name: server.trouble.update({name: names.SERVFAIL}),
    "refused": lambda server, name: server.trouble.update({name: names.REFUSED}),
    "nxdomain": lambda server, name: server.trouble.update({name: names.NXDOMAIN}),
    "garbage": lambda server, name: server.trouble.update({name: names.GARBAGE}),
    "silence": lambda server, name: server.trouble.update({name: names.SILENCE}),
    "empty": lambda server, name: server.names.update({name: []}),
    "nobody": lambda server, name: server.names.update({name: ["0.0.0.0", "255.255.255.255"]}),
    "multicast": lambda server, name: server.names.update({name: ["224.0.0.1", "ff02::1"]}),
}

SAID = {
    "servfail": "the name server answers SERVFAIL",
    "refused": "the name server answers REFUSED",
    "nxdomain": "the name does not exist (NXDOMAIN)",
    "silence": "no answer of a name server in time",
    "nobody": "no address of use in the answer",
}


def test_a_failing_or_lying_name_server_keeps_the_last_good_set(shared_tidegate, name_server, site, tmp_path):
    """Each trouble has a service and a name of its own, and all go through theirs at once."""
    hosts = {trouble: f"{trouble}.test" for trouble in TROUBLES}
    name_server.names.update({host: ADDRESSES for host in hosts.values()})
    health = HEALTH.replace("50ms", "1s")
    tg = shared_tidegate(conf.http(
        site[0], top=f'admin = {{ socket = "{tmp_path}/admin"; }}; ' + name_server.top(),
        listener=f"""routes = ( {", ".join(f'{{ path = "/{trouble}/"; service = "{trouble}"; }}'
                                                  for trouble in TROUBLES)} );""",
        services=", ".join(conf.service_entry(trouble, [pool(site[0], name=host)], health)
                                  for trouble, host in hosts.items())))
    for trouble in TROUBLES:
        tg.log.wait(count=3, msg="backend up", svc=trouble)
    for trouble, begin in TROUBLES.items():
        begin(name_server, hosts[trouble])
    # Twice, for both families.
    name_server.wait_asked(4, [[host] for trouble, host in hosts.items() if trouble != "silence"])
    for trouble in TROUBLES:
        said = tg.log.wait(msg="name does not resolve, trying again", svc=trouble)
        assert (said["srv"], said["keeps"]) == ("pool", "3"), trouble
        assert said["reason"] == SAID.get(trouble, said["reason"])
    for trouble in TROUBLES:
        assert len(tg.log.records(msg="name does not resolve, trying again", svc=trouble)) == 1
        shown = rows(tmp_path, trouble)
        assert shown["pool-1"]["status"].startswith("UP"), trouble
        assert shown["pool-1"]["check_desc"].startswith("name fails, addresses stay: "), trouble
        for backend in site:
            arrives(tg, backend, f"/{trouble}/kept")
    name_server.trouble.clear()
    name_server.names.update({host: ADDRESSES[1:] for host in hosts.values()})
    for trouble in TROUBLES:
        tg.log.wait(msg="name resolves again", srv="pool", svc=trouble)
        tg.log.wait(msg="address left its name", addr=site[0].address, svc=trouble)
        assert not rows(tmp_path, trouble)["pool-2"]["check_desc"].startswith("name fails"), trouble
    assert not tg.log.records(msg="backend down", addr=site[1].address)


def test_what_is_of_no_use_in_an_answer_is_left_out(shared_tidegate, name_server, site, tmp_path):
    name_server.names["app.test"] = ["0.0.0.0", ADDRESSES[0], "239.1.1.1"]
    tg = start(shared_tidegate, name_server, site, tmp_path)
    said = tg.log.wait(msg="name has addresses of no use, ignoring them")
    assert (said["srv"], said["refused"]) == ("pool", "2")
    tg.log.wait(msg="backend up", srv="pool-1", addr=site[0].address)
    assert rows(tmp_path)["pool-1"]["check_desc"] == "name has 2 addresses of no use"


def test_more_addresses_than_slots_are_said_once(shared_tidegate, name_server, site, tmp_path):
    name_server.names["app.test"] = ADDRESSES
    tg = start(shared_tidegate, name_server, site, tmp_path, slots=2)
    said = tg.log.wait(msg="name has more addresses than slots, leaving some out")
    assert (said["slots"], said["left_out"]) == ("2", "1")
    tg.log.wait(count=2, msg="backend up")
    name_server.wait_asked(4)
    assert len(tg.log.records(msg="name has more addresses than slots, leaving some out")) == 1
    desc = rows(tmp_path)["pool-1"]["check_desc"]
    assert desc == "name has 1 addresses more than slots"


def test_an_address_that_fails_its_checks_gets_nothing(shared_tidegate, name_server, site, tmp_path):
    name_server.names["app.test"] = ADDRESSES[:1]
    tg = start(shared_tidegate, name_server, site, tmp_path)
    tg.log.wait(msg="backend up", srv="pool-1")
    site[1].stop()
    name_server.names["app.test"] = ADDRESSES[:2]
    tg.log.wait(msg="backend down", srv="pool-2")
    for _ in range(8):
        assert tg.exchange(client.get()).status == 200


def test_a_new_keeper_finds_the_addresses_and_no_request_fails(shared_tidegate, name_server, site,
                                                              tmp_path):
    """The slots may be dealt otherwise: nobody notices."""
    name_server.names["app.test"] = ADDRESSES[2:]
    tg = start(shared_tidegate, name_server, site, tmp_path)
    tg.log.wait(msg="backend up", srv="pool-1")
    name_server.names["app.test"] = ADDRESSES
    tg.log.wait(count=3, msg="backend up")
    name_server.names["app.test"] = ADDRESSES[:2]
    tg.log.wait(msg="address left its name")
    with Load(tg.address) as load:
        arrives(tg, site[0], "/before")
        os.kill(tg.role_pid("keeper"), signal.SIGKILL)
        tg.log.wait(count=5, msg="backend up")
        arrives(tg, site[0], "/behind")
        arrives(tg, site[1], "/behind")
    assert load.failures() == []


def test_a_name_that_begins_to_resolve_says_so_at_each_slot(shared_tidegate, name_server, site, tmp_path):
    tg = start(shared_tidegate, name_server, site, tmp_path)
    tg.log.wait(msg="name does not resolve, trying again", keeps="-")
    shown = rows(tmp_path)
    assert shown["pool-4"]["last_chk"].startswith("name does not resolve: ")
    name_server.names["app.test"] = ADDRESSES[:2]
    tg.log.wait(count=2, msg="backend up")
    settings.wait_until(lambda: rows(tmp_path)["pool-4"]["last_chk"] ==
                        "no address: the name has no more", "the other reason")


def test_vacant_slots_open_no_service_that_is_well(shared_tidegate, name_server, site, tmp_path):
    name_server.names["app.test"] = ADDRESSES[:2]
    tg = start(shared_tidegate, name_server, site, tmp_path, slots=16,
               service=HEALTH.replace("type", "fail_open = 60; type"))
    tg.log.wait(count=2, msg="backend up")
    name_server.wait_asked(2)
    assert not tg.log.records(msg="too few backends are up, using all of them")
