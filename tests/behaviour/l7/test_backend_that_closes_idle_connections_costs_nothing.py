"""Backends close idle connections when they like; no request is lost to it."""

import random
import select
import threading

import pytest

from harness import backends, client, conf, settings

REQUESTS = 100 if settings.sanitizers() else 200


def closes_when_idle(most, close):
    """Answers, and closes after a random idle time up to `most` seconds."""
    def script(conn):
        dice = random.Random(conn.number)
        while conn.read_request() is not None:
            conn.send(backends.OK)
            if not select.select([conn.sock], [], [], dice.random() * most)[0]:
                if close == "reset":
                    conn.reset()
                return
    return script


def send_many(tg, pieces, failed, count, pause, seed):
    dice = random.Random(seed)
    try:
        with client.RawClient(tg.address) as peer:
            for _ in range(count):
                for piece in pieces[:-1]:
                    peer.send(piece)
                    select.select([], [], [], 0.0005)
                answer = peer.send(pieces[-1]).read_answer()
                if answer.status != 200:
                    failed.append(answer.status)
                select.select([], [], [], dice.random() * pause)
    except (OSError, EOFError, AssertionError) as error:
        failed.append(repr(error))


def in_two_pieces(request):
    """Sent so that the proxy cannot have all of it at once."""
    return request[:-1], request[-1:]


REQUESTS_BY_KIND = {
    "GET": (client.get(),),
    "POST": (client.post(b"hello"),),
    "PUT in one piece": (client.post(b"x" * 3000).replace(b"POST", b"PUT"),),
    "PUT in two pieces": in_two_pieces(client.post(b"x" * 3000).replace(b"POST", b"PUT")),
    "PUT of many reads": (client.post(b"x" * 200_000).replace(b"POST", b"PUT"),),
}


@pytest.mark.parametrize("close", ["fin", "reset"])
@pytest.mark.parametrize("method", REQUESTS_BY_KIND)
def test_at_random_moments(shared_tidegate, recording_backend, method, close):
    """Clients pause as long as the backend waits, so that reuse and close meet."""
    backend = recording_backend(closes_when_idle(0.004, close))
    tg = shared_tidegate(conf.http(backend))
    request = REQUESTS_BY_KIND[method]
    failed = []
    threads = [threading.Thread(target=send_many,
                                args=(tg, request, failed, REQUESTS // 4, 0.006, seed))
               for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(settings.TIMEOUT * 3)
    # A POST that has reached the kernel of a backend that closes may have been read: it could not be
    # sent again, and neither can a body that is not wholly here. So they use no connection of a
    # backend that was never seen to let one rest.
    assert failed == []
    most = REQUESTS + 50 if method == "GET" else 2 * REQUESTS
    assert 1 < len(backend.connections) < most, "nothing closed"


def test_closed_before_reuse_is_noticed(shared_tidegate, recording_backend):
    """A FIN that came while the connection was idle: the request goes to a fresh one."""
    backend = recording_backend(backends.answers(backends.OK, then=None))
    tg = shared_tidegate(conf.http(backend, workers=1))
    for number in range(20):
        assert tg.exchange(client.get(f"/{number}")).status == 200
        settings.wait_until(lambda: backend.connections[number].closed.is_set(), "the close")
        assert tg.access.wait(path=f"/{number}")["retries"] == "0"
    assert len(backend.connections) == 20
    assert all(len(conn.requests) == 1 for conn in backend.connections)


def test_a_request_that_may_have_been_processed_is_not_sent_twice(shared_tidegate, recording_backend):
    """The backend reads a POST on a reused connection and dies: 502, never a second POST."""
    def script(conn):
        for _ in range(3):
            conn.read_request()
            conn.send(backends.OK)
        conn.read_request()
    backend = recording_backend(script)
    tg = shared_tidegate(conf.http(backend, workers=1))
    peer = tg.client()
    client.warm(peer)
    assert peer.exchange(client.post(b"first")).status == 200
    assert peer.exchange(client.post(b"second")).status == 502
    bodies = [request.body for request in backend.requests]
    assert bodies.count(b"second") == 1
    assert len(backend.connections) == 1


def test_posts_use_kept_connections_of_a_backend_that_keeps_them(shared_tidegate, recording_backend):
    """Once one was seen to rest for a second; before that each gets one of its own."""
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, workers=1))
    peer = tg.client()
    for _ in range(3):
        assert peer.exchange(client.post(b"hello")).status == 200
    assert len(backend.connections) == 3
    client.warm(peer)
    for _ in range(10):
        assert peer.exchange(client.post(b"hello")).status == 200
    assert len(backend.connections) == 3


def test_reuse_happens(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, workers=1))
    for _ in range(10):
        assert tg.exchange(client.get()).status == 200
    assert len(backend.connections) == 1


def test_connections_older_than_their_lifetime_are_not_reused(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, workers=1, service='timeouts = { keep_alive = "200ms"; };'))
    assert tg.exchange(client.get()).status == 200
    backend.wait_closed()
    assert tg.exchange(client.get()).status == 200
    assert len(backend.connections) == 2
