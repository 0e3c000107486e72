"""One tidegate for the tests of a file, each with a configuration of its own that comes by a reload.

A start and a stop cost many times what a reload does. Whatever a test could leave behind goes by names: the
listener and the service of each turn have names that no other has, so that counters, verdicts and budgets
are new, and records of others are not seen. What depends on the age of the process, on its memory or on how
it ends, and what goes through more than one of them, takes the fixture `tidegate` instead.
"""

import contextlib
import itertools
import re
import signal

from harness import logs, process, settings

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

    def __init__(self, number):
        self.listener, self.service = f"front-{number}", f"site-{number}"
        self.clients = []

    def named(self, conf):
        """The text of a configuration with the names of this turn."""
        return str(conf).replace('"front"', f'"{self.listener}"').replace('"site"', f'"{self.service}"')

    def of(self, program, starts, address):
        """What a Tidegate has, of this one. Its logs count from these places on."""
        vars(self).update({**vars(program), **vars(self)}, address=address, expect_status=None)
        own = {"listener": self.listener, "svc": self.service}
        self.log, self.access = (OwnRecords(log.path, start, own)
                                 for log, start in zip((program.log, program.access), starts))
        return self

    def reload(self, conf=None):
        return super().reload(conf and self.named(conf))

    def end(self):
        for made in self.clients:
            made.close()
        report = process.reports_in(self.log.text())
        assert not report, "sanitizer report:\n" + self.log.text()[-20000:]


def _size(log):
    return log.path.stat().st_size


def _reload(program, text):
    """By SIGHUP; one that fails says why."""
    def ends():
        return [record for record in program.log.records()
                if record.get("msg") in ("reloaded", "the reload has failed, going on")]
    before = len(ends())
    program.conf_path.write_text(text)
    program.send_signal(signal.SIGHUP)
    settings.wait_until(lambda: len(ends()) > before, "the end of the reload")
    assert ends()[before]["msg"] == "reloaded", ends()[before]["line"]


class Shared:
    """The programs of a file: one for each number of workers, which no reload changes in place."""

    def __init__(self, start):
        self.start = start
        self.programs = {}
        self.numbers = itertools.count(1)

    def _begin(self, conf):
        made = Turn(next(self.numbers))
        workers = re.search(r"workers = (\d+);", str(conf))[1]
        program = self.programs.get(workers)
        starts = (0, 0)
        if program and program.running():
            starts = _size(program.log), _size(program.access)
            _reload(program, made.named(conf))
        else:
            program = self.programs[workers] = self.start(made.named(conf))
        return made.of(program, starts, conf.address)

    @contextlib.contextmanager
    def turn(self, conf):
        made = self._begin(conf)
        try:
            yield made
        finally:
            made.end()
