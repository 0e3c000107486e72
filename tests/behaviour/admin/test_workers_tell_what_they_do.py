"""show servers conn, show activity, show pools: what workers do and hold, without asking them."""

import json
import os
import re

import pytest

from harness import client, conf, settings
from harness.control import ask, failure


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


def start(begin, recording_backend, admin, **options):
    options.setdefault("workers", 1)
    return begin(conf.http(recording_backend(name="b1"), top=f'admin = {{ socket = "{admin}"; }};',
                              **options))


def conns(admin):
    head, *lines = ask(admin, "show servers conn").strip().split("\n")
    assert head.startswith("# bkname/svname bkid/svid addr port - purge_delay used_cur used_max "
                           "need_est unsafe_nb safe_nb idle_lim idle_cur idle_per_thr[")
    return {line.split()[0]: line.split() for line in lines}


def activity(admin):
    return json.loads(ask(admin, "show activity json"))


def pools(admin):
    return {pool["name"]: pool for pool in json.loads(ask(admin, "show pools json"))["pools"]}


def idle(tg, admin):
    return int(conns(admin)[f"{tg.service}/b1"][12])


def test_a_kept_connection_is_counted_until_it_ends(shared_tidegate, recording_backend, admin):
    tg = start(shared_tidegate, recording_backend, admin, service='timeouts = { keep_alive = "300ms"; };')
    assert conns(admin)[f"{tg.service}/b1"][5:11] == ["300", "0", "0", "0", "0", "0"]
    assert tg.exchange(client.get("/")).status == 200
    settings.wait_until(lambda: idle(tg, admin) == 1, "one to be kept")
    kept = conns(admin)[f"{tg.service}/b1"]
    assert kept[10] == "1" and kept[13:] == ["1"]
    assert pools(admin)["idle_conn"]["used_by_worker"] == [1]
    settings.wait_until(lambda: idle(tg, admin) == 0, "its lifetime to be over")
    assert pools(admin)["idle_conn"]["used"] == 0


def test_a_new_proxy_keeps_none(tidegate, recording_backend, admin):
    tg = start(tidegate, recording_backend, admin)
    assert tg.exchange(client.get("/")).status == 200
    settings.wait_until(lambda: idle(tg, admin) == 1, "one to be kept")
    os.kill(tg.role_pid("proxy"), 9)
    tg.log.wait(count=2, msg="child ready", child="proxy")
    assert idle(tg, admin) == 0
    assert pools(admin)["idle_conn"]["used"] == 0


def test_servers_conn_of_one_service(shared_tidegate, recording_backend, admin):
    tg = start(shared_tidegate, recording_backend, admin, workers=2)
    assert list(conns(admin)) == [f"{tg.service}/b1"]
    told = json.loads(ask(admin, f"show servers conn {tg.service} json"))
    assert [(row["service"], row["backend"], row["idle_by_worker"]) for row in told] == \
        [(tg.service, "b1", [0, 0])]
    assert failure(ask(admin, "show servers conn none")) == "not-found"


def test_activity_is_told_by_worker(shared_tidegate, recording_backend, admin):
    tg = start(shared_tidegate, recording_backend, admin, workers=2)
    for _ in range(4):
        assert tg.exchange(client.get("/")).status == 200
    tg.access.wait(count=4, path="/")
    told = activity(admin)
    assert told["accepted"]["total"] == told["streams"]["total"] == 4
    assert sum(told["accepted"]["workers"]) == 4 and len(told["accepted"]["workers"]) == 2
    assert told["loops"]["total"] > 4 and told["accepting"]["workers"] == [1, 1]
    assert told["calls"]["total"] >= 2
    settings.wait_until(lambda: activity(admin)["ticks"]["total"] > 0, "ticks")
    for line in ask(admin, "show activity").strip().split("\n")[1:]:
        assert re.fullmatch(r"[a-z0-9_]+: \d+ \[ \d+ \d+ \]", line)


def test_pools_are_told(shared_tidegate, recording_backend, admin):
    def slow(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        conn.read_to_end()
    backend = recording_backend(slow, name="b1")
    tg = shared_tidegate(conf.http(backend, workers=1, top=f'admin = {{ socket = "{admin}"; }};'))
    with tg.client() as peer:
        peer.send(client.get("/"))
        backend.wait_requests(1)
        settings.wait_until(lambda: pools(admin)["stream"]["used"] == 1, "the request")
        peer.reset()
    settings.wait_until(lambda: pools(admin)["stream"]["used"] == 0, "its end")
    assert pools(admin)["stream"]["allocated"] == 1
    assert all(pool["failures"] == 0 for pool in pools(admin).values())
    settings.wait_until(lambda: all(pools(admin)[f"buffer_{size}"]["used"] == 0
                                    for size in ("head", "small", "large")), "all buffers back")
    text = ask(admin, "show pools").strip().split("\n")
    for line in text[1:-2]:
        assert re.fullmatch(r"  - Pool [a-z_]+ \(\d+ bytes\) : \d+ allocated \(\d+ bytes\), \d+ used, "
                            r"\d+ failures, \d+ users", line)
    assert re.fullmatch(r"Total: 6 pools, \d+ bytes allocated, \d+ used\.", text[-1])
