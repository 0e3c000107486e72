"""Debian's hatop and prometheus-haproxy-exporter take tidegate for a HAProxy."""

import shutil
import urllib.request

import pytest

from harness import client, conf, net, process, settings
from harness.control import ask
from harness.screen import Screen


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


@pytest.fixture
def site(shared_tidegate, recording_backend, admin):
    top = f'admin = {{ socket = "{admin}"; }};'
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), recording_backend(name="b2"), top=top))
    for _ in range(4):
        assert tg.exchange(client.get("/")).status == 200
    tg.access.wait(count=4, path="/")
    return tg


def test_hatop_shows_backends_and_puts_one_into_maintenance(site, admin, tmp_path):
    screen = Screen(tmp_path, ["hatop", "-s", admin])
    try:
        screen.wait(r"tidegate Version: \S+ +\(released: ")
        screen.wait(r"b1 +1 ")
        screen.wait(r"b2 +1 ")

        def ordered():
            screen.type("Down", "F10")
            return '"b' in ask(admin, "show state diff json")
        settings.wait_until(ordered, "the order of hatop on a backend")
        screen.wait("MAINT")

        def ended():
            screen.type("Home", *["Down", "F9"] * 6)
            return ask(admin, "show state diff") == "\n"
        settings.wait_until(ended, "the end of it")
        screen.type("q")
    finally:
        screen.close()


def test_the_exporter_of_prometheus_scrapes_it(site, admin, tmp_path):
    port = net.free_port()
    exporter = process.Program(
        [shutil.which("prometheus-haproxy-exporter"), f"--haproxy.scrape-uri=unix:{admin}",
         f"--web.listen-address={net.ADDRESS}:{port}"], tmp_path, name="exporter")
    try:
        def scraped():
            try:
                with urllib.request.urlopen(f"http://{net.ADDRESS}:{port}/metrics",
                                            timeout=settings.TIMEOUT) as page:
                    return page.read().decode()
            except OSError:
                return None
        text = settings.wait_until(scraped, "the exporter")
    finally:
        exporter.stop(status=None)
    assert "\nhaproxy_up 1\n" in text
    assert f'\nhaproxy_server_up{{backend="{site.service}",server="b1"}} 1\n' in text
    assert f'\nhaproxy_backend_http_responses_total{{backend="{site.service}",code="2xx"}} 4\n' in text
    assert f'\nhaproxy_frontend_http_requests_total{{frontend="{site.listener}"}} 4\n' in text
    assert "\nhaproxy_exporter_csv_parse_failures 0\n" in text \
        or "\nhaproxy_exporter_csv_parse_failures_total 0\n" in text
