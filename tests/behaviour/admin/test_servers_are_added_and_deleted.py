"""add server, del server and wait: backends that come and go while tidegate runs."""

import json
import threading

import pytest

from harness import backends, client, conf, settings
from harness.control import ask, failure

ADDED = "New server registered.\n\n"
DELETED = "Server deleted.\n\n"


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


def top(admin, more=""):
    return f'admin = {{ socket = "{admin}"; }}; {more}'


def named(name):
    """A backend that says who it is."""
    return backends.handles(lambda request: backends.answer(body=name.encode()))


@pytest.fixture
def site(shared_tidegate, recording_backend, admin):
    """tidegate before b1, and b2 that it does not know."""
    tg = shared_tidegate(conf.http(recording_backend(named("b1"), name="b1"), top=top(admin), workers=2))
    tg.b2 = recording_backend(named("b2"), name="b2").address
    return tg


def who_answers(tg, n=10):
    return {tg.exchange(client.get("/")).body.decode() for _ in range(n)}


def settled(tg, wanted):
    settings.wait_until(lambda: who_answers(tg) == wanted, f"answers of {wanted} alone")


def row(admin, backend):
    found = json.loads(ask(admin, "show servers state json"))
    return next((row for row in found if row["backend"] == backend), None)


def test_a_new_server_is_in_maintenance_until_it_is_enabled(site, admin):
    assert ask(admin, f"add server {site.service}/b2 {site.b2} check weight 3 why more load") == ADDED
    assert f"{site.service},b2," in ask(admin, "show stat") and "MAINT" in ask(admin, "show stat")
    assert who_answers(site) == {"b1"}
    found = row(admin, "b2")
    assert found["configured"]["weight"] == 3
    assert found["administrative"]["added"]["why"] == "more load"
    assert found["administrative"]["added"]["who"].startswith("uid ")
    assert found["administrative"]["state"]["value"] == "maint"
    assert f"{site.service}/b2 added {site.b2} " in ask(admin, "show state diff")
    assert f"{site.service}/b2 state maint (added with ready) " in ask(admin, "show state diff")
    assert ask(admin, f"enable server {site.service}/b2") == "\n"
    settled(site, {"b1", "b2"})


def test_one_that_is_enabled_is_used_at_once(site, admin):
    assert ask(admin, f"add server {site.service}/b2 {site.b2} enabled") == ADDED
    settled(site, {"b1", "b2"})


def test_a_backup_takes_over(site, admin):
    assert ask(admin, f"add server {site.service}/b2 {site.b2} backup enabled maxconn 5") == ADDED
    assert who_answers(site) == {"b1"}
    ask(admin, f"disable server {site.service}/b1")
    settled(site, {"b2"})


def test_servers_go_by_haproxys_sequence(site, admin):
    ask(admin, f"add server {site.service}/b2 {site.b2} enabled")
    settled(site, {"b1", "b2"})
    assert failure(ask(admin, f"del server {site.service}/b2")) == "conflict"
    assert ask(admin, f"disable server {site.service}/b2; wait 5s srv-removable {site.service}/b2; "
                      f"del server {site.service}/b2") == "\nDone.\n\n" + DELETED
    assert row(admin, "b2") is None
    assert who_answers(site) == {"b1"}
    assert failure(ask(admin, f"enable server {site.service}/b2")) == "not-found"
    assert "b2" not in ask(admin, "show state diff")


def test_a_configured_server_may_go_and_come_back(site, admin):
    ask(admin, f"add server {site.service}/b2 {site.b2} enabled")
    ask(admin, f"disable server {site.service}/b1; wait 5s srv-removable {site.service}/b1")
    assert ask(admin, f"del server {site.service}/b1 why old disks") == DELETED
    settled(site, {"b2"})
    diff = json.loads(ask(admin, "show state diff json"))
    assert not site.log.records(msg="order ends with the reload")
    gone = next(line for line in diff if line["property"] == "deleted")
    assert (gone["service"], gone["backend"], gone["why"]) == (site.service, "b1", "old disks")
    assert failure(ask(admin, f"add server {site.service}/b2 192.0.2.1:80")) == "conflict"
    assert ask(admin, f"add server {site.service}/b1 {site.b2} enabled") == ADDED
    settled(site, {"b2"})


def test_what_runs_keeps_a_server(shared_tidegate, recording_backend, admin):
    def slow(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbe")
        gate.wait(settings.TIMEOUT)
        conn.send(b"at")
    gate = threading.Event()
    backend = recording_backend(slow, name="b1")
    tg = shared_tidegate(conf.http(backend, top=top(admin)))
    peer = tg.client().send(client.get("/"))
    backend.wait_requests(1)
    ask(admin, f"disable server {tg.service}/b1")
    assert failure(ask(admin, f"wait 100 srv-removable {tg.service}/b1")) == "timeout"
    refused = ask(admin, f"del server {tg.service}/b1")
    assert failure(refused) == "conflict" and f'in flight on "{tg.service}/b1": 1;' in refused
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(
        ask(admin, f"wait 20s srv-removable {tg.service}/b1; del server {tg.service}/b1")))
    waiting.start()
    assert ask(admin, "show version") != ""
    gate.set()
    assert peer.read_answer().body == b"beat"
    waiting.join(settings.TIMEOUT)
    assert answers == ["Done.\n\n" + DELETED]
    assert tg.exchange(client.get("/")).status == 503


def test_a_server_is_drained_up_to_a_deadline_and_deleted(shared_tidegate, recording_backend, admin):
    def hangs(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbe")
        conn.read_to_end()
    bad = recording_backend(hangs, name="b1")
    tg = shared_tidegate(conf.http(bad, recording_backend(named("b2"), name="b2"), top=top(admin),
                                   service='balance = "first";', workers=1))
    peer = tg.client().send(client.get("/cut"))
    bad.wait_requests(1)
    assert ask(admin, f"del server {tg.service}/b1 drain deadline 200ms") == DELETED
    assert not peer.read_answer().complete
    assert tg.access.wait(path="/cut")["end"] == "ordered"
    assert who_answers(tg) == {"b2"}


def test_one_slot_of_a_name_does_not_go_alone(shared_tidegate, admin):
    tg = shared_tidegate(conf.http('{ name = "pool"; address = "localhost:9"; slots = 3; }', top=top(admin)))
    ask(admin, f"disable server {tg.service}/pool-1")
    refused = ask(admin, f"del server {tg.service}/pool-1")
    assert failure(refused) == "conflict" and '3 slots of the name "pool"' in refused


@pytest.mark.parametrize("line, code", [
    ("add server SERVICE/b3", "usage"),
    ("add server SERVICE/b3 192.0.2.1", "bad-value"),
    ("add server SERVICE/b3 192.0.2.1:80 ssl", "bad-value"),
    ("add server nosite/b3 192.0.2.1:80", "not-found"),
    ("add server SERVICE/b1 192.0.2.1:80", "conflict"),
    ("add server SERVICE/b$3 192.0.2.1:80", "refused"),
    ("del server SERVICE/b3", "not-found"),
    ("wait 2h", "bad-value"),
])
def test_what_cannot_be_is_refused(site, admin, line, code):
    assert failure(ask(admin, line.replace("SERVICE", site.service))) == code
    assert ask(admin, "show state diff") == "\n"


def test_a_reload_of_the_file_keeps_what_was_added(site, admin):
    ask(admin, f"add server {site.service}/b2 {site.b2} enabled")
    settled(site, {"b1", "b2"})
    site.reload()
    assert row(admin, "b2") is not None
    settled(site, {"b1", "b2"})


def test_a_deleted_server_stays_so_until_its_entry_is_edited(site, admin, run_tidectl):
    ask(admin, f"add server {site.service}/b2 {site.b2} enabled")
    assert ask(admin, f"del server {site.service}/b1 drain") == DELETED
    site.reload()
    assert row(admin, "b1") is None
    text = site.conf_path.read_text()
    site.conf_path.write_text(text.replace('name = "b1";', 'name = "b1"; weight = 9;'))
    told = run_tidectl("-s", admin, "reload").stdout
    assert (f"service {site.service} backend b1: not kept: deleted, and edited since in the configuration "
            "file, which counts\n") in told and "backend b1: added" in told
    settled(site, {"b1", "b2"})


def test_a_configured_server_that_was_moved_stays_so_until_its_entry_is_edited(
        site, admin, run_tidectl):
    assert ask(admin, f"del server {site.service}/b1 drain") == DELETED
    assert ask(admin, f"add server {site.service}/b1 {site.b2} enabled") == ADDED
    settled(site, {"b2"})
    assert run_tidectl("-s", admin, "reload").stdout == "nothing differs\n"
    assert who_answers(site) == {"b2"}
    text = site.conf_path.read_text()
    site.conf_path.write_text(text.replace('name = "b1";', 'name = "b1"; weight = 9;'))
    assert (f"service {site.service} backend b1: not kept: added, and edited since in the configuration "
            "file, which counts\n") in run_tidectl("-s", admin, "reload").stdout
    settled(site, {"b1"})


def test_the_saved_configuration_has_it(site, admin, shared_tidegate, run_tidegate, tmp_path):
    ask(admin, f"add server {site.service}/b2 {site.b2} weight 9 enabled")
    text = ask(admin, "save config")
    assert f'name = "b2"; address = "{site.b2}"; weight = 9;' in text and "added" not in text
    saved = tmp_path / "saved.conf"
    saved.write_text(text)
    assert run_tidegate("-t", "-c", str(saved)).returncode == 0


def test_clients_see_nothing_of_servers_that_come_and_go(site, admin):
    peer = site.client()
    for _ in range(10):
        assert ask(admin, f"add server {site.service}/b2 {site.b2} enabled") == ADDED
        assert {peer.exchange(client.get("/")).status for _ in range(20)} == {200}
        assert ask(admin, f"del server {site.service}/b2 drain") == DELETED
        assert {peer.exchange(client.get("/")).status for _ in range(20)} == {200}
    assert not site.access.records(status="503")
