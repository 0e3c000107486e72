"""What the tests of checks and names share."""

import pytest

from harness import names


@pytest.fixture
def name_server():
    server = names.NameServer()
    yield server
    server.stop()
