"""Programs under test: started, waited for, stopped by pid, judged at their end."""

import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess

from harness import client, logs, net, procfs, settings

REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "LeakSanitizer:",
           "runtime error:", "WARNING: ThreadSanitizer", "ThreadSanitizer:",
           "UndefinedBehaviorSanitizer", "Assertion `")

SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:handle_sigill=2",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "second_deadlock_stack=1:report_signal_unsafe=1:atexit_sleep_ms=50",
}


def reports_in(text):
    """The lines of a sanitizer report, or nothing."""
    return [line for line in text.splitlines() if any(mark in line for mark in REPORTS)]


PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Processes below us whose parent ends become our children, so that they can be waited for."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


class Successor:
    """A process that was not started here, in the words of subprocess.Popen. It becomes our child when
    its parent has ended."""

    def __init__(self, pid):
        self.pid = pid
        self.returncode = None

    def poll(self):
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            except ChildProcessError:
                assert procfs.alive(self.pid), "it ended before its parent did"
        return self.returncode

    def wait(self, timeout=None):
        try:
            settings.wait_until(lambda: self.poll() is not None, "the successor to end", timeout)
        except settings.NotInTime:
            raise subprocess.TimeoutExpired("successor", timeout) from None
        return self.returncode

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


class Program:
    """A program in a folder of its own, standard output and error in files."""

    def __init__(self, argv, folder, env=None, name=None, pass_fds=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = name or os.path.basename(argv[0])
        self.stdout = logs.LogFile(self.folder / f"{self.name}.out")
        self.stderr = logs.LogFile(self.folder / f"{self.name}.err")
        environment = {**SANITIZER_OPTIONS, **os.environ, **(env or {})}
        with open(self.stdout.path, "ab") as out, open(self.stderr.path, "ab") as err:
            self.process = subprocess.Popen(argv, cwd=self.folder, env=environment, stdout=out,
                                            stderr=err, stdin=subprocess.DEVNULL,
                                            pass_fds=pass_fds)
        self.pid = self.process.pid

    def running(self):
        return self.process.poll() is None

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=None):
        """Waits for the end; the exit status."""
        try:
            return self.process.wait(settings.TIMEOUT if seconds is None else seconds)
        except subprocess.TimeoutExpired:
            raise settings.NotInTime(f"{self.name} (pid {self.pid}) did not end") from None

    def stop(self, number=signal.SIGTERM, status=0):
        """Stops it by pid; another exit status than `status` is a failure (None: any)."""
        if self.running():
            self.send_signal(number)
        try:
            ended = self.wait()
        except settings.NotInTime:
            self.kill_all()
            raise
        assert status is None or ended == status, f"{self.name} ended with {ended}"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def kill_all(self):
        """With all that it has started, and what these have."""
        pids = descendants(self.pid)
        self.kill()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def output(self):
        """Both outputs, for a report."""
        return f"{self.stderr.text()}\n-- standard output --\n{self.stdout.text()}"


class Tidegate(Program):
    """A running tidegate. Its log is `log`, its access records `access`."""

    listener, service = "front", "site"  # as harness/conf.py names them; harness/shared.py does not

    def __init__(self, conf, folder, env=None, arguments=(), wait=True, pass_fds=(),
                 files=None, under=(), program=None):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.conf_path = folder / "tidegate.conf"
        self.conf_path.write_text(str(conf))
        self.address = getattr(conf, "address", None)
        self.clients = []
        self.former = []  # parents that an upgrade has replaced
        adopt_orphans()  # before the first of them can end
        self.expect_status = 0
        limited = ["prlimit", f"--nofile={files}:{files}"] if files else []
        super().__init__([*under, *limited, program or settings.program("tidegate"), "-c", str(self.conf_path),
                          *arguments], folder, env, "tidegate", pass_fds)
        self.log = self.stderr
        self.access = self.stdout
        if wait:
            self.wait_ready()

    def wait_ready(self):
        def ready():
            return not self.running() or self.log.records(msg="ready")
        try:
            settings.wait_until(ready, "the log line msg=ready")
            assert self.running(), f"tidegate ended with {self.process.returncode}"
        except AssertionError as failed:
            self.kill_all()
            raise AssertionError(f"{failed}\n{self.output()[-4000:]}") from None

    def upgrade(self, conf=None):
        """SIGUSR2, and follows the parent that takes over; the one that drains is returned."""
        if conf is not None:
            self.conf_path.write_text(str(conf))
        self.send_signal(signal.SIGUSR2)
        return self.follow()

    def follow(self):
        """Waits for the parent that takes over after a signal."""
        old = self.process
        self.pid = int(self.log.wait(count=len(self.former) + 2, msg="ready")["pid"])
        self.process = Successor(self.pid)
        self.former.append(old)
        return old

    def reload(self, conf=None):
        """SIGHUP, and waits until it is done."""
        if conf is not None:
            self.conf_path.write_text(str(conf))
        times = len(self.log.records(msg="reloaded"))
        self.send_signal(signal.SIGHUP)
        return self.log.wait(count=times + 1, msg="reloaded")

    def fail_to_reload(self, conf=None):
        """SIGHUP that changes nothing; the reason, as it is logged."""
        if conf is not None:
            self.conf_path.write_text(str(conf))
        times = len(self.log.records(msg="the reload has failed, going on"))
        self.send_signal(signal.SIGHUP)
        return self.log.wait(count=times + 1, msg="the reload has failed, going on")["reason"]

    def fail_to_upgrade(self, conf=None):
        """SIGUSR2 that changes nothing; the reason, as the old parent logs it."""
        if conf is not None:
            self.conf_path.write_text(str(conf))
        times = len(self.log.records(msg="the upgrade has failed, going on"))
        self.send_signal(signal.SIGUSR2)
        return self.log.wait(count=times + 1, msg="the upgrade has failed, going on")["reason"]

    def client(self, address=None, **options):
        """A raw client of the first listener; closed before tidegate is stopped."""
        made = client.RawClient(address or self.address, **options)
        self.clients.append(made)
        return made

    def exchange(self, request, method=None):
        """One request on a connection of its own."""
        with client.RawClient(self.address) as made:
            return made.exchange(request, method)

    def exchange_until(self, status, request=None, in_a_row=4):
        """Asks, each time on a connection of its own, until so many answers in a row have this status;
        the last of them. What the log tells is the keeper's, or the parent's: the workers of the proxy
        hear of it a moment later, each for itself."""
        request = request or client.get("/until")
        row = []

        def enough():
            answer = self.exchange(request)
            if answer.status == status:
                row.append(answer)
            else:
                row.clear()
            return len(row) >= in_a_row
        settings.wait_until(enough, f"{in_a_row} answers {status} in a row")
        return row[-1]

    def role_pid(self, role):
        """The pid of a child: 'proxy' or 'keeper'; None while there is none."""
        for child in children(self.pid):
            if f"--role={role}" in command_line(child):
                return child
        return None

    def standing_still(self):
        """A `with` block in which the proxy does not run: it meets what happens there at once."""
        return procfs.standing_still(self.role_pid("proxy"))

    def rss_bytes(self, role="proxy"):
        return rss_bytes(self.role_pid(role))

    def close_clients(self):
        for made in self.clients:
            made.close()
        self.clients.clear()

    def end(self):
        """Stops it as a test's last act: exit status 0, no sanitizer report, and no backend that it has started is left."""
        self.close_clients()
        try:
            for old in self.former:
                assert old.wait(settings.TIMEOUT) == 0, f"the former parent ended with {old.returncode}"
            self.stop(status=None)
            ended = self.process.returncode
            assert self.expect_status is None or ended == self.expect_status, \
                f"tidegate ended with {ended}"
        finally:
            report = reports_in(self.log.text())
            left = self.end_backends()
        assert not report, "sanitizer report:\n" + self.log.text()[-20000:]
        assert not left or self.expect_status is None, f"backends that it has not stopped: {left}"

    def end_backends(self):
        """What a provider of type process has started goes on where its tidegate is killed. Pids of those that were left."""
        left = [pid for pid in procfs.with_variable("TIDEGATE_RUN", self.conf_path) if procfs.alive(pid)]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return left


class Demo(Program):
    """A tidegate-demo server from the build under test."""

    def __init__(self, folder, name="demo", tcp=False, port=0, arguments=(), under=()):
        """In a network of its own (`under`) it is not waited for."""
        self.port = port or net.free_port()
        self.address = f"{net.ADDRESS}:{self.port}"
        argv = [settings.program("tidegate-demo"), "-l", self.address, "-n", name]
        super().__init__([*under, *argv, *(["-t"] if tcp else []), *arguments], folder, None, name)
        if not under:
            settings.wait_until(self.answers, f"tidegate-demo at {self.address}")

    def answers(self):
        assert self.running(), self.output()
        try:
            client.RawClient(self.address).close()
            return True
        except ConnectionRefusedError:
            return False


def children(pid):
    """Pids of the processes whose parent is `pid`."""
    try:
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def descendants(pid):
    """All below it, as they are now."""
    found = children(pid)
    for child in found:  # which grows meanwhile
        found += children(child)
    return found


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return []


def rss_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no VmRSS for {pid}")


def _judged(ended):
    report = reports_in(ended.stderr)
    assert not report, "sanitizer report:\n" + ended.stderr[-20000:]
    return ended


def run_tidegate(*arguments, env=None, folder=None):
    """tidegate to its end, for -t, -V and wrong use: CompletedProcess with text outputs."""
    return _judged(subprocess.run([settings.program("tidegate"), *arguments], cwd=folder, text=True,
                                  env={**SANITIZER_OPTIONS, **os.environ, **(env or {})},
                                  capture_output=True, timeout=settings.TIMEOUT, check=False,
                                  stdin=subprocess.DEVNULL))


def run_tidectl(*arguments, env=None):
    return _judged(subprocess.run([settings.program("tidectl"), *arguments], text=True,
                                  env={**SANITIZER_OPTIONS, **os.environ, **(env or {})},
                                  capture_output=True, timeout=settings.TIMEOUT, check=False,
                                  stdin=subprocess.DEVNULL))
