"""Programs of a measurement: started, waited for, looked at in /proc, stopped by pid."""

import contextlib
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import time

ADDRESS = "127.0.0.1"
PATIENCE = 20.0  # seconds until a program must be ready or gone


class Failed(Exception):
    """A program did not do its part."""


_given = set()


def free_port():
    """A port that can be bound now, and another one at each call: the kernel may give one twice that nobody has taken yet."""
    while True:
        with socket.socket() as probe:
            probe.bind((ADDRESS, 0))
            port = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


class Program:
    """A running program; its errors are in a file and shown when it fails."""

    def __init__(self, argv, folder, name, keep_input=False):
        self.name = name
        self.errors = pathlib.Path(folder) / f"{name}.err"
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                argv, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1,
                stdin=subprocess.PIPE if keep_input else subprocess.DEVNULL)
        self.pid = self.process.pid

    def fail(self, what):
        tail = self.errors.read_text(errors="replace")[-2000:]
        raise Failed(f"{self.name}: {what}\n{tail}")

    def line(self, seconds=PATIENCE):
        """The next line of its standard output. One at a time: nothing is buffered ahead."""
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        text = self.process.stdout.readline() if ready else ""
        if not text:
            self.fail("said nothing in time" if not ready else "ended early")
        return text.strip()

    def wait_listening(self, *ports):
        until = time.monotonic() + PATIENCE
        for port in ports:
            while not _listens(port):
                if self.process.poll() is not None:
                    self.fail(f"ended with {self.process.returncode}")
                if time.monotonic() > until:
                    self.fail(f"port {port} does not answer")
                time.sleep(0.01)

    def stop(self):
        if self.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex((ADDRESS, port)) == 0


def family(pid):
    """`pid` and all that descend from it."""
    found = [pid]
    for one in found:
        for task in _tasks(one):
            with contextlib.suppress(OSError):
                text = pathlib.Path(f"/proc/{one}/task/{task}/children").read_text()
                found += [int(child) for child in text.split()]
    return found


def role(pid, name):
    """The process of this tidegate that is its `name`: proxy, keeper."""
    for one in family(pid):
        with contextlib.suppress(OSError):
            if f"--role={name}".encode() in pathlib.Path(f"/proc/{one}/cmdline").read_bytes():
                return one
    raise Failed(f"there is no {name}")


def own_address(number, port):
    """Of each backend of many an address of its own on loopback, which has enough for fifteen million."""
    return f"127.{1 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}:{port}"


def compile_tool(name, folder):
    """The path of a program of this folder."""
    path = pathlib.Path(folder) / name
    subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra",
                    str(pathlib.Path(__file__).resolve().parent / f"{name}.c"), "-o", str(path), "-lm"], check=True)
    return path


def _tasks(pid):
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


class Cpu:
    """CPU time of processes so far, in microseconds: `total` exact, the split by clock ticks."""

    TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")

    def __init__(self, pids):
        self.total = self.user = self.system = 0.0
        for pid in pids:
            for task in _tasks(pid):
                with contextlib.suppress(OSError):
                    self.total += int(pathlib.Path(
                        f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0]) / 1e3
            with contextlib.suppress(OSError):
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                self.user += int(fields[11]) * self.TICK_US
                self.system += int(fields[12]) * self.TICK_US

    def since(self, before):
        """(total, user, system) between two looks."""
        total = self.total - before.total
        user, system = self.user - before.user, self.system - before.system
        share = user / (user + system) if user + system > 0 else 0.0
        return total, total * share, total * (1 - share)


def machine_busy_us():
    """CPU time of everything on the machine, in microseconds."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq = (int(field) for field in fields[:7])
    return (user + nice + system + irq + softirq) * Cpu.TICK_US


def wait_quiet(seconds):
    """Until less than a fifth of a processor is used, or the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        before = machine_busy_us()
        time.sleep(0.3)
        if machine_busy_us() - before < 0.2 * 0.3e6:
            return


def memory_bytes(pids, field):
    """Sum of Rss or Pss over processes."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(rf"^{field}:\s+(\d+)", text, re.M).group(1)) * 1024
    return total


def settled_pss(pids):
    """PSS once two looks in a row agree within 16 KiB."""
    last = memory_bytes(pids, "Pss")
    for _ in range(50):
        time.sleep(0.1)
        now = memory_bytes(pids, "Pss")
        if abs(now - last) < 16384:
            return now
        last = now
    return last


# Calls that move bytes or make and end connections; the shared wait and the rest are apart.
WAITS = {"epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "select", "futex", "nanosleep",
         "clock_nanosleep", "sched_yield", "rt_sigprocmask", "clock_gettime", "gettimeofday",
         "timerfd_settime", "rt_sigreturn", "restart_syscall", "madvise", "mmap", "munmap", "brk"}


class Strace:
    """Counts the system calls of running processes."""

    def __init__(self, pids, folder):
        self.table = pathlib.Path(folder) / "strace.table"
        pairs = [text for pid in pids for text in ("-p", str(pid))]
        self.process = subprocess.Popen(
            ["strace", "-c", "-f", "-o", str(self.table), *pairs], stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        tasks = sum(len(_tasks(pid)) for pid in pids)
        attached = 0
        while attached < tasks:
            line = self.process.stderr.readline()
            if not line:
                raise Failed("strace could not attach")
            found = re.search(r"attached(?: with (\d+) threads)?", line)
            if found:
                attached += int(found.group(1) or 1)

    def end(self):
        """{call: count}"""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=PATIENCE)
        calls = {}
        for line in self.table.read_text().splitlines():
            fields = line.split()
            if len(fields) >= 5 and re.fullmatch(r"[\d.]+", fields[0]) and fields[-1] != "total":
                calls[fields[-1]] = int(fields[3])
        return calls
