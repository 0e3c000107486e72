"""`reload` over a control socket: what it answers, and what becomes of it."""

import json
import socket

import pytest

from harness import client, conf, metrics, net, settings
from harness.control import ask, failure

pytestmark = pytest.mark.names_stay


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


@pytest.fixture
def http():
    return f"{net.ADDRESS}:{net.free_port()}"


@pytest.fixture
def site(shared_tidegate, recording_backend, admin, http):
    return begun(shared_tidegate, recording_backend, admin, http)


def begun(begin, recording_backend, admin, http):
    """tidegate before one backend, and write(weight): its file with another weight of it."""
    backend = recording_backend(name="b1")
    bind = f"{net.ADDRESS}:{net.free_port()}"

    def text(weight, more=""):
        entry = f'{{ name = "b1"; address = "{backend.address}"; weight = {weight}; {more} }}'
        return conf.http(entry, top=f'admin = {{ socket = "{admin}"; http = "{http}"; '
                                    f'sockets = ( {{ bind = "unix:{admin}.op"; rights = "operator"; }} '
                                    '); };', bind=bind)
    tg = begin(text(1))

    def write(weight, more=""):
        tg.conf_path.write_text(str(text(weight, more)))
    tg.write = write
    return tg


def weight(admin):
    return ask(admin, "get weight site/b1").split()[0]


def number(http, name, **labels):
    return metrics.page(http).value(name, **labels)


def test_a_reload_is_answered_when_it_is_done(site, admin, run_tidectl):
    site.write(7)
    result = run_tidectl("-s", admin, "reload")
    assert (result.returncode, result.stderr) == (0, "")
    assert "b1" in result.stdout and "weight 1 -> 7" in result.stdout
    assert weight(admin) == "7"
    assert site.exchange(client.get("/")).status == 200


def test_services_that_keep_away_from_each_other_may_change(shared_tidegate, recording_backend, admin):
    """Each is handed over alone, and names the other."""
    backend = recording_backend(name="b1")

    def text(weight):
        entry = f'{{ name = "b1"; address = "{backend.address}"; weight = {weight}; }}'
        made = conf.http(entry, top=f'admin = {{ socket = "{admin}"; }};', bind=bind,
                         service='placement = { anti_affinity = ( "other" ); };')
        made.text = made.text.replace(
            "services = (", 'services = ( { name = "other"; placement = { affinity = ( "site" ); }; '
            f'backends = ( {{ address = "{backend.address}"; weight = {weight}; }} ); }},')
        return made
    bind = f"{net.ADDRESS}:{net.free_port()}"
    tg = shared_tidegate(text(1))
    for number in (2, 3):
        tg.conf_path.write_text(str(text(number)))
        ask(admin, "reload")
        assert weight(admin) == str(number)


def test_a_file_that_is_no_good_changes_nothing_and_all_its_errors_are_told(
        site, admin, run_tidectl):
    site.write(7, more='wieght = 3; max_connections = "many";')
    result = run_tidectl("-s", admin, "reload")
    assert (result.returncode, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert lines[0].startswith("tidectl: error refused: ") and len(lines) >= 2
    assert all(f"{site.conf_path}:" in line for line in lines[:2])
    assert "wieght" in result.stderr and "max_connections" in result.stderr
    assert weight(admin) == "1"


def test_none_of_many_errors_is_left_out(site, admin, run_tidectl):
    keys = [f"no_such_key_{number}" for number in range(100)]
    site.write(7, more=" ".join(f"{key} = 1;" for key in keys))
    failed = run_tidectl("-s", admin, "reload")
    assert failed.returncode == 1
    assert all(key in failed.stderr for key in keys)


def test_a_failure_as_json_is_json(site, admin, run_tidectl):
    result = run_tidectl("-s", admin, "drain site/none json")
    assert (result.returncode, result.stderr) == (1, "")
    assert json.loads(result.stdout)["error"] == "not-found"


def test_a_dry_run_tells_and_changes_nothing(site, admin):
    site.write(7)
    for line in ("reload --dry-run", "reload dry-run"):
        assert "weight 1 -> 7" in ask(admin, line)
    assert weight(admin) == "1"
    site.write(7, more="wieght = 3;")
    assert failure(ask(admin, "reload --dry-run")) == "refused"


@pytest.mark.parametrize("top, reason", [
    ('log = { file = "/nonexistent/access.log"; };', "log.file: /nonexistent/access.log: "),
    ('admin = { socket = "/nonexistent/admin.sock"; };', "/nonexistent/admin.sock: cannot bind"),
    ('state_file = "/nonexistent/state";', "state_file: /nonexistent/: No such file or directory"),
    ('state_file = "/dev/null/state";', "state_file: /dev/null/: Not a directory"),
])
def test_a_dry_run_fails_as_the_reload_would(site, admin, run_tidectl, top, reason):
    text = site.conf_path.read_text()
    if top.startswith("admin"):
        text = text.replace(f'socket = "{admin}";', 'socket = "/nonexistent/admin.sock";')
    else:
        text = f"{top}\n{text}"
    site.conf_path.write_text(text)
    dry = run_tidectl("-s", admin, "reload", "--dry-run")
    assert dry.returncode == 1 and reason in dry.stderr
    assert run_tidectl("-s", admin, "reload").stderr == dry.stderr


def test_operators_may_ask_what_would_change(site, admin):
    site.write(7)
    assert failure(ask(f"{admin}.op", "reload")) == "denied"
    assert "weight 1 -> 7" in ask(f"{admin}.op", "reload --dry-run")


def test_answers_as_json(site, admin):
    site.write(7)
    answer = json.loads(ask(admin, "reload json"))
    assert answer["done"] is True
    assert any("weight 1 -> 7" in line for line in answer["changes"])
    assert json.loads(ask(admin, "reload json")) == {"done": True, "changes": []}
    assert json.loads(ask(admin, "reload --dry-run json"))["changes"] == []
    site.write(8, more='wieght = 3; max_connections = "many";')
    answer = json.loads(ask(admin, "reload json"))
    assert answer["error"] == "refused" and len(answer["errors"]) >= 2
    assert answer["text"] == answer["errors"][0]


def test_what_stands_behind_it_on_the_line_sees_the_new_configuration(site, admin):
    site.write(7)
    assert ask(admin, "get weight site/b1;reload;get weight site/b1").split("\n\n")[-2] \
        == "7 (initial 7)"


def test_who_goes_away_loses_the_answer_alone(site, admin):
    site.write(7)
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(admin)
        peer.sendall(b"reload\n")
    settings.wait_until(lambda: weight(admin) == "7", "the new weight")


def becomes(http, name, value, **labels):
    """The parent counts a moment after its answer."""
    settings.wait_until(lambda: number(http, name, **labels) == value, f"{name} {value}")


def test_reloads_are_counted(tidegate, recording_backend, admin, http):
    site = begun(tidegate, recording_backend, admin, http)
    name = "config_"
    assert number(http, f"{name}last_reload_successful") == 1
    before = number(http, f"{name}last_reload_timestamp_seconds")
    site.write(7, more="wieght = 3;")
    ask(admin, "reload")
    assert number(http, f"{name}last_reload_successful") == 0
    becomes(http, f"{name}reloads_total", 1, result="failed")
    assert "\nConfig_reload_ok: 0\n" in ask(admin, "show info")
    assert failure(ask(admin, "add server site/b1 192.0.2.1:80")) == "conflict"
    site.write(7)
    ask(admin, "reload --dry-run")
    assert number(http, f"{name}last_reload_successful") == 0
    ask(admin, "reload")
    assert number(http, f"{name}last_reload_successful") == 1
    becomes(http, f"{name}reloads_total", 1, result="done")
    assert number(http, f"{name}last_reload_timestamp_seconds") > before


def test_a_reload_by_signal_counts_too(site, admin, http):
    site.write(7, more="wieght = 3;")
    site.fail_to_reload()
    settings.wait_until(
        lambda: number(http, "config_last_reload_successful") == 0, "the failure")
