"""Backends given by name: a name server on loopback says what the names mean."""

import socket
import struct
import threading

import pytest

from harness import client, conf, net, settings

NXDOMAIN = 3


class NameServer:
    """Answers A questions from `names` (name to addresses); others: no such name."""

    def __init__(self, ttl=1):
        self.ttl = ttl
        self.names = {}
        self.questions = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((net.ADDRESS, net.free_port()))
        self.address = "%s:%d" % self.socket.getsockname()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            question, peer = self.socket.recvfrom(4096)
            if not question:
                return
            self.socket.sendto(self._answer(question), peer)

    def _answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        name = ".".join(labels)
        kind = struct.unpack_from(">H", question, at + 1)[0]
        self.questions.append(name)
        known = self.names.get(name)
        addresses = known if known and kind == 1 else []
        head = question[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else NXDOMAIN), 1,
                                          len(addresses), 0, 0)
        records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, self.ttl, 4)
                           + socket.inet_aton(address) for address in addresses)
        return head + question[12:at + 5] + records

    def top(self):
        return f'resolver = {{ servers = ( "{self.address}" ); }};'

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()


@pytest.fixture
def name_server():
    server = NameServer()
    yield server
    server.stop()


def named(backend, name="backend.test"):
    return f'{{ name = "b"; address = "{name}:{backend.port}"; }}'


def test_a_name_is_resolved_and_served(tidegate, recording_backend, name_server):
    backend = recording_backend()
    name_server.names["backend.test"] = [net.ADDRESS]
    tg = tidegate(conf.http(named(backend), top=name_server.top()))
    tg.log.wait(msg="name resolved", name="backend.test", addr=backend.address)
    tg.log.wait(msg="backend up", srv="b", addr=backend.address)
    assert tg.exchange(client.get("/")).status == 200
    assert backend.requests[0].target == "/"


def test_an_unknown_name_never_stops_the_start(tidegate, recording_backend, name_server):
    backend = recording_backend()
    tg = tidegate(conf.http(named(backend), top=name_server.top()))
    said = tg.log.wait(msg="name does not resolve, trying again", name="backend.test")
    assert said["keeps"] == "-"
    tg.log.wait(msg="backend down", srv="b")
    assert tg.exchange(client.get("/")).status == 503
    name_server.names["backend.test"] = [net.ADDRESS]
    tg.log.wait(msg="backend up", srv="b", addr=backend.address)
    assert tg.exchange(client.get("/")).status == 200


def test_a_new_address_is_checked_and_followed(tidegate, recording_backend, name_server):
    port = net.free_port()
    other_address = "127.0.0.1" if net.ADDRESS != "127.0.0.1" else "127.0.0.2"
    old = recording_backend(name="old", port=port)
    new = recording_backend(name="new", port=port, address=other_address)
    name_server.names["backend.test"] = [net.ADDRESS]
    tg = tidegate(conf.http(named(old), top=name_server.top(), workers=1,
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


def test_a_failing_name_server_keeps_the_address(tidegate, recording_backend, name_server):
    backend = recording_backend()
    name_server.names["backend.test"] = [net.ADDRESS]
    tg = tidegate(conf.http(named(backend), top=name_server.top()))
    tg.log.wait(msg="backend up", srv="b")
    del name_server.names["backend.test"]
    said = tg.log.wait(msg="name does not resolve, trying again")
    assert said["keeps"] == net.ADDRESS
    assert tg.exchange(client.get("/")).status == 200
    name_server.names["backend.test"] = [net.ADDRESS]
    tg.log.wait(msg="name resolves again", name="backend.test")
    assert not tg.log.records(msg="backend down")


def test_the_present_address_is_kept_among_several(tidegate, recording_backend, name_server):
    backend = recording_backend()
    name_server.names["backend.test"] = [net.ADDRESS]
    tg = tidegate(conf.http(named(backend), top=name_server.top()))
    tg.log.wait(msg="backend up", srv="b")
    name_server.names["backend.test"] = ["127.0.0.1", net.ADDRESS]
    asked = len(name_server.questions)
    backend_names = tg.log.records(msg="name resolved")
    settings.wait_until(lambda: len(name_server.questions) >= asked + 4, "two more questions")
    assert tg.log.records(msg="name resolved") == backend_names
    assert tg.exchange(client.get("/")).status == 200


def test_localhost_needs_no_name_server(tidegate, recording_backend, name_server):
    backend = recording_backend(address="127.0.0.1")
    tg = tidegate(conf.http(named(backend, "localhost"), top=name_server.top()))
    tg.log.wait(msg="backend up", srv="b", addr=backend.address)
    assert tg.exchange(client.get("/")).status == 200
