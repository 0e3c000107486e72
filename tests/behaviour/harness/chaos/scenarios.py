"""What goes wrong, one function each. The load runs all the while.

A function is called with the site, breaks its victim and mends it again, and
returns when the load has seen enough of both.
"""

import dataclasses
import typing

from harness import names, net

NAME = "victim.test"
AFTER = 1.0  # seconds of load after the last event


def _nothing(_site):
    pass


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    about: str
    inject: typing.Callable
    prepare: typing.Callable = _nothing
    in_namespace: bool = False


def _back(site):
    """The victim works again: it is used again, where the proxy finds that out."""
    site.mark("mended")
    if site.wait_served(site.victim, seconds=5):
        site.mark("used-again")
    site.rest(AFTER)


def killed(site):
    site.mark("broken")
    site.victim.kill()
    site.rest(1.0)
    site.victim.start()
    _back(site)


def frozen(site):
    site.mark("broken")
    site.victim.freeze()
    site.rest(3.0)
    site.victim.thaw()
    _back(site)


def black_hole(site):
    site.mark("broken")
    site.namespace.drop("-A", site.victim.ports)
    site.rest(3.0)
    site.namespace.drop("-D", site.victim.ports)
    _back(site)


def _in_mode(mode, seconds):
    def inject(site):
        site.mark("broken")
        site.victim.set_mode(mode)
        site.rest(seconds)
        for kind in site.hit:
            site.wait_failed(kind)
        site.victim.set_mode("ok")
        _back(site)
    return inject


def bursts(site):
    site.mark("broken")
    for _ in range(4):
        site.victim.set_mode("unavailable")
        site.rest(0.3)
        site.victim.set_mode("ok")
        site.rest(0.3)
    _back(site)


def slow_start(site):
    site.mark("broken")
    site.victim.kill()
    site.victim.start("slow")
    site.rest(2.0)
    _back(site)


def all_down(site):
    site.mark("broken")
    for backend in site.backends:
        backend.kill()
    site.rest(1.0)
    site.marks["mended"] = site.victim.start()
    site.wait_served(site.victim, seconds=12)
    for backend in site.backends:
        if backend is not site.victim:
            backend.start()
    site.rest(AFTER)


def backed_up(site):
    site.backends[-1].is_backup = True


def primaries_down(site):
    """At one moment; the backup is well all the time."""
    site.mark("broken")
    for backend in site.primaries():
        backend.kill()
    site.rest(1.0)
    for backend in site.primaries():
        backend.start()
    _back(site)


def elsewhere():
    """Another loopback address of this process: net.ADDRESS begins with 127.64 to 127.127."""
    first, rest = net.ADDRESS.split(".", 1)
    second, rest = rest.split(".", 1)
    return f"{first}.{int(second) - 64}.{rest}"


def named(site):
    site.names = names.NameServer()
    site.names.names[NAME] = [site.victim.address]
    site.victim.host = NAME


def renamed(site):
    """The name moves; once that is followed, or after some seconds, the old address goes away."""
    old = site.victim.start_elsewhere(elsewhere())
    site.mark("moved")
    site.names.names[NAME] = [site.victim.address]
    if site.wait_served(site.victim, 5, seconds=4) and site.wait_served(
            site.victim, seconds=4, kind="tcp"):
        site.mark("followed")
    site.rest(0.5)
    site.mark("broken")
    old.kill()
    _back(site)


ALL = (
    Scenario("kill", "kill -9, restart on the same port after 1 s", killed),
    Scenario("stop", "SIGSTOP, SIGCONT after 3 s", frozen),
    Scenario("black-hole", "all packets to and from it dropped for 3 s", black_hole,
             in_namespace=True),
    Scenario("full-queue", "for 3 s nothing accepted, queue of connections full, no answer",
             _in_mode("deaf", 3.0)),
    Scenario("reset", "resets what it accepts, and what is idle, for 2 s", _in_mode("reset", 2.0)),
    Scenario("no-answer", "reads the head of a request and closes, for 2 s",
             _in_mode("no-answer", 2.0)),
    Scenario("head-only", "sends the head of an answer and closes, for 2 s",
             _in_mode("head-only", 2.0)),
    Scenario("bursts", "4 bursts of 503, 300 ms each; its health check passes", bursts),
    Scenario("slow-start", "kill -9, restart; for 2 s only its health check is answered",
             slow_start),
    Scenario("all-down", "all four kill -9; after 1 s one is back, then the others", all_down),
    Scenario("backup", "three kill -9, the fourth is their backup; after 1 s they are back", primaries_down,
             backed_up),
    Scenario("dns", "its name moves to another address, then the old one is killed", renamed,
             named),
)
BY_NAME = {scenario.name: scenario for scenario in ALL}
