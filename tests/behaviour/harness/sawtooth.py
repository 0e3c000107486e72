"""Load that rises and falls again and again in front of a scaled service, and what came of it."""

import collections
import dataclasses
import time

from harness import client, load

AUTOSCALE = 'metric = "in-flight"; target = 3; min = 1; max = 4;'
STEADY = 2  # clients that ask all the time: one backend is enough
PEAK = 10   # those of a tooth besides: four are needed
BRIEF = client.get("/slow?ms=100")
# Never sent twice: where one's backend is stopped, its client sees that.
LONG = client.post(b"x" * 100, "/slow?ms=2000")


@dataclasses.dataclass
class Outcome:
    seconds: float = 0
    teeth: int = 0
    requests: int = 0
    failed: list = dataclasses.field(default_factory=list)
    events: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def note(self, *loads):
        for one in loads:
            self.requests += len(one.results)
            self.failed += one.failures()

    def __str__(self):
        said = f"{self.seconds:.0f} s, {self.teeth} teeth, {self.requests} requests, {len(self.failed)} failed"
        events = ", ".join(f"{n} {event}" for event, n in sorted(self.events.items()))
        return f"{said}; backends: {events}" if events else said


def play(tg, seconds, told=None):
    """Before a service with AUTOSCALE, two teeth at least. Every second tooth rises while the backends of the one
    before are on their way out. told(outcome) after each."""
    began = time.monotonic()
    outcome = Outcome()
    with load.KeptLoad(tg.address, clients=STEADY, request=LONG) as base:
        while time.monotonic() < began + seconds or outcome.teeth < 2:
            with load.KeptLoad(tg.address, clients=PEAK, request=BRIEF) as tooth:
                tg.site.wait(ready=4)
            outcome.note(tooth)
            outcome.teeth += 1
            if outcome.teeth % 2:
                tg.site.wait(desired=1)
            else:
                tg.site.wait(ready=1, draining=0)
            outcome.seconds = time.monotonic() - began
            if told:
                told(outcome)
    outcome.note(base)
    outcome.events.update(line["msg"].removeprefix("backend ") for line in tg.log.records()
                          if line["msg"].startswith("backend ") and line.get("svc") == "site")
    return outcome
