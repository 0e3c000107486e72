"""SIGSTOP of one of four backends for 3 s: its kernel accepts and acknowledges, it does nothing."""

import pytest

pytestmark = pytest.mark.long


def test_what_can_be_repeated_goes_elsewhere(chaos):
    """It reads what it was sent when it goes on: a POST sent again would be processed twice."""
    came = chaos("stop")
    came.keeps_the_promise()
    came.posts_failed_were_begun()
    came.used_again()
