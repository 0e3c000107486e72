"""Programs of provider exec: start and stop backends, and do wrong what they are told to."""

from harness import procfs, settings

# One program for all verbs: tidegate-demo in a session of its own, and a file of each in FOLDER. What a
# file "wrong-VERB" there says goes wrong.
PROGRAM = '''#!/usr/bin/python3 -IS
import json, os, signal, sys, time

question = json.load(sys.stdin)
verb, folder = question["verb"], os.environ["FOLDER"]
assert verb == sys.argv[1] and question["service"] == "site" and question["run"].startswith("/")
with open(f"{folder}/asked", "a") as log:
    print(verb, question.get("name", ""), question.get("epoch", 0), question["run"], file=log)
try:
    wrong = open(f"{folder}/wrong-{verb}").read()
except FileNotFoundError:
    wrong = ""
if wrong == "fails":
    sys.exit("out of machines")
if wrong == "hangs":
    time.sleep(1000)
if wrong == "garbage":
    sys.exit(print('{"address": "not one"}' if verb == "start" else "[{"))


def path(name):
    return f"{folder}/backend-{name}"


def read(name):
    try:
        pid, address = open(path(name)).read().split()
        # One that has ended may wait for a parent to notice.
        state = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
        return (int(pid), address) if state != "Z" else (None, None)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None, None


def free_address():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % probe.getsockname()[1]


def start(name):
    import subprocess
    pid, address = read(name)
    if pid is None:
        address = free_address()
        # Its end is not ours to wait for.
        script = '"$0" -l "$1" -n "$2" </dev/null >/dev/null 2>&1 & echo $!'
        pid = int(subprocess.run(["setsid", "sh", "-c", script, os.environ["DEMO"], address, name],
                                 stdout=subprocess.PIPE, text=True, check=True).stdout)
        with open(path(name) + ".new", "w") as out:
            out.write(f"{pid} {address}")
        os.rename(path(name) + ".new", path(name))
    print(json.dumps({"address": address}))


def stop(name):
    pid, _ = read(name)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
    while read(name)[0] is not None:
        time.sleep(0.01)
    if os.path.exists(path(name)):
        os.unlink(path(name))


if verb == "list":
    names = [f.removeprefix("backend-") for f in os.listdir(folder)
             if f.startswith("backend-") and not f.endswith(".new")]
    print(json.dumps([{"name": n, "address": read(n)[1]} for n in names if read(n)[0]]))
else:
    {"start": start, "stop": stop}[verb](question["name"])
'''


class Programs:
    def __init__(self, folder):
        self.folder = folder
        self.timeout = "20s"
        self.path = folder / "program"
        self.path.write_text(PROGRAM)
        self.path.chmod(0o755)

    def provider(self):
        verbs = "".join(f'{verb} = ( "{self.path}", "{verb}" ); ' for verb in ("list", "start", "stop"))
        return f'type = "exec"; {verbs} timeout = "{self.timeout}";'

    def environment(self):
        """Variables that they need."""
        return f"FOLDER={self.folder}", f"DEMO={settings.program('tidegate-demo')}"

    def go_wrong(self, verb, how):
        new = self.folder / "new"
        new.write_text(how)
        new.rename(self.folder / f"wrong-{verb}")

    def mend(self, verb):
        (self.folder / f"wrong-{verb}").unlink()

    def asked(self, verb):
        """The names it was asked for with this verb."""
        asked = self.folder / "asked"
        lines = asked.read_text().splitlines() if asked.exists() else []
        return [line.split(" ")[1] for line in lines if line.split(" ")[0] == verb]

    def epochs(self):
        """(verb, name, epoch, run) of all starts and stops, in their order."""
        lines = (self.folder / "asked").read_text().splitlines()
        words = [line.split(" ") for line in lines]
        return [(verb, name, int(epoch), run) for verb, name, epoch, run in words if verb != "list"]

    def backends(self):
        """Pids of those that run."""
        return [pid for pid in procfs.with_variable("FOLDER", self.folder)
                if procfs.alive(pid) and "tidegate-demo" in procfs.executable(pid)]
