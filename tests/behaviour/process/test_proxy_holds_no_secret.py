"""What only the control plane needs is nowhere in the memory of the process that reads strangers' bytes."""

import os
import secrets

import pytest

from harness import client, conf, control, load, net, procfs, settings

PLACES = ["store", "variable", "environment", "argument", "check", "agent"]


@pytest.fixture
def hidden():
    """A secret for each place, made now: it is in no file that is loaded."""
    return {place: secrets.token_hex(16) for place in PLACES}


def text(hidden, admin, backend, extra="", **options):
    """Each secret in its place; that of "variable" comes in from the environment."""
    demo = settings.program("tidegate-demo")
    return conf.http(backend, top=f"""
        admin = {{ socket = "{admin}"; }};
        store = {{ type = "redis"; url = "redis://:{hidden["store"]}@{net.ADDRESS}:1/"; }};""",
        services=f"""{{ name = "checked"; backends = ( "{net.ADDRESS}:1" );
            health = {{ type = "exec"; command = ( "/bin/true", "{hidden["check"]}" ); }};
            agent = {{ port = 1; send = "{hidden["agent"]}"; }}; {extra} }},
        {{ name = "scaled"; autoscale = {{ module = "target"; metric = "in-flight"; target = 4;
                                         min = 0; max = 1; }};
           provider = {{ type = "process"; command = ( "{demo}", "-l", "127.0.0.1:{{port}}", "-n",
                                                      "{hidden["argument"]}" );
                        environment = ( "TOKEN={hidden["environment"]}",
                                        "OTHER=${{HIDDEN}}" ); }}; }}""", **options)


def held(tg, role, hidden):
    """The places whose secret this process has."""
    found = procfs.memory_has(tg.role_pid(role), [one.encode() for one in hidden.values()])
    return [place for place in PLACES if hidden[place].encode() in found]


@pytest.mark.skipif(bool(settings.sanitizers()), reason="a sanitizer maps more than can be read")
def test_at_a_start_after_a_reload_and_after_an_edit(tidegate, recording_backend, tmp_path, hidden):
    if not os.access("/proc/1/mem", os.R_OK):
        pytest.skip("memory of other processes may not be read here")
    admin = f"{tmp_path}/admin.sock"
    backend = recording_backend()
    tg = tidegate(text(hidden, admin, backend), env={"HIDDEN": hidden["variable"]})
    with load.KeptLoad(tg.address, clients=2):
        # The keeper has them all: so they are found where they are.
        assert held(tg, "keeper", hidden) == PLACES
        assert held(tg, "proxy", hidden) == []
        proxy = tg.role_pid("proxy")
        later = {place: secrets.token_hex(16) for place in PLACES}
        later.update(store=hidden["store"], variable=hidden["variable"])  # which a reload cannot change
        tg.reload(text(later, admin, backend, "slow_start = \"1s\";", bind=tg.address))
        assert control.ask(admin, f"add server checked/more {net.ADDRESS}:2").startswith("New server")
        assert held(tg, "keeper", later) == PLACES
        assert held(tg, "proxy", hidden) == held(tg, "proxy", later) == []
    assert tg.role_pid("proxy") == proxy
    assert tg.exchange(client.get()).status == 200
    # Another one, made of what the parent has now.
    os.kill(proxy, 9)
    tg.log.wait(count=2, msg="child ready", child="proxy")
    assert held(tg, "proxy", later) == []
