"""The bash completion that is made of the table of commands."""

import os
import subprocess

import pytest

from harness import conf, settings


def complete(line, path=""):
    """What bash offers at the end of the line."""
    script = f"""
source {settings.build_folder()}/doc/tidectl
COMP_LINE={line!r} COMP_POINT={len(line)}
_tidectl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    found = subprocess.run(["bash", "-c", script], text=True, capture_output=True, check=True,
                           env={"PATH": f"{settings.build_folder()}:{os.environ['PATH']}"})
    assert found.stderr == ""
    return found.stdout.split()


@pytest.mark.parametrize("line, offered", [
    ("tidectl dr", ["drain"]),
    ("tidectl show s", ["servers", "sess", "stat", "state", "store"]),
    ("tidectl show servers ", ["conn", "state"]),
    ("tidectl -s /x show ver", ["version"]),
    ("tidectl --so", ["--socket"]),
    ("tidectl set log level ", ["debug", "error", "info", "warn"]),
    ("tidectl shutdown ", ["graceful", "now", "session", "sessions"]),
    ("tidectl reload ", ["--dry-run", "dry-run", "why"]),
    ("tidectl add server ", []),
    ("tidectl add server site/b9 ", []),
    ("tidectl add server site/b9 127.0.0.1:9 ", ["backup", "check", "enabled", "maxconn", "weight", "why"]),
    ("tidectl add server site/b9 127.0.0.1:9 enabled weight 5 ", ["backup", "check", "maxconn", "why"]),
    ("tidectl add server site/b9 127.0.0.1:9 weight ", []),
    ("tidectl add server site/b9 127.0.0.1:9 why it is new ", []),
    ("tidectl del server site/b9 ", ["drain", "why"]),
    ("tidectl del server site/b9 drain ", ["deadline", "why"]),
    ("tidectl del server site/b9 drain deadline ", []),
    ("tidectl wait ", []),
    ("tidectl wait 5s ", ["srv-removable"]),
    ("tidectl shutdown now ", []),
    ("tidectl set server site/b9 ", []),
    ("tidectl autoscale api ", ["dry-run", "pause", "resume"]),
    ("tidectl scale api ", ["auto"]),
    ("tidectl scale api auto ", ["why"]),
    ("tidectl show decisions api ", []),
    ("tidectl nothing ", []),
    ("tidectl help ", []),
    ("tidectl t", ["top"]),
    ("tidectl top --s", ["--sort"]),
    ("tidectl top -i 2 --vi", ["--view"]),
    ("tidectl top -i ", []),
    ("tidectl top -1 more ", []),
    ("tidectl watch --i", ["--interval"]),
    ("tidectl watch show s", ["servers", "sess", "stat", "state", "store"]),
    ("tidectl -s /x watch -i 2 show ver", ["version"]),
])
def test_words_of_commands(line, offered):
    assert complete(line) == offered


def test_every_command_begins_somewhere(run_tidectl, shared_tidegate, tmp_path):
    admin = f"{tmp_path}/a"
    shared_tidegate(conf.http("127.0.0.1:9", top=f'admin = {{ socket = "{admin}"; }};'))
    text = run_tidectl("-s", admin, "help").stdout
    names = {line.split()[0] for line in text.splitlines() if line.startswith("  ")}
    assert set(complete("tidectl ")) == names | {"top", "watch"}
    assert set(complete("tidectl watch ")) == names


def test_backends_and_services_are_asked_for(shared_tidegate, tmp_path):
    admin = f"{tmp_path}/a"
    tg = shared_tidegate(conf.http('{ name = "b1"; address = "127.0.0.1:9"; }', "127.0.0.1:10",
                                   top=f'admin = {{ socket = "{admin}"; }};'))
    both = [f"{tg.service}/127.0.0.1:10", f"{tg.service}/b1"]
    assert complete(f"tidectl -s {admin} drain ") == both
    assert complete(f"tidectl -s {admin} drain {tg.service}/b") == [f"{tg.service}/b1"]
    assert complete(f"tidectl -s {admin} drain {tg.service}/127.0.0.1:1") == ["10"]
    assert complete(f"tidectl -s {admin} show servers state ") == [tg.service]
    assert complete(f"tidectl -s {admin} wait 5s srv-removable ") == both
    assert complete(f"tidectl -s {admin} add server ") == [f"{tg.service}/"]
    assert complete(f"tidectl -s {admin} scale ") == [tg.service]
    assert complete(f"tidectl -s {admin} explain ") == [tg.service]
    assert complete(f"tidectl -s {admin} set maxconn listener ") == [tg.listener]
