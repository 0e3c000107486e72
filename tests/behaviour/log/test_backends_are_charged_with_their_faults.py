"""What a backend did wrong is counted at that backend, also when tidegate answers in its place."""

import json

import pytest

from harness import backends, client, conf, net


def junk(conn):
    conn.read_request()
    conn.send(b"HTTP/1.1 2000 OK\r\n\r\n")


def dies(conn):
    conn.read_request()


CASES = {"junk": (junk, "bad-answer"), "dies": (dies, "empty-answer"), "dead": (None, "connect-failed")}


@pytest.mark.parametrize("script, reason", CASES.values(), ids=CASES.keys())
def test_reasons(shared_tidegate, recording_backend, run_tidectl, tmp_path, script, reason):
    address = (recording_backend(script).address if script
               else f"{net.ADDRESS}:{net.free_port()}")
    tg = shared_tidegate(conf.http(f'{{ name = "b"; address = "{address}"; }}',
                                   top=f'admin = {{ socket = "{tmp_path}/a"; }};',
                                   service="retry = { attempts = 0; };"))
    request = client.post(b"hello")
    for _ in range(5):
        assert tg.exchange(request).status in (502, 503)
    told = json.loads(run_tidectl("-s", f"{tmp_path}/a", "show reasons json").stdout)
    counts = {one["object"]: one["count"] for one in told if one["reason"] == reason}
    assert counts == {f"listener/{tg.listener}": 5, f"service/{tg.service}": 5, f"backend/{tg.service}/b": 5}
    stat = json.loads(run_tidectl("-s", f"{tmp_path}/a", "show stat json").stdout)
    row = next(row for row in stat if row["svname"] == "b")
    if script:
        assert row["bin"] >= 5 * len(request)


def test_each_try_is_charged_once(shared_tidegate, recording_backend, run_tidectl, tmp_path):
    bad, good = recording_backend(dies, name="bad"), recording_backend(name="good")
    tg = shared_tidegate(conf.http(f'{{ name = "bad"; address = "{bad.address}"; weight = 200; }}', good,
                                   top=f'admin = {{ socket = "{tmp_path}/a"; }};', workers=1))
    assert tg.exchange(client.get()).status == 200
    told = json.loads(run_tidectl("-s", f"{tmp_path}/a", "show reasons json").stdout)
    assert {(one["object"], one["reason"], one["count"]) for one in told} == {
        (f"backend/{tg.service}/bad", "empty-answer", 1), (f"backend/{tg.service}/good", "done", 1),
        (f"service/{tg.service}", "done", 1), (f"listener/{tg.listener}", "done", 1)}


def test_the_total_time_begins_with_the_first_byte(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(recording_backend()))
    peer = tg.client()
    for path in ("/first", "/second"):
        request = client.get(path)
        peer.send(request[:10])
        # The bytes are read in a turn of their own.
        tg.exchange(client.get("/beside"))
        client.settings.let_rest(0.2)
        assert peer.send(request[10:]).read_answer().status == 200
        assert int(tg.access.wait(path=path)["total_us"]) >= 200_000
