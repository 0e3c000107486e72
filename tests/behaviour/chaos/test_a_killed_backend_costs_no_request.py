"""kill -9 of one of four backends under load, and its return on the same port."""

import pytest

pytestmark = pytest.mark.long


def test_only_what_was_open_on_it_fails(chaos):
    """
    A POST may lie unread in the socket of the killed process: to tidegate that
    looks the same as one that was read, so it is answered 502.
    """
    came = chaos("kill")
    came.keeps_the_promise()
    came.used_again()


def test_full_backends_do_not_send_those_who_wait_to_the_dead_one(chaos):
    """
    Each backend gets one at a time: the dead one alone always has room. Three
    must be enough for the load even where they are slow, or what waits is
    rightly answered 503.
    """
    came = chaos("kill", limit=1, share=3)
    came.keeps_the_promise()
    came.used_again()
