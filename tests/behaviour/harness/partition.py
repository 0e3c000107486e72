"""Hosts in network namespaces around one in the middle, each by a cable of its own that can be pulled."""

import os
import shutil
import subprocess


def missing():
    """What a test with namespaces needs and this machine has not; empty: nothing."""
    if os.geteuid() != 0:
        return "root"
    return " ".join(name for name in ("ip", "nsenter") if not shutil.which(name))


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


class Star:
    """`hub` reaches each of `names`, and each of them the hub, at hub_address(name)."""

    def __init__(self, names):
        self.names = list(names)
        self.made = []
        self.add("hub")
        for i, name in enumerate(self.names):
            self.add(name)
            run("ip", "-n", self.namespace("hub"), "link", "add", f"to-{name}", "type", "veth", "peer", "name", "cable",
                "netns", self.namespace(name))
            self.up("hub", f"to-{name}", f"10.214.{i}.1/24")
            self.up(name, "cable", f"10.214.{i}.2/24")

    def namespace(self, name):
        return f"tgp{os.getpid()}{name}"

    def add(self, name):
        run("ip", "netns", "add", self.namespace(name))
        self.made.append(self.namespace(name))
        run("ip", "-n", self.namespace(name), "link", "set", "lo", "up")

    def up(self, name, device, address):
        run("ip", "-n", self.namespace(name), "addr", "add", address, "dev", device)
        run("ip", "-n", self.namespace(name), "link", "set", device, "up")

    def hub_address(self, name):
        return f"10.214.{self.names.index(name)}.1"

    def under(self, name):
        """What a program is started with, to be there."""
        return ("nsenter", f"--net=/run/netns/{self.namespace(name)}")

    def pull(self, *names):
        for name in names:
            run("ip", "-n", self.namespace("hub"), "link", "set", f"to-{name}", "down")

    def plug(self, *names):
        for name in names:
            run("ip", "-n", self.namespace("hub"), "link", "set", f"to-{name}", "up")

    def stop(self):
        for name in self.made:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
