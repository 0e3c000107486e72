"""
Nothing is buffered: a head that promises a body and came without a byte of it goes to the client with that byte,
or after `hold`; a backend that ends in between has not answered, and the request is tried elsewhere.
"""

import time

import pytest

from harness import backends, client, conf, settings

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


def by_path(scripts):
    """Each connection serves one request, by the script of its path."""
    def script(conn):
        request = conn.read_request()
        if request is not None:
            scripts[request.target.strip("/").split("?")[0]](conn)
    return script


def sends(raw, reset=False):
    def script(conn):
        conn.send(raw)
        if reset:
            conn.reset()
    return script


def waits(head):
    """What comes behind the head waits for the client's next word, so that it must have seen the head."""
    def script(conn):
        conn.send(head)
        conn.read_to_end()
    return script


def in_two(conn):
    conn.send(HEAD)
    settings.let_rest(0.1)
    conn.send(b"hello")


LIVE = {
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "until-close": b"HTTP/1.1 200 OK\r\n\r\n",
    "events": HEAD[:-2] + b"Content-Type: text/event-stream\r\n\r\n",
    "unbuffered": HEAD[:-2] + b"X-Accel-Buffering: no\r\n\r\n",
}
SCRIPTS = {
    "closes": sends(HEAD),
    "resets": sends(HEAD, reset=True),
    "begun": sends(HEAD + b"h"),
    "hints": sends(b"HTTP/1.1 103 Early Hints\r\n\r\n" + HEAD),
    "two": in_two,
    **{name: waits(head) for name, head in LIVE.items()},
    "bare": waits(HEAD),
}




@pytest.fixture(scope="module")
def site(module_tidegate, module_backend):
    """The bad one is always the first choice, and the good one says so."""
    bad = module_backend(by_path(SCRIPTS), name="bad")
    good = module_backend(backends.handles(lambda request: backends.answer(body=b"good")), name="good")

    def service(name, hold):
        return conf.service_entry(name, (bad, good),
                                  f'balance = "first"; buffer_response = {{ hold = "{hold}"; }};')
    return module_tidegate(conf.http(
        bad, good, workers=1, service='balance = "first"; buffer_response = { hold = "1h"; };',
        services=f'{service("soon", "300ms")}, {service("never", "0")}',
        listener='routes = ( { host = "soon"; service = "soon"; }, { host = "never"; service = "never"; } );'))


def record_of(site, path):
    return site.access.wait(path=path)


@pytest.mark.parametrize("name", ["closes", "resets"])
def test_it_is_tried_elsewhere(site, name):
    with site.client() as peer:
        answer = peer.exchange(client.get(f"/{name}"))
        assert (answer.status, answer.body, answer.complete) == (200, b"good", True)
        assert peer.exchange(client.get(f"/{name}?again")).body == b"good"
    record = record_of(site, f"/{name}")
    assert (record["failed"], record["backend"], record["end"]) == ("bad:answer-cut", "good", "done")


@pytest.mark.parametrize("name", ["begun", "hints"])
def test_nothing_is_after_a_byte_went_out(site, name):
    with site.client() as peer:
        answer = peer.exchange(client.get(f"/{name}"))
    assert answer.status == 200 and not answer.complete
    assert record_of(site, f"/{name}")["end"] == "answer-cut"


def test_a_post_is_sent_once_and_its_head_passes(site):
    with site.client() as peer:
        answer = peer.exchange(client.post(b"hello", "/closes?post"))
    assert answer.status == 200 and not answer.complete
    assert record_of(site, "/closes?post")["backend"] == "bad"


def test_a_body_that_comes_later_is_whole(site):
    with site.client() as peer:
        assert peer.exchange(client.get("/two")).body == b"hello"
    assert record_of(site, "/two")["failed"] == "-"


@pytest.mark.parametrize("name", LIVE)
def test_what_is_not_held(site, name):
    with site.client() as peer:
        assert peer.send(client.get(f"/{name}")).read_head().startswith(b"HTTP/1.1 200")


def test_it_goes_when_its_time_is_over(site):
    began = time.monotonic()
    with site.client() as peer:
        head = peer.send(client.get("/bare", host="soon")).read_head()
    assert head.startswith(b"HTTP/1.1 200") and time.monotonic() - began >= 0.25


def test_hold_0_switches_it_off(site):
    with site.client() as peer:
        answer = peer.exchange(client.get("/closes?off", host="never"))
    assert answer.status == 200 and not answer.complete
