"""Webhooks over https, and daemons over TCP: who is called is who the certificate says, signed by whom the
configuration trusts, now; and daemons know who calls."""

import contextlib
import json
import os

import pytest

from harness import certificates, conf, control, docker_api, net, settings
from harness.receiver import SECRET, Receiver, is_signed

DAYS_AGO = -1
BY_ADDRESS = f"IP:{net.ADDRESS}"
WHO = ("good", "stranger", "elsewhere", "expired")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Who is known by which certificate; those we trust; and one of theirs for us."""
    folder = tmp_path_factory.mktemp("tls")
    ours = certificates.Authority(folder / "ours")
    theirs = certificates.Authority(folder / "theirs")
    made = {
        "good": ours.issue("good", f"{BY_ADDRESS},DNS:localhost"),
        "stranger": theirs.issue("stranger", f"{BY_ADDRESS},DNS:localhost"),
        "elsewhere": ours.issue("elsewhere", "DNS:elsewhere.example.org,IP:127.0.0.2"),
        "expired": ours.issue("expired", f"{BY_ADDRESS},DNS:localhost", days=DAYS_AGO),
        "client": ours.issue("client"),
        "unknown": theirs.issue("unknown"),
    }
    return made, ours.path, theirs.path


def hook(name, receiver, more="", host=net.ADDRESS):
    return (f'{{ name = "{name}"; on = ( "backend-up" ); services = ( "site" ); retries = 0; timeout = "60s"; '
            f'url = "{receiver.url("/told", host)}"; {more} }}')


def node(name, url, ca, pair):
    return (f'{{ name = "{name}"; docker = "{url}"; tls = {{ ca = "{ca}"; certificate = "{pair[0]}"; '
            f'key = "{pair[1]}"; }}; }}')


@pytest.fixture(scope="module")
def world(module_tidegate, module_backend, pairs, tmp_path_factory):
    """One tidegate that calls all of them, and what it said."""
    made, ca, theirs = pairs
    admin = tmp_path_factory.mktemp("admin") / "admin.sock"
    with contextlib.ExitStack() as ends:
        receivers = {who: Receiver(tls=made[who]) for who in WHO}
        receivers["named"] = Receiver("127.0.0.1", tls=made["good"])
        receivers["plain"] = Receiver()
        fakes = {who: docker_api.FakeDocker("", tls=certificates.server_context(made[who], ca)) for who in WHO}
        for who in ("refused", "rotated"):
            fakes[who] = docker_api.FakeDocker("", tls=certificates.server_context(made["good"], ca))
        for one in (*receivers.values(), *fakes.values()):
            ends.callback(one.stop)
        trusted = f'ca = "{ca}"; secret = "{SECRET}";'
        hooks = [*(hook(who, receivers[who], trusted) for who in WHO),
                 hook("named", receivers["named"], trusted, "localhost"),
                 hook("untold", receivers["good"]),  # whom the system trusts
                 f'{{ name = "plain"; on = ( "backend-up" ); retries = 0; timeout = "60s"; {trusted} '
                 f'url = "https://{net.ADDRESS}:{receivers["plain"].port}/"; }}']
        urls = {who: f"tcp://{net.ADDRESS}:{fake.port}" for who, fake in fakes.items()}
        rotated = admin.with_name("ca.pem")
        rotated.write_bytes(ca.read_bytes())
        nodes = [*(node(who, urls[who], ca, made["client"]) for who in WHO),
                 node("refused", urls["refused"], ca, made["unknown"]),
                 node("rotated", urls["rotated"], rotated, made["client"])]
        tg = module_tidegate(conf.http(
            module_backend(name="b"), service='health = { type = "tcp"; interval = "50ms"; rise = 1; };',
            top=f'admin = {{ socket = "{admin}"; }}; hooks = ( {", ".join(hooks)} ); nodes = ( {", ".join(nodes)} );',
            services="""{ name = "scaled"; autoscale = { module = "target"; metric = "in-flight"; target = 4; max = 1; };
                          provider = { type = "docker"; image = "acme/api:7"; port = 80; }; }"""))
        tg.receivers, tg.fakes, tg.admin = receivers, fakes, str(admin)
        tg.rotated, tg.authorities = rotated, (ca, theirs)
        yield tg


@pytest.mark.parametrize("who, said", [
    ("stranger", "unable to get local issuer certificate"),
    ("elsewhere", "no alternative certificate subject name matches"),
    ("expired", "certificate has expired"),
    ("untold", "unable to get local issuer certificate"),
    ("plain", "wrong version number"),
])
def test_a_hook_that_cannot_be_known_is_told_nothing(world, who, said):
    def shown():
        return {one["name"]: one for one in json.loads(control.ask(world.admin, "show hooks json"))}[who]
    settings.wait_until(lambda: shown()["failed"] >= 1, f"{who} to be given up")
    assert said in shown()["error"] and shown()["sent"] == 0
    assert who in ("untold", "plain") or not world.receivers[who].tries


def test_one_that_is_known_is_told_by_address_and_by_name(world):
    for who in ("good", "named"):
        world.receivers[who].wait_event("backend-up", backend="b")
        [(path, headers, body)] = world.receivers[who].tries
        assert path == "/told" and is_signed(headers["Tidegate-Signature"], body)
    assert world.receivers["named"].tries[0][1]["Host"].startswith("localhost:")


@pytest.mark.parametrize("who, said", [
    ("stranger", "unable to get local issuer certificate"),
    ("elsewhere", "no alternative certificate subject name matches"),
    ("expired", "certificate has expired"),
])
def test_a_daemon_that_is_another_is_asked_nothing(world, who, said):
    assert said in world.log.wait(msg="node down", node=who)["reason"]
    assert not world.fakes[who].asked


def test_a_daemon_that_knows_us_not_is_down(world):
    # It may have closed before we read its alert, then that is the reason.
    world.log.wait(msg="node down", node="refused")
    assert not world.log.records(msg="node up", node="refused")


def test_a_daemon_that_is_known_is_up(world):
    assert world.log.wait(msg="node up", node="good")["docker"].startswith("tcp://")


def test_an_authority_is_trusted_as_long_as_its_file_has_it(world):
    """Also by connections that are there: the next request, a ping, makes a new one."""
    def put(authority):
        new = world.rotated.with_suffix(".new")
        new.write_bytes(authority.read_bytes())
        os.rename(new, world.rotated)
    ours, theirs = world.authorities
    world.log.wait(msg="node up", node="rotated")
    put(theirs)
    down = world.log.wait(msg="node down", node="rotated")
    assert "SSL certificate problem" in down["reason"]
    put(ours)
    world.log.wait(msg="node up", node="rotated", count=2)
