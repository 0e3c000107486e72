"""chaos(name, **options): plays a scenario of harness/chaos/scenarios.py behind a tidegate.

The options are those of harness/chaos/proxies.py, tidegate_conf(); `hit`: kinds of
which one must have failed before the backend is mended; `share`: a build without
sanitizers gets an n-th of the load that tests/chaos/run has, as one with them gets a third.
"""

import pytest

from harness.chaos import judge, proxies, scenarios, site


@pytest.fixture
def chaos(tmp_path, tidegate):
    def play(name, hit=(), share=2, **options):
        scenario = scenarios.BY_NAME[name]
        why = site.Namespace.missing() if scenario.in_namespace else None
        if why:
            pytest.skip(why)
        rate = {kind: n / max(share, site.SLOWNESS) for kind, n in site.RATE.items()}
        started = []

        def start(place):
            started.append(tidegate(proxies.tidegate_conf(place, **options), under=place.under))
        return judge.Judge(site.run(scenario, start, tmp_path / "site", rate, hit),
                           started[0])
    return play
