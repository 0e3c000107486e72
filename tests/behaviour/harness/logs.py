"""Log lines and access records, text or JSON, as dictionaries."""

import datetime
import json
import os
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


def moment(record):
    """When it was written, in seconds, to compare."""
    return datetime.datetime.fromisoformat(record["time"].replace("Z", "+00:00")).timestamp()


class LogFile:
    """A growing log file."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.whole = []  # the records read so far
        self.read = 0  # bytes they take
        self.inode = None

    def text(self):
        return self.path.read_text("utf-8", "replace") if self.path.exists() else ""

    def records(self, **wanted):
        """Records whose fields have these values (compared as text)."""
        self._read_on()
        wanted = [(key, str(value)) for key, value in wanted.items()]
        return [record for record in self.whole
                if all(str(record.get(key)) == value for key, value in wanted)]

    def _read_on(self):
        """Only what is new: a log of many thousand lines is looked at many times."""
        try:
            now = os.stat(self.path)
        except FileNotFoundError:
            return
        if now.st_ino != self.inode or now.st_size < self.read:
            self.inode, self.read, self.whole = now.st_ino, 0, []
        if now.st_size == self.read:
            return
        with open(self.path, "rb") as file:
            if os.fstat(file.fileno()).st_ino != now.st_ino:
                return  # another one since; next time
            file.seek(self.read)
            lines, _, _ = file.read().rpartition(b"\n")
        if not lines:
            return
        self.read += len(lines) + 1
        for line in lines.decode("utf-8", "replace").split("\n"):
            record = parse(line)
            if record:
                self.whole.append(record)

    def wait(self, count=1, **wanted):
        """Waits for `count` such records and returns the last of them."""
        said = " ".join(f"{key}={value}" for key, value in wanted.items())
        found = []

        def enough():
            found[:] = self.records(**wanted)
            return len(found) >= count
        settings.wait_until(enough, f"{count} x {said} in {self.path.name}")
        return found[count - 1]
