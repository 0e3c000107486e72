"""Fixtures of the tests of the HTTP port."""

import pytest

from harness import net


@pytest.fixture
def port():
    """Where admin.http is in this test."""
    return f"{net.ADDRESS}:{net.free_port()}"
