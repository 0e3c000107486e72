"""Targets that are no path: absolute form (RFC 9112 3.2.2) and the asterisk (3.2.4)."""

import pytest

from harness import client, conf


def seen_by_backend(tidegate, recording_backend, line, host=b"a.example"):
    backend = recording_backend()
    tg = tidegate(conf.http(backend))
    answer = tg.client().exchange(line + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    assert answer.status == 200
    return backend.requests[0]


@pytest.mark.parametrize("target, path, host", [
    (b"http://b.example/x?y", "/x?y", "b.example"),
    (b"http://b.example", "/", "b.example"),
    (b"http://b.example?y", "/?y", "b.example"),
    (b"http://b.example:8080/x", "/x", "b.example:8080"),
    (b"http://[::1]:8080/x", "/x", "[::1]:8080"),
    (b"https://b.example/x", "/x", "b.example"),
    (b"HTTP://B.example/a/../x", "/x", "B.example"),
])
def test_absolute_form_becomes_origin_form(shared_tidegate, recording_backend, target, path, host):
    got = seen_by_backend(shared_tidegate, recording_backend, b"GET " + target)
    assert got.target == path
    assert got.get("host") == host
    assert got.get("x-forwarded-host") == host


def test_routes_look_at_the_absolute_forms_host(shared_tidegate, recording_backend):
    site, other = recording_backend(), recording_backend()
    tg = shared_tidegate(conf.http(site, services=conf.service_entry("other", [other]),
                                   listener='routes = ( { host = "b.example"; service = "other"; } );'))
    tg.exchange(b"GET http://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n")
    tg.exchange(b"GET http://a.example/x HTTP/1.1\r\nHost: b.example\r\n\r\n")
    assert [len(site.requests), len(other.requests)] == [1, 1]


def test_options_star_is_passed(shared_tidegate, recording_backend):
    assert seen_by_backend(shared_tidegate, recording_backend, b"OPTIONS *").target == "*"


def test_options_of_a_host_alone_becomes_star(shared_tidegate, recording_backend):
    got = seen_by_backend(shared_tidegate, recording_backend, b"OPTIONS http://b.example:81")
    assert got.target == "*" and got.get("host") == "b.example:81"


def test_options_with_a_path_stays(shared_tidegate, recording_backend):
    got = seen_by_backend(shared_tidegate, recording_backend, b"OPTIONS http://b.example/")
    assert got.target == "/"


def test_options_star_goes_to_the_listeners_service_when_only_paths_are_routed(
        shared_tidegate, recording_backend):
    site, other = recording_backend(), recording_backend()
    tg = shared_tidegate(conf.http(site, services=conf.service_entry("other", [other]),
                                   listener='routes = ( { path = "/x"; service = "other"; } );'))
    tg.exchange(b"OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n")
    assert [len(site.requests), len(other.requests)] == [1, 0]
    tg.exchange(client.get("/x"))
    assert len(other.requests) == 1
