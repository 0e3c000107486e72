"""One of four backends is not reached: packets are dropped, or its queue of connections is full."""

import pytest

pytestmark = pytest.mark.long


def test_packets_are_dropped(chaos):
    """
    A POST sent on a kept connection whose packets are dropped is not
    acknowledged, but it may have arrived: the acknowledgement may be what was
    lost. So it may fail although it was not processed; one that waits for a
    connection may not.
    """
    came = chaos("black-hole")
    came.keeps_the_promise()
    came.used_again()


def test_its_queue_of_connections_is_full(chaos):
    came = chaos("full-queue")
    came.keeps_the_promise()
    came.used_again()
