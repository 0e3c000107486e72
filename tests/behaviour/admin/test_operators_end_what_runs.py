"""shutdown sessions server, and a drain with a deadline: what a backend still has is ended."""

import signal

import pytest

from harness import backends, client, conf, settings
from harness.control import ask, failure


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


def top(admin):
    return f'admin = {{ socket = "{admin}"; }};'


def hangs(conn):
    conn.read_request()
    conn.read_to_end()


def half(conn):
    conn.read_request()
    conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbe")
    conn.read_to_end()




@pytest.fixture
def site(shared_tidegate, recording_backend, admin):
    """site(script): tidegate before a backend that plays it and one that answers."""
    def start(script, make=conf.http, last=backends.serve, more="", hold="", **options):
        bad = recording_backend(script, name="b1")
        good = recording_backend(last, name="b2")
        tg = shared_tidegate(make(bad, good, top=top(admin) + more, workers=2,
                                  service='balance = "first";' + hold, **options))
        return tg, bad, good
    return start


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"])
def test_a_request_that_can_be_repeated_goes_to_another(site, admin, head):
    """A head that is held back is no answer yet."""
    sent = []

    def script(conn):
        conn.read_request()
        conn.send(head)
        sent.append(head)
        conn.read_to_end()
    tg, bad, good = site(script, hold='buffer_response = { hold = "1h"; };')
    peer = tg.client().send(client.get("/x"))
    settings.wait_until(lambda: sent, "the head, if there is one")
    assert ask(admin, f"drain {tg.service}/b1; shutdown sessions server {tg.service}/b1") == "\n\n"
    assert peer.read_answer().status == 200
    assert [request.target for request in good.requests] == ["/x"]
    assert "b1:ordered" in tg.access.wait(path="/x")["failed"]


def test_one_that_cannot_is_told(site, admin):
    tg, bad, good = site(hangs)
    peer = tg.client().send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
    bad.wait_requests(1)
    ask(admin, f"shutdown sessions server {tg.service}/b1")
    assert peer.read_answer().status == 503
    assert tg.access.wait(path="/x")["end"] == "ordered"
    assert not good.requests


def test_an_answer_that_has_begun_is_cut(site, admin):
    tg, bad, good = site(half)
    peer = tg.client().send(client.get("/x"))
    bad.wait_requests(1)
    settings.wait_until(peer.is_readable, "the beginning")
    ask(admin, f"shutdown sessions server {tg.service}/b1")
    assert not peer.read_answer().complete
    assert tg.access.wait(path="/x")["end"] == "ordered"


def test_tcp_connections_end(site, admin):
    tg, bad, good = site(hangs, make=conf.tcp)
    peer = tg.client().send(client.get("/x"))
    bad.wait_requests(1)
    ask(admin, f"shutdown sessions server {tg.service}/b1")
    peer.read_to_end()
    assert tg.access.wait(end="ordered")["backend"] == "b1"


def test_streams_of_others_go_on(site, admin):
    tg, bad, good = site(hangs)
    peer = tg.client().send(client.get("/x"))
    bad.wait_requests(1)
    ask(admin, f"shutdown sessions server {tg.service}/b2")
    settings.let_rest(0.3)
    assert not tg.access.records(path="/x")
    peer.reset()


def test_a_drain_has_its_deadline(site, admin):
    tg, bad, good = site(half)
    peer = tg.client().send(client.get("/x"))
    bad.wait_requests(1)
    assert ask(admin, f"drain {tg.service}/b1 deadline 1s why a move") == "\n"
    assert not tg.access.records(path="/x")
    assert not peer.read_answer().complete
    said = tg.log.wait(msg="ending what runs on a backend")
    assert (said["srv"], said["in_flight"]) == ("b1", "1")


def test_a_drain_that_is_taken_back_has_none(site, admin):
    tg, bad, good = site(hangs)
    peer = tg.client().send(client.get("/taken-back"))
    bad.wait_requests(1)
    ask(admin, f"drain {tg.service}/b1 deadline 500ms; undrain {tg.service}/b1")
    settings.let_rest(0.8)
    assert not tg.access.records(path="/taken-back")
    assert failure(ask(admin, f"drain {tg.service}/b1 deadline soon")) == "bad-value"
    peer.reset()


def test_a_deadline_counts_while_tidegate_stops(site, admin):
    """The keeper is heard to the end, with several workers too."""
    tg, bad, good = site(half, more='shutdown_grace = "20s";')
    peer = tg.client().send(client.get("/x"))
    bad.wait_requests(1)
    ask(admin, f"drain {tg.service}/b1 deadline 500ms")
    tg.send_signal(signal.SIGTERM)
    assert not peer.read_answer().complete
    assert tg.access.wait(path="/x")["end"] == "ordered"
    assert tg.wait() == 0
