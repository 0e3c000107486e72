"""Real Docker daemons, each in a network namespace and with data of its own, and an image without a registry."""

import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from harness import certificates, process, settings

CLONE_NEWNET = 0x40000000
IMAGE = "tidegate-demo:1"


def missing():
    """What a test with a real daemon needs and this machine has not; empty: nothing."""
    if os.geteuid() != 0:
        return "root"
    lacking = [name for name in ("dockerd", "docker", "iptables", "ip", "openssl", "gcc", "busybox")
               if not shutil.which(name)]
    return " ".join(lacking)


def run(*argv, **options):
    return subprocess.run(argv, check=True, capture_output=True, text=True, **options).stdout


class Networks:
    """Two namespaces with an address each; `with`: this thread, and what it starts, is in the first."""

    ADDRESSES = ("10.213.0.1", "10.213.0.2")

    def __init__(self):
        self.names = [f"tg{os.getpid()}{letter}" for letter in "ab"]
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        a, b = self.names
        for name in self.names:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", a, "link", "add", "tgv", "type", "veth", "peer", "name", "tgv", "netns", b)
        for name, address in zip(self.names, self.ADDRESSES):
            run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "tgv")
            run("ip", "-n", name, "link", "set", "tgv", "up")

    @staticmethod
    def enter(fd):
        if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def __enter__(self):
        fd = os.open(f"/run/netns/{self.names[0]}", os.O_RDONLY | os.O_CLOEXEC)
        self.enter(fd)
        os.close(fd)
        return self

    def __exit__(self, *_):
        self.enter(self.home)
        os.close(self.home)
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


class Dockerd:
    def __init__(self, folder, namespace, address=None, bridge="172.30.0.1/16"):
        """With an address it listens there, with certificates; else at `socket`."""
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.socket = self.folder / "docker.sock"
        self.namespace, self.address, self.bridge = namespace, address, bridge
        self.certificates = self.folder / "tls"
        self.url = f"unix://{self.socket}"
        if address:
            authority = certificates.Authority(self.certificates)
            authority.issue("server", f"IP:{address}")
            authority.issue("client")
            self.url = f"tcp://{address}:2376"
        # gVisor, where it is installed: no other platform of it works everywhere.
        (self.folder / "daemon.json").write_text(json.dumps({"runtimes": {"runsc": {
            "path": shutil.which("runsc") or "runsc", "runtimeArgs": ["--platform=ptrace", "--network=host"]}}}))
        self.process = None
        self.start()

    def client_options(self):
        tls = self.certificates
        return ["-H", self.url, *(["--tlsverify", "--tlscacert", f"{tls}/ca.pem", "--tlscert", f"{tls}/client.pem",
                                   "--tlskey", f"{tls}/client-key.pem"] if self.address else [])]

    def start(self):
        tls = self.certificates
        where = ["-H", self.url]
        if self.address:
            where += ["--tlsverify", "--tlscacert", f"{tls}/ca.pem", "--tlscert", f"{tls}/server.pem",
                      "--tlskey", f"{tls}/server-key.pem"]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.namespace}", "dockerd", "--data-root",
                 f"{self.folder}/data", "--exec-root", f"{self.folder}/exec", "--pidfile",
                 f"{self.folder}/pid", "--config-file", f"{self.folder}/daemon.json", "--bip", self.bridge, *where],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        settings.wait_until(self.answers, f"dockerd at {self.url}", 60)

    def answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()[-3000:]
        return subprocess.run(["docker", *self.client_options(), "version"], check=False,
                              capture_output=True).returncode == 0

    def docker(self, *argv):
        return run("docker", *self.client_options(), *argv)

    def load_image(self, archive):
        self.docker("import", str(archive), IMAGE)

    def running(self):
        """Names of backends that run."""
        return sorted(self.docker("ps", "--format", '{{.Label "tidegate.backend"}}').split())

    def inspect(self, backend):
        found = self.docker("ps", "-q", "--filter", f"label=tidegate.backend={backend}").split()
        return json.loads(self.docker("inspect", found[0]))[0]

    def kill(self):
        """With the containerd it has started, which would keep the next one from its data. It becomes our
        child, and as long as nobody has waited for it the next one takes it for alive."""
        process.adopt_orphans()
        containerd = process.Successor(int((self.folder / "exec/containerd/containerd.pid").read_text()))
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        containerd.kill()
        containerd.wait(settings.TIMEOUT)

    @contextlib.contextmanager
    def cut_off(self):
        """Packets to its namespace, and to its containers, are dropped meanwhile."""
        rule = ["-t", "raw", "PREROUTING", "-i", "tgv", "-j", "DROP"]
        inside = ["nsenter", f"--net=/run/netns/{self.namespace}", "iptables", "-w"]
        run(*inside, *rule[:2], "-I", *rule[2:])
        try:
            yield
        finally:
            run(*inside, *rule[:2], "-D", *rule[2:])

    def die(self):
        """As a host does: its containers at the same moment."""
        pids = [int(pid) for pid in self.docker("inspect", "-f", "{{.State.Pid}}", *self.docker("ps", "-q").split()).split()]
        self.kill()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
        self.clear()

    def clear(self):
        """What a daemon that was killed has left: processes, mounts, files."""
        for pid in (int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
            if any(word.startswith(f"{self.folder}/") for word in process.command_line(pid)):
                for one in (*process.children(pid), pid):
                    os.kill(one, signal.SIGKILL)
        rows = pathlib.Path("/proc/self/mounts").read_text().splitlines()
        for mounted in reversed([row.split(" ")[1] for row in rows]):
            if mounted.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "-l", mounted], check=False)
        shutil.rmtree(self.folder / "data", ignore_errors=True)


class Podman(Dockerd):
    """podman's service, which speaks Docker's interface in its own way, in the namespace of this thread."""

    def __init__(self, folder):
        self.short = tempfile.mkdtemp(prefix="tg-")  # it takes no path of more than 50 characters
        super().__init__(folder, None)

    def start(self):
        own = self.folder / "containers.conf"
        backend = "netavark" if os.path.exists("/usr/lib/podman/netavark") else "cni"
        own.write_text('[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]\n'
                       f'[network]\nnetwork_backend = "{backend}"\n')
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["podman", "--root", f"{self.folder}/data", "--runroot", f"{self.short}/run", "--tmpdir",
                 f"{self.short}/tmp", "--storage-driver", "vfs", "--network-config-dir", f"{self.folder}/net",
                 "--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime", "runc",
                 "system", "service", "-t", "0", self.url],
                env={**os.environ, "CONTAINERS_CONF": str(own)},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        settings.wait_until(self.answers, f"podman at {self.url}", 60)

    def log_size(self, container):
        """What it keeps of its output: only its own interface has that."""
        done = run("curl", "-sS", "--fail", "--unix-socket", str(self.socket),
                   f"http://podman/v4.0.0/libpod/containers/{container}/json")
        return json.loads(done)["HostConfig"]["LogConfig"]["Size"]

    def clear(self):
        super().clear()
        shutil.rmtree(self.short, ignore_errors=True)


def make_image(folder):
    """A static tidegate-demo and busybox in a folder of its own, packed."""
    root = folder / "root"
    root.mkdir()
    run("gcc", "-O1", "-static", "-o", str(root / "demo"), str(settings.TOP / "contrib/demo/tidegate-demo.c"))
    shutil.copy(shutil.which("busybox"), root / "busybox")
    run("tar", "-C", str(root), "-cf", str(folder / "image.tar"), "demo", "busybox")
    return folder / "image.tar"


class Cgroup:
    """What the kernel has of a process, version 2 or 1."""

    def __init__(self, pid):
        self.paths = {}
        for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            for name in names.split(","):
                self.paths[name] = path
        self.top = pathlib.Path("/sys/fs/cgroup")

    def read(self, controller, v1, v2):
        if controller in self.paths:
            return (self.top / controller / self.paths[controller][1:] / v1).read_text()
        return (self.top / self.paths[""][1:] / v2).read_text()

    @staticmethod
    def number_in(text, *keys):
        rows = dict(line.split(" ") for line in text.splitlines() if line.count(" ") == 1)
        return next(int(rows[key]) for key in keys if key in rows)

    def memory_limit(self):
        return int(self.read("memory", "memory.limit_in_bytes", "memory.max"))

    def working_set(self):
        inactive = self.number_in(self.read("memory", "memory.stat", "memory.stat"), "total_inactive_file",
                                  "inactive_file")
        return int(self.read("memory", "memory.usage_in_bytes", "memory.current")) - inactive

    def cpu_seconds(self):
        if "cpuacct" in self.paths:
            return int(self.read("cpuacct", "cpuacct.usage", "")) / 1e9
        return self.number_in(self.read("", "", "cpu.stat"), "usage_usec") / 1e6

    def cpu_limit(self):
        if "cpu" in self.paths:
            return (int(self.read("cpu", "cpu.cfs_quota_us", "")) /
                    int(self.read("cpu", "cpu.cfs_period_us", "")))
        quota, period = self.read("", "", "cpu.max").split()
        return int(quota) / int(period)

    def pids_limit(self):
        return int(self.read("pids", "pids.max", "pids.max"))
