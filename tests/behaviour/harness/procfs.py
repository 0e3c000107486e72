"""What the kernel says of a process."""

import os
import pathlib


def alive(pid):
    """False for zombies too: they wait for their parent only."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rsplit(")", 1)[1].split()[0] not in "ZX"


def status(pid):
    """/proc/PID/status as a dictionary."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {key: value.strip() for key, value in
            (line.split(":", 1) for line in text.splitlines())}


def descriptors(pid):
    """{number: what it refers to}, as the links in /proc/PID/fd read."""
    found = {}
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[int(link.name)] = os.readlink(link)
        except FileNotFoundError:
            continue  # closed while we looked
    return found


def mappings(pid):
    """Names of the files mapped into a process."""
    lines = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {fields[5] for fields in (line.split(None, 5) for line in lines) if len(fields) > 5}


def socket_kinds(pid):
    """{inode: kind} of the sockets of a process: 'tcp-listen', 'tcp', 'unix-listen', 'unix', 'udp'."""
    kinds = {}
    for family in ("tcp", "tcp6", "udp", "udp6"):
        for line in _table(pid, family):
            fields = line.split()
            listens = family.startswith("tcp") and fields[3] == "0A"
            kinds[fields[9]] = family[:3] + ("-listen" if listens else "")
    for line in _table(pid, "unix"):
        fields = line.split()
        kinds[fields[6]] = "unix-listen" if int(fields[3], 16) & 0x10000 else "unix"
    return kinds


def _table(pid, name):
    try:
        return pathlib.Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
    except FileNotFoundError:
        return []  # no such family in this kernel


def count_by_kind(pid):
    """How many descriptors of each kind: socket kinds, else the link without its number."""
    kinds = socket_kinds(pid)
    counts = {}
    for target in descriptors(pid).values():
        kind = target
        if target.startswith("socket:["):
            kind = kinds.get(target[8:-1], "socket")
        elif target.startswith("pipe:["):
            kind = "pipe"
        counts[kind] = counts.get(kind, 0) + 1
    return counts
