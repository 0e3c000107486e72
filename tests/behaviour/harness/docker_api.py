"""A Docker daemon as its API shows it, over a unix socket, and what may be wrong with it. Its containers are
processes of tidegate-demo."""

import base64
import http.server
import json
import os
import re
import signal
import socket
import socketserver
import struct
import subprocess
import threading
import time
import urllib.parse

from harness import certificates, net, settings

VERBS = (
    ("version", "GET", r"/version"),
    ("info", "GET", r"/info"),
    ("ping", "GET", r"/_ping"),
    ("events", "GET", r"/events"),
    ("list", "GET", r"/containers/json"),
    ("create", "POST", r"/containers/create"),
    ("inspect", "GET", r"/containers/([^/]+)/json"),
    ("stats", "GET", r"/containers/([^/]+)/stats"),
    ("logs", "GET", r"/containers/([^/]+)/logs"),
    ("start", "POST", r"/containers/([^/]+)/start"),
    ("stop", "POST", r"/containers/([^/]+)/stop"),
    ("remove", "DELETE", r"/containers/([^/]+)"),
    ("pull", "POST", r"/images/create"),
)


class Container:
    def __init__(self, number, name, body):
        self.id = f"{number:064x}"
        self.name, self.body = name, body
        self.labels = body["Labels"]
        self.state, self.code, self.health = "created", 0, None
        self.process, self.port = None, None

    @property
    def backend(self):
        return self.labels["tidegate.backend"]

    def status(self):
        words = {"starting": " (health: starting)", None: ""}
        return "Up 1 second" + words.get(self.health, f" ({self.health})")


class FakeDocker:
    """faults[verb]: what happens to the next requests, one each: a status, "hang", "cut", "held" (done, and
    answered when `released` is set), or a number of seconds as ("slow", 0.5); `standing` the same for all.
    asked: (verb, path) of all; orders: (verb, container or name, pid of who asked)."""

    def __init__(self, path, api="1.41", oldest="1.12", images=("acme/api:7",), tls=None, says_api=True):
        """With a context for `tls` it listens by TCP at `port`, and not at the path. says_api: in each answer."""
        self.says_api = says_api
        self.tls, self.port = tls, None
        self.path, self.api, self.oldest = str(path), api, oldest
        self.images = set(images)
        self.lock = threading.RLock()
        self.containers, self.number = {}, 0
        self.asked, self.peers, self.orders = [], set(), []
        self.released = threading.Event()
        self.faults, self.standing = {}, {}
        self.credentials = None  # of the registry; None: anybody may pull
        self.streams = []
        self.health = None  # of new containers
        self.dies = False   # new containers end at once
        self.loses_events = False
        self.ignores_filters = False
        self.id = None       # who it says it is
        self.clock_ns = 0    # how far its clock is ahead of ours
        self.share = 0.2     # of a processor, that each container uses
        self.memory = 16 << 20
        self.began_ns = time.time_ns()
        self.hung = threading.Event()
        self.is_stopped = False
        self.started = []  # every process of a container
        self.server = None
        self.listen()

    # the daemon

    def listen(self):
        fake = self

        class Server(socketserver.ThreadingTCPServer if self.tls else socketserver.ThreadingUnixStreamServer):
            daemon_threads, block_on_close = True, False

        if os.path.exists(self.path):
            os.unlink(self.path)
        self.server = Server((net.ADDRESS, 0) if self.tls else self.path, type("Handler", (Handler,), {"fake": fake}))
        if self.tls:
            certificates.listen_with(self.server, self.tls)
            self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def go_away(self):
        """As a daemon that is stopped: connections end, containers go on."""
        self.server.shutdown()
        self.server.server_close()
        if not self.tls:
            os.unlink(self.path)
        self.cut_all()

    def cut_all(self):
        with self.lock:
            for stream in self.streams:
                try:
                    stream.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def stop(self):
        with self.lock:
            self.is_stopped = True  # what is asked still starts nothing
        self.hung.set()
        self.released.set()
        if self.tls or os.path.exists(self.path):
            self.go_away()
        for container in list(self.containers.values()):
            self.end(container, 0, tell=False)

    # its containers

    def alive(self):
        """How many processes of containers there are, be they known still or not."""
        with self.lock:
            return sum(process.poll() is None for process in self.started)

    def running(self):
        with self.lock:
            return sorted(c.backend for c in self.containers.values() if c.state == "running")

    def count(self, verb):
        with self.lock:
            return sum(asked == verb for asked, _ in self.asked)

    def find(self, name):
        with self.lock:
            for c in self.containers.values():
                if name in (c.id, c.name, c.backend):
                    return c
        return None

    def tell(self, action, container, **attributes):
        event = {"Type": "container", "Action": action, "time": int(time.time()),
                 "Actor": {"ID": container.id, "Attributes": {**container.labels, **attributes}}}
        if self.loses_events:
            return
        self.tell_raw(json.dumps(event).encode() + b"\n")

    def tell_raw(self, line):
        with self.lock:
            for stream in list(self.streams):
                try:
                    stream.sendall(b"%x\r\n%s\r\n" % (len(line), line))
                except OSError:
                    self.streams.remove(stream)

    def end(self, container, code, tell=True):
        with self.lock:
            process, container.process = container.process, None
            was_running, container.state = container.state == "running", "exited"
            container.code = code
        if process:
            process.send_signal(signal.SIGKILL)
            process.wait()
        if was_running and tell:
            self.tell("die", container, exitCode=str(code))

    def vanish(self, name):
        """Removed by somebody else."""
        container = self.find(name)
        with self.lock:
            self.end(container, 137)
            del self.containers[container.id]
        self.tell("destroy", container)

    def set_health(self, name, health):
        container = self.find(name)
        container.health = health
        self.tell(f"health_status: {health}", container)

    def add(self, labels, state="running", name=None):
        """One that was there before."""
        with self.lock:
            self.number += 1
            made = Container(self.number, name or f"old-{self.number}", {"Labels": labels})
            self.containers[made.id] = made
        if state == "running":
            self.run(made)
        made.state = state
        return made

    def run(self, container):
        """False: it was removed meanwhile, as by who did not wait for the answer."""
        with self.lock:
            if self.is_stopped or container.id not in self.containers:
                return False
            container.port = net.free_port()
            container.process = subprocess.Popen(
                [settings.program("tidegate-demo"), "-l", f"{net.ADDRESS}:{container.port}",
                 "-n", container.backend], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
            self.started.append(container.process)
            container.state = "running"
            return True

    # verbs: (status, object or bytes)

    def version(self, _what, _query, _body):
        return 200, {"ApiVersion": self.api, "MinAPIVersion": self.oldest}

    def info(self, _what, _query, _body):
        return 200, {"NCPU": 4, "MemTotal": 8 << 30, "LoggingDriver": "json-file", **({"ID": self.id} if self.id else {})}

    def ping(self, _what, _query, _body):
        return 200, b"OK"

    def list(self, _what, query, _body):
        labels = dict(label.split("=", 1) for label in json.loads(query["filters"][0])["label"])
        with self.lock:
            found = [c for c in self.containers.values()
                     if self.ignores_filters or labels.items() <= c.labels.items()]
        return 200, [{"Id": c.id, "Names": ["/" + c.name], "Labels": c.labels, "State": c.state,
                      "Status": c.status()} for c in found]

    def create(self, _what, query, body):
        name, body = query["name"][0], json.loads(body)
        with self.lock:
            if self.find(name):
                return 409, {"message": f"The container name {name} is already in use"}
            if body["Image"] not in self.images:
                return 404, {"message": f"No such image: {body['Image']}"}
            self.number += 1
            made = Container(self.number, name, body)
            made.health = self.health
            self.containers[made.id] = made
        return 201, {"Id": made.id, "Warnings": []}

    def inspect(self, what, _query, _body):
        c = self.find(what)
        if not c:
            return 404, {"message": f"No such container: {what}"}
        state = {"Status": c.state, "Pid": 0, "ExitCode": c.code}
        if c.health:
            state["Health"] = {"Status": c.health}
        port = f"{c.labels['tidegate.port']}/tcp"
        ports = {port: [{"HostIp": net.ADDRESS, "HostPort": str(c.port)}] if c.port else None}
        return 200, {"Id": c.id, "Name": "/" + c.name, "State": state, "Config": {"Labels": c.labels},
                     "NetworkSettings": {"Ports": ports, "Networks": {}}}

    def start(self, what, _query, _body):
        c = self.find(what)
        if not c:
            return 404, {"message": f"No such container: {what}"}
        if c.state == "running":
            return 304, b""
        if not self.run(c):
            return 404, {"message": f"No such container: {what}"}
        if self.dies:
            self.end(c, 3)
        return 204, b""

    def stop_container(self, what, _query, _body):
        c = self.find(what)
        if not c:
            return 404, {"message": f"No such container: {what}"}
        if c.state != "running":
            return 304, b""
        self.end(c, 0)
        return 204, b""

    def remove(self, what, _query, _body):
        c = self.find(what)
        if not c:
            return 404, {"message": f"No such container: {what}"}
        with self.lock:
            self.end(c, 137)
            self.containers.pop(c.id, None)
        self.tell("destroy", c)
        return 204, b""

    def stats(self, what, _query, _body):
        c = self.find(what)
        if not c:
            return 404, {"message": f"No such container: {what}"}
        now = time.time_ns()
        ns = now + self.clock_ns
        read = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10**9)) + f".{ns % 10**9:09d}Z"
        return 200, {"read": read, "cpu_stats": {"cpu_usage": {"total_usage": int(self.share * (now - self.began_ns))}},
                     "memory_stats": {"usage": self.memory + 4096, "stats": {"inactive_file": 4096}}}

    def logs(self, _what, _query, _body):
        line = b"no such table\n"
        return 200, struct.pack(">BxxxI", 2, len(line)) + line

    def pull(self, _what, query, _body, header=None):
        image = f"{query['fromImage'][0]}:{query['tag'][0]}"
        said = json.loads(base64.urlsafe_b64decode(header)) if header else None
        if self.credentials not in (None, said):
            return 500, {"message": "unauthorized: incorrect username or password"}
        if image.startswith("nobody/"):
            return 404, {"message": f"pull access denied for {image}"}
        lines = [{"status": "Pulling from acme/api", "id": "7"},
                 {"status": "Downloading", "id": "aaa", "progressDetail": {"current": 5, "total": 9}}]
        if image.startswith("broken/"):
            lines.append({"error": "unexpected EOF"})
        else:
            lines.append({"status": "Pull complete", "id": "aaa"})
            self.images.add(image)
        return 200, b"".join(json.dumps(line).encode() + b"\r\n" for line in lines)

    def answer(self, verb, what, query, body, headers):
        if verb == "pull":
            return self.pull(what, query, body, headers.get("X-Registry-Auth"))
        return getattr(self, {"stop": "stop_container"}.get(verb, verb))(what, query, body)

    def fault(self, verb):
        with self.lock:
            waiting = self.faults.get(verb)
            return waiting.pop(0) if waiting else self.standing.get(verb)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake = None

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.pid = None
        if self.fake.tls:
            return
        pid, _, _ = struct.unpack("3i", self.connection.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        self.pid = pid
        self.fake.peers.add(pid)

    def reply(self, status, body, is_cut=False):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if self.fake.says_api:
            self.send_header("Api-Version", self.fake.api)
        if status in (204, 304):
            raw = b""
        else:
            self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw[:len(raw) // 2] if is_cut else raw)
        if is_cut:
            self.close_connection = True

    def stream(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        with self.fake.lock:
            self.fake.streams.append(self.connection)
        try:
            self.connection.recv(1)  # until one of us ends it
        except OSError:
            pass
        with self.fake.lock:
            if self.connection in self.fake.streams:
                self.fake.streams.remove(self.connection)
        self.close_connection = True

    def serve(self):
        url = urllib.parse.urlsplit(self.path)
        spoken = re.match(r"/v1\.(\d+)", url.path)
        path = url.path[spoken.end():] if spoken else url.path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        for verb, method, pattern in VERBS:
            found = re.fullmatch(pattern, path)
            if found and method == self.command:
                break
        else:
            return self.reply(400, {"message": f"{self.command} {path}?"})
        oldest, newest = (int(version.partition(".")[2]) for version in (self.fake.oldest, self.fake.api))
        if spoken and not oldest <= int(spoken.group(1)) <= newest:
            return self.reply(400, {"message": f"client version {spoken.group(0)[2:]} is too old or too new"})
        what = urllib.parse.unquote(found.group(1)) if found.groups() else ""
        with self.fake.lock:
            self.fake.asked.append((verb, self.path))
            self.fake.orders.append((verb, what, self.pid))
        return self.act(verb, what, urllib.parse.parse_qs(url.query), body)

    def act(self, verb, what, query, body):
        fault = self.fake.fault(verb)
        if fault == "hang":
            self.fake.hung.wait(60)
            self.close_connection = True
            return None
        if isinstance(fault, int):
            return self.reply(fault, {"message": f"scripted: {fault}"})
        if isinstance(fault, tuple) and fault[0] == "say":
            return self.reply(fault[1], {"message": fault[2]})
        if isinstance(fault, tuple):
            settings.let_rest(fault[1])
        if verb == "events":
            return self.stream()
        status, answer = self.fake.answer(verb, what, query, body, self.headers)
        if fault == "held":
            self.fake.released.wait(60)
        return self.reply(status, answer, is_cut=fault == "cut")

    do_GET = do_POST = do_DELETE = serve
