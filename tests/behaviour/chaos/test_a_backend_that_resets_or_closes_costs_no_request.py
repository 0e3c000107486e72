"""One of four backends accepts connections and ends them, with a part of an answer or without."""

import pytest

from harness.chaos import backend, proxies

pytestmark = pytest.mark.long


def test_it_resets_what_it_accepts(chaos):
    """
    That a POST costs nothing here is impossible: a connection is made, and the
    request acknowledged, by the kernel, before the backend decides. The reset
    that follows is the same whether it read the request or not, so the POST is
    answered 502. A reset before the request is sent is told apart, and tried
    again. What bounds the damage is the health check, which fails too.
    """
    came = chaos("reset")
    came.keeps_the_promise()
    came.used_again()


def test_it_reads_the_request_and_closes(chaos):
    came = chaos("no-answer")
    came.keeps_the_promise()
    came.posts_failed_were_begun()
    came.used_again()


def test_it_sends_the_head_of_an_answer_and_closes(chaos):
    """
    A head and nothing of the body it promises is no answer where the request may be repeated. Else, and of
    a chunked one, the head has gone to the client, which must see that the answer is cut.
    """
    came = chaos("head-only", hit=("post",))
    came.none_failed("get")
    cut = came.outcome.failed("stream")
    assert all(backend.is_chunked(one["number"]) for one in cut), came.lines(cut)
    failed = came.outcome.failed("post")
    assert failed and not came.outcome.elsewhere("post"), came.lines(failed)
    assert {one["result"] for one in failed} == {"truncated"}, came.lines(failed)
    came.none_corrupt()
    came.posts_failed_were_begun()
    came.only_open_ones_failed("tcp")


def test_a_bad_backend_is_soon_left_alone(chaos):
    """outlier: it goes on to answer its health check; real requests go elsewhere all the same."""
    came = chaos("bursts", service=proxies.DEPTH)
    came.keeps_the_promise()
    assert came.tg.log.records(msg="backend ejected")
    assert len(came.outcome.failed("post")) < len(came.outcome.of("post")) / 20
