"""A backend restarts, passes its health check, and answers nothing else before it is 2 s old."""

import pytest

pytestmark = pytest.mark.long


def test_what_can_be_repeated_goes_elsewhere(chaos):
    came = chaos("slow-start")
    came.keeps_the_promise()
    came.used_again()
