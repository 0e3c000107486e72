"""A backend that fails is first in its share of the requests, and not in all of them."""

import pytest

from harness import client, conf, net

REQUESTS = 24


def refuses():
    """An address where nobody listens."""
    return f"{net.ADDRESS}:{net.free_port()}"


@pytest.mark.parametrize("good", [1, 2, 3])
def test_each_has_its_turn_as_the_first(shared_tidegate, recording_backend, good):
    """A retry that took the next turn brought the next request to the dead one again."""
    made = [recording_backend() for _ in range(good)]
    tg = shared_tidegate(conf.http(refuses(), *made, workers=1, service="outlier = { connects = 0; };"))
    peer = tg.client()
    for _ in range(REQUESTS):
        assert peer.exchange(client.get("/turn")).status == 200
    tg.access.wait(count=REQUESTS, path="/turn")
    tried = [record["retries"] for record in tg.access.records(path="/turn")]
    assert tried.count("1") == REQUESTS // (good + 1)
    assert tried.count("0") == REQUESTS - REQUESTS // (good + 1)
    # What it does not take the others share.
    assert {len(backend.requests) for backend in made} == {REQUESTS // good}
