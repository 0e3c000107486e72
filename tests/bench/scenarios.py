"""What is measured: the load of each scenario, one run of it, its system calls, its memory."""

import dataclasses
import json
import math
import os
import pathlib
import re
import shutil
import socket
import ssl
import statistics
import subprocess

from processes import (ADDRESS, Cpu, Failed, PATIENCE, Program, Strace, WAITS, machine_busy_us,
                       memory_bytes, settled_pss)

HERE = pathlib.Path(__file__).resolve().parent
# Ports with TLS, and a backend of HTTP/2.
BEHIND_H2 = ("h2h2", "grpc")
GRPC = ("-H", "content-type: application/grpc", "-H", "te: trailers", "-d", "{body}")


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    about: str
    kind: str                 # port of the proxy: http, https, h2h2, grpc, echo or source
    connections: int
    load: tuple = ()          # arguments of bench/client; () with wrk
    wrk: str = ""             # path wrk asks for; "": bench/client
    h2load: tuple = ()        # arguments of h2load; {body}: a file with a message of gRPC
    s_time: tuple = ()        # arguments of openssl s_time
    floor: tuple = ()         # arguments of bench/floor
    counted: int = 0          # exchanges of the run under strace; 0: there is none
    units: int = 1            # per exchange
    unit: str = "request"
    new: bool = False         # a connection for each exchange
    rate: int = 0             # exchanges a second; 0: as many as there can be
    idle: bool = False        # memory of idle connections, no load

    @property
    def has_tls(self):
        return self.kind in ("https", *BEHIND_H2)

    @property
    def is_long(self):
        """Its load knows whole seconds only."""
        return bool(self.s_time) or (self.kind == "https" and bool(self.wrk))


ALL = (
    Scenario("http-64", "HTTP keep-alive, 1 KiB answers, 64 connections", "http", 64,
             ("-m", "http", "-p", "/1k"), wrk="/1k", counted=6400),
    Scenario("http-1000", "HTTP keep-alive, 1 KiB answers, 1000 connections", "http", 1000,
             ("-m", "http", "-p", "/1k"), wrk="/1k", counted=10000),
    Scenario("http-new", "HTTP, a new client connection per request, 1 KiB answers, 64 at a time",
             "http", 64, ("-m", "http", "-p", "/1k", "-x"), floor=("-p",), counted=2000, new=True),
    Scenario("tcp-rr", "TCP request/response, 256 bytes each way, 64 connections", "echo", 64,
             ("-m", "echo", "-b", "256"), counted=6400),
    Scenario("tcp-bulk", "TCP bulk to the client, 4 connections", "source", 4,
             ("-m", "bulk", "-b", str(16 << 20)), floor=("-s",), counted=32, units=16,
             unit="MiB"),
    Scenario("http-1m", "HTTP keep-alive, 1 MiB answers, 16 connections", "http", 16,
             ("-m", "http", "-p", "/1m"), floor=("-s",), counted=400),
    Scenario("http-rate", "HTTP keep-alive, 1 KiB answers, 64 connections, 4000 requests a second", "http", 64,
             ("-m", "http", "-p", "/1k"), rate=4000),
    Scenario("https-64", "HTTP/1.1 keep-alive over TLS 1.3, 1 KiB answers, 64 connections", "https", 64, wrk="/1k"),
    Scenario("h2", "HTTP/2 over TLS 1.3, HTTP/1.1 behind, 1 KiB answers, 32 connections of 16 streams", "https", 32,
             h2load=("-m", "16")),
    Scenario("h2-h2", "HTTP/2 over TLS 1.3, HTTP/2 behind, 1 KiB answers, 32 connections of 16 streams", "h2h2", 32,
             h2load=("-m", "16")),
    Scenario("grpc", "gRPC unary over TLS 1.3, plain behind: 100 bytes, answered by 1 KiB and trailers, 32 connections of 16 "
             "calls", "grpc", 32, h2load=("-m", "16", *GRPC), unit="call"),
    Scenario("tls-full", "full handshakes of TLS 1.3 (ECDSA P-256), one at a time, a request of 1 KiB on each", "https", 1,
             s_time=("-new",), unit="handshake"),
    Scenario("tls-resumed", "resumed handshakes of TLS 1.3, one at a time, a request of 1 KiB on each", "https", 1,
             s_time=("-reuse",), unit="handshake"),
    Scenario("https-idle", "idle keep-alive connections over TLS 1.3, one request each before", "https", 1000, idle=True),
    Scenario("http-idle", "idle HTTP keep-alive connections, one request each before", "http", 9000,
             ("-m", "http", "-p", "/1k"), idle=True),
    Scenario("tcp-idle", "idle TCP connections, one exchange each before", "echo", 9000,
             ("-m", "echo", "-b", "256"), idle=True),
)


def _client(options, scenario, proxy, *more, connections=None):
    new = ("-w",) if scenario.new and proxy.ends_connections else ()
    return [str(options.tools / "client"), *scenario.load, *new,
            "-c", str(connections or scenario.connections), *more, ADDRESS,
            str(proxy.port(scenario))]


def _load(options, scenario, proxy, seconds):
    url = f"{'https' if scenario.has_tls else 'http'}://{ADDRESS}:{proxy.port(scenario)}/1k"
    if scenario.h2load:
        return ["h2load", "-t1", f"-c{scenario.connections}", *(word.format(body=options.body) for word in scenario.h2load),
                *(("-n1024",) if options.smoke else ("-D", f"{seconds * 1000:.0f}ms")),
                f"--log-file={proxy.folder / 'h2load.log'}", url]
    if scenario.s_time:
        return ["openssl", "s_time", "-connect", f"{ADDRESS}:{proxy.port(scenario)}", *scenario.s_time, "-tls1_3",
                "-www", "/1k", "-time", str(math.ceil(seconds))]
    # wrk knows whole seconds only: where none is measured, one proxy has it.
    if scenario.wrk and shutil.which("wrk") and (not options.smoke or proxy.name == "tidegate"):
        return ["wrk", "-t1", f"-c{scenario.connections}", f"-d{math.ceil(seconds)}", "-s", str(HERE / "wrk.lua"), url]
    pace = ("-r", str(scenario.rate)) if scenario.rate else ()
    return _client(options, scenario, proxy, *pace, "-d", str(seconds))


def _seen_by_h2load(text, log):
    """Its log has a line for each request: when it began, status, microseconds."""
    found = re.search(r"finished in ([\d.]+)(m?s), .*?(\d+) succeeded, (\d+) failed", text, re.DOTALL)
    if not found:
        return None
    took = sorted(int(line.split()[2]) for line in log.read_text().splitlines()) or [0]
    return {"exchanges": int(found[3]), "seconds": float(found[1]) / (1000 if found[2] == "ms" else 1),
            "errors": int(found[4]), "p50_us": statistics.median(took), "p99_us": took[len(took) * 99 // 100]}


def _seen_by_s_time(text):
    """It knows the mean alone."""
    found = re.search(r"(\d+) connections in (\d+) real seconds", text)
    if not found:
        return None
    each = float(found[2]) * 1e6 / max(1, int(found[1]))
    return {"exchanges": int(found[1]), "seconds": float(found[2]), "errors": 0, "p50_us": each, "p99_us": each}


def _seen(argv, text):
    if argv[0] == "h2load":
        return _seen_by_h2load(text, pathlib.Path(argv[-2].partition("=")[2]))
    if argv[0] == "openssl":
        return _seen_by_s_time(text)
    last = text.strip().splitlines()[-1] if text.strip() else ""
    return json.loads(last) if last.startswith("{") else None


def _context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _ask_https(context, port):
    """A connection with one answer behind it."""
    connection = context.wrap_socket(socket.create_connection((ADDRESS, port), PATIENCE))
    connection.sendall(b"GET /1k HTTP/1.1\r\nHost: bench\r\n\r\n")
    answer = b""
    while len(answer.partition(b"\r\n\r\n")[2]) < 1024:
        piece = connection.recv(65536)
        if not piece:
            raise Failed(f"port {port}: no answer over TLS: {answer[:100]}")
        answer += piece
    return connection


def _touch(options, scenario, proxy):
    """All processes are there once one of them has answered."""
    if scenario.has_tls:
        _ask_https(_context(), proxy.port(scenario)).close()
    else:
        _finish(_client(options, scenario, proxy, "-n", "1", connections=1), 1)


def _finish(argv, seconds):
    """Runs a load to its end: what it saw."""
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        text, _ = process.communicate(timeout=3 * seconds + PATIENCE)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    seen = _seen(argv, text) if process.returncode == 0 else None
    if seen is None:
        raise Failed(f"{' '.join(argv)}: {process.returncode}\n{text[-1000:]}")
    return seen


def timed(options, scenario, proxy, backend):
    """One run: what the load saw, and what the proxy spent on it, per unit."""
    seconds = options.seconds
    _touch(options, scenario, proxy)
    pids = proxy.pids(scenario)
    children = os.times()
    busy = machine_busy_us()
    aside = Cpu([backend.pid])
    before = Cpu(pids)
    seen = _finish(_load(options, scenario, proxy, seconds), seconds)
    total, user, system = Cpu(pids).since(before)
    aside_us = Cpu([backend.pid]).since(aside)[0]
    after = os.times()
    load_us = (after.children_user + after.children_system
               - children.children_user - children.children_system) * 1e6
    others_us = machine_busy_us() - busy - total - aside_us - load_us
    if seen["exchanges"] == 0:
        raise Failed(f"{scenario.name}: {proxy.name}: nothing was answered: {seen}")
    units = seen["exchanges"] * scenario.units
    return {
        "rate": units / seen["seconds"], "cpu_us": total / units, "user_us": user / units,
        "system_us": system / units, "p50_us": seen["p50_us"], "p99_us": seen["p99_us"],
        "errors": seen["errors"], "rss": memory_bytes(pids, "Rss"),
        "others_cores": max(0.0, others_us / 1e6 / seen["seconds"]),
    }


def calls(options, scenario, proxy, folder):
    """System calls per unit of a fixed number of exchanges, connections already open."""
    if scenario.connections > 64:
        # Under strace more is under way at once: connections to the backend are opened first.
        _counted(options, scenario, proxy, folder)
    return _counted(options, scenario, proxy, folder)


def _counted(options, scenario, proxy, folder):
    gated = ("-n", str(scenario.counted), "-g")
    client = Program(_client(options, scenario, proxy, *gated), folder, "client", True)
    try:
        client.line()
        strace = Strace(proxy.pids(scenario), folder)
        try:
            client.process.stdin.write("go\n")
            seen = json.loads(client.line(120))
        finally:
            counted = strace.end()
    finally:
        client.stop()
    if seen["exchanges"] != scenario.counted or seen["errors"]:
        raise Failed(f"{scenario.name}: {proxy.name} under strace: {seen}")
    units = seen["exchanges"] * scenario.units
    moving = {name: n / units for name, n in counted.items() if name not in WAITS}
    waits = sum(n for name, n in counted.items() if name in WAITS) / units
    return {"io": sum(moving.values()), "waits": waits,
            "calls": {name: round(n, 4) for name, n in sorted(moving.items()) if n >= 0.005}}


def _held_https(options, scenario, proxy):
    """As held(), by connections of our own."""
    connections = min(options.idle, scenario.connections)
    context = _context()
    for _ in range(64):
        _ask_https(context, proxy.port(scenario)).close()
    pids = proxy.pids(scenario)
    before = settled_pss(pids)
    kept = [_ask_https(context, proxy.port(scenario)) for _ in range(connections)]
    after = settled_pss(pids)
    rss = memory_bytes(pids, "Rss")
    for connection in kept:
        connection.close()
    return {"bytes": (after - before) / connections, "pss": after, "rss": rss, "errors": 0}


def held(options, scenario, proxy, folder):
    """Memory with all connections idle against none, of a proxy that has served before."""
    if scenario.kind == "https":
        return _held_https(options, scenario, proxy)
    warm = _client(options, scenario, proxy, "-n", "2000", connections=64)
    _finish(warm, 1)
    # Not before: a listener can be open while the processes behind it still start.
    pids = proxy.pids(scenario)
    before = settled_pss(pids)
    client = Program(_client(options, scenario, proxy, "-H", connections=options.idle), folder,
                     "client", True)
    try:
        client.line(60)
        after = settled_pss(pids)
        rss = memory_bytes(pids, "Rss")
        client.process.stdin.write("go\n")
        seen = json.loads(client.line())
    finally:
        client.stop()
    return {"bytes": (after - before) / options.idle, "pss": after, "rss": rss,
            "errors": seen["errors"]}
