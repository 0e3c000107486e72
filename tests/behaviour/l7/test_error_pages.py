"""Errors of our own: a small body, or the service's page for that status."""

import pytest

from harness import backends, client, conf, net


def refused_backend():
    return f"{net.ADDRESS}:{net.free_port()}"


def no_service(**options):
    """A listener that routes one host only."""
    made = conf.http(refused_backend(), **options)
    made.text = made.text.replace('service = "site";\n',
                                  'routes = ( { host = "a.example"; service = "site"; } );\n')
    return made


CASES = {
    "400": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "404": (client.get("/", "other.example"), 404),
    "413": (client.post(b"", extra=b"").replace(b"Length: 0", b"Length: 9999999999"), 413),
    "414": (client.get("/" + "a" * 9000, "a.example"), 414),
    "417": (client.get("/", "a.example", b"Expect: x\r\n"), 417),
    "431": (client.get("/", "a.example", b"A: b\r\n" * 200), 431),
    "501": (b"BREW / HTTP/1.1\r\nHost: a.example\r\n\r\n", 501),
    "505": (b"GET / HTTP/3.0\r\nHost: a.example\r\n\r\n", 505),
}


@pytest.fixture(scope="module")
def front(module_tidegate):
    return module_tidegate(no_service())


@pytest.mark.parametrize("request_bytes, status", CASES.values(), ids=CASES.keys())
def test_default_page(front, request_bytes, status):
    answer = front.exchange(request_bytes)
    assert answer.status == status and answer.reason
    assert answer.complete and 0 < len(answer.body) < 1000
    assert str(status).encode() in answer.body
    assert answer.get("content-type").startswith("text/html")
    assert not answer.has("server")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_backend_that_refuses(shared_tidegate, method):
    tg = shared_tidegate(conf.http(refused_backend()))
    answer = tg.client().exchange(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert answer.status in (502, 503)
    assert int(answer.get("content-length")) > 0
    assert (answer.body == b"") == (method == "HEAD")


def test_own_page_of_the_service(shared_tidegate, tmp_path, recording_backend):
    page = "<h1>We are closed</h1>\n" * 100
    (tmp_path / "closed.html").write_text(page)
    bad = recording_backend(backends.answers(b"bad\r\n\r\n", then=None))
    tg = shared_tidegate(conf.http(bad, service=f'''error_pages = (
        {{ status = 502; file = "{tmp_path}/closed.html"; }} );'''))
    answer = tg.exchange(client.get())
    assert answer.status == 502 and answer.body == page.encode() and answer.complete
    head = tg.client().exchange(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert head.status == 502 and head.get("content-length") == str(len(page)) and not head.body


def test_own_page_of_another_status_is_not_taken(shared_tidegate, tmp_path, recording_backend):
    (tmp_path / "page").write_text("for 503")
    bad = recording_backend(backends.answers(b"bad\r\n\r\n", then=None))
    tg = shared_tidegate(conf.http(bad, service=f'''error_pages = (
        {{ status = 503; file = "{tmp_path}/page"; }} );'''))
    answer = tg.exchange(client.get())
    assert answer.status == 502 and b"for 503" not in answer.body


def test_a_large_page_of_64k(shared_tidegate, tmp_path, recording_backend):
    (tmp_path / "page").write_bytes(b"x" * 65536)
    bad = recording_backend(backends.answers(b"bad\r\n\r\n", then=None))
    tg = shared_tidegate(conf.http(bad, service=f'''error_pages = (
        {{ status = 502; file = "{tmp_path}/page"; }} );'''))
    answer = tg.exchange(client.get())
    assert answer.status == 502 and len(answer.body) == 65536


def test_backends_own_errors_pass_untouched(shared_tidegate, recording_backend):
    theirs = backends.answer("503 Service Unavailable", b"theirs", fields=[("X-Why", "busy")])
    tg = shared_tidegate(conf.http(recording_backend(backends.answers(theirs))))
    answer = tg.exchange(client.get())
    assert answer.status == 503 and answer.body == b"theirs" and answer.get("x-why") == "busy"


def test_connection_goes_on_after_an_error_that_is_not_the_clients(shared_tidegate):
    tg = shared_tidegate(conf.http(refused_backend()))
    peer = tg.client()
    assert [peer.exchange(client.get()).status // 100 for _ in range(3)] == [5, 5, 5]


def test_1_0_client_gets_a_page_and_the_end(shared_tidegate):
    tg = shared_tidegate(conf.http(refused_backend()))
    raw = tg.client().send(client.get(version="1.0")).read_to_end()
    assert raw.split(b" ")[1] in (b"502", b"503")


def test_own_page_for_a_body_that_is_too_long(shared_tidegate, tmp_path, recording_backend):
    (tmp_path / "page").write_text("too long for us")
    tg = shared_tidegate(conf.http(recording_backend(), listener='limits = { body = "1K"; };',
                                   service=f'''error_pages = (
        {{ status = 413; file = "{tmp_path}/page"; }} );'''))
    answer = tg.exchange(client.post(b"x" * 2000, "/long"))
    assert answer.status == 413 and answer.body == b"too long for us"
    record = tg.access.wait(path="/long")
    assert (record["service"], record["method"], record["host"]) == (tg.service, "POST", "example.org")
