"""At a limit of connections accepting pauses: clients wait in the kernel's queue, and nothing is lost."""

import contextlib

import pytest

from harness import client, conf, net, settings, stat


def start(tidegate, backend, tmp_path, listener="", top="", workers=1, **options):
    top += f' admin = {{ socket = "{tmp_path}/admin.sock"; }};'
    return tidegate(conf.http(backend, listener=listener, top=top, workers=workers), **options)


def frontend(tg, tmp_path):
    return stat.rows(tmp_path / "admin.sock")[tg.listener, "FRONTEND"]


LIMITS = {"of the listener": {"listener": "max_connections = 4;"},
          "of all": {"top": "max_connections = 4;"}}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS.keys())
def test_those_beyond_wait_their_turn(shared_tidegate, recording_backend, tmp_path, limit,
                                      workers):
    tg = start(shared_tidegate, recording_backend(), tmp_path, workers=workers, **limit)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(tg.client()) for _ in range(12)]
        for number, peer in enumerate(peers):
            peer.send(client.get(f"/{number}"))
        left = list(peers)
        most = 0
        while left:
            settings.wait_until(lambda: any(peer.is_readable() for peer in left), "an answer")
            done = next(peer for peer in left if peer.is_readable())
            assert done.read_answer().status == 200
            most = max(most, int(frontend(tg, tmp_path)["scur"]))
            left.remove(done)
            done.close()
    assert most <= 4
    assert frontend(tg, tmp_path)["dcon"] != "0"


def test_of_one_listener_leaves_the_others_alone(shared_tidegate, recording_backend, tmp_path):
    text = conf.http(recording_backend(), listener="max_connections = 1;", workers=1)
    other = f"{net.ADDRESS}:{net.free_port()}"
    text.text = text.text.replace("listeners = (", f'''listeners = (
        {{ name = "other"; bind = "{other}"; mode = "http"; service = "site"; }},''')
    tg = shared_tidegate(text)
    with tg.client() as first, client.RawClient(other) as beside:
        assert first.exchange(client.get("/")).status == 200
        with tg.client() as waits:
            waits.send(client.get("/waits"))
            for _ in range(5):
                assert beside.exchange(client.get("/")).status == 200
            assert not waits.is_readable()
            first.close()
            assert waits.read_answer().status == 200


def test_descriptors_that_run_out_are_survived_and_told(tidegate, recording_backend, tmp_path):
    """More connections are allowed than there are descriptors for."""
    tg = start(tidegate, recording_backend(), tmp_path, top="max_connections = 100000;", workers=1,
               files=64)
    proxy = tg.role_pid("proxy")
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(tg.client()) for _ in range(100)]
        tg.log.wait(msg="cannot accept, pausing")
        assert frontend(tg, tmp_path)["ereq"] == "0"
        answered = 0
        for peer in peers[:10]:
            # A backend's connection may find no descriptor either: that is said, not crashed.
            answered += peer.exchange(client.get("/x")).status in (200, 503)
        assert answered == 10
        if tg.access.records(path="/x", end="no-resource"):
            assert tg.log.wait(msg="cannot open a connection to a backend")["reason"]
        for peer in peers:
            peer.close()
    settings.wait_until(lambda: tg.exchange(client.get("/after")).status == 200, "all to be well")
    assert tg.role_pid("proxy") == proxy
    assert {record["end"] for record in tg.access.records(path="/x")} <= {"done", "no-resource"}
