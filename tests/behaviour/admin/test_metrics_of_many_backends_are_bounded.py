"""10,000 backends, 2,500 under a sanitizer: lines for each only when asked for, and nobody waits for a long page."""

import os
import signal
import threading
import time

import pytest

from harness import client, conf, metrics, net, settings

MANY = 2500 if settings.sanitizers() else 10000


@pytest.fixture(scope="module")
def many(module_tidegate, module_backend):
    """A tidegate with as many backends, all the same one; its port."""
    port = f"{net.ADDRESS}:{net.free_port()}"
    backend = module_backend()
    entries = [f'{{ name = "b{i}"; address = "{backend.address}"; }}' for i in range(MANY)]
    tg = module_tidegate(conf.http(*entries, top=f'admin = {{ http = "{port}"; }};',
                                   service='balance = "hash"; hash_on = "source";'))
    settings.wait_until(lambda: metrics.get(port, "/readyz").status == 200, "it to be ready")
    tg.port = port
    return tg


def test_backends_are_left_out_unless_asked_for(many):
    assert many.exchange(client.get("/")).status == 200
    short = metrics.get(many.port, "/metrics")
    page = metrics.Page(short.text)
    assert len(short.body) < 100000
    assert page.value("backends") == MANY
    assert page.value("service_backends", service="site", state="up") == MANY
    assert not page.has("backend_up", service="site", backend="b0")


def test_all_of_them_when_asked_for(many):
    page = metrics.page(many.port, "/metrics?backends=1")
    assert sum(name == "tidegate_backend_up" for name, _ in page.samples) == MANY
    assert page.value("backend_up", service="site", backend=f"b{MANY - 1}") == 1
    assert not page.has("backend_duration_seconds_count", service="site", backend="b0")


def test_others_are_answered_while_a_long_page_is_written(many):
    """One slice of it at a time: the worst wait of /healthz beside it is a fraction of the page's."""
    over = threading.Event()
    waits = []

    def look():
        while not over.is_set():
            began = time.monotonic()
            assert metrics.get(many.port, "/healthz").status == 200
            waits.append((began, time.monotonic()))

    looking = threading.Thread(target=look)
    looking.start()
    began = time.monotonic()
    assert metrics.get(many.port, "/metrics?backends=1").status == 200
    ended = time.monotonic()
    over.set()
    looking.join()
    beside = [since for since, until in waits if began <= since and until <= ended]
    assert len(beside) >= 3


def memory(port):
    return metrics.page(port).value("process_resident_memory_bytes", process="keeper")


def test_one_who_does_not_read_holds_nobody_up(many):
    """Nor do ten of them hold ten pages of 14 MB (of 10,000 backends)."""
    before = memory(many.port)
    slow = [client.RawClient(many.port) for _ in range(10)]
    for peer in slow:
        peer.send(client.get("/metrics?backends=1"))
    settings.wait_until(lambda: all(peer.is_readable() for peer in slow), "pages to begin")
    assert memory(many.port) - before < 50 << 20
    assert metrics.get(many.port, "/status").status == 200
    assert many.exchange(client.get("/")).status == 200
    for peer in slow:
        peer.close()


def test_a_new_proxy_has_them_all_at_once(many):
    """Verdicts come in parts, and tables of keys for parts of them took seconds that nobody was served."""
    os.kill(many.role_pid("proxy"), signal.SIGKILL)
    assert many.exchange(client.get("/")).status == 200
    took = metrics.page(many.port).value("process_cpu_seconds_total", process="proxy")
    assert settings.sanitizers() or took < 1
