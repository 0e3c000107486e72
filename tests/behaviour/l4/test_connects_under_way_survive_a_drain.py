"""A connect that is under way when a backend, or all of tidegate, is drained: its client is served, elsewhere."""

import signal

import pytest

from harness import backends, client, conf, net, procfs, settings
from harness.control import ask

TIMEOUTS = 'balance = "first"; timeouts = { connect = "400ms"; };'


@pytest.fixture
def hanging():
    with backends.full_listener() as (listener, n_fillers):
        place = listener.getsockname()
        yield f"{place[0]}:{place[1]}", lambda: settings.wait_until(
            lambda: procfs.connecting_to(place) > 0, "a connect that hangs")


def start(tidegate, tmp_path, address, good, mode="tcp"):
    top = f'admin = {{ socket = "{tmp_path}/admin.sock"; }}; shutdown_grace = "20s";'
    return tidegate(getattr(conf, mode)(f'{{ name = "hanging"; address = "{address}"; }}',
                                        f'{{ name = "good"; address = "{good.address}"; }}',
                                        workers=1, top=top, service=TIMEOUTS)), f"{tmp_path}/admin.sock"


def test_of_the_backend(shared_tidegate, recording_backend, hanging, tmp_path):
    good = recording_backend(backends.echo)
    address, wait_connecting = hanging
    tg, admin = start(shared_tidegate, tmp_path, address, good)
    peer = tg.client().send(b"hello")
    wait_connecting()
    ask(admin, f"drain {tg.service}/hanging")
    assert peer.read(5) == b"hello"
    peer.close()
    record = tg.access.wait(listener=tg.listener)
    assert (record["failed"], record["backend"]) == ("hanging:connect-timeout", "good")


def test_of_the_other_one(shared_tidegate, recording_backend, hanging, tmp_path):
    """It is drained, so nothing new comes to it; nobody is left."""
    good = recording_backend(backends.echo)
    address, wait_connecting = hanging
    tg, admin = start(shared_tidegate, tmp_path, address, good)
    peer = tg.client().send(b"hello")
    wait_connecting()
    ask(admin, f"drain {tg.service}/good")
    peer.read_to_end()
    record = tg.access.wait(listener=tg.listener)
    assert record["end"] == "connect-timeout" and record["no_retry"] == "attempts"
    assert good.connections == []


@pytest.mark.parametrize("mode", ["tcp", "http"])
def test_of_everything(tidegate, recording_backend, hanging, tmp_path, mode):
    """Within shutdown_grace."""
    good = recording_backend(*([backends.echo] if mode == "tcp" else []))
    address, wait_connecting = hanging
    tg, _ = start(tidegate, tmp_path, address, good, mode)
    peer = tg.client().send(b"hello" if mode == "tcp" else client.post(b"hello"))
    wait_connecting()
    tg.send_signal(signal.SIGTERM)
    if mode == "tcp":
        assert peer.read(5) == b"hello"
        peer.close()
    else:
        assert peer.read_answer().status == 200
    tg.wait()
