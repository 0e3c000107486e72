"""Sockets that are open before tidegate is, as a service manager hands them over."""

import sys

import pytest

# Puts the descriptors named into their place, as a service manager does, and becomes the program.
ACTIVATE = """
import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",")]
high = [os.dup2(fd, 100 + i, inheritable=False) for i, fd in enumerate(fds)]
for fd in fds:
    os.close(fd)
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
os.environ["LISTEN_PID"] = str(os.getpid() + int(sys.argv[2]))
os.environ["LISTEN_FDS"] = str(len(fds))
os.environ["LISTEN_FDNAMES"] = ":".join(f"name{i}" for i in range(len(fds)))
os.execvp(sys.argv[3], sys.argv[3:])
"""


def skip_without_libsystemd(run_tidegate):
    built = [line.split() for line in run_tidegate("-VV").stdout.splitlines()]
    if ["systemd", "no"] in built:
        pytest.skip("built without libsystemd")


def activated(tidegate, text, *socks, to=0, **options):
    """What the fixture `tidegate` makes, with these sockets; `to`: for a process so far away."""
    fds = [sock.fileno() for sock in socks]
    return tidegate(text, pass_fds=fds, under=(
        sys.executable, "-c", ACTIVATE, ",".join(map(str, fds)), str(to)), **options)
