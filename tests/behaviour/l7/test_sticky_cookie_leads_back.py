"""A cookie leads a client to its backend again, as long as that may serve and has room."""

import signal

import pytest

from harness import backends, client, conf, settings

SECRET = 'secret = "a secret of at least 16";'


def sticky(options=""):
    return f'sticky = {{ cookie = "tg"; {SECRET} {options} }};'


def named(recording_backend, *names):
    """Backends that answer with their name."""
    return [recording_backend(backends.handles(
        lambda request, name=name: backends.answer(body=name.encode())), name=name)
        for name in names]


def cookie_of(answer):
    """The pair of a Set-Cookie field, as a Cookie field's bytes; None when there is none."""
    fields = answer.all("set-cookie")
    assert len(fields) <= 1
    return f"Cookie: {fields[0].split(';')[0]}\r\n".encode() if fields else None


def ask(tg, cookie=b"", path="/"):
    return tg.exchange(client.get(path, extra=cookie))


@pytest.mark.parametrize("workers", [1, 2])
def test_it_leads_back(shared_tidegate, recording_backend, workers):
    tg = shared_tidegate(conf.http(*named(recording_backend, "a", "b", "c"), workers=workers,
                                   service=sticky()))
    first = {}
    for _ in range(12):
        answer = ask(tg)
        first[answer.body] = cookie_of(answer)
    assert sorted(first) == [b"a", b"b", b"c"]
    assert len(set(first.values())) == 3
    for name, cookie in first.items():
        for number in range(6):
            answer = ask(tg, cookie, f"/{name.decode()}{number}")
            assert answer.body == name
            assert cookie_of(answer) is None
            assert tg.access.wait(path=f"/{name.decode()}{number}")["choice"] == "sticky"


def test_it_is_found_among_others(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.http(*named(recording_backend, "a", "b"), workers=1, service=sticky()))
    answer = ask(tg)
    pair = cookie_of(answer)[len("Cookie: "):-2]
    for field in (b"x=1; %s; y=2", b"xtg=1;%s", b"tgx=1; \t%s;", b"y=tg=1; %s"):
        for _ in range(4):
            assert ask(tg, b"Cookie: " + field % pair + b"\r\n").body == answer.body
    for _ in range(4):
        assert ask(tg, b"Cookie: x=1\r\nCookie: %s\r\n" % pair).body == answer.body


@pytest.mark.parametrize("value", [b"", b"a", b"x" * 22, b"x" * 5000])
def test_what_we_did_not_make_is_replaced(shared_tidegate, recording_backend, value):
    tg = shared_tidegate(conf.http(*named(recording_backend, "a", "b"), workers=1, service=sticky()))
    seen = set()
    for _ in range(4):
        answer = ask(tg, b"Cookie: tg=%s\r\n" % value)
        assert cookie_of(answer) is not None
        seen.add(answer.body)
    assert seen == {b"a", b"b"}


def test_one_that_is_planted_before_it_is_passed_over(shared_tidegate, recording_backend):
    """A site of the same domain may set one of this name; clients send both, in any order."""
    tg = shared_tidegate(conf.http(*named(recording_backend, "a", "b"), workers=1, service=sticky()))
    answer = ask(tg)
    pair = cookie_of(answer)[len("Cookie: "):-2]
    for field in (b"Cookie: tg=planted; %s", b"Cookie: tg=%s; tg=; %%s" % (b"x" * 22),
                  b"Cookie: tg=planted\r\nCookie: x=1; %s"):
        for _ in range(4):
            again = ask(tg, field % pair + b"\r\n")
            assert again.body == answer.body and cookie_of(again) is None


def test_that_of_another_service_leads_nowhere(shared_tidegate, recording_backend):
    """The same secret, the same name of the cookie, the same names of backends."""
    here, there = named(recording_backend, "a", "b"), named(recording_backend, "a", "b")
    other = conf.service_entry("other", there, sticky())
    tg = shared_tidegate(conf.http(*here, workers=1, services=other, service=sticky(),
                                   listener='routes = ( { path = "/other/"; service = "other"; } );'))
    cookie = cookie_of(ask(tg, path="/other/"))
    assert cookie is not None
    answers = [ask(tg, cookie) for _ in range(4)]
    assert {answer.body for answer in answers} == {b"a", b"b"}
    assert all(cookie_of(answer) not in (None, cookie) for answer in answers)


def test_it_survives_another_order_and_another_start(tidegate, recording_backend):
    a, b, c = named(recording_backend, "a", "b", "c")
    first = tidegate(conf.http(a, b, workers=1, service=sticky()))
    cookies = {answer.body: cookie_of(answer) for answer in (ask(first), ask(first))}
    second = tidegate(conf.http(c, b, a, workers=1, service=sticky()))
    for name, cookie in cookies.items():
        for _ in range(4):
            assert ask(second, cookie).body == name


@pytest.mark.parametrize("by", ["upgrade", "new processes"])
def test_a_secret_that_was_made_survives_other_processes(tidegate, recording_backend, by):
    a, b = named(recording_backend, "a", "b")
    tg = tidegate(conf.http(a, b, workers=1, service='sticky = { cookie = "tg"; };'))
    cookies = {answer.body: cookie_of(answer) for answer in (ask(tg), ask(tg))}
    for workers in (2, 1):
        tg.conf_path.write_text(tg.conf_path.read_text().replace(f"workers = {3 - workers}", f"workers = {workers}"))
        if by == "upgrade":
            tg.upgrade()
        else:
            tg.send_signal(signal.SIGHUP)
            tg.follow()
        for name, cookie in cookies.items():
            for _ in range(4):
                answer = ask(tg, cookie)
                assert answer.body == name and cookie_of(answer) is None


def test_another_secret_knows_none_of_it(tidegate, recording_backend):
    a, b = named(recording_backend, "a", "b")
    first = tidegate(conf.http(a, b, workers=1, service='sticky = { cookie = "tg"; };'))
    second = tidegate(conf.http(a, b, workers=1, service='sticky = { cookie = "tg"; };'))
    cookie = cookie_of(ask(first))
    assert cookie_of(ask(first, cookie)) is None
    assert cookie_of(ask(second, cookie)) not in (None, cookie)


def test_its_value_does_not_tell_the_backend(shared_tidegate, recording_backend):
    backend, = named(recording_backend, "a-telling-name")
    answer = ask(shared_tidegate(conf.http(backend, workers=1, service=sticky())))
    assert b"telling" not in cookie_of(answer)
    assert backend.address.encode() not in cookie_of(answer)


ATTRIBUTES = {
    "": "; Path=/; HttpOnly; SameSite=Lax",
    'path = "/app"; domain = "example.org"; max_age = "1h"; secure = true; http_only = false;'
    ' same_site = "none";': "; Path=/app; Domain=example.org; Max-Age=3600; Secure; SameSite=None",
    'same_site = "strict";': "; Path=/; HttpOnly; SameSite=Strict",
}


@pytest.mark.parametrize("options, want", ATTRIBUTES.items())
def test_attributes(shared_tidegate, recording_backend, options, want):
    tg = shared_tidegate(conf.http(recording_backend(), workers=1, service=sticky(options)))
    field = ask(tg).get("set-cookie")
    assert field.startswith("tg=") and field[field.index(";"):] == want


def test_a_backend_that_is_down_is_replaced(shared_tidegate, recording_backend):
    a, b = named(recording_backend, "a", "b")
    health = 'health = { type = "tcp"; interval = "50ms"; fall = 1; };'
    tg = shared_tidegate(conf.http(a, b, workers=1, service=sticky() + health))
    tg.log.wait(count=2, msg="backend up")
    answer = settings.wait_until(lambda: (got := ask(tg)).status == 200 and got, "both to serve")
    cookie, mine = cookie_of(answer), a if answer.body == b"a" else b
    mine.stop()
    tg.log.wait(msg="backend down")

    def moved():
        got = ask(tg, cookie)
        return got.status == 200 and cookie_of(got)
    assert settings.wait_until(moved, "a cookie of the other") != cookie


def test_a_full_backend_keeps_its_clients(shared_tidegate, recording_backend):
    """They go elsewhere for the moment, and come back with the cookie they have."""
    def script(conn):
        while (request := conn.read_request()) is not None:
            if request.target == "/hold":
                conn.read_to_end()
                return
            conn.send(backends.answer(body=b"held"))
    held = recording_backend(script, name="held")
    other, = named(recording_backend, "other")
    tg = shared_tidegate(conf.http(held, other, workers=1,
                                   service=sticky() + "max_connections_per_backend = 1;"))
    cookie = next(cookie_of(answer) for answer in (ask(tg), ask(tg)) if answer.body == b"held")
    with tg.client() as peer:
        peer.send(client.get("/hold", extra=cookie))
        settings.wait_until(lambda: any(request.target == "/hold" for request in held.requests),
                            "the backend to be full")
        answer = ask(tg, cookie)
        assert answer.body == b"other" and cookie_of(answer) is None
        peer.reset()
    settings.wait_until(lambda: ask(tg, cookie).body == b"held", "the way back")


def test_websockets_get_one_too(shared_tidegate, recording_backend):
    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                  b"Upgrade: websocket\r\n\r\n")
    tg = shared_tidegate(conf.http(recording_backend(script), workers=1, service=sticky()))
    peer = tg.client().send(client.get(extra=b"Connection: upgrade\r\nUpgrade: websocket\r\n"))
    answer = peer.read_answer()
    assert answer.status == 101 and cookie_of(answer) is not None


def test_errors_of_our_own_set_none(shared_tidegate):
    tg = shared_tidegate(conf.http(workers=1, service=sticky()))
    answer = ask(tg)
    assert answer.status == 503 and cookie_of(answer) is None


def test_the_secret_is_shown_to_nobody(run_tidegate, tmp_path):
    path = tmp_path / "a.conf"
    path.write_text(str(conf.http("127.0.0.1:1", service=sticky())))
    shown = run_tidegate("-t", "-v", "-c", str(path))
    assert shown.returncode == 0 and 'cookie = "tg"' in shown.stdout
    assert "a secret of" not in shown.stdout + shown.stderr
