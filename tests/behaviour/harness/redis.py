"""A real redis-server, and what is in it."""

import json
import re
import shutil
import subprocess
import urllib.parse

from harness import certificates, net, process, settings

PASSWORD = "of the owner"


def program(name):
    path = shutil.which(name)
    if path is None:
        raise settings.Missing(f"{name} is not there (Debian: redis-server redis-tools)")
    return path


def speaks_tls():
    """Whether tidegate does, with redis."""
    said = subprocess.run([settings.program("tidegate"), "-VV"], capture_output=True, text=True, check=False)
    return re.search(r"redis TLS\s+yes", said.stdout + said.stderr) is not None


class Tls:
    """What redises that speak TLS alone have in common, with each other too: certificates of both sides."""

    def __init__(self, folder):
        authority = certificates.Authority(folder)
        authority.issue("server", f"IP:{net.ADDRESS}")
        authority.issue("client")
        self.folder = authority.folder

    def lines(self):
        return [f"tls-cert-file {self.folder}/server.pem", f"tls-key-file {self.folder}/server-key.pem",
                f"tls-client-cert-file {self.folder}/client.pem", f"tls-client-key-file {self.folder}/client-key.pem",
                f"tls-ca-cert-file {self.folder}/ca.pem", "tls-auth-clients yes", "tls-replication yes"]

    def words(self):
        """Of redis-cli."""
        return ["--tls", "--cacert", f"{self.folder}/ca.pem", "--cert", f"{self.folder}/client.pem",
                "--key", f"{self.folder}/client-key.pem"]

    def store(self):
        """Of `store`."""
        return (f'ca = "{self.folder}/ca.pem"; certificate = "{self.folder}/client.pem"; '
                f'key = "{self.folder}/client-key.pem";')


class Redis:
    """At `address`, and on a unix socket at `path`. It can be killed and started again: both stay.

    users: {name: (password, rules)}, besides the owner, who may do anything with PASSWORD; none: nobody
    needs a password. tls: at `address` it speaks nothing else."""

    def __init__(self, folder, users=None, name="redis", lines=(), under=(), bind=net.ADDRESS, tls=None):
        self.tls = tls
        self.folder, self.lines, self.under, self.bind = folder / name, lines, under, bind
        self.folder.mkdir(parents=True)
        self.port = net.free_port()
        self.address = f"{net.ADDRESS}:{self.port}"
        self.path = f"{self.folder}/redis.sock"
        self.users = users or {}
        self.starts = 0
        self.server = None
        (self.folder / "redis.conf").write_text(self.conf())
        self.start()

    def conf(self):
        lines = [f"bind {self.bind}", f"unixsocket {self.path}", 'save ""', f"dir {self.folder}"]
        lines += [f"port 0\ntls-port {self.port}", *self.tls.lines()] if self.tls else [f"port {self.port}"]
        lines += [f"user {name} on >{password} {rules}"
                  for name, (password, rules) in self.users.items()]
        lines += self.lines
        lines += [f'requirepass "{PASSWORD}"' if self.users else "protected-mode no"]
        return "\n".join(lines) + "\n"

    def start(self):
        self.starts += 1
        self.server = process.Program([*self.under, program("redis-server"), f"{self.folder}/redis.conf"],
                                      self.folder, name=f"redis-{self.starts}")
        settings.wait_until(lambda: "Ready to accept" in self.server.stdout.text(), "Redis to accept")

    def kill(self):
        self.server.kill()

    def stop(self):
        self.server.stop(status=None)

    def url(self, user="", database=0, unix=False):
        """As tidegate's store wants it."""
        account = ""
        if user:
            account = f"{user}:{urllib.parse.quote(self.users[user][0], safe='')}@"
        if unix:
            return f"redis+unix://{account}{self.path}?db={database}"
        return f"redis://{account}{self.address}/{database}"

    def ask(self, *words, database=0):
        """The owner's question to redis-cli, its answer as JSON has it."""
        return json.loads(self.ask_text("-n", str(database), "--json", *words))

    def ask_text(self, *words):
        """The same as it is; of CLUSTER and INFO redis-cli makes no JSON."""
        argv = [program("redis-cli"), "-s", self.path, *words]
        if self.users:
            argv[1:1] = ["--no-auth-warning", "-a", PASSWORD]
        done = subprocess.run(argv, capture_output=True, text=True, check=False,
                              timeout=settings.TIMEOUT)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Sentinels:
    """Three redis-sentinels that watch one master and its copy, by real votes."""

    MASTER = "tide"

    def __init__(self, folder, tls=None):
        self.tls = tls
        self.master = Redis(folder, name="master", tls=tls)
        self.copy = Redis(folder, name="copy", tls=tls,
                          lines=[f"replicaof {net.ADDRESS} {self.master.port}", "repl-diskless-sync-delay 0",
                                 f"replica-announce-ip {net.ADDRESS}"])
        settings.wait_until(lambda: self.copy.ask("role")[3] == "connected",
                            "the copy to follow")
        self.ports = [net.free_port() for _ in range(3)]
        self.starts = 0
        self.folder = folder
        for port in self.ports:
            self.configure(port)
        self.servers = [self.start(port) for port in self.ports]
        for port in self.ports:
            settings.wait_until(lambda port=port: self.ask(port, "num-other-sentinels") == "2" and
                                self.ask(port, "num-slaves") == "1", "the sentinels to know each other")

    def configure(self, port):
        folder = self.folder / f"sentinel-{port}"
        folder.mkdir()
        where = "\n".join([f"port 0\ntls-port {port}", *self.tls.lines()]) if self.tls else f"port {port}"
        (folder / "sentinel.conf").write_text(f"""bind {net.ADDRESS}
{where}
dir {folder}
protected-mode no
sentinel announce-ip {net.ADDRESS}
sentinel monitor {self.MASTER} {net.ADDRESS} {self.master.port} 2
sentinel down-after-milliseconds {self.MASTER} 500
sentinel failover-timeout {self.MASTER} 5000
""")

    def start(self, port):
        folder = self.folder / f"sentinel-{port}"
        self.starts += 1
        return process.Program([program("redis-server"), f"{folder}/sentinel.conf", "--sentinel"],
                               folder, name=f"sentinel-{port}-{self.starts}")

    def ask_text(self, port, *words):
        tls = self.tls.words() if self.tls else []
        return subprocess.run([program("redis-cli"), "-h", net.ADDRESS, "-p", str(port), *tls, *words],
                              capture_output=True, text=True, check=False, timeout=settings.TIMEOUT).stdout

    def ask(self, port, key):
        words = self.ask_text(port, "sentinel", "master", self.MASTER).splitlines()
        return dict(zip(words[::2], words[1::2])).get(key)

    def look_after(self):
        """One that the machine has let stand still for 2 s does nothing for 30 s (TILT): it begins anew."""
        for i, port in enumerate(self.ports):
            if "sentinel_tilt:1" in self.ask_text(port, "info", "sentinel"):
                self.servers[i].kill()
                self.servers[i] = self.start(port)

    def url(self):
        hosts = ",".join(f"{net.ADDRESS}:{port}" for port in self.ports)
        return f"{'rediss' if self.tls else 'redis'}+sentinel://{hosts}/{self.MASTER}"

    def has_copied(self, key):
        return self.copy.ask("exists", key) == 1

    def stop(self):
        for server in self.servers:
            server.stop(status=None)
        self.copy.stop()
        self.master.stop()


class Cluster:
    """A Redis Cluster of three masters; the one that has `key` has a copy, which the others make master by real votes."""

    def __init__(self, folder, key, tls=None):
        self.tls = tls
        self.nodes = [self.start(folder, f"node-{i}") for i in range(4)]
        self.slot = int(self.nodes[0].ask("cluster", "keyslot", key))
        self.give_slots(self.nodes[:3])
        for node in self.nodes[1:]:
            node.ask("cluster", "meet", net.ADDRESS, str(self.nodes[0].port), str(self.nodes[0].bus))
        settings.wait_until(lambda: all(self.knows_all(node) for node in self.nodes), "the nodes to know each other")
        self.master, self.copy = self.nodes[0], self.nodes[3]
        self.copy.ask("cluster", "replicate", self.master.ask("cluster", "myid"))
        settings.wait_until(lambda: self.copy.ask("role")[3] == "connected", "the copy to follow")

    def start(self, folder, name):
        bus = net.free_port()
        lines = ["cluster-enabled yes", f"cluster-port {bus}", "cluster-node-timeout 3000",
                 f"cluster-announce-ip {net.ADDRESS}", "repl-diskless-sync-delay 0", "cluster-config-file nodes.conf"]
        node = Redis(folder, name=name, lines=lines + (["tls-cluster yes"] if self.tls else []), tls=self.tls)
        node.bus = bus
        return node

    def give_slots(self, masters):
        """A third to each; that of `key` to the first."""
        thirds = [[0, 5460], [5461, 10922], [10923, 16383]]
        thirds.sort(key=lambda third: not third[0] <= self.slot <= third[1])
        for epoch, (node, third) in enumerate(zip(masters, thirds), start=1):
            node.ask("cluster", "set-config-epoch", str(epoch))
            node.ask("cluster", "addslotsrange", *map(str, third))

    @staticmethod
    def knows_all(node):
        said = node.ask_text("cluster", "info")
        return "cluster_state:ok" in said and "cluster_known_nodes:4" in said

    def url(self):
        return f"{'rediss' if self.tls else 'redis'}+cluster://" + ",".join(self.nodes[i].address for i in (0, 1))

    def look_after(self):
        """Nodes do that themselves."""

    def has_copied(self, _key):
        return self.copy.ask("cluster", "countkeysinslot", str(self.slot)) > 0

    def stop(self):
        for node in self.nodes:
            node.stop()
