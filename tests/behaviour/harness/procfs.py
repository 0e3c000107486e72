"""What the kernel says of a process."""

import collections
import contextlib
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys

from harness import settings

TcpSocket = collections.namedtuple("TcpSocket", "state unread unacked remote")
TCP_STATES = {1: "ESTABLISHED", 2: "SYN_SENT", 7: "CLOSE", 8: "CLOSE_WAIT", 10: "LISTEN"}


def alive(pid):
    """False for zombies too: they wait for their parent only."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rsplit(")", 1)[1].split()[0] not in "ZX"


def executable(pid):
    """The path of its program; "" when it has ended."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except (FileNotFoundError, ProcessLookupError):
        return ""


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


def is_stopped(pid):
    """Whether every thread of it stands still after SIGSTOP."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (task / "stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
            return False
    return True


@contextlib.contextmanager
def standing_still(pid):
    """Inside the block it does not run: what others do there, it then meets at once."""
    os.kill(pid, signal.SIGSTOP)
    try:
        settings.wait_until(lambda: is_stopped(pid), f"process {pid} to stand still")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def threads(pid):
    """Ids of its threads, the first one first, the others as they came."""
    found = [int(task.name) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    return sorted(found, key=lambda thread: (thread != pid, thread))


# Holds one thread as a debugger does, until it dies: nobody else may wait for it meanwhile.
_HOLD = """
import ctypes, os, sys
SEIZE, INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
thread = int(sys.argv[1])
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long] * 4
for request in (SEIZE, INTERRUPT):
    if ptrace(request, thread, 0, 0) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
status = os.waitpid(thread, WALL)[1]
print("still", flush=True)
while os.WIFSTOPPED(status):
    status = os.waitpid(thread, WALL)[1]
"""


@contextlib.contextmanager
def thread_standing_still(thread):
    """Inside the block this one thread does not run, or until it is killed."""
    with subprocess.Popen([sys.executable, "-c", _HOLD, str(thread)], text=True,
                          stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout.readline() == "still\n", "no thread may be held here"
            yield
        finally:
            holder.kill()


def _diagnose(flags, states, ports, hosts):
    """Asks sock_diag(7) for IPv4 TCP sockets: exact and quick, however many there are."""
    wanted = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, states)
    wanted += struct.pack("!HH16s16s", *ports, *hosts)
    wanted += struct.pack("=III", 0, 0xffffffff, 0xffffffff)  # any interface, no cookie
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as kernel:
        kernel.settimeout(settings.TIMEOUT)
        kernel.send(struct.pack("=IHHII", 16 + len(wanted), 20, 1 | flags, 1, 0) + wanted)
        while True:
            answer = kernel.recv(1 << 16)
            while answer:
                length, kind = struct.unpack_from("=IH", answer)
                if kind != 20:  # an error, or the end of a dump
                    return
                state, = struct.unpack_from("=B", answer, 17)
                port, remote = struct.unpack_from("!2xH16x4s", answer, 20)
                unread, unacked = struct.unpack_from("=II", answer, 72)
                yield TcpSocket(TCP_STATES.get(state, state), unread, unacked,
                                (socket.inet_ntoa(remote), port))
                answer = answer[(length + 3) & ~3:]
            if not flags:
                return


def tcp_socket(local, remote):
    """The socket with these two addresses, (host, port) each; None: there is none (any more)."""
    hosts = socket.inet_aton(local[0]), socket.inet_aton(remote[0])
    found = list(_diagnose(0, 0xffffffff, (local[1], remote[1]), hosts))
    # Where the connection is gone the kernel tells of the listener.
    return found[0] if found and found[0].state not in ("CLOSE", "LISTEN") else None


def connecting_to(remote):
    """How many sockets still try to connect there."""
    return sum(found.remote == remote for found in
               _diagnose(0x300, 1 << 2, (0, 0), (b"", b"")))


def unnamed_files(pid):
    """Regular files without a name that the process has open."""
    return [name for name in descriptors(pid).values()
            if "(deleted)" in name and "memfd" not in name]


def _read_memory(memory, start, end):
    """What lies there, as far as it can be read: pages behind the end of a file cannot."""
    found = b""
    while start + len(found) < end:
        try:
            piece = os.pread(memory, end - start - len(found), start + len(found))
        except OSError:
            break
        if not piece:
            break
        found += piece
    return found


def memory_has(pid, wanted):
    """Which of these bytes are anywhere in the memory of a process, its arguments and environment included."""
    found = set()
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            bounds, rights = line.split()[:2]
            if rights[0] == "r":
                start, end = (int(bound, 16) for bound in bounds.split("-"))
                piece = _read_memory(memory.fileno(), start, end)
                found.update(one for one in wanted if one in piece)
    return found


def with_variable(name, value):
    """Pids of processes that have this variable in their environment."""
    found = []
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if f"{name}={value}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found
