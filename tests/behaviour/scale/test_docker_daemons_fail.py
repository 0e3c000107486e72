"""provider docker before a daemon that does what it should, and what it should not: every failure is told, nothing
is started twice, nothing is left, and what got lost is found again."""

import base64
import json
import os
import re
import signal

import pytest

from harness import client, conf, control, docker_api, net, procfs, settings
from scale.conftest import Site, quickly


class Docker:
    """A tidegate whose backends are containers of a fake daemon."""

    def __init__(self, tg, fake, site):
        self.tg, self.fake, self.site = tg, fake, site

    def scale(self, n):
        control.ask(self.site.admin, f"scale site {n}")

    def ready(self, n):
        self.scale(n)
        self.site.wait(ready=n, pending=0, down=0, draining=0)

    def failed(self, n=1):
        """The reason of the n-th start that fails from now on."""
        before = len(self.tg.log.records(msg="backend start failed"))
        return lambda: self.tg.log.wait(msg="backend start failed", count=before + n)["reason"]

    def rest(self):
        fake = self.fake
        fake.faults, fake.standing, fake.dies, fake.health = {}, {}, False, None
        fake.loses_events, fake.ignores_filters, fake.clock_ns = False, False, 0
        self.scale(0)
        self.site.wait(desired=0, ready=0, pending=0, down=0, draining=0)
        settings.wait_until(lambda: not fake.containers, "all containers to be removed")
        fake.asked.clear()


@pytest.fixture(scope="module")
def running(module_tidegate, tmp_path_factory):
    folder = tmp_path_factory.mktemp("docker")
    fake = docker_api.FakeDocker(folder / "docker.sock")
    fake.add({"tidegate.owner": "me", "tidegate.service": "gone", "tidegate.backend": "auto-1",
              "tidegate.port": "9000", "tidegate.network": ""})
    fake.add({"tidegate.owner": "others", "tidegate.service": "site", "tidegate.backend": "auto-9",
              "tidegate.port": "9000", "tidegate.network": ""})
    credentials = folder / "registry.json"
    credentials.write_text("{}")
    text = conf.one(
        "http", (), top=f"""admin = {{ socket = "{folder}/admin.sock"; }};
            state_file = "{folder}/state";
            nodes = ( {{ name = "host-a"; docker = "unix://{fake.path}"; address = "{net.ADDRESS}"; }} );""",
        service=f"""
            health = {{ type = "http"; path = "/status/200"; interval = "50ms"; rise = 1; }};
            autoscale = {{ module = "target"; metric = "cpu"; target = 0.6; min = 0; max = 6;
                           start_timeout = "3s"; {quickly("target", "")} }};
            provider = {{ type = "docker"; image = "acme/api:7"; port = 9000; owner = "me"; cpu = 0.5;
                          memory = "64M"; stop_grace = "1s"; timeout = "700ms"; read_only = true;
                          environment = ( "NAME={{name}}", "PORT={{port}}" );
                          registry_credentials = "{credentials}"; }};""")
    tg = module_tidegate(text)
    made = Docker(tg, fake, Site(f"{folder}/admin.sock", folder))
    made.credentials = credentials
    tg.log.wait(msg="node up")
    strangers = dict(fake.containers)
    # The fake's own, which it has no part of, are looked at once; then they are out of the way.
    made.orphan = tg.log.wait(msg="a container is of a service that is not there, or has no provider")
    assert list(fake.containers) == list(strangers), "what is not ours is left alone"
    for container in strangers.values():
        fake.end(container, 0, tell=False)
    fake.containers.clear()
    yield made
    fake.stop()
    assert fake.alive() == 0, "processes of containers that nobody knows of"


@pytest.fixture
def docker(running):
    running.rest()
    return running


def test_containers_of_services_that_are_gone_are_told(running):
    assert running.orphan["svc"] == "gone" and running.orphan["node"] == "host-a"


def test_containers_of_nobody_that_come_later_are_told_once(docker):
    owner = {"tidegate.owner": "me", "tidegate.port": "9000", "tidegate.network": ""}
    gone = "a container is of a service that is not there, or has no provider"
    before = len(docker.tg.log.records(msg=gone))
    made = [docker.fake.add({**owner, "tidegate.service": "api", "tidegate.backend": "auto-1"}, "created")]
    docker.fake.tell("create", made[0])
    assert docker.tg.log.wait(msg=gone, count=before + 1)["svc"] == "api"
    made.append(docker.fake.add({**owner, "tidegate.service": "site", "tidegate.backend": "../1"}, "created"))
    docker.fake.tell("create", made[1])
    line = docker.tg.log.wait(msg="a container has our owner, and a service or name that cannot be ours")
    assert (line["svc"], line["container"]) == ("site", made[1].id[:12])
    assert len(docker.tg.log.records(msg=gone)) == before + 1 and docker.fake.count("remove") == 0
    orphans = json.loads(control.ask(docker.site.admin, "show nodes json"))[0]["orphans"]
    assert orphans >= 2
    assert json.loads(control.ask(docker.site.admin, "show placement json"))[0]["nodes"][0]["orphans"] == orphans
    assert f"; orphans there: {orphans}\n" in control.ask(docker.site.admin, "show placement site")
    for container in made:
        del docker.fake.containers[container.id]


def test_containers_come_and_go_hardened(docker):
    docker.ready(2)
    made = docker.fake.containers
    assert len(made) == 2
    for container in made.values():
        host = container.body["HostConfig"]
        assert host["CapDrop"] == ["ALL"] and host["SecurityOpt"] == ["no-new-privileges"]
        assert host["RestartPolicy"] == {"Name": "no"} and host["PidsLimit"] == 512
        assert host["Memory"] == host["MemorySwap"] == 64 << 20
        assert host["CpuQuota"] == 50000 and host["CpuPeriod"] == 100000
        assert host["ReadonlyRootfs"] is True and "/tmp" in host["Tmpfs"]
        assert host["PortBindings"] == {"9000/tcp": [{"HostIp": net.ADDRESS, "HostPort": ""}]}
        assert f"NAME={container.backend}" in container.body["Env"] and "PORT=9000" in container.body["Env"]
        assert re.fullmatch(rf"tidegate-site-{container.backend}-[0-9a-f]{{8}}", container.name)
    assert docker.tg.exchange(client.get()).status == 200
    docker.scale(0)
    settings.wait_until(lambda: not made, "their removal")
    assert docker.fake.count("stop") == 2 and docker.fake.count("remove") == 2


def test_the_version_is_negotiated(docker):
    assert docker.tg.log.records(msg="node up")[0]["api"] == "1.41"
    docker.ready(1)
    with docker.fake.lock:
        asked = [path for verb, path in docker.fake.asked if verb == "create"]
    assert asked and all(path.startswith("/v1.41/") for path in asked)


@pytest.mark.parametrize("verb, fault, said", [
    ("create", 500, "create: scripted: 500"),
    ("start", ("say", 500, "Bind for 127.0.0.1:32768 failed: port is already allocated"),
     "start: Bind for 127.0.0.1:32768 failed: port is already allocated"),
    ("inspect", 500, "inspect: scripted: 500"),
    ("create", "cut", "create: "),
    ("inspect", "cut", "inspect: "),
    ("create", "hang", "create: "),
    ("inspect", ("say", 200, "x" * 300000), "inspect: its answer is too long"),
    ("inspect", ("say", 200, "hello"), "inspect: no Id"),
])
def test_a_start_that_fails_is_told_and_tried_again(docker, verb, fault, said):
    docker.fake.faults[verb] = [fault]
    reason = docker.failed()
    docker.scale(1)
    assert reason().startswith(said)
    docker.site.wait(ready=1, pending=0, draining=0)
    settings.wait_until(lambda: len(docker.fake.running()) == 1, "one container")


def test_a_container_that_ends_at_once_says_why(docker):
    docker.fake.dies = True
    reason = docker.failed()
    docker.scale(1)
    assert reason() == "exit status 3; it said: no such table"
    docker.fake.dies = False
    docker.site.wait(ready=1)
    settings.wait_until(lambda: len(docker.fake.containers) == 1, "the removal of the one that ended")


def test_a_daemon_that_is_slow_is_waited_for(docker):
    docker.fake.faults = {"create": [("slow", 0.3)], "start": [("slow", 0.3)], "inspect": [("slow", 0.3)]}
    docker.ready(1)
    assert not docker.tg.log.records(msg="backend start failed", reason="create: ")
    assert len(docker.fake.containers) == 1 and docker.fake.count("create") == 1


def test_a_missing_image_is_pulled_once(docker):
    docker.fake.images.clear()
    docker.fake.faults = {"pull": [("slow", 0.5)]}
    pulled = len(docker.tg.log.records(msg="image pulled"))
    docker.ready(3)
    line = docker.tg.log.wait(msg="image pulled", count=pulled + 1)
    assert line["image"] == "acme/api:7" and line["node"] == "host-a"
    assert (line["layers"], line["layers_all"], line["bytes_all"]) == ("1", "1", "9")
    assert docker.fake.count("pull") == 1


def test_a_registry_that_asks_for_credentials_is_given_those_of_now(docker):
    """They are in a file, and nowhere else: not in the log, not in the proxy."""
    password = "pass~~~of-the-test???"
    docker.fake.images.clear()
    docker.fake.credentials = {"username": "me", "password": password, "serveraddress": "https://index.docker.io/v1/"}
    failed = docker.failed()
    docker.scale(1)
    assert "unauthorized" in failed()
    docker.credentials.write_text('{"auths": ')
    wanted = f"pull: registry_credentials: {docker.credentials}: line 1: not a JSON object"
    settings.wait_until(lambda: any(wanted in line["reason"] for line in
                                    docker.tg.log.records(msg="backend start failed")), wanted)
    pair = base64.b64encode(f"me:{password}".encode()).decode()
    docker.credentials.write_text(json.dumps({"auths": {"https://index.docker.io/v1/": {"auth": pair}}}))
    docker.ready(1)
    docker.fake.credentials = None
    said = docker.tg.output() + control.ask(docker.site.admin, "show config")
    assert password not in said and pair not in said
    if not settings.sanitizers():  # they map terabytes
        assert not procfs.memory_has(docker.tg.role_pid("proxy"), [password.encode(), pair.encode()])


def test_answers_that_say_it_is_so_already_are_success(docker):
    docker.fake.faults = {"start": [304]}
    reason = docker.failed()
    docker.scale(1)
    assert reason().startswith("exit status 0")  # it said that it runs, and it does not
    docker.site.wait(ready=1, pending=0, draining=0)
    docker.fake.faults = {"stop": [304], "remove": [409]}
    docker.scale(0)
    docker.site.wait(ready=0, draining=0)
    docker.fake.cut_all()  # what a daemon said is being removed, and is not, is found again
    settings.wait_until(lambda: not docker.fake.containers, "its removal")


def test_one_that_is_gone_is_stopped(docker):
    docker.ready(1)
    docker.fake.loses_events = True
    docker.fake.vanish(docker.fake.running()[0])
    docker.scale(0)
    docker.site.wait(ready=0, down=0, draining=0)
    assert docker.fake.count("stop") == 1  # 404


def test_a_name_that_is_taken_by_a_rest_of_ours_is_cleared(docker):
    docker.ready(1)
    number = int(docker.fake.running()[0].removeprefix("auto-"))
    name = next(iter(docker.fake.containers.values())).name
    labels = {"tidegate.owner": "me", "tidegate.service": "site", "tidegate.port": "9000",
              "tidegate.network": ""}
    for later in range(number + 1, number + 3):
        docker.fake.add({**labels, "tidegate.backend": f"auto-{later}"}, state="exited",
                        name=name.replace(f"auto-{number}", f"auto-{later}"))
    docker.ready(3)
    assert len(docker.fake.running()) == 3


def test_a_name_that_others_have_is_theirs(docker):
    docker.ready(1)
    number = int(docker.fake.running()[0].removeprefix("auto-"))
    name = next(iter(docker.fake.containers.values())).name.replace(f"auto-{number}", f"auto-{number + 1}")
    other = docker.fake.add({"tidegate.port": "1", "tidegate.backend": "x"}, name=name)
    reason = docker.failed()
    docker.scale(2)
    assert reason() == "a container that is none of ours has its name"
    docker.site.wait(ready=2)
    assert docker.fake.find(other.id).state == "running"
    docker.fake.end(other, 0, tell=False)
    del docker.fake.containers[other.id]


def test_one_that_dies_is_replaced_at_once(docker):
    docker.ready(2)
    one = docker.fake.running()[0]
    docker.fake.end(docker.fake.find(one), 137)
    line = docker.tg.log.wait(msg="backend ended", srv=one)
    assert line["reason"] == "exit status 137 (SIGKILL); it said: no such table"
    docker.site.wait(ready=2, pending=0, down=0, draining=0)
    assert one not in docker.fake.running()


def test_one_that_somebody_removes_is_replaced(docker):
    docker.ready(1)
    one = docker.fake.running()[0]
    docker.fake.vanish(one)
    settings.wait_until(lambda: docker.tg.log.records(msg="backend ended", srv=one), "its end")
    docker.site.wait(ready=1, pending=0, draining=0)


def test_a_daemon_that_restarts_loses_nothing(docker):
    docker.ready(2)
    one, other = docker.fake.running()
    ups = len(docker.tg.log.records(msg="node up"))
    downs = len(docker.tg.log.records(msg="node down"))
    docker.fake.go_away()
    docker.tg.log.wait(msg="node down", count=downs + 1)
    docker.fake.end(docker.fake.find(one), 137)  # nobody is there to tell of it
    assert docker.tg.exchange(client.get()).status == 200
    docker.fake.listen()
    docker.tg.log.wait(msg="node up", count=ups + 1)
    docker.tg.log.wait(msg="backend ended", srv=one)
    docker.site.wait(ready=2, pending=0, down=0, draining=0)
    assert other in docker.fake.running() and len(docker.fake.running()) == 2


def test_events_that_got_lost_are_made_up_for(docker):
    docker.ready(2)
    one, other = docker.fake.running()
    docker.fake.loses_events = True
    docker.fake.end(docker.fake.find(one), 0)
    docker.fake.loses_events = False
    docker.fake.cut_all()
    docker.tg.log.wait(msg="backend ended", srv=one)
    docker.site.wait(ready=2, pending=0, down=0, draining=0)
    assert other in docker.fake.running()


def test_what_others_have_is_left_alone_filtered_or_not(docker):
    """A service of the same name, by another owner: not even its rests are touched."""
    docker.ready(1)
    labels = {"tidegate.owner": "others", "tidegate.service": "site", "tidegate.port": "9000",
              "tidegate.network": ""}
    theirs = [docker.fake.add({**labels, "tidegate.backend": f"theirs-{state}"}, state)
              for state in ("running", "exited", "created")]
    docker.fake.ignores_filters = True
    listed = docker.fake.count("list")
    docker.fake.cut_all()
    # All that came of one list is done, or ordered, before the next.
    settings.wait_until(lambda: docker.fake.count("list") >= listed + 3, "some lists")
    docker.scale(0)
    settings.wait_until(lambda: len(docker.fake.containers) <= 3, "the end of ours")
    assert all(one.id in docker.fake.containers and one.state == state
               for one, state in zip(theirs, ("running", "exited", "created")))
    for one in theirs:
        docker.fake.end(one, 0, tell=False)
        docker.fake.containers.pop(one.id, None)


def test_events_that_are_none_are_passed_over(docker):
    docker.ready(1)
    one = docker.fake.running()[0]
    docker.fake.tell_raw(b"{]\n\n" + b'{"Type":"container","Action":"die"}\n')
    docker.fake.tell_raw(b"x" * 70000 + b"\n")
    assert docker.tg.log.wait(msg="an event is longer than can be")["node"] == "host-a"
    docker.fake.end(docker.fake.find(one), 1)  # what comes behind it is heard
    docker.tg.log.wait(msg="backend ended", srv=one)
    docker.site.wait(ready=1, pending=0, down=0, draining=0)


def test_events_without_end_are_not_heard_and_made_up_for(docker):
    docker.ready(1)
    one = docker.fake.running()[0]
    line = json.dumps({"Type": "container", "Action": "die", "Actor": {"ID": "f" * 64, "Attributes": {
        "tidegate.owner": "me", "tidegate.service": "site", "tidegate.backend": one}}}).encode() + b"\n"
    ups = len(docker.tg.log.records(msg="node up"))
    for _ in range(3):
        docker.fake.tell_raw(line * 1000)
    told = docker.tg.log.wait(msg="a node tells too many events, they are not heard for a while")
    assert told["node"] == "host-a"
    settings.wait_until(lambda: not docker.fake.streams, "the end of the stream")
    # Its process serves on, so that no check finds it before a look does.
    docker.fake.find(one).state = "exited"
    docker.tg.log.wait(msg="backend ended", srv=one)
    settings.wait_until(lambda: docker.fake.count("events") == 1, "events to be heard again")
    docker.site.wait(ready=1, pending=0, down=0, draining=0)
    assert len(docker.tg.log.records(msg="node up")) == ups, "it was up all the time"


def test_a_killed_keeper_finds_them_again(docker):
    docker.ready(3)
    before = docker.fake.running()
    made = docker.fake.count("create")
    found = len(docker.tg.log.records(msg="backend of before found"))
    os.kill(docker.tg.role_pid("keeper"), signal.SIGKILL)
    docker.tg.log.wait(msg="backend of before found", count=found + 3)
    docker.site.wait(ready=3, pending=0, down=0, draining=0)
    assert docker.fake.running() == before and docker.fake.count("create") == made


def test_a_keeper_killed_in_a_start_leaves_one(docker):
    docker.fake.faults = {"start": [("slow", 0.5)]}
    docker.scale(1)
    settings.wait_until(lambda: docker.fake.count("start") == 1, "the start")
    ready = len(docker.tg.log.records(msg="child ready", child="keeper"))
    os.kill(docker.tg.role_pid("keeper"), signal.SIGKILL)
    docker.tg.log.wait(msg="child ready", child="keeper", count=ready + 1)
    docker.ready(1)
    settings.wait_until(lambda: len(docker.fake.containers) == 1, "one container")


def test_a_reload_in_a_start_disturbs_nothing(docker):
    """Another provider is made, which waits until it is its turn, and finds what the one before has begun."""
    text = docker.tg.conf_path.read_text()
    failed = len(docker.tg.log.records(msg="backend start failed"))
    docker.fake.faults = {"create": [("slow", 0.4)], "start": [("slow", 0.4)]}
    docker.scale(1)
    settings.wait_until(lambda: docker.fake.count("start") == 1, "the start")
    docker.tg.reload(text.replace("stop_grace = \"1s\"", "stop_grace = \"2s\""))
    docker.site.wait(ready=1, pending=0, down=0, draining=0)
    settings.wait_until(lambda: len(docker.fake.containers) == 1, "one container")
    assert len(docker.tg.log.records(msg="backend start failed")) == failed
    docker.tg.reload(text)
    docker.site.wait(ready=1, pending=0, down=0, draining=0)
    assert len(docker.fake.containers) == 1


def test_the_check_of_its_image_counts(docker):
    docker.fake.health = "starting"
    docker.scale(1)
    settings.wait_until(lambda: len(docker.fake.running()) == 1, "its start")
    one = docker.fake.running()[0]
    settings.wait_until(lambda: docker.site.show()["states"]["starting"] == 1, "its start to be known")
    docker.site.wait(pending=1, ready=0)
    docker.fake.set_health(one, "healthy")
    docker.site.wait(ready=1, pending=0)
    docker.fake.health = "healthy"
    docker.fake.set_health(one, "unhealthy")
    docker.tg.log.wait(msg="backend to be replaced", srv=one)
    docker.site.wait(ready=1, pending=0, draining=0, down=0)
    assert one not in docker.fake.running()


def test_what_is_used_is_known_whatever_the_daemons_clock_says(docker):
    docker.ready(1)

    def seen():
        record = json.loads(control.ask(docker.site.admin, "explain site json"))
        metrics = record["snapshot"]["windows"][-1]["metrics"]
        return metrics.get("cpu", [0]), metrics.get("memory", [0])
    settings.wait_until(lambda: seen()[0][0] >= 4, "readings")
    for hours in (1, -2):
        docker.fake.clock_ns += hours * 3600 * 10**9
        asked = docker.fake.count("stats")
        settings.wait_until(lambda: docker.fake.count("stats") >= asked + 4, "more of them")
    (_, least, most, *_), memory = seen()
    assert least == pytest.approx(0.4, rel=0.05) and most == pytest.approx(0.4, rel=0.05)
    assert memory[5] == pytest.approx(0.25, rel=0.01)


def test_what_only_the_keeper_may_reach(docker):
    """All that came to the daemon came from the keeper; the proxy has no descriptor of it."""
    docker.ready(1)
    keepers = {int(line["pid"]) for line in docker.tg.log.records(msg="child ready", child="keeper")}
    assert docker.fake.peers <= keepers
    assert docker.tg.role_pid("proxy") not in docker.fake.peers
    ours = {row.split()[6] for row in open("/proc/net/unix", encoding="utf-8").read().splitlines()[1:]
            if row.endswith(docker.fake.path)}
    held = {os.readlink(f"/proc/{docker.tg.role_pid('proxy')}/fd/{fd}")
            for fd in os.listdir(f"/proc/{docker.tg.role_pid('proxy')}/fd")}
    assert ours and not {f"socket:[{inode}]" for inode in ours} & held
    assert procfs.alive(docker.tg.role_pid("keeper"))


def test_one_that_ends_asks_first_what_there_is(tidegate, tmp_path):
    """A keeper that has just begun knows of no container, and a daemon takes its time to tell."""
    fake = docker_api.FakeDocker(tmp_path / "docker.sock")
    fake.add({"tidegate.owner": "me", "tidegate.service": "site", "tidegate.backend": "auto-1",
              "tidegate.port": "9000", "tidegate.network": ""})
    fake.standing = {"info": ("slow", 0.5), "list": ("slow", 0.3)}
    tg = tidegate(conf.http(top=f'nodes = ( {{ name = "a"; docker = "unix://{fake.path}"; }} );', service="""
        autoscale = { module = "target"; metric = "cpu"; target = 0.6; min = 1; max = 1; };
        provider = { type = "docker"; image = "acme/api:7"; port = 9000; owner = "me"; stop_grace = "3s"; };"""))
    tg.stop()
    assert not fake.containers
    fake.stop()


def test_what_a_node_that_is_down_keeps_is_told_and_taken_over(tidegate, tmp_path):
    """One daemon is away as tidegate ends; another was never there."""
    fake = docker_api.FakeDocker(tmp_path / "docker.sock")
    text = conf.http(top=f"""admin = {{ socket = "{tmp_path}/admin.sock"; }};
        nodes = ( {{ name = "a"; docker = "unix://{fake.path}"; address = "{net.ADDRESS}"; }},
                  {{ name = "b"; docker = "unix://{tmp_path}/none.sock"; }} );""", service="""
        autoscale = { module = "target"; metric = "cpu"; target = 0.6; min = 2; max = 2; };
        provider = { type = "docker"; image = "acme/api:7"; port = 9000; owner = "me"; };""")
    tg = tidegate(text)
    tg.log.wait(msg="backend ready", count=2)
    before = fake.running()
    fake.go_away()
    tg.log.wait(msg="node down", node="a")
    nodes = json.loads(control.ask(f"{tmp_path}/admin.sock", "show nodes json"))
    reasons = {node["node"]: node["reason"] for node in nodes}
    assert all(reasons.values()) and reasons["a"] != reasons["b"]
    assert reasons["b"] == tg.log.records(msg="node down", node="b")[-1]["reason"]
    tg.stop()
    left = tg.log.wait(msg="containers are left running, the next start of tidegate takes them over")
    assert (left["node"], left["containers"], left["label"]) == ("a", "2", "tidegate.owner=me")
    assert tg.log.wait(msg="a node never told which containers it has, some may be left running")["node"] == "b"
    assert fake.running() == before
    fake.listen()
    tg = tidegate(text)
    tg.log.wait(msg="backend of before found", count=2)
    settings.wait_until(lambda: tg.exchange(client.get()).status == 200, "one that was taken over to answer")
    assert fake.running() == before and fake.count("create") == 2
    tg.stop()
    assert not fake.containers
    fake.stop()


@pytest.mark.parametrize("identity", ["A:B", None])
def test_two_names_of_one_daemon_cost_no_container(tidegate, tmp_path, identity):
    """The second is not used; where the daemon does not tell who it is, as podman, what both have is left alone."""
    fake = docker_api.FakeDocker(tmp_path / "docker.sock")
    fake.id = identity
    (tmp_path / "again.sock").symlink_to(fake.path)
    admin = f"{tmp_path}/admin.sock"
    tg = tidegate(conf.http(top=f"""admin = {{ socket = "{admin}"; }};
        nodes = ( {{ name = "a"; docker = "unix://{fake.path}"; address = "{net.ADDRESS}"; }},
                  {{ name = "b"; docker = "unix://{tmp_path}/again.sock"; address = "{net.ADDRESS}"; }} );""", service="""
        scheduler = "spread"; autoscale = { module = "target"; metric = "cpu"; target = 0.6; min = 2; max = 2; };
        provider = { type = "docker"; image = "acme/api:7"; port = 9000; owner = "me"; stop_grace = "1s"; };"""))
    tg.log.wait(msg="backend ready", count=2)
    before, listed = fake.running(), fake.count("list")
    # Both are listed again as their events end.
    fake.cut_all()
    if identity:
        assert {line["reason"] for line in tg.log.records(msg="node down")} & {
            f"the same daemon as node {name}" for name in "ab"}
    else:
        tg.log.wait(msg="a node has a container of another node, they are one daemon")
    tg.log.wait(msg="node up", count=2 if identity else 4)
    settings.wait_until(lambda: fake.count("list") > listed, "another look")
    assert fake.running() == before and fake.count("create") == 2
    assert not tg.log.records(msg="removing a container")
    tg.stop()
    assert not fake.containers
    fake.stop()


def test_a_daemon_that_lists_nothing_holds_no_other_back(tidegate, tmp_path):
    """It answers all but that, for as long as it is asked: backends start elsewhere, and there when it has listed."""
    near, mute = (docker_api.FakeDocker(tmp_path / f"{name}.sock") for name in ("near", "mute"))
    mute.standing = {"list": "hang"}
    admin = f"{tmp_path}/admin.sock"
    tg = tidegate(conf.http(top=f"""admin = {{ socket = "{admin}"; }};
        nodes = ( {{ name = "near"; docker = "unix://{near.path}"; address = "{net.ADDRESS}"; }},
                  {{ name = "mute"; docker = "unix://{mute.path}"; address = "{net.ADDRESS}"; }} );""", service="""
        scheduler = "spread"; autoscale = { module = "target"; metric = "cpu"; target = 0.6; min = 2; max = 2; };
        provider = { type = "docker"; image = "acme/api:7"; port = 9000; owner = "me"; stop_grace = "1s"; };"""))

    def reason():
        return {node["node"]: node["reason"] for node in json.loads(control.ask(admin, "show nodes json"))}["mute"]
    tg.log.wait(msg="backend ready", count=2)
    assert len(near.running()) == 2 and not mute.count("create")
    assert reason() == "its daemon does not list its containers"
    assert tg.log.records(msg="a node does not tell what it has, it is not waited for")[0]["node"] == "mute"
    mute.standing = {}
    mute.hung.set()
    settings.wait_until(lambda: not reason(), "the node to be used again")
    tg.stop()
    assert not near.containers
    near.stop()
    mute.stop()


def test_containers_may_be_kept(tidegate, tmp_path):
    fake = docker_api.FakeDocker(tmp_path / "docker.sock")
    text = conf.http(top=f'nodes = ( {{ name = "a"; docker = "unix://{fake.path}"; }} );', service="""
        autoscale = { module = "target"; metric = "cpu"; target = 0.6; min = 1; max = 1; };
        provider = { type = "docker"; image = "acme/api:7"; port = 9000; owner = "me"; keep = true; };""")
    tg = tidegate(text)
    tg.log.wait(msg="backend ready")
    before = fake.running()
    tg.stop()
    assert fake.running() == before == ["auto-1"]
    tg = tidegate(text)
    tg.log.wait(msg="backend of before found")
    assert fake.count("create") == 1
    fake.stop()
    tg.stop()


def test_daemons_of_all_ages_are_spoken_to(tidegate, tmp_path):
    """By the newest version that both know, which their answer to a ping tells; one that does not say so, or refuses it,
    is asked for all it knows."""
    ages = {"old": {"api": "1.24"}, "here": {"api": "1.41"}, "strict": {"api": "1.52", "oldest": "1.44"},
            "later": {"api": "1.60", "oldest": "1.50"}, "silent": {"api": "1.41", "says_api": False}}
    fakes = {name: docker_api.FakeDocker(tmp_path / f"{name}.sock", **age) for name, age in ages.items()}
    nodes = ", ".join(f'{{ name = "{name}"; docker = "unix://{fake.path}"; address = "{net.ADDRESS}"; }}'
                      for name, fake in fakes.items())
    try:
        tg = tidegate(conf.one(
            "http", (), top=f'admin = {{ socket = "{tmp_path}/admin.sock"; }}; nodes = ( {nodes} );', service="""
                health = { type = "http"; path = "/status/200"; interval = "50ms"; rise = 1; };
                autoscale = { module = "target"; metric = "cpu"; target = 0.6; min = 5; max = 5; };
                scheduler = "spread";
                provider = { type = "docker"; image = "acme/api:7"; port = 9000; cpu = 0.5; memory = "64M";
                             stop_grace = "1s"; };"""))
        Site(f"{tmp_path}/admin.sock", tmp_path).wait(ready=5)
        spoken = {line["node"]: line["api"] for line in tg.log.records(msg="node up")}
        assert spoken == {"old": "1.24", "here": "1.41", "strict": "1.44", "later": "1.50", "silent": "1.41"}
        assert all(len(fake.running()) == 1 for fake in fakes.values())
        assert {name for name, fake in fakes.items() if fake.count("version")} == {"later", "silent"}
        tg.stop()
    finally:
        for fake in fakes.values():
            fake.stop()
