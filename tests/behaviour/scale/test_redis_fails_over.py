"""Sentinels, or the masters of a cluster, make the copy of a redis its master: the store goes over to it, and who leads does so all
the same; in the clear and by TLS."""

import json

import pytest

from harness import control, settings
from harness.redis import Cluster, Sentinels, Tls, speaks_tls
from scale.conftest import shared_store

PLAIN = 'metric = "in-flight"; target = 2; min = 1; max = 4; '


BY_TLS = pytest.mark.skipif(not speaks_tls(), reason="tidegate is built with a hiredis without TLS")


@pytest.fixture(params=["sentinels", "cluster", pytest.param("sentinels by tls", marks=BY_TLS),
                        pytest.param("cluster by tls", marks=BY_TLS)])
def redises(request, tmp_path):
    tls = Tls(tmp_path / "tls") if "tls" in request.param else None
    if "sentinels" in request.param:
        all_of_them = Sentinels(tmp_path, tls)
    else:
        all_of_them = Cluster(tmp_path, "tg:{site}:lease", tls)
    yield all_of_them
    all_of_them.stop()


def test_a_failover_is_survived(scaled, redises, programs):
    made = {}
    for name in ("a", "b"):
        made[name] = scaled(PLAIN, top=shared_store(redises.url(), name, redises.tls), instance=name, programs=programs.provider(),
                            environment=programs.environment())

    def leads():
        return [name for name, tg in made.items() if tg.site.show()["lead"]["role"] == "leads"]

    settings.wait_until(lambda: len(leads()) == 1, "one to lead")
    for tg in made.values():
        tg.site.wait(ready=1, desired=1)
    before = programs.backends()
    epoch = max(tg.site.show()["lead"]["epoch"] for tg in made.values())
    settings.wait_until(lambda: redises.has_copied("tg:{site}:lease"), "the copy to have it")
    redises.master.kill()

    def is_over():
        redises.look_after()
        shown = [json.loads(control.ask(tg.site.admin, "show store json")) for tg in made.values()]
        return all(one["well"] for one in shown) and len(leads()) == 1 and \
            redises.copy.ask("role")[0] == "master" and redises.copy.ask("get", "tg:{site}:lease")
    settings.wait_until(is_over, "the copy to be used")
    (leader,) = leads()
    assert made[leader].site.show()["lead"]["epoch"] >= epoch
    # It acts, by an epoch that no other has.
    control.ask(made[leader].site.admin, "scale site 2")
    for tg in made.values():
        tg.site.wait(ready=2, desired=2)
    assert before[0] in programs.backends() and len(programs.backends()) == 2
    epochs = [one[2] for one in programs.epochs()]
    assert epochs == sorted(epochs)
    assert redises.copy.ask("xlen", "tg:{site}:decisions") > 0
    # One by one: the last one that can stops the backends.
    follower, = [name for name in made if name != leader]
    made[follower].stop()
    settings.wait_until(lambda: made[leader].site.show()["lead"]["others"] == 0, "it to be alone")
    made[leader].stop()
