"""Orders are kept in the state file: over a restart, a death, and beside an edited configuration."""

import json
import os
import pathlib
import signal

import pytest

from harness import conf, settings
from harness.control import ask


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    return folder / "tidegate.state"


def site(admin, state, *backends):
    top = f'admin = {{ socket = "{admin}"; }}; state_file = "{state}";'
    return conf.http(*backends, top=top)


def diff(admin):
    """{"site/b1": {"weight": ("5", "1")}}: what is ordered, what is configured."""
    found = {}
    for row in json.loads(ask(admin, "show state diff json")):
        found.setdefault(f"{row['service']}/{row['backend']}", {})[row["property"]] = \
            (row["value"], row["configured"])
    return found


def saved(state, text):
    settings.wait_until(lambda: state.exists() and text in state.read_text(), f"{text} in the file")


def b(name, port, more=""):
    return f'{{ name = "{name}"; address = "127.0.0.1:{port}"; {more} }}'


def test_orders_are_given_again_after_a_restart(tidegate, admin, state):
    tg = tidegate(site(admin, state, b("b1", 1), b("b2", 2)))
    ask(admin, 'drain site/b1 why "quotes" and ${HOME} stay')
    ask(admin, "set server site/b2 weight 50%; set server site/b2 maxconn 7;"
               "set server site/b2 addr 127.0.0.1 port 9; set server site/b2 check-port 5;"
               "disable health site/b2")
    wanted = {"site/b1": {"state": ("drain", "ready")},
              "site/b2": {"weight": ("50%", "1"), "maxconn": ("7", "0"),
                          "addr": ("127.0.0.1:9", "127.0.0.1:2"), "check-port": ("5", "0"),
                          "checks": ("off", "on")}}
    assert diff(admin) == wanted
    before = ask(admin, "show state diff")
    assert 'state drain (configured ready) 20' in before
    assert ': "quotes" and ${HOME} stay\n' in before
    tg.stop()
    tg = tidegate(site(admin, state, b("b1", 1), b("b2", 2)))
    assert diff(admin) == wanted
    assert ask(admin, "show state diff") == before
    assert len(tg.log.records(msg="order restored")) == 6


def test_orders_are_given_again_to_a_new_keeper(tidegate, admin, state):
    tg = tidegate(site(admin, state, b("b1", 1)))
    ask(admin, "disable server site/b1")
    saved(state, '"maint"')
    os.kill(tg.role_pid("keeper"), 9)
    tg.log.wait(count=2, msg="child ready", child="keeper")
    assert diff(admin) == {"site/b1": {"state": ("maint", "ready")}}


def test_what_is_as_configured_is_not_kept(tidegate, admin, state):
    tidegate(site(admin, state, b("b1", 1, "weight = 4;")))
    ask(admin, "set weight site/b1 9")
    saved(state, '"9"')
    ask(admin, "set weight site/b1 4")
    settings.wait_until(lambda: '"9"' not in state.read_text(), "the order to leave the file")
    assert diff(admin) == {}


def test_an_edited_configuration_has_the_last_word(tidegate, admin, state):
    tg = tidegate(site(admin, state, b("b1", 1), b("b2", 2), b("b3", 3)))
    ask(admin, "set weight site/b1 9; drain site/b1; drain site/b3")
    saved(state, '"b3"')
    tg.stop()
    tg = tidegate(site(admin, state, b("b1", 1, "weight = 2;"), b("b2", 2)))
    assert diff(admin) == {"site/b1": {"state": ("drain", "ready")}}
    said = {record["srv"]: record["reason"] for record in tg.log.records(msg="order is not restored")}
    assert said == {"b1": "the configuration was edited since, and counts",
                    "b3": "there is no such backend any more"}


@pytest.mark.parametrize("damage", [
    lambda text: text[:-20], lambda text: text.replace('"drain"', '"ready"'), lambda text: "",
    lambda text: "something else\n", lambda text: text.replace("state 1", "state 2"),
], ids=["cut", "edited", "empty", "foreign", "other version"])
def test_a_file_that_is_no_good_is_set_aside_and_stops_no_start(tidegate, admin, state, damage):
    tg = tidegate(site(admin, state, b("b1", 1)))
    ask(admin, "drain site/b1")
    saved(state, '"drain"')
    tg.stop()
    bad = damage(state.read_text())
    state.write_text(bad)
    tg = tidegate(site(admin, state, b("b1", 1)))
    assert diff(admin) == {}
    aside = pathlib.Path(f"{state}.bad")
    assert aside.read_text() == bad
    assert f"it is now {aside}" in tg.log.wait(msg="state is not restored")["reason"]
    ask(admin, "drain site/b1")
    saved(state, '"drain"')


def test_a_folder_that_is_not_there_stops_the_start(admin, tmp_path, run_tidegate):
    path = tmp_path / "tidegate.conf"
    path.write_text(str(site(admin, tmp_path / "none" / "state", b("b1", 1))))
    for arguments in (("-t", "-c", path), ("-c", path)):
        refused = run_tidegate(*arguments)
        assert refused.returncode != 0
        assert f"state_file: {tmp_path}/none/: No such file or directory" in refused.stderr


def test_a_folder_that_goes_is_said(tidegate, admin, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    tg = tidegate(site(admin, folder / "state", b("b1", 1)))
    folder.rmdir()
    ask(admin, "drain site/b1")
    said = tg.log.wait(msg="state cannot be saved, orders end with this process")
    assert said["reason"] == "No such file or directory"


def test_the_configuration_that_would_make_them_last(tidegate, admin, state, run_tidegate, tmp_path):
    tg = tidegate(site(admin, state, b("b1", 1, "weight = 4;"), b("b2", 2)))
    ask(admin, "set weight site/b1 50%; set server site/b2 addr 127.0.0.1 port 9; drain site/b2")
    text = ask(admin, "save config")
    assert "# ordered, and not to be configured: site/b2 state drain\n" in text
    assert json.loads(ask(admin, "save config json"))["config"] == text.rstrip("\n") + "\n"
    edited = tmp_path / "edited.conf"
    edited.write_text(text)
    assert run_tidegate("-t", "-c", edited).returncode == 0
    tg.stop()
    tidegate(conf.Conf(text, None), wait=True)
    rows = {row["backend"]: row["configured"]
            for row in json.loads(ask(admin, "show servers state json"))}
    assert (rows["b1"]["weight"], rows["b2"]["address"]) == (2, "127.0.0.1:9")
    assert diff(admin) == {"site/b2": {"state": ("drain", "ready")}}


def test_all_orders_of_a_backend_are_restored_at_once(tidegate, recording_backend, admin, state):
    """It is never at its configured address first, whatever else is ordered."""
    old, new = (recording_backend(name=name) for name in ("old", "new"))
    top = f'admin = {{ socket = "{admin}"; }}; state_file = "{state}";'
    text = conf.http(old, top=top, service='health = { type = "tcp"; interval = "100ms"; };')
    tg = tidegate(text)
    tg.log.wait(msg="backend up")
    host, port = new.address.rsplit(":", 1)
    ask(admin, f"set weight site/old 50%; set server site/old addr {host} port {port};"
               "set server site/old maxconn 5")
    tg.log.wait(count=2, msg="backend up")
    tg.stop()
    tg = tidegate(text)
    assert tg.log.wait(msg="backend up")["addr"] == new.address
    assert len(tg.log.records(msg="backend up")) == 1


def backends_at(admin):
    rows = json.loads(ask(admin, "show servers state json"))
    return {row["backend"]: row["configured"]["address"] for row in rows}


def test_servers_that_came_and_went_stay_so_over_a_restart_until_the_file_is_edited(
        tidegate, admin, state):
    tg = tidegate(site(admin, state, b("b1", 1), b("b2", 2), b("b3", 3)))
    ask(admin, "del server site/b1 drain; del server site/b2 drain")
    ask(admin, "add server site/b2 127.0.0.1:9")
    now = {"b2": "127.0.0.1:9", "b3": "127.0.0.1:3"}
    saved(state, "127.0.0.1:9")
    tg.stop()
    tg = tidegate(site(admin, state, b("b1", 1), b("b2", 2), b("b3", 3, "weight = 4;")))
    assert backends_at(admin) == now
    tg.reload()
    assert backends_at(admin) == now
    tg.stop()
    tg = tidegate(site(admin, state, b("b1", 11), b("b2", 12), b("b3", 3)))
    assert backends_at(admin) == {"b1": "127.0.0.1:11", "b2": "127.0.0.1:12", "b3": "127.0.0.1:3"}
    assert len([r for r in tg.log.records()
                if "edited since in the configuration file, which counts" in str(r)]) == 2


def test_a_state_that_cannot_be_saved_is_not_handed_over(tidegate, admin, state):
    pathlib.Path(f"{state}.new").mkdir()  # where it is written before it is renamed
    tg = tidegate(site(admin, state, b("b1", 1)))
    ask(admin, "drain site/b1")
    tg.log.wait(msg="state cannot be saved, orders end with this process")
    tg.send_signal(signal.SIGUSR2)
    tg.log.wait(msg="state file does not take the last orders, not handing over")
    assert diff(admin) == {"site/b1": {"state": ("drain", "ready")}}
