"""A real Prometheus scrapes admin.http and answers questions about it."""

import pytest

from harness import client, conf, metrics

pytestmark = pytest.mark.long


@pytest.fixture
def prometheus(tmp_path):
    made = []

    def start(*arguments, **options):
        made.append(metrics.Prometheus(tmp_path / "prometheus", *arguments, **options))
        return made[-1]
    yield start
    for program in made:
        program.stop(status=None)


def test_prometheus_counts_what_was_asked(shared_tidegate, recording_backend, port, prometheus):
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), top=f'admin = {{ http = "{port}"; }};'))
    tg.log.wait(msg="backend up")
    watcher = prometheus(port)
    watcher.wait_value('up{job="tidegate"}', 1)
    for _ in range(5):
        assert tg.exchange(client.get("/")).status == 200
    watcher.wait_value(f'tidegate_service_responses_total{{service="{tg.service}",code="2xx"}}', 5)
    watcher.wait_value('sum(tidegate_listener_ends_total)', 5)
    watcher.wait_value('tidegate_backend_up{backend="b1"}', 1)
    watcher.wait_value('histogram_quantile(0.5, tidegate_service_duration_seconds_bucket) <= bool 60', 1)
    types = {name: said[0]["type"] for name, said in watcher.api("metadata").items()}
    assert types["tidegate_service_duration_seconds"] == "histogram"
    assert types["tidegate_service_responses_total"] == "counter"
    assert types["tidegate_service_queue_length"] == "gauge"
    assert not watcher.api("targets")["activeTargets"][0]["lastError"]


def test_arguments_are_those_of_the_job(shared_tidegate, recording_backend, port, prometheus):
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), top=f'admin = {{ http = "{port}"; }};'))
    tg.log.wait(msg="backend up")
    watcher = prometheus(port, params='params: { backends: [ "0" ] }')
    watcher.wait_value("tidegate_backends", 1)
    assert watcher.query("tidegate_backend_up") == {}
