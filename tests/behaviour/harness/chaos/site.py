"""What a scenario happens to: four backends, a load, perhaps a network of its own."""

import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import time

from harness import net, settings
from harness.chaos import outcome

HERE = pathlib.Path(__file__).resolve().parent
NAMES = ("b1", "b2", "b3", "b4")
# Neither program has anything but the standard library, and each test starts six of them.
PYTHON = (sys.executable, "-S")
# A build with sanitizers is several times slower, and so are the tests beside this one.
SLOWNESS = 3 if settings.sanitizers() else 1

# Clients of each kind, and exchanges a second of all of them together.
CLIENTS = {"get": 20, "post": 20, "stream": 6, "tcp": 6}
RATE = {"get": 200, "post": 200, "stream": 12, "tcp": 12}
PATIENCE = 8.0


class Worker:
    """A program that is told by lines and answers by lines."""

    def __init__(self, argv, folder, name):
        self.name = name
        self.errors = pathlib.Path(folder) / f"{name}.err"
        with open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=errors, text=True, bufsize=1, cwd=folder)
        self.pid = self.process.pid

    def expect(self, line, seconds=None):
        ready, _, _ = select.select([self.process.stdout], [], [],
                                    seconds or settings.TIMEOUT * SLOWNESS)
        said = self.process.stdout.readline().strip() if ready else "nothing in time"
        if said != line:
            raise AssertionError(f"{self.name} said {said!r}, not {line!r}\n"
                                 + self.errors.read_text(errors="replace")[-2000:])

    def tell(self, line):
        self.process.stdin.write(line + "\n")

    def kill(self):
        self.process.kill()
        self.process.communicate()


class Namespace:
    """A network of its own, in which packets can be dropped."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["unshare", "--net", "--", "sh", "-c", "ip link set lo up && echo up && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "up\n", "no network namespace"
        self.under = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", "--"]

    @staticmethod
    def missing():
        """Why there can be none, or None."""
        if os.geteuid() != 0:
            return "a network namespace needs root"
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        for name in ("unshare", "nsenter", "ip", "iptables"):
            if not shutil.which(name, path=path):
                return f"{name} is not installed"
        # Where the kernel lets root not do it: a container, mostly.
        tried = subprocess.run(["unshare", "--net", "--", "iptables", "-A", "INPUT", "-j", "DROP"],
                               capture_output=True, text=True, check=False)
        return None if tried.returncode == 0 else f"iptables: {tried.stderr.strip()}"

    def drop(self, action, ports):
        """Every packet from and to these ports is dropped ('-A'), or no longer ('-D')."""
        for port in ports:
            for side in ("--dport", "--sport"):
                subprocess.run([*self.under, "iptables", action, "INPUT", "-p", "tcp", side,
                                str(port), "-j", "DROP"], check=True)

    def stop(self):
        self.process.communicate()


class Backend:
    """One of the four: a process that comes and goes, on ports that stay."""

    def __init__(self, site, name):
        self.site = site
        self.name = name
        self.says = name  # what its answers call it
        self.address = net.ADDRESS
        self.host = self.address  # what the proxy is told
        self.is_backup = False
        self.http = net.free_port()
        self.tcp = net.free_port()
        self.worker = None

    @property
    def ports(self):
        return self.http, self.tcp

    def start(self, mode="ok"):
        """Starts it; the time at which it was ready."""
        self.worker = self._started(self.address, mode)
        return time.monotonic()

    def _started(self, address, mode="ok"):
        worker = Worker([*self.site.under, *PYTHON, str(HERE / "backend.py"), self.says, address,
                         str(self.http), str(self.tcp), str(self.site.begun), mode],
                        self.site.folder, self.name)
        self.site.workers.append(worker)
        worker.expect("ready")
        return worker

    def start_elsewhere(self, address):
        """A second process on the same ports of another address; the first is returned."""
        self.says += "-moved"
        old, self.worker = self.worker, self._started(address)
        self.address = address
        return old

    def kill(self):
        self.worker.kill()

    def set_mode(self, mode):
        self.worker.tell(mode)
        self.worker.expect(f"mode {mode}")

    def freeze(self):
        os.kill(self.worker.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.worker.pid, signal.SIGCONT)


class Site:
    """All of it. `with Site(...) as site:` ends every process by its pid."""

    def __init__(self, folder, scenario, rate=None, hit=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.begun = self.folder / "begun"
        self.begun.touch()
        self.results = self.folder / "results"
        self.read = []  # exchanges
        self.read_bytes = 0
        self.rate = rate or {kind: n / SLOWNESS for kind, n in RATE.items()}
        self.hit = hit
        self.workers = []
        self.load = None
        self.names = None
        self.marks = {}
        self.namespace = Namespace() if scenario.in_namespace else None
        self.under = self.namespace.under if self.namespace else []
        self.backends = [Backend(self, name) for name in NAMES]
        self.victim = self.backends[1]
        self.http = f"{net.ADDRESS}:{net.free_port()}"
        self.tcp = f"{net.ADDRESS}:{net.free_port()}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for worker in self.workers:
            worker.kill()
        if self.namespace:
            self.namespace.stop()
        if self.names:
            self.names.stop()

    def start_load(self):
        """Returns once everything works and the load has been steady for a moment."""
        self.results.touch()
        self.load = Worker([*self.under, *PYTHON, str(HERE / "load.py"), str(self.results),
                            json.dumps({"http": net.split(self.http), "tcp": net.split(self.tcp),
                                        "backends": [backend.name for backend in self.primaries()],
                                        "clients": CLIENTS, "rate": self.rate,
                                        "patience": PATIENCE * SLOWNESS})],
                           self.folder, "load")
        self.workers.append(self.load)
        self.load.expect("warm")
        for backend in self.primaries():
            self.wait_served(backend, 5)

    def primaries(self):
        return [backend for backend in self.backends if not backend.is_backup]

    def end_load(self):
        self.load.tell("end")
        self.load.process.wait(settings.TIMEOUT + 2 * PATIENCE * SLOWNESS)

    def mark(self, name):
        self.marks[name] = time.monotonic()
        return self.marks[name]

    def rest(self, seconds):
        """The load goes on for so long."""
        settings.let_rest(seconds)

    def exchanges(self):
        """Those that are over."""
        with open(self.results, "rb") as results:
            results.seek(self.read_bytes)
            lines, end, _ = results.read().rpartition(b"\n")
        self.read_bytes += len(lines + end)
        self.read += map(json.loads, lines.splitlines())
        return self.read

    def wait_served(self, backend, n=1, seconds=None, kind="get"):
        """Until `backend` served n exchanges that begin from now on; False: not in time."""
        since = time.monotonic()
        known = len(self.exchanges())

        def enough():
            return sum(1 for one in self.exchanges()[known:] if one["kind"] == kind and
                       one["begin"] >= since and one["result"] == "ok" and
                       one["by"] == backend.says) >= n
        try:
            settings.wait_until(enough, f"{n} x {kind} served by {backend.says}", seconds)
            return True
        except settings.NotInTime:
            if seconds is None:
                raise
            return False

    def wait_failed(self, kind):
        """Until an exchange of this kind that began after the break has failed."""
        def one_failed():
            return any(one["kind"] == kind and one["begin"] >= self.marks["broken"] and
                       one["result"] != "ok" for one in self.exchanges())
        settings.wait_until(one_failed, f"a {kind} that fails")

    def outcome(self):
        begun = [line.split() for line in self.begun.read_text().splitlines()]
        return outcome.Outcome(self.exchanges(), begun, self.victim.name, self.marks)


def run(scenario, start_proxy, folder, rate=None, hit=()):
    """One scenario in front of one proxy; start_proxy(site) starts what listens there. `hit`: kinds
    of which one must fail before the backend is mended: few begin in a slow build."""
    with Site(folder, scenario, rate, hit) as site:
        scenario.prepare(site)
        for backend in site.backends:
            backend.start()
        start_proxy(site)
        site.start_load()
        site.mark("begin")
        scenario.inject(site)
        site.end_load()
        return site.outcome()
