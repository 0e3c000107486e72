"""Reload: what did not change keeps its connections, streams, counters and memory."""

import threading

import pytest

from harness import backends, client, conf, load, net, procfs, settings, stat
from harness.streams import PIPELINED, Pipeline, Stream, Tunnel, chat

pytestmark = pytest.mark.long

RELOADS = 40 if settings.sanitizers() else 200
OTHERS = 5


class World:
    """Three listeners with a service each, and services that nobody uses and that are changed."""

    def __init__(self, recording_backend, folder):
        self.web, self.raw, self.chat = (f"{net.ADDRESS}:{net.free_port()}" for _ in range(3))
        self.admin = folder / "admin"
        self.backends = {
            "site": [recording_backend(name=name) for name in ("b1", "b2")],
            "echo": [recording_backend(backends.echo, name="e1")],
            "chat": [recording_backend(chat, name="c1")],
        }

    def text(self, number):
        """Each time another of the others is another one."""
        services = [conf.service_entry(name, some) for name, some in self.backends.items()]
        for other in range(OTHERS):
            changes = (number - other + OTHERS - 1) // OTHERS
            nobody = [f'{{ name = "n{i}"; address = "{net.ADDRESS}:1"; weight = {changes % 9 + 1}; }}'
                      for i in range(1 + changes % 3)]
            services.append(f'{{ name = "other{other}"; balance = "{("round-robin", "hash")[changes % 2]}";'
                            f' health = {{ type = "none"; }}; backends = ( {", ".join(nobody)} ); }}')
        return conf.Conf(f"""workers = 2; shutdown_grace = "1s"; admin = {{ socket = "{self.admin}"; }};
            listeners = (
                {{ name = "web"; bind = "{self.web}"; mode = "http"; service = "site"; }},
                {{ name = "raw"; bind = "{self.raw}"; mode = "tcp"; service = "echo"; }},
                {{ name = "chat"; bind = "{self.chat}"; mode = "http"; service = "chat"; }}
            );
            services = ( {", ".join(services)} );""", self.web)


class Slow:
    """A script that answers one request when it is let go."""

    def __init__(self):
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, conn):
        conn.read_request()
        self.begun.set()
        self.go.wait(settings.TIMEOUT)
        conn.send(backends.answer(body=b"late"))


def total(admin, service, column="stot"):
    return int(stat.servers(admin, service)["BACKEND"][column])


def memory(tg):
    """Of each process alone: the log's rings and the slots of what comes and goes are shared, and bounded."""
    return {role: int(procfs.status(tg.role_pid(role))["RssAnon"].split()[0]) * 1024
            for role in ("proxy", "keeper")}


def least(sizes, role):
    """Of each reload there is a rest that the allocator keeps for the next, or gives back: what is lost is below it."""
    return min(size[role] for size in sizes)


def test_many_reloads_under_load(tidegate, recording_backend, tmp_path):
    world = World(recording_backend, tmp_path)
    tg = tidegate(world.text(0))
    loads = [load.KeptLoad(world.web), Pipeline(world.web), Stream(world.raw), Tunnel(world.chat)]
    steady = None
    sizes = []
    counted = 0
    with loads[0], loads[1], loads[2], loads[3]:
        for number in range(1, RELOADS + 1):
            tg.reload(world.text(number))
            now = total(world.admin, "site")
            assert now >= counted, "a counter of what did not change went back"
            counted = now
            sizes.append(memory(tg))
            if number == RELOADS // 4:
                steady = {role: len(procfs.descriptors(tg.role_pid(role))) for role in sizes[0]}
        settings.wait_until(lambda: all(one.served_since(0) > 20 for one in loads), "load")
    for one in loads:
        assert not one.failures(), (type(one).__name__, one.failures()[:3])
    assert loads[0].connections == load.CLIENTS, "a kept connection was closed"
    answered = loads[0].served_since(0) + PIPELINED * loads[1].served_since(0)
    settings.wait_until(lambda: total(world.admin, "site") == answered, "every request counted once")
    assert total(world.admin, "echo") == load.CLIENTS
    assert total(world.admin, "chat") == load.CLIENTS
    if not settings.sanitizers():
        early, late = sizes[RELOADS // 4:RELOADS // 2], sizes[-RELOADS // 4:]
        grown = {role: least(late, role) - least(early, role) for role in sizes[0]}
        assert max(grown.values()) < 512 * 1024, f"{grown} bytes in {RELOADS // 2} reloads"
    ended = {role: len(procfs.descriptors(tg.role_pid(role))) for role in steady}
    assert all(ended[role] <= steady[role] for role in ended), (steady, ended)


def test_changed_service_keeps_connections_and_what_is_known(tidegate, recording_backend, tmp_path):
    """A backend more: the others keep connections and counters, and those of clients stay open."""
    world = World(recording_backend, tmp_path)
    tg = tidegate(world.text(0))
    with load.KeptLoad(world.web) as kept:
        settings.wait_until(lambda: kept.served_since(0) > 20, "load")
        before = [len(backend.connections) for backend in world.backends["site"]]
        served = int(stat.servers(world.admin, "site")["b1"]["stot"])
        world.backends["site"].append(recording_backend(name="b3"))
        tg.reload(world.text(0))
        world.backends["site"][2].wait_requests(5)
        assert int(stat.servers(world.admin, "site")["b1"]["stot"]) >= served
        # Two workers may have needed one more connection each, by chance.
        after = [len(backend.connections) for backend in world.backends["site"]]
        assert all(late - early <= load.CLIENTS for early, late in zip(before, after))
    assert not kept.failures() and kept.connections == load.CLIENTS


def test_backend_that_is_taken_away_finishes_its_requests(tidegate, recording_backend, tmp_path):
    world = World(recording_backend, tmp_path)
    slow = Slow()
    world.backends["site"] = [recording_backend(slow, name="slow")]
    tg = tidegate(world.text(0))
    peer = tg.client().send(client.get())
    assert slow.begun.wait(settings.TIMEOUT)
    world.backends["site"] = [recording_backend(name="b1")]
    tg.reload(world.text(0))
    for _ in range(5):
        assert tg.exchange(client.get()).status == 200
    slow.go.set()
    answer = peer.read_answer()
    assert answer.status == 200 and answer.body == b"late"
    assert peer.exchange(client.get()).status == 200


def test_listener_and_service_that_go_together(tidegate, recording_backend, tmp_path):
    """A client that asks after both are gone is told, and what still runs there ends well."""
    world = World(recording_backend, tmp_path)
    slow = Slow()
    world.backends["site"] = [recording_backend(slow, name="slow")]
    tg = tidegate(world.text(0))
    running = tg.client().send(client.get())
    assert slow.begun.wait(settings.TIMEOUT)
    resting = tg.client().send(b"GET / HT")
    other = f"{net.ADDRESS}:{net.free_port()}"
    text = str(world.text(0)).replace('name = "web"', 'name = "web2"').replace(world.web, other)
    text = text.replace('service = "site"', 'service = "chat"')
    tg.reload(text.replace(conf.service_entry("site", world.backends["site"]) + ",", ""))
    resting.send(b"TP/1.1\r\nHost: a\r\n\r\n")
    answer = resting.read_answer()
    assert answer.status == 404 and answer.get("Connection") == "close"
    slow.go.set()
    answer = running.read_answer()
    assert answer.status == 200 and answer.body == b"late" and answer.get("Connection") == "close"
    assert running.read_to_end() == b"" and running.ended == "eof"
