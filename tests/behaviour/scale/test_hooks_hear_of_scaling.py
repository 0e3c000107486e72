"""Hooks hear of what the autoscaler does and cannot do, of requests that find no room, and of a lost redis."""

import pytest

from harness import client, control, load, settings
from harness.receiver import Receiver
from harness.redis import Redis


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.stop()


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path)
    yield server
    server.stop()


def test_hooks_hear_of_scaling_and_of_redis(scaled, receiver, redis):
    tg = scaled('metric = "in-flight"; target = 2; min = 1; max = 3;',
                top=f'store = {{ type = "redis"; url = "{redis.url()}"; }};'
                    f'hooks = ( {{ name = "h"; on = ( "all" ); url = "{receiver.url()}"; }} );')
    begun = receiver.wait_event("scale-up", service="site", to=1)
    assert (begun["from"], begun["reason"]) == (0, "min asks for so many")
    receiver.wait_event("backend-up", service="site")
    with load.KeptLoad(tg.address, clients=8, request=client.get("/slow?ms=100")):
        up = receiver.wait_event("scale-up", service="site", to=3)
        assert up["from"] < 3 and "in-flight" in up["reason"] and up["backend"] is None
    receiver.wait_event("scale-down", service="site", to=1)
    control.ask(tg.site.admin, "scale site 2")
    assert receiver.wait_event("scale-up", service="site", to=2, reason="an operator ordered this number")["from"] == 1
    redis.kill()
    lost = receiver.wait_event("store-down", service=None)
    assert lost["reason"] != ""
    redis.start()
    receiver.wait_event("store-up")
    assert [event["event"] for event in receiver.events].count("store-up") == 1


def test_hooks_hear_of_starts_that_fail_and_of_a_hold_that_is_full(scaled, receiver):
    tg = scaled('metric = "in-flight"; target = 2; min = 0; max = 2; start_timeout = "1s";',
                command=["/bin/sleep", "{port}"], service="hold = { requests = 1; timeout = \"60s\"; };",
                top=f'hooks = ( {{ name = "h"; on = ( "start-failed", "hold-full" ); '
                    f'url = "{receiver.url()}"; }} );')
    with tg.client() as held, tg.client() as refused:
        held.send(client.get("/"))
        settings.wait_until(lambda: tg.site.show()["desired"] == 1, "one to be wanted")
        assert refused.exchange(client.get("/")).status == 503
        full = receiver.wait_event("hold-full", service="site")
        assert full["reason"] == "1 refused within a second, 1 are held"
        failed = receiver.wait_event("start-failed", service="site")
        assert failed["backend"] is not None and failed["reason"] != ""
