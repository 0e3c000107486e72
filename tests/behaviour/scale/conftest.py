"""A service whose backends tidegate starts itself: processes of tidegate-demo."""

import json
import os
import signal

import pytest

from harness import conf, control, procfs, settings
from harness.programs import Programs

# Time constants of minutes, in fractions of a second, as long as a test does not ask for others.
QUICK = {"interval": "250ms", "cooldown_down": "500ms", "idle": "1s"}
MODULES = {"target": {"stable_window": "1s", "panic_window": "100ms", "down_stabilization": "1s"}}

# Seconds, of several tidegates on one redis: none is to lose it because a sanitizer, or the machine, makes it slow.
LEASE = 5.0 if settings.sanitizers() else 1.5


def shared_store(url, instance, tls=None):
    """`store` of one of them, which may be stopped for longer than a lease."""
    return (f'store = {{ type = "redis"; url = "{url}"; instance = "{instance}"; {tls.store() if tls else ""} '
            f'lease = "{int(LEASE * 1000)}ms"; timeout = "{int(LEASE * 200)}ms"; }}; watchdog = "1m";')


def quickly(module, autoscale):
    constants = QUICK | MODULES.get(module, {})
    return "".join(f'{key} = "{value}"; ' for key, value in constants.items()
                   if f"{key} =" not in autoscale)


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


@pytest.fixture
def no_orphans(tmp_path):
    """When their tidegate has ended, no backend is left, of whatever provider."""
    yield
    left = [pid for pid in procfs.with_variable("TG_TEST", tmp_path) if procfs.alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, f"backends that nobody has stopped: {left}"


@pytest.fixture
def programs(tmp_path):
    """Programs that start backends."""
    folder = tmp_path / "programs"
    folder.mkdir()
    return Programs(folder)


@pytest.fixture
def scaled(no_orphans, tidegate, admin, tmp_path):
    """scaled(autoscale, provider="", service="", ...): tidegate before the service `site`.
    programs: what else than processes provides its backends; environment: variables of these besides.
    instance: of one of several in one test."""
    return scales(tidegate, admin, tmp_path)


def scales(begin, admin, tmp_path):
    """The function scaled() of a fixture that begins a tidegate; backends have TG_TEST=tmp_path."""
    def start(autoscale, provider="", service="", mode="http", command=None, top="", sockets="",
              backends=(), module="target", programs=None,
              environment=(), instance="", **options):
        demo = settings.program("tidegate-demo")
        words = command or [demo, *(["-t"] if mode == "tcp" else []), "-l", "127.0.0.1:{port}",
                            "-n", "{name}"]
        argv = ", ".join(f'"{word}"' for word in words)
        variables = ", ".join(f'"{one}"' for one in (f"TG_TEST={tmp_path}", *environment))
        processes = f'type = "process"; command = ( {argv} );'
        check = 'type = "tcp";' if mode == "tcp" else 'type = "http"; path = "/status/200";'
        own = admin.replace("admin.sock", f"admin{instance}.sock")
        text = conf.one(mode, backends, top=f'admin = {{ socket = "{own}"; {sockets} }}; {top}',
                        service=f"""
            health = {{ {check} interval = "100ms"; rise = 1; }};
            autoscale = {{ module = "{module}"; {quickly(module, autoscale)} {autoscale} }};
            provider = {{ {programs or processes} stop_grace = "2s";
                          environment = ( {variables} ); {provider} }};
            {service}""", **options)
        tg = begin(text)
        tg.site = Site(own, tmp_path)
        return tg
    return start


class Site:
    """What is known of the scaled service."""

    def __init__(self, admin, mark):
        self.admin, self.mark = admin, mark

    def show(self):
        return json.loads(control.ask(self.admin, "show autoscale site json"))[0]

    def wait(self, **wanted):
        """Until `show autoscale` has these values; the whole of it."""
        seen = {}

        def holds():
            seen.update(self.show())
            return all(seen[key] == value for key, value in wanted.items())
        try:
            settings.wait_until(holds, f"{wanted}")
        except AssertionError as failed:
            raise AssertionError(f"{failed}; it is {seen}") from None
        return seen

    def processes(self):
        """Pids of the demo servers this tidegate has started."""
        return procfs.with_variable("TG_TEST", self.mark)
