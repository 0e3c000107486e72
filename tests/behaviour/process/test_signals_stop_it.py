"""SIGTERM ends it gracefully, SIGINT without grace, a second one at once."""

import os
import signal
import socket
import threading
import time

import pytest

from harness import backends, client, conf, net, process, procfs, settings


def children_of(tg):
    return {role: tg.role_pid(role) for role in ("proxy", "keeper")}


def assert_all_gone(pids):
    settings.wait_until(lambda: not any(procfs.alive(pid) for pid in pids), "the children to end")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle(tidegate, demo_backend, number):
    tg = tidegate(conf.http(demo_backend()))
    assert tg.exchange(client.get("/last-words")).status == 200
    children = children_of(tg)
    tg.stop(number)
    assert_all_gone(children.values())
    assert tg.log.wait(msg="stopping")["reason"] == number.name
    assert tg.log.wait(msg="stopped")["clean"] == "yes"
    assert tg.access.records(path="/last-words"), "the keeper writes what the proxy left"


def test_signal_to_the_whole_group(tidegate, demo_backend):
    """As a terminal's Ctrl-C and some service managers send it."""
    tg = tidegate(conf.http(demo_backend()))
    for pid in children_of(tg).values():
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGHUP)
    assert tg.exchange(client.get()).status == 200
    tg.stop(signal.SIGINT)
    assert tg.log.wait(msg="stopped")["clean"] == "yes"


def slow_request(tg, backend_answers_after):
    """A request whose answer waits for the event."""
    peer = tg.client().send(client.get("/slow"))
    backend_answers_after["begun"].wait(settings.TIMEOUT)
    return peer


@pytest.fixture
def waiting_backend(recording_backend):
    """A backend that answers when told; begun: the request came; go: answer."""
    events = {"begun": threading.Event(), "go": threading.Event()}

    def script(connection):
        connection.read_head()
        events["begun"].set()
        events["go"].wait(settings.TIMEOUT)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
    events["backend"] = recording_backend(script)
    events["new"] = recording_backend
    yield events
    events["go"].set()


def refuses(tg):
    """No worker accepts any more: all of them have heard that they are to end."""
    try:
        client.RawClient(tg.address).close()
        return False
    except ConnectionResetError:  # it came while the socket was being closed
        return False
    except ConnectionRefusedError:
        return True


def test_running_request_is_finished(tidegate, waiting_backend):
    tg = tidegate(conf.http(waiting_backend["backend"], top='shutdown_grace = "15s";'))
    peer = slow_request(tg, waiting_backend)
    tg.send_signal(signal.SIGTERM)
    tg.log.wait(msg="stopping")
    settings.wait_until(lambda: refuses(tg), "new connections to be refused")
    assert tg.running()
    waiting_backend["go"].set()
    assert peer.read_answer().body == b"slow"
    assert tg.wait() == 0


@pytest.mark.parametrize("known", [True, False], ids=["kept connection", "new connection"])
def test_request_that_has_come_is_answered(tidegate, recording_backend, known):
    """It lies in the socket, unread, when the order to stop comes; the worker may see either first."""
    tg = tidegate(conf.http(recording_backend(), workers=1, top='shutdown_grace = "15s";'))
    peer = tg.client()
    assert peer.exchange(client.get("/before")).status == 200
    with tg.standing_still():
        if not known:
            peer = tg.client()
        peer.send(client.get("/waits"))
        peer.wait_bytes_there()
        tg.send_signal(signal.SIGTERM)
        tg.log.wait(msg="stopping")
    assert peer.read_answer().status == 200
    assert peer.read_to_end() == b"" and peer.ended == "eof"
    assert tg.wait() == 0


def ask_until_told(tg, peer):
    """The order reaches each worker a moment after the log has it, and until then it answers as ever;
    once all have closed their sockets the next answer tells."""
    def told():
        known = refuses(tg)
        answer = peer.exchange(client.get("/after"))
        assert answer.status == 200
        is_told = answer.get("Connection") == "close"
        assert is_told or not known
        return is_told
    settings.wait_until(told, "an answer that tells of the end")


def test_client_that_asks_on_is_told_with_its_next_answer(tidegate, recording_backend):
    """Its connection rests for a moment only; one that has not asked yet is served as well."""
    tg = tidegate(conf.http(recording_backend(), top='shutdown_grace = "15s";'))
    steady, fresh = tg.client(), tg.client()
    first = steady.exchange(client.get("/before"))
    assert first.status == 200 and not first.has("Connection")
    settings.wait_until(lambda: tg.access.records(path="/before"), "the first answer")
    tg.send_signal(signal.SIGTERM)
    tg.log.wait(msg="stopping")
    for peer in (steady, fresh):
        ask_until_told(tg, peer)
        assert peer.read_to_end() == b"" and peer.ended == "eof"
    assert tg.wait() == 0


def test_connection_that_rests_is_closed_in_order(tidegate, recording_backend):
    tg = tidegate(conf.http(recording_backend(), top='shutdown_grace = "1h";'))
    peer = tg.client()
    assert peer.exchange(client.get()).status == 200
    settings.let_rest(1.1)
    began = time.monotonic()
    tg.send_signal(signal.SIGTERM)
    assert peer.read_to_end() == b"" and peer.ended == "eof"
    assert tg.wait() == 0
    assert time.monotonic() - began < settings.TIMEOUT / 2
    assert not tg.log.records(level="warn", msg="grace is over, what still ran is cut")


def test_answer_under_way_goes_on_and_another_is_served(tidegate, waiting_backend, recording_backend):
    """Its head was sent before the stop, without a word of closing: the client may ask once more."""
    begun, go = threading.Event(), threading.Event()

    def script(connection):
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhal")
        begun.set()
        go.wait(settings.TIMEOUT)
        connection.send(b"ves")
    tg = tidegate(conf.http(recording_backend(script, backends.serve),
                            top='shutdown_grace = "15s";'))
    peer = tg.client().send(client.get("/long"))
    assert b"Connection" not in peer.read_head()
    assert begun.wait(settings.TIMEOUT)
    tg.send_signal(signal.SIGTERM)
    tg.log.wait(msg="stopping")
    go.set()
    assert peer.read(6) == b"halves"
    ask_until_told(tg, peer)
    assert tg.wait() == 0


def everything_running(tidegate, waiting_backend, demo_backend, grace):
    """A tidegate with a request, a tunnel, two TCP connections and an idle one."""
    def switch(connection):
        connection.read_head()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                        b"Upgrade: test\r\n\r\n")
        connection.read(1)
    tunnel, web, echo = waiting_backend["new"](switch), waiting_backend["backend"], demo_backend(tcp=True)
    ports = [f"{net.ADDRESS}:{net.free_port()}" for _ in range(3)]
    services = ", ".join(conf.service_entry(name, [backend]) for name, backend in
                         (("web", web), ("tunnel", tunnel), ("echo", echo)))
    listeners = ", ".join(f'''{{ name = "{name}"; bind = "{bind}"; service = "{name}";
        mode = "{"tcp" if name == "echo" else "http"}"; }}'''
                          for name, bind in zip(("web", "tunnel", "echo"), ports))
    tg = tidegate(f'''workers = 2; shutdown_grace = "{grace}";
        listeners = ( {listeners} ); services = ( {services} );''')
    running = tg.client(ports[0]).send(client.get("/slow"))
    assert waiting_backend["begun"].wait(settings.TIMEOUT)
    switched = tg.client(ports[1]).send(client.get(
        "/", extra=b"Connection: upgrade\r\nUpgrade: test\r\n"))
    assert switched.read_answer().status == 101
    for _ in range(2):
        assert tg.client(ports[2]).read_line() != b""
    return tg, running


CUT = {"requests": "1", "tunnels": "1", "tcp": "2", "idle": "0"}


@pytest.mark.parametrize("number, grace", [(signal.SIGTERM, "100ms"), (signal.SIGINT, "1h")])
def test_what_is_cut_is_counted_by_kind(tidegate, waiting_backend, demo_backend, number, grace):
    tg, running = everything_running(tidegate, waiting_backend, demo_backend, grace)
    tg.stop(number)
    said = tg.log.wait(level="warn", msg="grace is over, what still ran is cut")
    assert {kind: said[kind] for kind in CUT} == CUT
    assert running.read_to_end() == b"" or running.ended in ("eof", "reset")
    assert tg.access.wait(path="/slow")["end"] == "shutdown"
    assert tg.log.wait(msg="stopped")["clean"] == "yes"


def test_grace_has_an_end(tidegate, waiting_backend):
    tg = tidegate(conf.http(waiting_backend["backend"], top='shutdown_grace = "200ms";'))
    peer = slow_request(tg, waiting_backend)
    tg.stop(signal.SIGTERM)
    assert peer.read_to_end() == b"" or peer.ended in ("eof", "reset")
    assert tg.log.wait(msg="stopped")["clean"] == "yes"


def test_second_signal_ends_at_once(tidegate, waiting_backend):
    tg = tidegate(conf.http(waiting_backend["backend"], top='shutdown_grace = "1h";'))
    slow_request(tg, waiting_backend)
    children = children_of(tg)
    tg.send_signal(signal.SIGTERM)
    tg.log.wait(msg="stopping")
    assert tg.running()
    tg.send_signal(signal.SIGTERM)
    tg.expect_status = 1
    assert tg.wait() == 1
    assert_all_gone(children.values())
    tg.log.wait(level="warn", msg="stopping at once")


def test_killed_parent_leaves_no_child(tidegate, demo_backend):
    text = conf.http(demo_backend())
    tg = tidegate(text)
    children = children_of(tg)
    assert all(children.values())
    tg.kill()
    tg.expect_status = -signal.SIGKILL
    assert_all_gone(children.values())

    def is_free():
        try:
            socket.create_server(net.split(text.address)).close()
            return True
        except OSError:
            return False
    settings.wait_until(is_free, "the sockets to go with them")


def test_stop_right_after_the_start(tidegate, demo_backend):
    """Before anybody is ready: no child is left, no crash."""
    tg = tidegate(conf.http(demo_backend()), wait=False)
    settings.wait_until(lambda: len(process.children(tg.pid)) == 2 or not tg.running(),
                        "both children")
    children = process.children(tg.pid)
    tg.stop(signal.SIGTERM)
    assert_all_gone(children)


def test_killed_child_in_the_middle_of_the_end(tidegate, waiting_backend):
    """The proxy dies while draining: the keeper is stopped, the status tells."""
    tg = tidegate(conf.http(waiting_backend["backend"], top='shutdown_grace = "1h";'))
    slow_request(tg, waiting_backend)
    tg.send_signal(signal.SIGTERM)
    tg.log.wait(msg="stopping")
    began = time.monotonic()
    os.kill(tg.role_pid("proxy"), signal.SIGKILL)
    tg.expect_status = 1
    assert tg.wait() == 1
    assert time.monotonic() - began < settings.TIMEOUT / 2
    assert tg.log.wait(msg="child stopped", child="keeper")["status"] == "0"
