"""All primaries are killed at one moment; the backup beside them is well."""

import pytest

pytestmark = pytest.mark.long


def test_no_request_that_may_be_repeated_fails(chaos):
    came = chaos("backup")
    came.none_failed("get")
    assert not came.outcome.posts_begun_twice()
    came.none_corrupt()
    came.used_again()
