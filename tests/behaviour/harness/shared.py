"""One tidegate for the tests of a file, each with a configuration of its own that comes by a reload.

A start and a stop cost many times what a reload does. Whatever a test could leave behind goes by names: the
listener and the service of each turn have names that no other has, so that counters, verdicts and budgets
are new, and records of others are not seen. The mark `names_stay` keeps "front" and "site", and
one more reload behind the test takes them away; an access record of the test before may still come then.
What depends on the age of the process, on its memory or on how it ends, and what goes through more than one
of them, takes the fixture `tidegate` instead.
"""

import itertools
import re
import signal

from harness import conf, logs, net, process, settings

_NAMES = {"listener": re.compile(r"front-\d+"), "svc": re.compile(r"site-\d+")}


class OwnRecords(logs.LogFile):
    """A log from `start` on, without the records that name the listener or the service of another turn."""

    def __init__(self, path, start, own):
        super().__init__(path)
        self.own = own
        self.start = self.read = start
        self.inode = self.path.stat().st_ino

    def text(self):
        return self.path.read_bytes()[self.start:].decode("utf-8", "replace")

    def _is_own(self, record):
        return all(record.get(key) in (None, self.own[key]) or not names.fullmatch(record[key])
                   for key, names in _NAMES.items())

    def records(self, **wanted):
        return [record for record in super().records(**wanted) if self._is_own(record)]


class Turn(process.Tidegate):
    """What one test has of a tidegate that runs: all of a Tidegate, but it is neither started nor ended.

    The listener "front" is called `listener`, and the service "site" `service`."""

    def __init__(self, number, names_stay, program, address):
        """It has what this Tidegate has. Its logs begin here."""
        vars(self).update(vars(program), address=address, clients=[], expect_status=None)
        self.names_stay = names_stay
        if not names_stay:
            self.listener, self.service = f"front-{number}", f"site-{number}"
        own = {"listener": self.listener, "svc": self.service}
        self.log, self.access = (OwnRecords(log.path, log.path.stat().st_size, own)
                                 for log in (program.log, program.access))

    def named(self, text):
        """The text of a configuration with the names of this turn."""
        return str(text).replace('"front"', f'"{self.listener}"').replace('"site"', f'"{self.service}"')

    def reload(self, conf=None):
        return super().reload(conf and self.named(conf))

    def fail_to_reload(self, conf=None):
        return super().fail_to_reload(conf and self.named(conf))

    def judge(self):
        report = process.reports_in(self.log.text())
        assert not report, "sanitizer report:\n" + self.log.text()[-20000:]


def _reload(program, text):
    """By SIGHUP; one that fails says why."""
    def ends():
        return [record for record in program.log.records()
                if record.get("msg") in ("reloaded", "the reload has failed, going on")]
    before = len(ends())
    program.conf_path.write_text(str(text))
    program.send_signal(signal.SIGHUP)
    settings.wait_until(lambda: len(ends()) > before, "the end of the reload")
    assert ends()[before]["msg"] == "reloaded", ends()[before]["line"]


def _resting(workers):
    """Nothing in it is of a test, so that all is new to the next one whatever its names are."""
    return conf.Conf(f"""workers = {workers}; shutdown_grace = "1s";
        listeners = ( {{ name = "resting"; bind = "{net.ADDRESS}:{net.free_port()}"; mode = "tcp";
                         service = "resting"; }} );
        services = ( {conf.service_entry("resting", ["127.0.0.1:9"])} );""")


class Shared:
    """The programs of a file: one for each number of workers, which no reload changes in place."""

    def __init__(self, start):
        self.start = start
        self.programs = {}
        self.numbers = itertools.count(1)
        self.turn = None  # of the test under way
        self.workers = None

    def begin(self, text, names_stay):
        """The turn of a test: a tidegate that has this configuration from now on."""
        assert self.turn is None, "one in a test: a second would take its place"
        self.workers = re.search(r"\bworkers = (\d+);", str(text))[1]
        program = self.programs.get(self.workers)
        if program is None:
            program = self.programs[self.workers] = self.start(_resting(self.workers))
        self.turn = Turn(next(self.numbers), names_stay, program, getattr(text, "address", None))
        _reload(program, self.turn.named(text))
        return self.turn

    def end(self, failed):
        """After a test, if it had a turn. Where it failed its program is left to the end of the file."""
        turn, self.turn = self.turn, None
        if turn is None:
            return
        turn.close_clients()
        program = self.programs[self.workers]
        if failed or not program.running():
            del self.programs[self.workers]
        elif turn.names_stay:
            _reload(program, _resting(self.workers))
        turn.judge()
