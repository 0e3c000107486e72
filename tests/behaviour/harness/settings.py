"""The knobs of a test run, all from the environment, and how to wait.

TG_TEST_TIMEOUT  seconds any single wait may take (20); a slow build gets more
TG_BUILD         build folder with tidegate, tidectl and tidegate-demo
TIDEGATE_BIN     the tidegate binary itself, when it is not in TG_BUILD
"""

import functools
import mmap
import os
import pathlib
import time

TIMEOUT = float(os.environ.get("TG_TEST_TIMEOUT", "20"))
TOP = pathlib.Path(__file__).resolve().parents[3]


class Missing(Exception):
    """A program the test needs is not there."""


class NotInTime(AssertionError):
    """What a test waited for did not happen."""


def build_folder():
    if "TG_BUILD" in os.environ:
        return pathlib.Path(os.environ["TG_BUILD"]).resolve()
    if "TIDEGATE_BIN" in os.environ:
        return pathlib.Path(os.environ["TIDEGATE_BIN"]).resolve().parent
    for folder in (pathlib.Path.cwd(), TOP / "build", TOP):
        if os.access(folder / "tidegate", os.X_OK) and (folder / "tidegate").is_file():
            return folder.resolve()
    raise Missing("no tidegate: set TG_BUILD to a build folder")


def program(name):
    """The path of a program of the build under test."""
    path = build_folder() / name
    if name == "tidegate" and "TIDEGATE_BIN" in os.environ:
        path = pathlib.Path(os.environ["TIDEGATE_BIN"]).resolve()
    if not os.access(path, os.X_OK):
        raise Missing(f"{path} is not there: build it first")
    return str(path)


@functools.lru_cache(maxsize=None)
def sanitizers():
    """The sanitizers in the binary under test: a set of 'address', 'thread', 'undefined'."""
    marks = {"address": b"__asan_init", "thread": b"__tsan_init", "undefined": b"__ubsan_handle"}
    with open(program("tidegate"), "rb") as binary:
        with mmap.mmap(binary.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return frozenset(name for name, mark in marks.items() if text.find(mark) >= 0)


def deadline(seconds=None):
    return time.monotonic() + (TIMEOUT if seconds is None else seconds)


def left(until):
    """Seconds until a deadline, for a socket timeout: never 0, which would mean 'do not block'."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise NotInTime("the wait passed TG_TEST_TIMEOUT")
    return seconds


def wait_until(holds, what, seconds=None):
    """Waits until holds() is true and returns its value; `what` names it when it never is. It looks often
    at first, then at each tenth of the time that has passed."""
    began = time.monotonic()
    until = deadline(seconds)
    while True:
        value = holds()
        if value:
            return value
        now = time.monotonic()
        if now >= until:
            raise NotInTime(f"waited for: {what}")
        time.sleep(min(max((now - began) / 10, 0.003), 0.03))


def let_rest(seconds):
    """Lets this much time pass where time itself is what the test is about: a connection rests."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until, "time to pass", seconds + TIMEOUT)
