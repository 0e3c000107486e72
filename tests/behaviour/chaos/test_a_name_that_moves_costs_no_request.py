"""The name of one of four backends gets another address; then the old one is killed."""

import pytest

pytestmark = pytest.mark.long


def test_new_requests_follow_it(chaos):
    came = chaos("dns")
    assert "followed" in came.outcome.marks, "nobody followed the name"
    came.keeps_the_promise()
    came.none_failed("post")
    came.used_again()
