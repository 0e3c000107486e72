"""Max-Forwards of TRACE and OPTIONS (RFC 9110 7.6.2): counted down, and at 0 this is the end."""

import pytest

from harness import backends, client, conf

ALLOWED = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"


def request(method, hops, target="/", extra=b""):
    field = b"" if hops is None else b"Max-Forwards: %s\r\n" % hops
    return b"%s %s HTTP/1.1\r\nHost: a\r\n%s%s\r\n" % (method, target.encode(), field, extra)


@pytest.mark.parametrize("method", [b"TRACE", b"OPTIONS"])
@pytest.mark.parametrize("given, sent", [(b"1", "0"), (b"10", "9"), (b"007", "6"),
                                         (b"9" * 30, "999999998"), (None, None)])
def test_what_goes_on_has_one_less(shared_tidegate, recording_backend, method, given, sent):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    assert tg.exchange(request(method, given)).status == 200
    assert backend.requests[0].get("max-forwards") == sent


@pytest.mark.parametrize("method", [b"GET", b"POST", b"DELETE"])
def test_of_other_methods_it_says_nothing(shared_tidegate, recording_backend, method):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    assert tg.exchange(request(method, b"0")).status == 200
    assert backend.requests[0].get("max-forwards") == "0"


@pytest.mark.parametrize("target", ["*", "/path"])
def test_options_that_ends_here_is_answered_here(shared_tidegate, recording_backend, target):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    peer = tg.client()
    answer = peer.exchange(request(b"OPTIONS", b"0", target))
    assert (answer.status, answer.reason, answer.body) == (200, "OK", b"")
    assert answer.get("content-length") == "0" and answer.get("allow") == ALLOWED
    assert not answer.has("content-type")
    assert tg.access.wait(path=target)["end"] == "done"
    assert peer.exchange(client.get("/next")).status == 200, "the connection lives on"
    assert [seen.target for seen in backend.requests] == ["/next"]


def test_trace_that_ends_here_is_not_reflected(shared_tidegate, recording_backend):
    """What it would show of the request may be secrets of whoever made a browser send it."""
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    peer = tg.client()
    answer = peer.exchange(request(b"TRACE", b"0", extra=b"Cookie: secret=1\r\n"))
    assert (answer.status, answer.reason) == (405, "Method Not Allowed")
    assert answer.get("allow") == ALLOWED and b"secret" not in answer.raw
    assert tg.access.wait(status=405)["end"] == "done"
    assert peer.exchange(client.get("/next")).status == 200
    assert [seen.target for seen in backend.requests] == ["/next"]


def test_a_page_for_405(shared_tidegate, tmp_path, recording_backend):
    (tmp_path / "no.html").write_text("no")
    tg = shared_tidegate(conf.http(recording_backend(), service=f'''error_pages = (
        {{ status = 405; file = "{tmp_path}/no.html"; }} );'''))
    assert tg.exchange(request(b"TRACE", b"0")).body == b"no"


def test_a_body_with_what_ends_here_is_taken(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    peer = tg.client()
    answer = peer.exchange(request(b"OPTIONS", b"0", extra=b"Content-Length: 5\r\n") + b"hello")
    assert answer.status == 200
    assert peer.exchange(client.get("/next")).status == 200
    assert [seen.target for seen in backend.requests] == ["/next"]


@pytest.mark.parametrize("wrong", [b"", b"x", b"-1", b"1,1", b"1\r\nMax-Forwards: 1"])
def test_what_is_no_number_is_refused(shared_tidegate, recording_backend, wrong):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    assert tg.exchange(request(b"OPTIONS", wrong)).status == 400
    assert backend.received == b""


def test_named_by_connection_it_counts_and_goes_no_further(shared_tidegate, recording_backend):
    """A client cannot take the count away from the proxy it speaks to."""
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    named = b"Connection: max-forwards\r\n"
    assert tg.exchange(request(b"TRACE", b"0", extra=named)).status == 405
    assert tg.exchange(request(b"TRACE", b"5", extra=named)).status == 200
    assert [seen.has("max-forwards") for seen in backend.requests] == [False]


def test_a_buffered_request_counts_too(shared_tidegate, recording_backend):
    backend = recording_backend(backends.serve)
    tg = shared_tidegate(conf.http(backend, service='buffer_request = { memory = "64K"; };'))
    assert tg.exchange(request(b"OPTIONS", b"2")).status == 200
    assert tg.exchange(request(b"OPTIONS", b"0")).get("allow") == ALLOWED
    assert [seen.get("max-forwards") for seen in backend.requests] == ["1"]
