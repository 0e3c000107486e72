"""show errors: the last malformed request and answer, without the secrets in them."""

import json

import pytest

from harness import backends, client, conf, settings
from harness.control import ask, failure


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


def start(shared_tidegate, backend, admin):
    return shared_tidegate(conf.http(backend, workers=1, top=f'admin = {{ socket = "{admin}"; }};'))


def errors(admin, which=""):
    return json.loads(ask(admin, f"show errors {which} json"))


BAD = (b"GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Basic c2VjcmV0\r\nCookie: id=hidden;\r\n"
       b" more=hidden\r\nX-Bad\x01: y\r\n\r\n")


def test_a_request_is_told_without_its_secrets(shared_tidegate, recording_backend, admin):
    tg = start(shared_tidegate, recording_backend(name="b1"), admin)
    assert errors(admin) == [] and ask(admin, "show errors") == "\n"
    with tg.client() as peer:
        peer.send(BAD)
        assert peer.read_answer().status == 400
    told, = errors(admin)
    assert (told["kind"], told["listener"], told["service"], told["backend"]) == \
        ("request", tg.listener, None, None)
    assert told["reason"] == "syntax" and told["length"] == len(BAD)
    assert 0 < told["position"] <= len(BAD) and told["client"].startswith("127.")
    assert told["bytes"].startswith("GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: ")
    assert "X-Bad\x01: y\r\n" in told["bytes"]
    text = ask(admin, "show errors")
    assert f"] listener {tg.listener}: invalid request: syntax\n" in text
    assert "\n  00000  GET /x HTTP/1.1\\r\\n\n  00017  Host: a\\r\\n\n" in text
    assert "X-Bad\\x01: y\\r\\n\n" in text and text.count("\n\n") == 1
    for said in (told["bytes"], text):
        assert "c2VjcmV0" not in said and "hidden" not in said and "*****" in said


@pytest.mark.parametrize("bad, position", [
    (b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 30),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 0),
])
def test_targets_and_bodies_are_told_too(shared_tidegate, recording_backend, admin, bad, position):
    tg = start(shared_tidegate, recording_backend(name="b1"), admin)
    with tg.client() as peer:
        peer.send(bad)
        assert peer.read_answer().status == 400
    told, = errors(admin)
    assert (told["kind"], told["reason"], told["position"]) == ("request", "syntax", position)
    assert bad.decode().endswith(told["bytes"])


def test_the_last_one_counts(shared_tidegate, recording_backend, admin):
    tg = start(shared_tidegate, recording_backend(name="b1"), admin)
    for path in (b"/one", b"/two"):
        with tg.client() as peer:
            peer.send(b"GET " + path + b" HTTP/1.1\r\nHost : a\r\n\r\n")
            assert peer.read_answer().status == 400
    assert [told["bytes"].split()[1] for told in errors(admin)] == ["/two"]


def test_an_answer_is_told_of_its_backend(shared_tidegate, recording_backend, admin):
    bad = b"HTTP/1.1 200 OK\r\nSet-Cookie: id=hidden\r\nContent-Length: x\r\n\r\n" + b"y" * 2000
    tg = start(shared_tidegate, recording_backend(backends.answers(bad), name="b1"), admin)
    assert tg.exchange(client.get("/")).status == 502
    told, = errors(admin)
    assert (told["kind"], told["service"], told["backend"], told["reason"]) == \
        ("response", tg.service, "b1", "syntax")
    assert "hidden" not in told["bytes"] and len(told["bytes"]) <= 1024
    assert told["length"] == len(bad)
    assert errors(admin, "request") == [] and len(errors(admin, "response")) == 1
    assert f"] service {tg.service}, backend b1: invalid response: syntax\n" in ask(admin, "show errors")
    assert failure(ask(admin, "show errors all")) == "usage"


def test_good_ones_leave_nothing(shared_tidegate, recording_backend, admin):
    tg = start(shared_tidegate, recording_backend(name="b1"), admin)
    for _ in range(3):
        assert tg.exchange(client.get("/")).status == 200
    settings.wait_until(lambda: errors(admin) == [], "nothing")
