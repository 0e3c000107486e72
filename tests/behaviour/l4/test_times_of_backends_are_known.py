"""TCP: how long connections are at a backend is known of each backend, where somebody scales the service."""

import json

from harness import backends, conf, settings

SCALED = ('autoscale = { module = "target"; metric = "in-flight"; target = 4; max = 2; dry_run = true; '
          'interval = "100ms"; };')


def test_percentiles_of_connections(tidegate, recording_backend, run_tidectl, tmp_path):
    socket = f"{tmp_path}/admin.sock"
    backend = recording_backend(backends.echo, name="b1")
    tg = tidegate(conf.tcp(backend, service=SCALED, top=f'admin = {{ socket = "{socket}"; }};'))

    def look():
        with tg.client(keep=False) as peer:
            peer.send(b"hello")
            assert peer.read(5) == b"hello"
        shown = run_tidectl("-s", socket, "show", "autoscale", "site", "json")
        return [row for row in json.loads(shown.stdout)[0]["backends"] if row["service_p50"]]

    row, = settings.wait_until(look, "times of the backend")
    assert 0 < row["service_p50"] <= row["service_p95"] <= row["service_p99"]
