"""health.keep: the connection of a tcp check stays open, and says whether the backend is there."""

import pytest

from harness import conf, net, settings
from harness.chaos.site import Namespace

KEPT = 'health = { type = "tcp"; keep = true; interval = "50ms"; timeout = "300ms"; ' \
       'rise = 2; fall = 2; };'
DEBUG = 'log = { level = "debug"; };'


def wait_checks(tg, n=10):
    tg.log.wait(count=len(tg.log.records(msg="check")) + n, msg="check", result="L4OK")


def silent(conn):
    conn.read_to_end()


def test_all_checks_use_one_connection(shared_tidegate, recording_backend):
    backend = recording_backend(silent)
    tg = shared_tidegate(conf.http(backend, service=KEPT, top=DEBUG))
    tg.log.wait(msg="backend up", reason="connected")
    wait_checks(tg)
    assert len(backend.connections) == 1 and backend.connections[0].received == b""


def test_a_backend_that_ends_it_is_up_as_long_as_it_accepts(shared_tidegate, recording_backend):
    backend = recording_backend(lambda conn: None)
    tg = shared_tidegate(conf.http(backend, service=KEPT))
    tg.log.wait(msg="backend up", reason="connected")
    settings.wait_until(lambda: len(backend.connections) > 5, "connections of checks")
    assert not tg.log.records(msg="backend down")


def test_a_backend_that_is_gone_is_down_and_comes_back(shared_tidegate, recording_backend):
    port = net.free_port()
    first = recording_backend(silent, name="b1", port=port)
    tg = shared_tidegate(conf.http(first, service=KEPT))
    tg.log.wait(msg="backend up", srv="b1")
    first.stop()
    assert tg.log.wait(msg="backend down", srv="b1")["reason"] == "connection refused"
    recording_backend(silent, name="b1", port=port)
    tg.log.wait(count=2, msg="backend up", srv="b1")


def test_the_end_of_tidegate_ends_them(shared_tidegate, recording_backend):
    backend = recording_backend(silent)
    tg = shared_tidegate(conf.http(backend, service=KEPT))
    settings.wait_until(lambda: backend.connections, "the connection")
    tg.stop()
    assert backend.connections[0].closed.wait(settings.TIMEOUT)


def test_few_open_files_leave_checks_that_connect(tidegate, recording_backend):
    """Said once for each backend; verdicts are the same."""
    backend = recording_backend()
    tg = tidegate(conf.http(backend, service=KEPT, top=DEBUG), files=1024)
    assert "open files" in tg.log.wait(msg="check connects anew each time")["reason"]
    tg.log.wait(msg="backend up", reason="connected")
    wait_checks(tg)
    assert not backend.connections


@pytest.mark.skipif(Namespace.missing() is not None, reason=str(Namespace.missing()))
def test_a_machine_that_answers_no_more_is_down(tidegate, demo_backend):
    """Packets are dropped: nothing ends the connection, but nobody answers on it."""
    namespace = Namespace()
    try:
        demo = demo_backend(under=namespace.under)
        tg = tidegate(conf.http(demo, service=KEPT), under=namespace.under, wait=False)
        tg.log.wait(msg="backend up")
        namespace.drop("-A", [demo.port])
        assert tg.log.wait(msg="backend down")["reason"] == "connect timeout"
        namespace.drop("-D", [demo.port])
        tg.log.wait(count=2, msg="backend up")
    finally:
        namespace.stop()
