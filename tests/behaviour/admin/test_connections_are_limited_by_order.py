"""set maxconn: of all and of one listener, in every worker at once, and kept."""

import contextlib
import json
import os

import pytest

from harness import client, conf, settings, stat
from harness.control import ask, failure


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


def site(recording_backend, admin, more="", listener="", workers=2):
    return conf.http(recording_backend(name="b1"), listener=listener, workers=workers,
                     top=f'admin = {{ socket = "{admin}"; }}; {more}')


def info(admin, name):
    return json.loads(ask(admin, "show info json"))[name]


def answered(peers):
    return sum(peer.is_readable() for peer in peers)


def settles_at(tg, peers, admin, n):
    """So many are served, and in the kernel's queue the others stay."""
    settings.wait_until(lambda: answered(peers) == n, f"{n} answers of {answered(peers)}")
    paused = int(stat.rows(admin)[tg.listener, "FRONTEND"]["dcon"])
    settings.wait_until(lambda: int(stat.rows(admin)[tg.listener, "FRONTEND"]["dcon"]) > paused + 1,
                        "those who wait to be refused again")
    assert answered(peers) == n
    assert stat.rows(admin)[tg.listener, "FRONTEND"]["scur"] == str(n)


@pytest.mark.parametrize("what", ["global", "listener", "frontend"])
def test_it_holds_at_once_and_lets_in_when_raised(shared_tidegate, recording_backend, admin, what):
    tg = shared_tidegate(site(recording_backend, admin))
    if what != "global":
        what += f" {tg.listener}"
    with contextlib.ExitStack() as stack:
        assert ask(admin, f"set maxconn {what} 3 why too many") == "\n"
        assert tg.log.wait(msg="ordered")["why"] == "too many"
        settings.wait_until(lambda: stat.rows(admin)[tg.listener, "FRONTEND"]["slim"] == "3", "slim")
        peers = [stack.enter_context(tg.client()).send(client.get("/")) for _ in range(8)]
        settles_at(tg, peers, admin, 3)
        ask(admin, f"set maxconn {what} 6")
        settles_at(tg, peers, admin, 6)
        ask(admin, f"set maxconn {what} 2")
        settings.wait_until(lambda: stat.rows(admin)[tg.listener, "FRONTEND"]["slim"] == "2", "slim")
        assert stat.rows(admin)[tg.listener, "FRONTEND"]["scur"] == "6"
        ask(admin, f"set maxconn {what} 0")
        settings.wait_until(lambda: answered(peers) == 8, "all")


def test_show_info_and_the_diff_tell_it(shared_tidegate, recording_backend, admin):
    tg = shared_tidegate(site(recording_backend, admin, "max_connections = 100;", "max_connections = 50;"))
    assert info(admin, "Maxconn") == 100
    ask(admin, f"set maxconn global 40; set maxconn listener {tg.listener} 20")
    settings.wait_until(lambda: info(admin, "Maxconn") == 40, "the limit")
    told = json.loads(ask(admin, "show state diff json"))
    assert [(row.get("listener"), row["property"], row["value"], row["configured"])
            for row in told] == [(None, "maxconn", "40", "100"), (tg.listener, "maxconn", "20", "50")]
    text = ask(admin, "show state diff")
    assert text.startswith("global maxconn 40 (configured 100) 20")
    assert f"\nlistener {tg.listener} maxconn 20 (configured 50) 20" in text
    saved = ask(admin, "save config")
    assert "\nmax_connections = 40;" in saved and "max_connections = 20;" in saved
    ask(admin, f"set maxconn global 0; set maxconn listener {tg.listener} 50")
    settings.wait_until(lambda: info(admin, "Maxconn") == 100, "the limit as configured")
    assert ask(admin, "show state diff json") == "[]\n\n"


def test_what_is_no_number_is_told_what_is_allowed(shared_tidegate, recording_backend, admin):
    shared_tidegate(site(recording_backend, admin))
    assert 'maxconn "-1" is not allowed; allowed: 0 to ' in ask(admin, "set maxconn global -1")


def test_it_is_kept(tidegate, recording_backend, admin, tmp_path):
    text = site(recording_backend, admin, f'state_file = "{tmp_path}/state";')
    tg = tidegate(text)
    ask(admin, f"set maxconn global 40; set maxconn listener {tg.listener} 20")
    tg.stop()
    tg = tidegate(text)
    assert len(tg.log.records(msg="order restored")) == 2
    settings.wait_until(lambda: info(admin, "Maxconn") == 40, "the limit")
    os.kill(tg.role_pid("proxy"), 9)
    tg.log.wait(count=2, msg="child ready", child="proxy")
    settings.wait_until(lambda: info(admin, "Maxconn") == 40, "the limit of the new proxy")
    assert stat.rows(admin)[tg.listener, "FRONTEND"]["slim"] == "20"


def test_what_cannot_be_is_told(shared_tidegate, recording_backend, admin):
    tg = shared_tidegate(site(recording_backend, admin))
    most = info(admin, "Maxconn")
    assert f"allowed: 1 to {most}; 0: as configured" in ask(admin, "set maxconn global 9999999")
    assert failure(ask(admin, "set maxconn global many")) == "bad-value"
    assert failure(ask(admin, f"set maxconn listener {tg.listener} -1")) == "bad-value"
    assert failure(ask(admin, "set maxconn listener none 1")) == "not-found"
    assert failure(ask(admin, f"set maxconn listener {tg.listener}")) == "usage"
    assert ask(admin, f"set maxconn server {tg.service}/b1 3 json") == '{"ok":true}\n\n'
    assert stat.servers(admin)["b1"]["slim"] == "3"
