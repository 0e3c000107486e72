"""chaos(name): plays a scenario of harness/chaos/scenarios.py in front of a tidegate."""

import pytest

from harness.chaos import judge, proxies, scenarios, site


@pytest.fixture
def chaos(tmp_path, tidegate):
    def play(name):
        scenario = scenarios.BY_NAME[name]
        why = site.Namespace.missing() if scenario.in_namespace else None
        if why:
            pytest.skip(why)
        started = []

        def start(place):
            started.append(tidegate(proxies.tidegate_conf(place), under=place.under))
        return judge.Judge(site.run(scenario, start, tmp_path / "site"), started[0])
    return play
