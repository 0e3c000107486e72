#!/usr/bin/python3
"""Steady load on a proxy, one process: GET, POST, streaming downloads, TCP exchanges.

    load.py RESULTS CONFIGURATION     (JSON: http, tcp, backends, clients, rate, patience)

Warms up first, until every backend has answered by both ways and nothing
fails; says "warm", and begins. Each exchange is a line of JSON in the file
RESULTS as soon as it is over:

    kind     get, post, stream, tcp
    number   unique in the run; part of the path /KIND/NUMBER
    begin, end   CLOCK_MONOTONIC, which all processes of a machine share
    result   ok; refused (no connection), reset (ended before the head of an
	     answer or the greeting), status (not 200), truncated (ended inside the
	     answer), timeout (gave up), corrupt (ended well with wrong bytes)
    status, by   of the answer; by: the backend that gave it
    client   "address:port" of its connection

A line on standard input ends it: what is under way is finished first.
Clients keep their connection as long as the proxy does.
"""

import asyncio
import contextlib
import itertools
import json
import socket
import sys
import time

STREAM_BYTES = 262144
GET_BYTES = 512
POST_BYTES = (300, 300, 300, 20000)
TCP_PIECES, TCP_PIECE_BYTES, TCP_PAUSE = 5, 4096, 0.05


def pattern(number, size):
    return (b"%08d" % number) * (size // 8)


class Failed(Exception):
    """How an exchange failed: one of the words above."""


class Connection(asyncio.Protocol):
    """A client's connection; made when there is none. What came before a reset is not lost."""

    def __init__(self, address):
        self.address = address
        self.transport = None
        self.name = "-"
        self.buffer = bytearray()
        self.ended = False
        self.news = asyncio.Event()

    def data_received(self, data):
        self.buffer += data
        self.news.set()

    def eof_received(self):
        self.ended = True
        self.news.set()
        return True

    def connection_lost(self, exc):
        self.ended = True
        self.news.set()

    async def open(self, record):
        """The record learns the client's address before anything can fail."""
        if self.transport:
            record["client"] = self.name
            return
        self.buffer.clear()
        self.ended = False
        sock = socket.socket()
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        record["client"] = self.name = "%s:%d" % sock.getsockname()
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(sock, tuple(self.address))
            await loop.create_connection(lambda: self, sock=sock)
        except ConnectionRefusedError as failed:
            sock.close()
            raise Failed("refused") from failed
        except OSError as failed:
            sock.close()
            raise Failed("reset") from failed

    def connection_made(self, transport):
        self.transport = transport

    def close(self):
        if self.transport:
            self.transport.abort()
        self.transport = None

    def send(self, data):
        self.transport.write(data)  # reading tells how it ended

    async def take_until(self, holds, ended):
        """The first holds(buffer) bytes, once that is not 0; `ended` is the failure at an end."""
        while not (size := holds(self.buffer)):
            if self.ended:
                raise Failed(ended if not self.buffer else "truncated")
            self.news.clear()
            await self.news.wait()
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    async def through(self, mark, ended="truncated"):
        return await self.take_until(lambda have: have.find(mark) + 1 and
                                     have.find(mark) + len(mark), ended)

    async def exactly(self, size):
        if size == 0:
            return b""
        return await self.take_until(lambda have: size if len(have) >= size else 0, "truncated")


async def read_body(conn, fields):
    if fields.get(b"transfer-encoding") == b"chunked":
        pieces = []
        while (size := int(await conn.through(b"\r\n"), 16)) > 0:
            pieces.append((await conn.exactly(size + 2))[:-2])
        await conn.exactly(2)
        return b"".join(pieces)
    if b"content-length" in fields:
        return await conn.exactly(int(fields[b"content-length"]))
    raise Failed("corrupt")  # no backend here answers by close, so no proxy may


async def read_answer(conn, record, wanted):
    lines = (await conn.through(b"\r\n\r\n", "reset")).split(b"\r\n")
    fields = {name.strip().lower(): value.strip()
              for name, _, value in (line.partition(b":") for line in lines[1:])}
    record["status"] = int(lines[0].split(b" ")[1])
    record["by"] = fields.get(b"x-backend", b"-").decode()
    text = await read_body(conn, fields)
    if fields.get(b"connection", b"").lower() == b"close":
        conn.close()
    if record["status"] != 200:
        raise Failed("status")
    if text != wanted or conn.buffer:
        raise Failed("corrupt")


async def http(conn, record, method="GET", body=b"", wanted=b""):
    await conn.open(record)
    length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
    conn.send(f"{method} /{record['kind']}/{record['number']} HTTP/1.1\r\n"
              f"Host: chaos.test\r\n{length}\r\n".encode() + body)
    await read_answer(conn, record, wanted)


async def get(conn, record):
    await http(conn, record, wanted=pattern(record["number"], GET_BYTES))


async def stream(conn, record):
    await http(conn, record, wanted=pattern(record["number"], STREAM_BYTES))


async def post(conn, record):
    number = record["number"]
    body = (b"%032d" % number).ljust(POST_BYTES[number % len(POST_BYTES)], b".")
    await http(conn, record, "POST", body, body[:32])


async def tcp(conn, record):
    await conn.open(record)
    record["by"] = (await conn.through(b"\n", "reset"))[:-1].decode()
    piece = pattern(record["number"], TCP_PIECE_BYTES)
    for _ in range(TCP_PIECES):
        conn.send(piece)
        if await conn.exactly(len(piece)) != piece:
            raise Failed("corrupt")
        await asyncio.sleep(TCP_PAUSE)
    with contextlib.suppress(OSError):
        conn.transport.write_eof()
    await conn.take_until(lambda have: conn.ended, "truncated")
    if conn.buffer:
        raise Failed("corrupt")
    conn.close()


EXCHANGES = {"get": get, "post": post, "stream": stream, "tcp": tcp}


class Load:
    def __init__(self, results, conf):
        self.conf = conf
        self.results = open(results, "w", buffering=1, encoding="ascii")
        self.numbers = itertools.count(1)
        self.over = asyncio.Event()

    def connection(self, kind):
        return Connection(self.conf["tcp" if kind == "tcp" else "http"])

    async def exchange(self, kind, conn):
        record = {"kind": kind, "number": next(self.numbers), "begin": time.monotonic(),
                  "status": 0, "by": "-", "client": "-"}
        try:
            await asyncio.wait_for(EXCHANGES[kind](conn, record), self.conf["patience"])
            record["result"] = "ok"
        except Failed as failed:
            record["result"] = str(failed)
        except asyncio.TimeoutError:
            record["result"] = "timeout"
        if record["result"] not in ("ok", "status"):
            conn.close()
        record["end"] = time.monotonic()
        return record

    async def client(self, kind, delay):
        """One exchange per period; late ones are not made up for."""
        conn = self.connection(kind)
        period = self.conf["clients"][kind] / self.conf["rate"][kind]
        due = time.monotonic() + delay * period
        while not self.over.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.over.wait(), max(0.0, due - time.monotonic()))
            if self.over.is_set():
                break
            due = max(due + period, time.monotonic())
            self.results.write(json.dumps(await self.exchange(kind, conn)) + "\n")
        conn.close()

    async def warm(self, kind):
        """Until all backends have answered and so many in a row went well."""
        wanted = set(self.conf["backends"])
        seen, row = set(), 0
        conn = self.connection(kind)
        while seen != wanted or row < 4 * len(wanted):
            record = await self.exchange(kind, conn)
            row = row + 1 if record["result"] == "ok" else 0
            seen.add(record["by"])
            seen &= wanted
            if row == 0:
                await asyncio.sleep(0.02)
        conn.close()

    async def main(self):
        await asyncio.gather(self.warm("get"), self.warm("tcp"))
        asyncio.get_running_loop().add_reader(0, self.over.set)
        print("warm", flush=True)
        await asyncio.gather(*(self.client(kind, i / n) for kind, n in self.conf["clients"].items()
                               for i in range(n)))
        self.results.close()


async def main(results, conf):
    await Load(results, json.loads(conf)).main()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
