"""One of four backends accepts connections and ends them, with a part of an answer or without."""


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
    The head went to the client, so nothing can be tried again: the answer must
    be seen to be cut, and those of other backends must be whole.
    """
    came = chaos("head-only")
    for kind in ("get", "post", "stream"):
        failed = came.outcome.failed(kind)
        assert failed and not came.outcome.elsewhere(kind), came.lines(failed)
        assert {one["result"] for one in failed} == {"truncated"}, came.lines(failed)
    came.none_corrupt()
    came.posts_failed_were_begun()
    came.only_open_ones_failed("tcp")
