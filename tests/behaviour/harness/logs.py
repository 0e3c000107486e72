"""Log lines and access records, text or JSON, as dictionaries."""

import json
import pathlib
import re

from harness import settings

_PAIR = re.compile(r'([A-Za-z_][A-Za-z0-9_.-]*)=("(?:[^"\\]|\\.)*"|\S*)')
_ESCAPE = re.compile(r'\\(x[0-9a-fA-F]{2}|.)')


def _unquote(value):
    if not value.startswith('"'):
        return value
    return _ESCAPE.sub(lambda m: chr(int(m[1][1:], 16)) if m[1][0] == "x" and len(m[1]) == 3
                       else m[1], value[1:-1])


def parse(line):
    """One line; the time is under 'time', the line itself under 'line'. None: not one of ours."""
    line = line.rstrip("\n")
    if line.startswith("{"):
        try:
            record = json.loads(line)
        except ValueError:
            return None
        record["line"] = line
        return record
    record = {key: _unquote(value) for key, value in _PAIR.findall(line)}
    if not record:
        return None
    record["time"] = line.split(" ", 1)[0]
    record["line"] = line
    return record


class LogFile:
    """A growing log file."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def text(self):
        return self.path.read_text("utf-8", "replace") if self.path.exists() else ""

    def records(self, **wanted):
        """Records whose fields have these values (compared as text)."""
        found = []
        for line in self.text().splitlines(keepends=True):
            record = parse(line) if line.endswith("\n") else None
            if record and all(str(record.get(k)) == str(v) for k, v in wanted.items()):
                found.append(record)
        return found

    def wait(self, count=1, **wanted):
        """Waits for `count` such records and returns the last of them."""
        said = " ".join(f"{key}={value}" for key, value in wanted.items())
        found = []

        def enough():
            found[:] = self.records(**wanted)
            return len(found) >= count
        settings.wait_until(enough, f"{count} x {said} in {self.path.name}")
        return found[count - 1]
