"""Backends learn who the client is from X-Forwarded-* and Forwarded, and only from us."""

import pytest

from harness import client, conf, net

STRANGERS = (b"X-Forwarded-For: 192.0.2.66\r\nX-Forwarded-Proto: https\r\n"
             b"X-Forwarded-Host: evil.example\r\nX-Forwarded-Port: 666\r\n"
             b"Forwarded: for=192.0.2.66;host=evil.example;proto=https\r\n")
NAMES = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port",
         "forwarded")


def request_through(tidegate, recording_backend, listener="", extra=b"", **options):
    """The request as the backend got it, the client's address, and the listener's port."""
    backend = recording_backend()
    tg = tidegate(conf.http(backend, listener=listener, **options))
    peer = tg.client()
    peer.exchange(client.get("/", "a.example", extra))
    return backend.requests[0], peer.sock.getsockname()[0], net.split(tg.address)[1]


def elements(forwarded):
    """Forwarded (RFC 7239) as a list of dictionaries."""
    return [dict((name.strip().lower(), value.strip('"'))
                 for name, _, value in (pair.partition("=") for pair in element.split(";")))
            for element in forwarded.split(",")]


@pytest.mark.parametrize("extra", [b"", STRANGERS, STRANGERS * 2], ids=["none", "some", "twice"])
@pytest.mark.parametrize("mode", ["", 'forwarded = "append";', 'forwarded = "replace";'])
def test_strangers_values_are_replaced(shared_tidegate, recording_backend, mode, extra):
    got, address, port = request_through(shared_tidegate, recording_backend, mode, extra)
    assert got.get("x-forwarded-for") == address
    assert got.get("x-forwarded-proto") == "http"
    assert got.get("x-forwarded-host") == "a.example"
    assert got.get("x-forwarded-port") == str(port)
    (element,) = elements(got.get("forwarded"))
    assert element["for"] == address
    assert element["proto"] == "http"
    assert element["host"] == "a.example"


def test_off_sets_none_and_strips_strangers(shared_tidegate, recording_backend):
    got, _, _ = request_through(shared_tidegate, recording_backend, 'forwarded = "off";', STRANGERS)
    assert not set(NAMES) & set(got.names())


def test_other_x_forwarded_names_of_strangers_are_stripped(shared_tidegate, recording_backend):
    got, _, _ = request_through(shared_tidegate, recording_backend, "",
                                b"X-Forwarded-Ssl: on\r\nX-Forwarded-User: root\r\n")
    assert not {"x-forwarded-ssl", "x-forwarded-user"} & set(got.names())


TRUSTED = 'trusted_proxies = ( "127.0.0.0/8" );'


def test_a_trusted_peers_list_is_appended_to(shared_tidegate, recording_backend):
    got, address, _ = request_through(shared_tidegate, recording_backend, TRUSTED, STRANGERS)
    listed = ",".join(got.all("x-forwarded-for")).replace(" ", "").split(",")
    assert listed == ["192.0.2.66", address]
    assert got.get("x-forwarded-proto") == "https"
    assert got.get("x-forwarded-host") == "evil.example"
    assert got.get("x-forwarded-port") == "666"
    first, second = elements(",".join(got.all("forwarded")))
    assert first == {"for": "192.0.2.66", "host": "evil.example", "proto": "https"}
    assert second["for"] == address


def test_a_trusted_peer_without_a_list_gets_one(shared_tidegate, recording_backend):
    got, address, port = request_through(shared_tidegate, recording_backend, TRUSTED)
    assert got.get("x-forwarded-for") == address
    assert got.get("x-forwarded-proto") == "http"
    assert got.get("x-forwarded-host") == "a.example"
    assert got.get("x-forwarded-port") == str(port)


@pytest.mark.parametrize("order", ["before", "after"])
def test_what_a_trusted_peer_takes_back_is_set_anew(shared_tidegate, recording_backend, order):
    """Connection names its fields: they are for one hop, and no backend is left without ours."""
    named = b"Connection: X-Forwarded-Proto, x-forwarded-host, X-FORWARDED-PORT\r\n"
    got, address, port = request_through(
        shared_tidegate, recording_backend, TRUSTED,
        named + STRANGERS if order == "before" else STRANGERS + named)
    assert got.get("x-forwarded-proto") == "http"
    assert got.get("x-forwarded-host") == "a.example"
    assert got.get("x-forwarded-port") == str(port)
    assert got.get("x-forwarded-for").split(", ")[-1] == address


def test_lists_that_a_trusted_peer_takes_back_still_end_with_it(shared_tidegate, recording_backend):
    got, address, _ = request_through(shared_tidegate, recording_backend, TRUSTED,
                                      b"Connection: X-Forwarded-For, Forwarded\r\n" + STRANGERS)
    assert got.get("x-forwarded-for").split(", ")[-1] == address
    assert elements(got.get("forwarded"))[-1]["for"] == address


BROKEN = [b'for="', b'for="192.0.2.66', b'for=192.0.2.66, for="\\"', b"192.0.2.66", b"for=[::1]"]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("beside", [b"", b"Forwarded: for=192.0.2.1\r\n"], ids=["alone", "beside"])
def test_a_trusted_peers_list_that_is_none_is_replaced(shared_tidegate, recording_backend, broken, beside):
    """What is appended to an open quote would be part of it. No part of such a list is believed."""
    got, address, _ = request_through(shared_tidegate, recording_backend, TRUSTED,
                                      b"Forwarded: " + broken + b"\r\n" + beside +
                                      b"X-Forwarded-For: 192.0.2.1\r\n")
    (element,) = elements(got.get("forwarded"))
    assert element == {"for": address, "host": "a.example", "proto": "http"}
    assert got.get("x-forwarded-for") == f"192.0.2.1, {address}"


@pytest.mark.parametrize("given", [b"X-Forwarded-For: \"\r\n", b"X-Forwarded-For: ,\r\n"])
def test_the_last_of_x_forwarded_for_is_the_peer_whatever_came_before(
        shared_tidegate, recording_backend, given):
    """It knows no quotes: a comma parts what is appended from anything."""
    got, address, _ = request_through(shared_tidegate, recording_backend, TRUSTED, given)
    assert got.get("x-forwarded-for").split(",")[-1].strip() == address


def test_replace_begins_anew_even_for_a_trusted_peer(shared_tidegate, recording_backend):
    got, address, _ = request_through(shared_tidegate, recording_backend,
                                      TRUSTED + 'forwarded = "replace";', STRANGERS)
    assert got.get("x-forwarded-for") == address
    assert got.get("x-forwarded-host") == "a.example"


def test_a_peer_outside_the_prefixes_is_a_stranger(shared_tidegate, recording_backend):
    got, address, _ = request_through(shared_tidegate, recording_backend,
                                      'trusted_proxies = ( "192.0.2.0/24", "2001:db8::/32" );',
                                      STRANGERS)
    assert got.get("x-forwarded-for") == address


def test_host_with_a_port_is_passed_whole(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    tg.exchange(client.get("/", "a.example:8080"))
    got = backend.requests[0]
    assert got.get("x-forwarded-host") == "a.example:8080"
    (element,) = elements(got.get("forwarded"))
    assert element["host"] == "a.example:8080"


def test_ipv6_client_is_quoted_in_forwarded(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend, bind=f"[::1]:{net.free_port('::1')}"))
    tg.exchange(client.get("/", "a.example"))
    got = backend.requests[0]
    assert got.get("x-forwarded-for") == "::1"
    assert 'for="[::1]"' in got.get("forwarded").lower()


def test_no_via_by_default(shared_tidegate, recording_backend):
    got, _, _ = request_through(shared_tidegate, recording_backend)
    assert not got.has("via")
