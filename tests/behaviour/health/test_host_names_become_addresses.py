"""Backends given by name: a name server on loopback says what the names mean."""

from harness import client, conf, net, settings


def named(backend, name="backend.test"):
    return f'{{ name = "b"; address = "{name}:{backend.port}"; }}'


def test_a_name_is_resolved_and_served(shared_tidegate, recording_backend, name_server):
    backend = recording_backend()
    name_server.names["backend.test"] = [net.ADDRESS]
    tg = shared_tidegate(conf.http(named(backend), top=name_server.top()))
    tg.log.wait(msg="name resolved", name="backend.test", addr=backend.address)
    tg.log.wait(msg="backend up", srv="b", addr=backend.address)
    tg.exchange_until(200)
    assert tg.exchange(client.get("/")).status == 200
    assert "/" in [request.target for request in backend.requests]


def test_an_unknown_name_never_stops_the_start(tidegate, recording_backend, name_server):
    backend = recording_backend()
    tg = tidegate(conf.http(named(backend), top=name_server.top()))
    said = tg.log.wait(msg="name does not resolve, trying again", name="backend.test")
    assert said["keeps"] == "-"
    tg.log.wait(msg="backend down", srv="b")
    tg.exchange_until(503)
    name_server.names["backend.test"] = [net.ADDRESS]
    tg.log.wait(msg="backend up", srv="b", addr=backend.address)
    tg.exchange_until(200)


def test_a_new_address_is_checked_and_followed(shared_tidegate, recording_backend, name_server):
    other_address = net.own_address(1)
    port = net.free_port(net.ADDRESS, other_address)
    old = recording_backend(name="old", port=port)
    new = recording_backend(name="new", port=port, address=other_address)
    name_server.names["backend.test"] = [net.ADDRESS]
    tg = shared_tidegate(conf.http(named(old), top=name_server.top(), workers=1,
                                   service='health = { type = "http"; interval = "50ms"; };'))
    tg.log.wait(msg="backend up", srv="b", addr=old.address)
    name_server.names["backend.test"] = [other_address]
    tg.log.wait(msg="backend up", srv="b", addr=new.address)

    def arrives():
        assert tg.exchange(client.get("/first")).status == 200
        return "/first" in [request.target for request in new.requests]
    settings.wait_until(arrives, "the worker to follow")
    for _ in range(10):
        assert tg.exchange(client.get("/after")).status == 200
    assert "/after" in [request.target for request in new.requests]
    assert "/after" not in [request.target for request in old.requests]


def test_a_failing_name_server_keeps_the_address(shared_tidegate, recording_backend, name_server):
    backend = recording_backend()
    name_server.names["backend.test"] = [net.ADDRESS]
    tg = shared_tidegate(conf.http(named(backend), top=name_server.top()))
    tg.log.wait(msg="backend up", srv="b")
    del name_server.names["backend.test"]
    said = tg.log.wait(msg="name does not resolve, trying again")
    assert said["keeps"] == net.ADDRESS
    assert tg.exchange(client.get("/")).status == 200
    name_server.names["backend.test"] = [net.ADDRESS]
    tg.log.wait(msg="name resolves again", name="backend.test")
    assert not tg.log.records(msg="backend down")


def test_the_present_address_is_kept_among_several(shared_tidegate, recording_backend, name_server):
    backend = recording_backend()
    name_server.names["backend.test"] = [net.ADDRESS]
    tg = shared_tidegate(conf.http(named(backend), top=name_server.top()))
    tg.log.wait(msg="backend up", srv="b")
    name_server.names["backend.test"] = ["127.0.0.1", net.ADDRESS]
    asked = len(name_server.questions)
    backend_names = tg.log.records(msg="name resolved")
    settings.wait_until(lambda: len(name_server.questions) >= asked + 4, "two more questions")
    assert tg.log.records(msg="name resolved") == backend_names
    assert tg.exchange(client.get("/")).status == 200


def test_localhost_needs_no_name_server(shared_tidegate, recording_backend, name_server):
    backend = recording_backend(address="127.0.0.1")
    tg = shared_tidegate(conf.http(named(backend, "localhost"), top=name_server.top()))
    tg.log.wait(msg="backend up", srv="b", addr=backend.address)
    tg.exchange_until(200)
    assert tg.exchange(client.get("/")).status == 200
