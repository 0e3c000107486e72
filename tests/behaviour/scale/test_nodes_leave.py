"""A reload takes nodes out of the configuration: what runs there is replaced where nodes are still, drained, stopped and
removed, whatever else happens meanwhile; a node that has another name or address only is the same."""

import json
import os
import signal

import pytest

from harness import client, conf, control, docker_api, net, settings
from scale.conftest import Site, quickly


class Nodes:
    """A tidegate with two backends, spread over nodes, each a fake daemon."""

    def __init__(self, begin, folder, names):
        self.folder, self.admin = folder, f"{folder}/admin.sock"
        self.fakes = {name: docker_api.FakeDocker(folder / f"{name}.sock") for name in names}
        for name, fake in self.fakes.items():
            fake.id = f"ID:{name}"
        self.site = Site(self.admin, folder)
        self.begin, self.tg = begin, None

    def text(self, nodes, grace="1s", provider=""):
        """nodes: name to the name of a fake."""
        rows = ", ".join(f'{{ name = "{name}"; docker = "unix://{self.folder}/{fake}.sock"; address = "{net.ADDRESS}"; }}'
                         for name, fake in nodes.items())
        return conf.one("http", (), top=f'admin = {{ socket = "{self.admin}"; }}; nodes = ( {rows} );', service=f"""
            health = {{ type = "http"; path = "/status/200"; interval = "50ms"; rise = 1; }};
            scheduler = "spread";
            autoscale = {{ module = "target"; metric = "cpu"; target = 0.6; min = 2; max = 4;
                           start_timeout = "20s"; {quickly("target", "")} }};
            provider = {{ type = "docker"; image = "acme/api:7"; port = 9000; owner = "me";
                          stop_grace = "{grace}"; timeout = "5s"; {provider} }};""")

    def start(self, nodes, **wanted):
        self.tg = self.begin(self.text(nodes))
        self.settle(**wanted)
        return self.tg

    def settle(self, **wanted):
        """So many containers on each."""
        self.site.wait(ready=2, pending=0, down=0, draining=0)
        settings.wait_until(lambda: {name: len(self.fakes[name].running()) for name in wanted} == wanted,
                            f"{wanted}, not {({name: fake.running() for name, fake in self.fakes.items()})}")

    def wait_empty(self, name):
        settings.wait_until(lambda: not self.fakes[name].containers, f"{name} to have no containers")

    def listed(self):
        """Of each node its state, and how many backends are there."""
        return [(row["node"], "departing" if row["departing"] else "open" if row["open"] else "closed", row["backends"])
                for row in json.loads(control.ask(self.admin, "show nodes json"))]

    def placed(self):
        """Backend to node."""
        shown = json.loads(control.ask(self.admin, "show placement site json"))[0]
        return {row["backend"]: row["node"] for row in shown["backends"]}

    def stop(self):
        for fake in self.fakes.values():
            fake.stop()


@pytest.fixture
def nodes(tidegate, tmp_path):
    made = []

    def make(*names):
        made.append(Nodes(tidegate, tmp_path, names))
        return made[0]
    yield make
    made[0].stop()


def test_what_ran_there_is_drained_and_replaced(nodes):
    """A request that is under way ends in peace; what nobody is on any more is let go."""
    n = nodes("a", "b")
    tg = n.start({"a": "a", "b": "b"}, a=1, b=1)
    stays, goes = n.fakes["a"].running()[0], n.fakes["b"].running()[0]
    control.ask(n.admin, f"set server site/{stays} weight 0")
    with client.RawClient(tg.address) as peer:
        peer.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        assert peer.read_head().startswith(b"HTTP/1.1 200")
        control.ask(n.admin, f"set server site/{stays} weight 1")
        tg.reload(n.text({"a": "a"}))
        assert tg.log.wait(msg="backend draining", srv=goes)["reason"] == "its node is not configured any more"
        assert n.site.show()["ready"] == 2, "another one is ready before"
        assert n.fakes["b"].running() == [goes]
        assert n.listed() == [("a", "open", 2), ("b", "departing", 1)]
        listed = n.fakes["b"].count("list")
        tg.reload(n.text({"a": "a"}, grace="2s"))  # its provider is another one now
        settings.wait_until(lambda: n.fakes["b"].count("list") > listed, "it to be found")
        assert n.fakes["b"].running() == [goes]
        peer.send(b"b")
        assert peer.read(2) == b"ab"
    n.settle(a=2, b=0)
    n.wait_empty("b")
    assert stays in n.fakes["a"].running()
    assert not tg.log.records(msg="backend ended")
    assert tg.log.wait(msg="a node that has left the configuration is empty")["node"] == "b"
    assert n.listed() == [("a", "open", 2)]
    settings.wait_until(lambda: not n.fakes["b"].streams, "the end of its events")


def test_a_node_that_comes_back_in_time_keeps_what_it_has(nodes):
    n = nodes("a", "b")
    tg = n.start({"a": "a", "b": "b"}, a=1, b=1)
    before = n.fakes["b"].running()
    n.fakes["a"].standing = {"create": ("slow", 1.0)}
    tg.reload(n.text({"a": "a"}))
    settings.wait_until(lambda: n.fakes["a"].count("create") == 2, "another one to be made")
    tg.reload(n.text({"a": "a", "b": "b"}))
    n.settle(a=1, b=1)
    assert n.fakes["b"].running() == before
    assert not tg.log.records(msg="backend ended") and not tg.log.records(msg="backend start failed")


def test_another_name_or_address_is_no_other_node(nodes, tmp_path):
    """Renamed, swapped, and reached by another path: nothing is drained, and nothing is lost."""
    n = nodes("a", "b")
    tg = n.start({"a": "a", "b": "b"}, a=1, b=1)
    (on_a,), (on_b,) = n.fakes["a"].running(), n.fakes["b"].running()
    (tmp_path / "again.sock").symlink_to(n.fakes["b"].path)
    steps = (({"a": "a", "c": "b"}, "a", "c"), ({"c": "a", "a": "b"}, "c", "a"), ({"c": "a", "e": "again"}, "c", "e"),
             ({"e": "a", "c": "again"}, "e", "c"), ({"e": "a", "d": "b"}, "e", "d"))
    for wanted, a, b in steps:
        tg.reload(n.text(wanted))
        settings.wait_until(lambda at={on_a: a, on_b: b}: n.placed() == at, f"{on_a} on {a}, {on_b} on {b}")
    listed = n.fakes["a"].count("list")
    tg.reload(n.text({"e": "a", "d": "again"}))  # of one name, and elsewhere
    settings.wait_until(lambda: n.fakes["a"].count("list") > listed + 1, "another look")
    n.site.wait(ready=2, pending=0, down=0, draining=0)
    assert (n.fakes["a"].running(), n.fakes["b"].running()) == ([on_a], [on_b])
    assert not tg.log.records(msg="backend draining") and not tg.log.records(msg="backend ended")
    assert not tg.log.records(msg="removing a container")


def test_a_keeper_that_dies_then_is_followed_by_one_that_goes_on(nodes):
    n = nodes("a", "b")
    tg = n.start({"a": "a", "b": "b"}, a=1, b=1)
    n.fakes["a"].standing = {"create": ("slow", 0.5)}
    tg.reload(n.text({"a": "a"}))
    os.kill(tg.role_pid("keeper"), signal.SIGKILL)
    n.settle(a=2, b=0)
    n.wait_empty("b")
    assert not tg.log.records(msg="backend ended")


def test_an_upgrade_that_takes_it_out_goes_on_too(nodes):
    n = nodes("a", "b")
    tg = n.start({"a": "a", "b": "b"}, a=1, b=1)
    n.fakes["a"].standing = {"create": ("slow", 0.5)}
    tg.upgrade(n.text({"a": "a"}))
    n.settle(a=2, b=0)
    n.wait_empty("b")
    assert not tg.log.records(msg="backend ended")


def test_one_that_starts_there_is_stopped(nodes):
    """The daemon of the node that leaves is slow to make it; another one is started meanwhile."""
    n = nodes("a", "b")
    tg = n.start({"a": "a", "b": "b"}, a=1, b=1)
    n.fakes["b"].standing = {"create": ("slow", 0.3), "start": ("slow", 0.6)}
    control.ask(n.admin, "scale site 4")
    settings.wait_until(lambda: n.fakes["b"].count("start") == 2, "a start there")
    tg.reload(n.text({"a": "a"}))
    n.site.wait(ready=4, pending=0, down=0, draining=0)
    n.wait_empty("b")
    assert len(n.fakes["a"].running()) == 4


def test_what_cannot_be_stopped_is_told(nodes):
    """The daemon is away, its containers serve: they drain, and are left. What is back is found."""
    n = nodes("a", "b")
    tg = n.start({"a": "a", "b": "b"}, a=1, b=1)
    goes = n.fakes["b"].running()[0]
    n.fakes["b"].go_away()
    tg.log.wait(msg="node down", node="b")
    tg.reload(n.text({"a": "a"}))
    tg.log.wait(msg="backend draining", srv=goes)
    told = tg.log.wait(msg="a node that has left the configuration does not answer, containers there may be left running")
    assert (told["node"], told["label"]) == ("b", "tidegate.owner=me")
    n.site.wait(ready=2, pending=0, down=0, draining=0)
    assert n.fakes["b"].running() == [goes]
    assert "\nb departing - - - - 0 0 - " in control.ask(n.admin, "show nodes"), "as long as something may be there"
    n.fakes["b"].listen()
    n.wait_empty("b")


def test_what_is_kept_there_at_the_end_is_nobodys(nodes):
    n = nodes("a", "b")
    n.tg = n.begin(n.text({"a": "a", "b": "b"}, provider="keep = true;"))
    n.settle(a=1, b=1)
    goes = n.fakes["b"].running()
    n.fakes["a"].standing = {"create": ("slow", 60)}  # so it serves on
    listed = n.fakes["b"].count("list")
    n.tg.reload(n.text({"a": "a"}, provider="keep = true;"))
    settings.wait_until(lambda: n.fakes["b"].count("list") > listed + 1, "a second look, so the first is over")
    settings.wait_until(lambda: n.listed() == [("a", "open", 2), ("b", "departing", 1)], "another one to be made")
    n.tg.stop()
    told = n.tg.log.wait(msg="containers are left running on a node that has left the configuration, nobody takes them over")
    assert (told["node"], told["containers"], told["label"]) == ("b", "1", "tidegate.owner=me")
    assert n.fakes["b"].running() == goes


def test_a_daemon_that_lists_nothing_is_given_up_as_one_that_is_away(nodes):
    n = nodes("a", "b")
    tg = n.start({"a": "a", "b": "b"}, a=1, b=1)
    goes = n.fakes["b"].running()[0]
    n.fakes["b"].standing = {"list": 500}
    tg.reload(n.text({"a": "a"}))
    tg.log.wait(msg="backend draining", srv=goes)
    told = tg.log.wait(msg="a node that has left the configuration does not answer, containers there may be left running")
    assert (told["node"], told["reason"]) == ("b", "its daemon does not list its containers")
    n.site.wait(ready=2, pending=0, down=0, draining=0)
    n.fakes["b"].standing = {}
    n.wait_empty("b")
