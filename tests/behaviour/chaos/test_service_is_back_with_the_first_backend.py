"""All four backends are killed; a second later one is back."""

import pytest

from harness.chaos import site

pytestmark = pytest.mark.long


def test_within_a_second_and_a_half_and_nobody_hangs_until_then(chaos):
    came = chaos("all-down")
    took = came.outcome.first_success_after("mended")
    assert took is not None and took < 1.5 * site.SLOWNESS
    for kind in ("get", "post", "stream", "tcp"):
        late = came.outcome.failed_after(kind, "mended", 1.5 * site.SLOWNESS)
        assert not late, came.lines(late)
    hung = [one for one in came.outcome.all if one["result"] == "timeout"]
    assert not hung, came.lines(hung)
    failed = came.outcome.failed("get")
    assert failed and {one["result"] for one in failed} == {"status"}, came.lines(failed)
    assert {one["status"] for one in failed} <= {502, 503, 504}, came.lines(failed)
    assert not came.outcome.posts_begun_twice()
    came.none_corrupt()
