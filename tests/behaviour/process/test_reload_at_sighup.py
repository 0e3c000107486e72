"""SIGHUP reads the configuration anew: as a whole or not at all, and no client notices."""

import os
import signal
import socket

from harness import client, conf, load, net, settings


def reload(tg, text, count=1):
    """The file is `text` now; waits until it is what runs."""
    tg.conf_path.write_text(str(text))
    tg.send_signal(signal.SIGHUP)
    return tg.log.wait(count=count, msg="reloaded")


def refuse(tg, text, count=1):
    tg.conf_path.write_text(str(text))
    tg.send_signal(signal.SIGHUP)
    return tg.log.wait(count=count, level="error", msg="the reload has failed, going on")


def is_served(address):
    try:
        socket.create_connection(net.split(address), settings.TIMEOUT).close()
        return True
    except OSError:
        return False


def test_backends_change_under_load(tidegate, demo_backend):
    first, second = demo_backend(), demo_backend()
    tg = tidegate(conf.http(first))
    bind = tg.address
    with load.Load(tg.address) as asking:
        for n in range(6):
            reload(tg, conf.http([second, first][n % 2], bind=bind), n + 1)
            seen = len(asking.results)
            settings.wait_until(lambda: len(asking.results) > seen + 5, "more requests")
    assert asking.failures() == []


def test_new_backend_beside_others_waits_for_its_first_check(tidegate, demo_backend):
    check = 'health = { type = "tcp"; interval = "50ms"; fall = 1; };'
    good, nobody = demo_backend(), f"{net.ADDRESS}:{net.free_port()}"
    tg = tidegate(conf.http(good, service=check))
    with load.Load(tg.address) as asking:
        reload(tg, conf.http(good, nobody, service=check, bind=tg.address))
        tg.log.wait(msg="backend down", srv=nobody)
        seen = len(asking.results)
        settings.wait_until(lambda: len(asking.results) > seen + 20, "more requests")
    assert asking.failures() == []
    assert not tg.access.records(backend=nobody)


def test_counts_are_told(tidegate, demo_backend):
    backend = demo_backend()
    tg = tidegate(conf.http(backend))
    told = reload(tg, conf.http(backend, demo_backend(), listener="max_connections = 100;",
                                bind=tg.address))
    assert [int(told[key]) for key in ("added", "changed", "removed")] == [1, 1, 0]


def test_listener_moves(tidegate, demo_backend):
    backend = demo_backend()
    tg = tidegate(conf.http(backend))
    before = tg.address
    after = conf.http(backend)
    reload(tg, after)
    assert tg.client(after.address).exchange(client.get()).status == 200
    assert not is_served(before)


def test_error_changes_nothing(tidegate, demo_backend):
    backend = demo_backend()
    tg = tidegate(conf.http(backend))
    refuse(tg, conf.http(backend, top="no_such_key = 1;", bind=tg.address))
    tg.log.wait(level="warn", msg="configuration",
                error=f"{tg.conf_path}:3: no_such_key: unknown key")
    assert tg.exchange(client.get()).status == 200


def test_port_in_use_changes_nothing(tidegate, demo_backend):
    backend = demo_backend()
    tg = tidegate(conf.http(backend))
    told = refuse(tg, conf.http(backend, bind=backend.address))
    assert backend.address in told["reason"] and "in use" in told["reason"]
    assert tg.exchange(client.get()).status == 200


def test_children_stay(tidegate, demo_backend):
    tg = tidegate(conf.http(demo_backend()))
    before = {role: tg.role_pid(role) for role in ("proxy", "keeper")}
    reload(tg, conf.http(demo_backend(), bind=tg.address))
    assert {role: tg.role_pid(role) for role in ("proxy", "keeper")} == before


def test_restarted_child_has_the_new_one(tidegate, demo_backend):
    second = demo_backend()
    tg = tidegate(conf.http(demo_backend()))
    reload(tg, conf.http(second, bind=tg.address))
    os.kill(tg.role_pid("proxy"), signal.SIGKILL)
    tg.log.wait(count=2, msg="child ready", child="proxy")
    assert tg.exchange(client.get()).status == 200
