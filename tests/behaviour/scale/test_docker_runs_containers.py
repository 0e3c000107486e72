"""provider docker before real daemons: one of this machine by its socket, one of another by TCP with certificates."""

import json
import os
import shutil
import signal
import time

import pytest

from harness import client, conf, control, dockerd, load, net, settings
from scale.conftest import Site, quickly

pytestmark = [pytest.mark.skipif(bool(dockerd.missing()), reason=f"needs {dockerd.missing()}"),
              pytest.mark.long, pytest.mark.together]

BUSY = client.get("/slow?ms=20")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Two daemons with the image; this thread is in the network of the first."""
    folder = tmp_path_factory.mktemp("dockerd")
    image = dockerd.make_image(folder)
    with dockerd.Networks() as networks:
        near = dockerd.Dockerd(folder / "near", networks.names[0])
        far = dockerd.Dockerd(folder / "far", networks.names[1], networks.ADDRESSES[1],
                              bridge="172.31.0.1/16")
        try:
            for one in (near, far):
                one.load_image(image)
            yield near, far
        finally:
            near.stop()
            far.stop()


@pytest.fixture(scope="module")
def podman(hosts, tmp_path_factory):
    """podman in the network of the near daemon, with the same image."""
    del hosts
    folder = tmp_path_factory.mktemp("podman")
    made = dockerd.Podman(folder / "pod")
    try:
        made.load_image(dockerd.make_image(folder))
        yield made
    finally:
        made.stop()


def needs(*programs):
    lacking = " ".join(name for name in programs if not shutil.which(name))
    return pytest.mark.skipif(bool(lacking), reason=f"needs {lacking}")


DEMO = ["/demo", "-l", "0.0.0.0:{port}", "-n", "{name}"]
# One that has 16 MB of memory besides, and uses all of the processor that it gets.
LARGE = ["/busybox", "sh", "-c", "/busybox dd if=/dev/zero of=/tmp/m bs=1M count=16; (while :; do :; done) & exec "
         + " ".join(DEMO)]


def text(folder, hosts, nodes, provider="", command=tuple(DEMO), service="", start_timeout="12s"):
    """The node `near` is the first of the hosts, by its socket; `far` the second, by its address."""
    near, far = hosts
    tls = far.certificates
    known = {"near": f'{{ name = "near"; docker = "{near.url}"; address = "{net.ADDRESS}"; }}',
             "far": f'{{ name = "far"; docker = "{far.url}"; tls = {{ ca = "{tls}/ca.pem"; '
                    f'certificate = "{tls}/client.pem"; key = "{tls}/client-key.pem"; }}; }}'}
    return conf.one(
        "http", (), top=f"""admin = {{ socket = "{folder}/admin.sock"; }}; state_file = "{folder}/state";
            nodes = ( {", ".join(known[node] for node in nodes)} );""",
        service=f"""
            health = {{ type = "http"; path = "/status/200"; interval = "100ms"; rise = 1; }};
            hold = {{ timeout = "20s"; }};
            autoscale = {{ module = "target"; cpu = 0.6; memory = 0.9; min = 0; max = 6;
                           start_timeout = "{start_timeout}";
                           {quickly("target", "stable_window =")} stable_window = "3s"; }};
            provider = {{ type = "docker"; image = "{dockerd.IMAGE}"; port = 9000; stop_grace = "3s";
                          command = ( {", ".join(f'"{word}"' for word in command)} ); {provider} }}; {service}""")


class Scaled:
    def __init__(self, tg, folder):
        self.tg, self.site = tg, Site(f"{folder}/admin.sock", folder)

    def ready(self, n):
        control.ask(self.site.admin, f"scale site {n}")
        self.site.wait(ready=n, pending=0, down=0, draining=0)

    def window(self):
        """Of three seconds: the mean of cpu, and the last of memory, as shares of their limits."""
        record = json.loads(control.ask(self.site.admin, "explain site json"))
        windows = {window["span_ms"]: window["metrics"] for window in record["snapshot"]["windows"]}
        metrics = windows[3000]
        return (metrics["cpu"][3], metrics["memory"][5]) if "cpu" in metrics else (0, 0)


@pytest.fixture
def near(hosts, tidegate, tmp_path):
    """tidegate with its backends on the near one."""
    made = Scaled(tidegate(text(tmp_path, hosts, ["near"], 'cpu = 0.25; memory = "48M"; pids = 64;')), tmp_path)
    yield made
    control.ask(made.site.admin, "scale site 0")
    made.site.wait(ready=0, pending=0, down=0, draining=0)
    assert hosts[0].docker("ps", "-aq").split() == []


def test_from_none_to_six_to_one_under_load(near, hosts):
    with load.KeptLoad(near.tg.address, clients=4, request=BUSY) as asking:
        near.ready(6)
        assert len(hosts[0].running()) == 6
        near.ready(1)
    assert asking.results and not asking.failures()


@needs("podman", "runc", "conmon")
def test_podman_is_a_daemon_too(podman, hosts, tidegate, tmp_path):
    """From none to six to one under load; limits are set; a killed one is replaced, a killed keeper finds the rest."""
    scaled = Scaled(tidegate(text(tmp_path, (podman, hosts[1]), ["near"],
                                  'cpu = 0.25; memory = "48M"; pids = 64;')), tmp_path)
    with load.KeptLoad(scaled.tg.address, clients=4, request=BUSY) as asking:
        scaled.ready(6)
        assert len(podman.running()) == 6
        scaled.ready(1)
    assert asking.results and not asking.failures()
    known = podman.inspect(podman.running()[0])
    held = dockerd.Cgroup(known["State"]["Pid"])
    assert (held.memory_limit(), held.cpu_limit(), held.pids_limit()) == (48 << 20, 0.25, 64)
    assert podman.log_size(known["Id"]) == "10.49MB"
    podman.docker("kill", known["Id"])
    scaled.tg.log.wait(msg="backend ended")
    scaled.site.wait(ready=1, pending=0, down=0, draining=0)
    os.kill(scaled.tg.role_pid("keeper"), signal.SIGKILL)
    scaled.tg.log.wait(msg="backend of before found")
    scaled.ready(0)
    assert podman.docker("ps", "-aq").split() == []


@needs("runsc")
def test_gvisor_runs_them(hosts, tidegate, tmp_path):
    near = hosts[0]
    scaled = Scaled(tidegate(text(tmp_path, hosts, ["near"], 'runtime = "runsc"; cpu = 0.5; memory = "96M";')),
                    tmp_path)
    scaled.ready(1)
    known = near.inspect(near.running()[0])
    assert known["HostConfig"]["Runtime"] == "runsc"
    held = dockerd.Cgroup(known["State"]["Pid"])
    assert (held.memory_limit(), held.cpu_limit()) == (96 << 20, 0.5)
    assert scaled.tg.exchange(client.get()).status == 200
    scaled.ready(0)
    assert near.docker("ps", "-aq").split() == []


def test_limits_hold_a_killed_one_is_replaced_and_a_killed_keeper_finds_the_rest(near, hosts):
    near.ready(2)
    one, other = hosts[0].running()
    known = hosts[0].inspect(one)
    held = dockerd.Cgroup(known["State"]["Pid"])
    assert held.memory_limit() == 48 << 20
    assert held.cpu_limit() == 0.25
    assert held.pids_limit() == 64
    assert known["HostConfig"]["LogConfig"] == {"Type": "json-file",
                                                "Config": {"max-size": "10485760", "max-file": "3"}}
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{known['State']['Pid']}/status", encoding="utf-8")
                  if ":\t" in line)
    assert status["NoNewPrivs"].strip() == "1" and int(status["CapBnd"], 16) == 0
    hosts[0].docker("kill", known["Id"])
    line = near.tg.log.wait(msg="backend ended", srv=one)
    assert line["reason"].startswith("exit status 137 (SIGKILL)")
    near.site.wait(ready=2, pending=0, down=0, draining=0)
    before = hosts[0].running()
    assert other in before and one not in before
    os.kill(near.tg.role_pid("keeper"), signal.SIGKILL)
    near.tg.log.wait(msg="backend of before found", count=2)
    near.site.wait(ready=2, pending=0, down=0, draining=0)
    assert hosts[0].running() == before


def test_a_killed_daemon_is_waited_for_and_what_it_lost_is_replaced(near, hosts):
    near.ready(1)
    hosts[0].kill()
    near.tg.log.wait(msg="node down")
    hosts[0].start()
    near.tg.log.wait(msg="node up", count=2)
    near.site.wait(ready=1, pending=0, down=0, draining=0)
    assert near.tg.exchange(client.get()).status == 200


def test_two_hosts_share_them_and_one_that_dies_is_made_up_for(hosts, tidegate, tmp_path):
    """Under load: from none to six to one over both; then one dies as a host does, its containers with its daemon."""
    near, far = hosts
    scaled = Scaled(tidegate(text(tmp_path, hosts, ["near", "far"], 'cpu = 0.2; memory = "48M";',
                                  service='scheduler = "spread";')), tmp_path)
    scaled.tg.log.wait(msg="node up", count=2)
    with load.KeptLoad(scaled.tg.address, clients=4, request=BUSY) as asking:
        scaled.ready(6)
        assert len(near.running()) == len(far.running()) == 3
        scaled.ready(1)
        scaled.ready(4)
        assert len(near.running()) == len(far.running()) == 2
        far.die()
        scaled.tg.log.wait(msg="node down", node="far")
        settings.wait_until(lambda: len(near.running()) == 4, "those of the host that died to be replaced")
        scaled.site.wait(ready=4, pending=0, down=0)
    assert asking.results and not asking.failures()
    nodes = json.loads(control.ask(scaled.site.admin, "show nodes json"))
    assert [(node["node"], node["open"]) for node in nodes] == [("near", True), ("far", False)]
    far.start()
    scaled.tg.log.wait(msg="node up", node="far", count=2)
    scaled.ready(6)
    assert len(far.running()) == 2, "it is used again"
    scaled.ready(0)
    assert [one.docker("ps", "-aq").split() for one in hosts] == [[], []]


def test_backends_of_a_host_that_is_cut_off_are_replaced_at_once_and_not_twice(hosts, tidegate, tmp_path):
    """Nothing answers there, not even by a refusal: long before start_timeout others have their place. When it is back
    there are too many, which end."""
    near, far = hosts
    scaled = Scaled(tidegate(text(
        tmp_path, hosts, ["near", "far"], 'cpu = 0.2; memory = "48M";', start_timeout="10m",
        service='scheduler = "spread"; timeouts = { connect = "500ms"; response = "2s"; };')), tmp_path)
    scaled.tg.log.wait(msg="node up", count=2)
    scaled.ready(4)
    theirs = far.running()
    assert len(near.running()) == len(theirs) == 2
    with load.KeptLoad(scaled.tg.address, clients=4, request=BUSY) as asking:
        with far.cut_off():
            for one in theirs:
                scaled.tg.log.wait(msg="backend lost", srv=one)
            scaled.site.wait(ready=4, pending=0, down=2)
            assert len(near.running()) == 4
        scaled.tg.log.wait(msg="node up", node="far", count=2)
        for one in theirs:
            scaled.tg.log.wait(msg="backend back", srv=one)
        scaled.site.wait(ready=4, pending=0, down=0, draining=0)
    assert asking.results and not asking.failures()
    assert len(near.running()) + len(far.running()) == 4
    assert len(scaled.tg.log.records(msg="backend draining", reason="it is not needed any more")) == 2
    assert len(scaled.tg.log.records(msg="backend placed")) == 6
    scaled.ready(0)
    assert [one.docker("ps", "-aq").split() for one in hosts] == [[], []]


def measure(scaled, host):
    """What tidegate says of cpu and memory over three seconds, and what the kernel says."""
    held = dockerd.Cgroup(host.inspect(host.running()[0])["State"]["Pid"])
    settings.wait_until(lambda: scaled.window()[0] > 0.5, "readings")
    settings.let_rest(1)
    began, before = time.monotonic(), held.cpu_seconds()
    settings.let_rest(3.5)
    said = scaled.window()
    used = (held.cpu_seconds() - before) / (time.monotonic() - began)
    return said, (used / held.cpu_limit(), held.working_set() / held.memory_limit())


@pytest.mark.parametrize("node", ["near", "far"])
def test_what_a_container_uses_is_known(hosts, tidegate, tmp_path, node):
    """Of this machine by its cgroup, of another one as its daemon tells. It gets less than it would use."""
    host = hosts[node == "far"]
    scaled = Scaled(tidegate(text(tmp_path, hosts, [node],
                                  'cpu = 0.1; memory = "32M"; read_only = true;', LARGE)), tmp_path)
    scaled.ready(1)
    for _ in range(4): # beside other tests it gets more in one second and less in the next
        said, true = measure(scaled, host)
        if said == pytest.approx(true, rel=0.05):
            break
    assert said == pytest.approx(true, rel=0.05)
    control.ask(scaled.site.admin, "scale site 0")
    scaled.site.wait(ready=0, draining=0)
    assert host.docker("ps", "-aq").split() == []
