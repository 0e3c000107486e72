"""Of three backends already, the one that fails more often than the others is ejected."""

import time

import pytest

from harness import backends, client, conf, settings

OUTLIER = ('outlier = { success_rate = 1.9; requests = 10; interval = "200ms"; '
           'base_ejection = "60s"; };')


@pytest.mark.parametrize("n", [3, 4, 5])
def test_success_rate(shared_tidegate, recording_backend, n):
    bad = backends.handles(lambda request: backends.answer("500 Bad", b"no"))
    made = [recording_backend(bad, name="bad")]
    made += [recording_backend(name=f"good{i}") for i in range(n - 1)]
    tg = shared_tidegate(conf.http(*made, workers=1, service=OUTLIER))
    with tg.client() as peer:
        def ejected():
            for _ in range(20):
                peer.exchange(client.get("/"))
            return tg.log.records(msg="backend ejected")
        said = settings.wait_until(ejected, "the bad one to be ejected")
        assert [(record["srv"], record["reason"]) for record in said] == [("bad", "success-rate")]
        assert (said[0]["success"], said[0]["others"]) == ("0.0%", "100.0%")
        assert {peer.exchange(client.get("/")).status for _ in range(20)} == {200}
    assert len(tg.log.records(msg="backend ejected")) == 1


def test_latency(shared_tidegate, recording_backend):
    """It gets less in an interval than it takes to be compared."""
    def late(request):
        time.sleep(0.02)
        return backends.OK
    made = [recording_backend(backends.handles(late), name="slow")]
    made += [recording_backend(name=f"good{i}") for i in range(3)]
    tg = shared_tidegate(conf.http(*made, workers=1, service=(
        'balance = "least-conn"; outlier = { latency = 3.0; requests = 20; interval = "300ms"; '
        'base_ejection = "60s"; };')))
    with tg.client() as peer:
        def ejected():
            peer.exchange(client.get("/"))
            return tg.log.records(msg="backend ejected", srv="slow")
        said = settings.wait_until(ejected, "the slow one to be ejected")
    assert said[0]["reason"] == "latency"
    assert float(said[0]["mean_us"]) > 3 * float(said[0]["median_us"]) > 0
    assert int(said[0]["requests"]) >= 20
