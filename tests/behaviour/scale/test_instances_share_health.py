"""What the checks of several tidegates on one redis find of a backend counts for all, as health.share says."""

import json

import pytest

from harness import conf, control, settings
from harness.redis import Redis
from scale.conftest import shared_store

BACKENDS = {"b1": "127.0.0.1:9", "b2": "127.0.0.1:19"}


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path)
    yield server
    server.stop()


class Instance:
    """One that finds a backend up while a file of its own is there."""

    def __init__(self, name, folder, url):
        self.name, self.folder, self.url = name, folder, url
        self.admin = f"{folder}/{name}.sock"
        self.address = None
        for backend in BACKENDS:
            self.find(backend, True)

    def conf(self, share):
        script = f"test -e {self.folder}/{self.name}-$TIDEGATE_BACKEND"
        entries = [f'{{ name = "{name}"; address = "{address}"; }}' for name, address in BACKENDS.items()]
        text = conf.one("http", entries, workers=1, bind=self.address, top=f"""admin = {{ socket = "{self.admin}"; }};
            {shared_store(self.url, self.name)}""", service=f"""
            health = {{ type = "exec"; interval = "200ms"; timeout = "20s"; rise = 1; fall = 1; share = "{share}";
                        command = ( "/bin/sh", "-c", "{script}" ); }};""")
        self.address = text.address
        return text

    def find(self, backend, is_up):
        file = self.folder / f"{self.name}-{backend}"
        if is_up:
            file.touch()
        else:
            file.unlink(missing_ok=True)

    def seen(self):
        """What counts of each backend, and what its own checks find."""
        shown = json.loads(control.ask(self.admin, "show servers state json"))
        return {one["backend"]: (one["observed"]["state"], one["observed"]["own"]) for one in shown}

    def votes(self, backend):
        for one in json.loads(control.ask(self.admin, "show servers state json")):
            if one["backend"] == backend:
                return {vote["instance"]: vote["state"] for vote in one["observed"]["votes"]}
        return None

    def counts(self):
        """Whose votes count here."""
        (one,) = json.loads(control.ask(self.admin, "show store json"))["votes"]
        return {voter["instance"]: voter["counts"] for voter in one["voters"]}


def wait(instances, b1, b2=("up", "up")):
    """Until each finds them so: b1 is one for all, or one of each."""
    wanted = b1 if isinstance(b1, list) else [b1] * len(instances)
    settings.wait_until(lambda: [one.seen() for one in instances] == [{"b1": each, "b2": b2} for each in wanted],
                        f"all to see {wanted}")


def test_others_have_a_vote(tidegate, redis, tmp_path):
    a, b, c = (Instance(name, tmp_path, redis.url()) for name in "abc")
    running = {one.name: tidegate(one.conf("any")) for one in (a, b, c)}
    wait([a, b, c], ("up", "up"))
    settings.wait_until(lambda: all(len(one.votes("b1")) == 2 for one in (a, b, c)), "all to hear all")

    # any: one that finds it down makes it down, and what others do of that is no vote of theirs.
    a.find("b1", False)
    wait([a, b, c], [("down", "down"), ("down", "up"), ("down", "up")])
    settings.wait_until(lambda: b.votes("b1") == {"a": "down", "c": "up"}, "b to know who")
    assert "others find it down" in running["b"].log.wait(msg="backend down", srv="b1")["reason"]
    settings.wait_until(lambda: "other instances find it down" in control.ask(b.admin, "show stat"), "statistics to say so")
    settings.wait_until(lambda: "site any a 1 1 " in control.ask(b.admin, "show store"), "the store to say so")
    a.find("b1", True)
    wait([a, b, c], ("up", "up"))

    # Who finds none up may be cut off from all: its vote does not count, here or there.
    a.find("b1", False)
    a.find("b2", False)
    settings.wait_until(lambda: b.counts() == {"a": False, "c": True}, "a to have no vote")
    wait([b, c], ("up", "up"))
    a.find("b2", True)

    # majority: alone it does not count, with another it does.
    for one in (a, b, c):
        running[one.name].reload(one.conf("majority"))
    wait([a, b, c], [("up", "down"), ("up", "up"), ("up", "up")])
    b.find("b1", False)
    wait([a, b, c], [("down", "down"), ("down", "down"), ("down", "up")])

    # What an instance that dies has said ends with the lease: two are left, of two minds.
    running["a"].expect_status = None
    running["a"].kill()
    wait([b, c], [("down", "down"), ("up", "up")])
    settings.wait_until(lambda: list(b.counts()) == ["c"], "a to be forgotten")

    # Without redis each goes by its own checks, and says so.
    redis.kill()
    b.find("b2", False)
    for one in (b, c):
        running[one.name].log.wait(msg="what others find of backends is not heard, going on with own checks")
    wait([b], ("down", "down"), ("down", "down"))
    wait([c], ("up", "up"))
    redis.start()
    for one in (b, c):
        running[one.name].log.wait(msg="what others find of backends is heard again")
    # It ends in order: it has no vote any more at once, not after a lease.
    b.find("b2", True)
    settings.wait_until(lambda: c.counts() == {"b": True}, "b to be heard")
    running["b"].stop()
    settings.wait_until(lambda: c.counts() == {}, "b to have left")
