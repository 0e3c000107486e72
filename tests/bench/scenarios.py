"""What is measured: the load of each scenario, one run of it, its system calls, its memory."""

import dataclasses
import json
import math
import os
import pathlib
import shutil
import subprocess

from processes import (ADDRESS, Cpu, Failed, PATIENCE, Program, Strace, WAITS, machine_busy_us,
                       memory_bytes, settled_pss)

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    about: str
    kind: str                 # port of the backend: http, echo or source
    connections: int
    load: tuple = ()          # arguments of bench/client; () with wrk
    wrk: str = ""             # path wrk asks for; "": bench/client
    floor: tuple = ()         # arguments of bench/floor
    counted: int = 0          # exchanges of the run under strace
    units: int = 1            # per exchange
    unit: str = "request"
    new: bool = False         # a connection for each exchange
    idle: bool = False        # memory of idle connections, no load


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
    # wrk knows whole seconds only: where none is measured, one proxy has it.
    if scenario.wrk and shutil.which("wrk") and (not options.smoke or proxy.name == "tidegate"):
        return ["wrk", "-t1", f"-c{scenario.connections}", f"-d{math.ceil(seconds)}", "-s",
                str(HERE / "wrk.lua"), f"http://{ADDRESS}:{proxy.port(scenario)}{scenario.wrk}"]
    return _client(options, scenario, proxy, "-d", str(seconds))


def _finish(argv, seconds):
    """Runs a load to its end: what it saw."""
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        text, _ = process.communicate(timeout=3 * seconds + PATIENCE)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    last = text.strip().splitlines()[-1] if text.strip() else ""
    if process.returncode != 0 or not last.startswith("{"):
        raise Failed(f"{' '.join(argv)}: {process.returncode}\n{text[-1000:]}")
    return json.loads(last)


def timed(options, scenario, proxy, backend):
    """One run: what the load saw, and what the proxy spent on it, per unit."""
    seconds = options.seconds
    # All processes are there once one of them has answered.
    _finish(_client(options, scenario, proxy, "-n", "1", connections=1), 1)
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


def held(options, scenario, proxy, folder):
    """Memory with all connections idle against none, of a proxy that has served before."""
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
