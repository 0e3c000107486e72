"""A limit of open files that leaves hardly a connection is told of at start, with what to do."""

import pytest

from harness import client, conf

MESSAGE = "the limit of open files leaves few connections: raise it (ulimit -n, LimitNOFILE)"


def warnings(tidegate, backend, files, **options):
    tg = tidegate(conf.http(backend, **options), files=files)
    assert tg.exchange(client.get()).status == 200
    return [(record["level"], record["limit"], record["connections"])
            for record in tg.log.records(msg=MESSAGE)]


@pytest.mark.parametrize("files, connections", [(80, 1), (600, 231)])
def test_few(tidegate, recording_backend, files, connections):
    """64, and 9 for each of two workers; of the limit a sixteenth, and half of that; two for each."""
    found = warnings(tidegate, recording_backend(), files)
    assert found == [("warn", str(files), str(connections))]


def test_enough(tidegate, recording_backend):
    assert warnings(tidegate, recording_backend(), 700) == []


def test_few_that_are_asked_for(tidegate, recording_backend):
    assert warnings(tidegate, recording_backend(), 200, top="max_connections = 10;") == []
