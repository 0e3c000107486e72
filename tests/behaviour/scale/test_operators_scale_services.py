"""How many backends a service has, by order: scale and autoscale, what they tell, and how long they last."""

import json
import os
import re
import signal

import pytest

from harness import client, load, settings
from harness.control import ask, failure
from scale.conftest import scales

SLOW = client.get("/slow?ms=100")
PLAIN = 'metric = "in-flight"; target = 2; min = 1; max = 4;'


def diff(admin):
    """{"scale": ("3", "auto")}: what is ordered of services, what is configured."""
    return {row["property"]: (row["value"], row["configured"])
            for row in json.loads(ask(admin, "show state diff json"))}


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    return folder / "tidegate.state"


@pytest.fixture
def kept(scaled, state):
    """kept(autoscale): a tidegate whose orders are kept; what its configuration is with another autoscale."""
    def start(autoscale=PLAIN):
        return scaled(autoscale, top=f'state_file = "{state}";')
    return start


def saved(state, text):
    settings.wait_until(lambda: state.exists() and text in state.read_text(), f"{text} in the file")


def edit(tg, before, after):
    """The configuration with one thing in it replaced."""
    text = tg.conf_path.read_text()
    assert before in text
    return text.replace(before, after)


def test_a_number_counts_until_it_is_auto(scaled, admin):
    tg = scaled(PLAIN)
    tg.site.wait(ready=1)
    assert ask(admin, "scale site 3 why a sale") == "\n"
    tg.site.wait(ready=3, number=3, guard="manual")
    # What is configured does not bind operators.
    ask(admin, "scale site 5")
    tg.site.wait(ready=5, desired=5)
    assert len(tg.site.processes()) == 5
    ask(admin, "scale site 0")
    tg.site.wait(ready=0, draining=0)
    assert not tg.site.processes()
    ask(admin, "scale site auto")
    tg.site.wait(ready=1, number=None)
    assert tg.log.wait(msg="ordered")["why"] == "a sale"


def test_a_pause_keeps_the_number_whatever_the_load(scaled, admin):
    tg = scaled(PLAIN)
    tg.site.wait(ready=1)
    ask(admin, "autoscale site pause")
    with load.KeptLoad(tg.address, clients=8, request=SLOW) as busy:
        settings.wait_until(lambda: tg.site.show()["by_guard"]["paused"] >= 3, "it would be more")
        assert tg.site.show()["desired"] == 1
        os.kill(tg.site.processes()[0], signal.SIGKILL)
        tg.site.wait(ready=1, starts=2)  # what dies is started again
        ask(admin, "autoscale site resume")
        tg.site.wait(ready=4, mode="on")
    assert busy.served_since(0) > 0


def test_a_dry_run_tells_and_does_nothing(scaled, admin):
    tg = scaled(PLAIN)
    tg.site.wait(ready=1)
    ask(admin, "autoscale site dry-run")
    with load.KeptLoad(tg.address, clients=8, request=SLOW):
        told = tg.log.wait(msg="would scale")
        assert (told["from"], told["to"]) == ("1", "4") or int(told["to"]) > 1
        seen = tg.site.wait(mode="dry-run", ready=1, desired=1)
    assert seen["pending"] == 0
    assert not [line for line in tg.log.records(msg="backend starting") if line["srv"] != "auto-1"]


def test_one_that_is_dry_by_configuration_can_be_made_to_act(scaled, admin):
    tg = scaled(PLAIN + " dry_run = true;")
    tg.site.wait(mode="dry-run")
    ask(admin, "autoscale site resume")
    tg.site.wait(mode="on", ready=1)
    assert diff(admin) == {"autoscale": ("resume", "dry-run")}


def test_orders_last_over_a_reload_and_end_with_an_edit(kept, admin):
    tg = kept()
    tg.site.wait(ready=1)
    ask(admin, "scale site 2; autoscale site pause")
    wanted = {"scale": ("2", "auto"), "autoscale": ("pause", "resume")}
    tg.site.wait(ready=2)
    tg.reload(edit(tg, "workers = 2", "workers = 2; max_connections = 500"))
    assert diff(admin) == wanted
    tg.site.wait(ready=2, number=2, mode="paused")
    tg.reload(edit(tg, "max = 4", "max = 3"))
    assert diff(admin) == {}
    tg.site.wait(ready=1, number=None, mode="on")
    reasons = {line["set"]: line["reason"] for line in tg.log.records(msg="order ends with the reload")}
    assert reasons == dict.fromkeys(wanted, "the configuration was edited since, and counts")


def test_orders_last_over_a_killed_keeper_a_restart_and_an_upgrade(kept, admin, state):
    tg = kept()
    tg.site.wait(ready=1)
    ask(admin, "scale site 2 why a sale; autoscale site pause")
    tg.site.wait(ready=2)
    saved(state, '"pause"')
    before = ask(admin, "show state diff")
    assert "service site scale 2 (configured auto) 20" in before and ": a sale\n" in before
    os.kill(tg.role_pid("keeper"), signal.SIGKILL)
    tg.log.wait(count=2, msg="child ready", child="keeper")
    tg.site.wait(ready=2, number=2, mode="paused")
    former = tg.upgrade()
    tg.site.wait(ready=2, number=2, mode="paused")
    assert ask(admin, "show state diff") == before
    assert former.wait(settings.TIMEOUT) == 0
    tg.stop()
    assert not tg.site.processes()
    tg = kept()
    tg.site.wait(ready=2, number=2, mode="paused")
    assert ask(admin, "show state diff") == before
    assert not tg.log.records(msg="order is not restored")


def test_without_a_file_they_last_over_a_killed_keeper(scaled, admin):
    """The parent has them meanwhile; a tidegate that ends takes them along."""
    tg = scaled(PLAIN)
    tg.site.wait(ready=1)
    ask(admin, "scale site 3 why a sale; autoscale site pause")
    tg.site.wait(ready=3, number=3, guard="manual")
    before = diff(admin)
    keeper = tg.role_pid("keeper")
    os.kill(keeper, signal.SIGKILL)
    settings.wait_until(lambda: tg.role_pid("keeper") not in (None, keeper), "another keeper")
    tg.log.wait(msg="order restored", set="scale", value="3")
    tg.site.wait(ready=3, number=3, guard="manual")
    assert diff(admin) == before and tg.log.records(msg="backend stopping") == []
    # What is taken back is not there for the one after it.
    ask(admin, "scale site auto; autoscale site resume")
    tg.site.wait(ready=1)
    keeper = tg.role_pid("keeper")
    os.kill(keeper, signal.SIGKILL)
    settings.wait_until(lambda: tg.role_pid("keeper") not in (None, keeper), "another keeper")
    tg.site.wait(ready=1)
    assert diff(admin) == {}


def test_backends_of_a_tidegate_that_has_ended_are_not_those_of_the_next(kept, admin, state):
    """Somebody else may have their addresses by then."""
    tg = kept()
    tg.site.wait(ready=1)
    saved(state, '"autoscale"')
    tg.stop()
    text = tg.conf_path.read_text().replace("min = 1", "min = 0")
    tg.conf_path.write_text(text)
    tg = kept(PLAIN.replace("min = 1", "min = 0"))
    tg.site.wait(desired=0)
    assert json.loads(ask(admin, "show servers state json")) == []
    assert not tg.log.records(msg="backend down")


def test_an_edit_before_a_restart_has_the_last_word(kept, admin, state):
    tg = kept()
    ask(admin, "scale site 2")
    saved(state, '"scale"')
    tg.stop()
    tg = kept(PLAIN.replace("max = 4", "max = 3"))
    tg.site.wait(ready=1, number=None)
    assert tg.log.wait(msg="order is not restored")["reason"] == \
        "the configuration was edited since, and counts"


def test_what_the_autoscaler_does_is_no_order_of_an_operator(scaled, admin, run_tidegate, tmp_path):
    tg = scaled(PLAIN)
    tg.site.wait(ready=1)
    assert ask(admin, "show state diff") == "\n"
    text = ask(admin, "save config")
    assert "auto-1" not in text and "#" not in text
    ask(admin, "scale site 2; autoscale site pause")
    text = ask(admin, "save config")
    assert "# ordered, and not to be configured: site scale 2\n" in text
    assert "# ordered, and not to be configured: site autoscale pause\n" in text
    ask(admin, "autoscale site dry-run")
    text = ask(admin, "save config")
    assert "dry_run = true;" in text
    edited = tmp_path / "edited.conf"
    edited.write_text(text)
    checked = run_tidegate("-t", "-c", edited)
    assert checked.returncode == 0, checked.stderr


def test_why_there_are_as_many_as_there_are(scaled, admin):
    tg = scaled(PLAIN)
    tg.site.wait(ready=1)
    ask(admin, "scale site 2")
    tg.site.wait(ready=2)
    assert "by manual" in ask(admin, "explain site")
    record = json.loads(ask(admin, "explain site json"))
    assert (record["service"], record["module"], record["desired"]) == ("site", "target", 2)
    records = json.loads(ask(admin, "show decisions site 64 json"))
    numbers = [one["number"] for one in records]
    assert numbers == sorted(numbers) and numbers
    lines = ask(admin, "show decisions site 2").rstrip("\n").splitlines()
    assert len(lines) == 2 and f" {numbers[-1]} " in lines[-1]
    assert any("1 -> 2 proposed" in line and "guard manual" in line
               for line in ask(admin, "show decisions site").splitlines())


def test_members_are_told_with_their_states(scaled, admin):
    tg = scaled(PLAIN)
    seen = tg.site.wait(ready=1)
    member = seen["members"][0]
    assert (member["name"], member["state"]) == ("auto-1", "ready")
    rows = json.loads(ask(admin, "show servers state json"))
    assert member["address"] == rows[0]["configured"]["address"]
    text = ask(admin, "show autoscale site")
    assert f"\nauto-1 ready " in text and f" {member['address']} 0\n" in text
    assert ask(admin, "show autoscale").splitlines()[1].startswith("site on auto 1 ")


def test_backends_of_the_configuration_are_not_among_them(scaled, admin, recording_backend):
    tg = scaled(PLAIN, backends=[recording_backend()])
    tg.site.wait(ready=1, desired=1, min=1, max=4)
    ask(admin, "scale site 3")
    tg.site.wait(ready=3, desired=3, number=3)
    assert len(tg.site.processes()) == 3
    ask(admin, "scale site 0")
    tg.site.wait(ready=0, desired=0, draining=0)
    assert len(json.loads(ask(admin, "show servers state json"))) == 1


def test_top_has_a_column(scaled, admin, run_tidectl):
    tg = scaled(PLAIN)
    tg.site.wait(ready=1)
    ask(admin, "scale site 2")
    tg.site.wait(ready=2)
    shown = run_tidectl("-s", admin, "top", "--once", "-i", "0.1").stdout
    assert re.search(r"^SERVICE +STATE +SCALE ", shown, re.M)
    assert re.search(r"^site +UP 2/2 +2/2 ", shown, re.M)


@pytest.fixture(scope="module")
def refusing(module_tidegate, tmp_path_factory):
    """The socket of a tidegate that does nothing of what it is asked for."""
    folder = tmp_path_factory.mktemp("refusing")
    start = scales(module_tidegate, f"{folder}/admin.sock", folder)
    start(PLAIN, services='{ name = "plain"; backends = ( "127.0.0.1:9" ); }')
    return f"{folder}/admin.sock"


@pytest.mark.parametrize("line, code", [
    ("scale site 1025", "bad-value"), ("scale site few", "bad-value"), ("scale site", "usage"),
    ("scale none 1", "not-found"), ("scale plain 1", "conflict"), ("autoscale site off", "bad-value"),
    ("autoscale plain pause", "conflict"), ("show autoscale plain", "conflict"),
    ("explain plain", "conflict"), ("show decisions plain", "conflict"),
    ("show decisions site 65", "bad-value"),
])
def test_failures_have_codes(refusing, line, code):
    assert failure(ask(refusing, line)) == code


def test_viewers_look_and_operators_order(scaled, tmp_path):
    viewer, operator = f"{tmp_path}/viewer.sock", f"{tmp_path}/operator.sock"
    tg = scaled(PLAIN, sockets=f"""sockets = ( {{ bind = "unix:{viewer}"; rights = "viewer"; }},
                                   {{ bind = "unix:{operator}"; rights = "operator"; }} );""")
    tg.site.wait(ready=1)
    assert failure(ask(viewer, "scale site 2")) == "denied"
    assert failure(ask(viewer, "autoscale site pause")) == "denied"
    assert ask(viewer, "show autoscale site").startswith("service: site\n")
    assert ask(viewer, "explain site").startswith("site: decision ")
    assert ask(operator, "scale site 2") == "\n"
    tg.site.wait(ready=2)
