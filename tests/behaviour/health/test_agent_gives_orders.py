"""The agent check: what a backend says of itself decides how it is used."""

import json
import os
import signal
import threading

import pytest

from harness import backends, client, conf, net, settings


class Agent:
    """Answers each connection with `line`, which the test may change, and closes."""

    def __init__(self, line):
        self.line = line

    def __call__(self, conn):
        conn.send(self.line.encode())


class World:
    """Two backends, each at an address of its own, with an agent at the same port of both."""

    def __init__(self, shared_tidegate, recording_backend, run_tidectl, folder, lines, service, script, lapse):
        self.run_tidectl = run_tidectl
        self.socket = f"{folder}/admin.sock"
        port = net.free_port()
        self.agents = [Agent(line) for line in lines]
        self.backends = []
        for number, agent in enumerate(self.agents):
            address = net.own_address(number)
            recording_backend(agent, name=f"agent{number}", address=address, port=port)
            self.backends.append(recording_backend(script, name=f"b{number}",
                                                   address=address))
        self.tg = shared_tidegate(conf.http(*self.backends, workers=1,
                                            top=f'admin = {{ socket = "{self.socket}"; }};',
                                            service=f'agent = {{ port = {port}; interval = "50ms"; lapse = "{lapse}"; }}; '
                                                    + service))

    def row(self, name):
        shown = self.run_tidectl("-s", self.socket, "show", "stat", "json")
        return {row["svname"]: row for row in json.loads(shown.stdout)}[name]

    def say(self, number, line):
        """The agent says this from now on; returns when tidegate has heard it."""
        said = len(self.tg.log.records(msg="the agent gives orders"))
        self.agents[number].line = line
        self.tg.log.wait(count=said + 1, msg="the agent gives orders")

    def served(self, n=12):
        """How many of n requests each backend answers; 503 counts for nobody."""
        before = [len(backend.requests) for backend in self.backends]
        statuses = [self.tg.exchange(client.get("/")).status for _ in range(n)]
        return ([len(backend.requests) - b for backend, b in zip(self.backends, before)],
                statuses.count(503))

    def wait_served(self, *shares):
        settings.wait_until(lambda: self.served()[0] == list(shares), f"shares {shares}")


@pytest.fixture
def world(shared_tidegate, recording_backend, run_tidectl, tmp_path):
    def make(*lines, service="", script=backends.serve, lapse="0"):
        return World(shared_tidegate, recording_backend, run_tidectl, tmp_path, lines, service, script,
                     lapse)
    return make


def test_weight_as_share_and_as_number(world):
    w = world("up\n", "up\n", service='balance = "round-robin";')
    w.wait_served(6, 6)
    w.say(0, "50%\n")
    w.wait_served(4, 8)
    assert (w.row("b0")["weight"], w.row("b0")["status"]) == (1, "no check")
    w.say(0, "weight:3\n")
    w.wait_served(9, 3)
    assert w.row("b0")["weight"] == 3
    w.say(0, "0%\n")
    w.wait_served(0, 12)
    assert (w.row("b0")["weight"], w.row("b0")["status"]) == (0, "DRAIN")
    w.say(0, "100%\n")
    w.wait_served(6, 6)


@pytest.mark.parametrize("line, back, status", [
    ("drain\n", "ready\n", "DRAIN"),
    ("maint\n", "ready\n", "MAINT"),
    ("down#no disk\n", "up\n", "DOWN (agent)"),
    ("stopped\n", "up\n", "DOWN (agent)"),
])
def test_words_take_it_out_and_back(world, line, back, status):
    w = world("up ready\n", "up ready\n", service='health = { type = "tcp"; interval = "50ms"; };')
    w.wait_served(6, 6)
    w.say(0, line)
    w.wait_served(0, 12)
    row = w.row("b0")
    assert (row["status"], row["check_status"], row["last_agt"]) == (status, "L4OK", line.strip())
    assert w.row("BACKEND")["act"] == 1
    w.say(0, back)
    w.wait_served(6, 6)
    assert w.row("b0")["status"] == "UP"


def test_nobody_left_is_503(world):
    w = world("up\n", "up\n")
    w.say(0, "down\n")
    w.say(1, "drain\n")
    settings.wait_until(lambda: w.served(2) == ([0, 0], 2), "both to be out")


def test_maxconn_is_the_limit(world):
    """One request is held; a second finds no place until the agent allows two."""
    held, free = threading.Event(), threading.Event()

    def hold(request):
        if request.target == "/held":
            held.set()
            free.wait(settings.TIMEOUT)
        return backends.OK
    w = world("maxconn:1\n", "drain\n", service="queue = 0;", script=backends.handles(hold))
    w.wait_served(12, 0)
    assert w.row("b0")["slim"] == 1
    first = w.tg.client().send(client.get("/held"))
    assert held.wait(settings.TIMEOUT)
    assert w.tg.exchange(client.get("/")).status == 503
    w.say(0, "maxconn:2\n")
    settings.wait_until(lambda: w.tg.exchange(client.get("/")).status == 200, "a second place")
    free.set()
    assert first.read_answer().status == 200


def agent_of(w, name):
    shown = w.run_tidectl("-s", w.socket, "show", "servers", "state", w.tg.service, "json")
    return {row["backend"]: row["agent"] for row in json.loads(shown.stdout)}[name]


def test_an_agent_that_is_gone_changes_nothing_and_is_told_of(world):
    w = world("drain maxconn:3\n", "up\n")
    w.wait_served(0, 12)
    assert "silent_s" not in agent_of(w, "b0")
    w.agents[0].line = ""
    said = w.tg.log.wait(msg="no valid answer of the agent, what it ordered stays")
    assert (said["level"], said["srv"], said["reason"], said["ordered"]) == (
        "warn", "b0", "empty answer", "drain maxconn:3")
    assert w.served()[0] == [0, 12]
    row = w.row("b0")
    assert (row["status"], row["agent_status"]) == ("DRAIN", "L7RSP")
    assert row["agent_desc"].startswith("no valid answer for ")
    assert row["agent_desc"].endswith("s, it ordered: drain maxconn:3")
    assert agent_of(w, "b0")["silent_s"] >= 0
    w.agents[0].line = "drain\n"
    assert w.tg.log.wait(msg="the agent answers again")["srv"] == "b0"
    assert len(w.tg.log.records(msg="no valid answer of the agent, what it ordered stays")) == 1
    assert "silent_s" not in agent_of(w, "b0")


@pytest.fixture
def world_of_its_own(tidegate, recording_backend, run_tidectl, tmp_path):
    return lambda *lines, lapse="0": World(tidegate, recording_backend, run_tidectl, tmp_path, lines, "",
                                           backends.serve, lapse)


@pytest.mark.parametrize("what", ["killed", "upgrade", "upgrade, elsewhere"])
def test_what_an_agent_ordered_outlives_the_keeper(world_of_its_own, what):
    """While the agent does not answer."""
    w = world_of_its_own("drain maxconn:3\n", "up\n")
    w.wait_served(0, 12)
    w.agents[0].line = ""
    w.tg.log.wait(msg="no valid answer of the agent, what it ordered stays")
    if what == "killed":
        keeper = w.tg.role_pid("keeper")
        os.kill(keeper, signal.SIGKILL)
        settings.wait_until(lambda: w.tg.role_pid("keeper") not in (None, keeper), "another keeper")
    elif what == "upgrade":
        w.tg.upgrade()
    else:
        moved = w.backends[0].address, net.own_address(2)
        w.tg.upgrade(w.tg.conf_path.read_text().replace(moved[0], f"{moved[1]}:{net.split(moved[0])[1]}"))
    said = w.tg.log.wait(count=2, msg="no valid answer of the agent, what it ordered stays", srv="b0")
    if what == "upgrade, elsewhere":
        assert said["ordered"] == "nothing"
        return
    assert said["ordered"] == "drain maxconn:3"
    assert w.row("b0")["status"] == "DRAIN"
    assert w.served()[0] == [0, 12]
    w.say(0, "ready maxconn:0\n")
    w.wait_served(6, 6)


def test_what_an_agent_ordered_may_lapse(world):
    w = world("drain\n", "up\n", lapse="500ms")
    w.wait_served(0, 12)
    w.agents[0].line = ""
    said = w.tg.log.wait(msg="no valid answer of the agent, what it ordered is taken back")
    assert (said["srv"], said["ordered"]) == ("b0", "drain")
    w.wait_served(6, 6)


def test_show_stat_has_the_columns_of_the_agent(world):
    w = world("up 100%\n", "fail#on fire\n")
    settings.wait_until(lambda: w.row("b1")["agent_status"] == "L7STS", "the answer")
    up, down = w.row("b0"), w.row("b1")
    assert (up["agent_status"], up["agent_code"], up["agent_health"]) == ("L7OK", 0, 1)
    assert (up["agent_rise"], up["agent_fall"]) == (1, 1)
    assert up["agent_duration"] >= 0
    assert up["last_agt"] == "up 100%"
    assert (down["agent_health"], down["last_agt"]) == (0, "fail#on fire")
    assert down["agent_desc"]


def test_what_is_not_understood_is_told_of_each_and_ignored(world):
    w = world("hello,drain\n", "weight:9999 up\n")
    said = w.tg.log.wait(msg="the agent says a word that is not known, ignoring it")
    assert (said["srv"], said["word"]) == ("b0", "hello")
    said = w.tg.log.wait(msg="the agent says a value that is not allowed, ignoring it")
    assert (said["srv"], said["word"], said["allowed"]) == (
        "b1", "weight:9999", "weight:0 to weight:256")
    w.wait_served(0, 12)
    w.agents[1].line = "SSH-2.0-OpenSSH_9.2\n"
    settings.wait_until(lambda: w.row("b1")["agent_status"] == "L7RSP", "garbage to be no answer")
    assert w.row("b1")["last_agt"] == "SSH-2.0-OpenSSH_9.2"
    assert "agent_code" not in w.row("b1")


def test_load_is_told_to_whom_scales(world):
    w = world("75%\n", "up\n", service='autoscale = { module = "threshold"; max = 2; dry_run = true; '
                                       'interval = "100ms"; };')

    def told():
        shown = w.run_tidectl("-s", w.socket, "show", "servers", "state", w.tg.service, "json")
        return {row["backend"]: row["agent"] for row in json.loads(shown.stdout)}

    def explained():
        return w.run_tidectl("-s", w.socket, "explain", w.tg.service).stdout

    assert not w.tg.log.records(msg="configuration")
    settings.wait_until(lambda: "cpu unknown: of 2 of 2 backends: neither its agent nor" in explained(),
                        "why it is not known")
    w.say(0, "50% cpu:63% mem:41.5%\n")
    settings.wait_until(lambda: " cpu=0.63 memory=0.415 " in explained(), "the load to be known")
    assert (told()["b0"]["cpu"], told()["b0"]["memory"], told()["b0"]["weight_permille"]) == (0.63, 0.415, 500)
    assert "cpu" not in told()["b1"]

    def sampled():
        w.served()
        shown = w.run_tidectl("-s", w.socket, "show", "autoscale", w.tg.service, "json")
        return {row["name"]: row for row in json.loads(shown.stdout)[0]["backends"]}["b0"]

    row = settings.wait_until(lambda: next((r for r in [sampled()] if r["service_p50"]), None), "times")
    assert 0 < row["service_p50"] <= row["service_p95"] <= row["service_p99"]
    assert (row["cpu"], row["memory"]) == (0.63, 0.415)
    assert not w.tg.log.records(msg="the agent says a word that is not known, ignoring it")
    # What is not told again is not known soon.
    w.say(0, "100%\n")
    settings.wait_until(lambda: "cpu" not in told()["b0"], "the load to be stale")
