#!/usr/bin/python3
"""A backend that fails on command: HTTP on one port, TCP echo on another.

    backend.py NAME ADDRESS HTTP-PORT TCP-PORT BEGUN MODE

It is a process of its own so that it can be killed and stopped. A line on
standard input is its new mode, which it confirms on standard output with
"mode MODE"; the first line there is "ready". The end of standard input ends it.

    ok             answers
    reset          resets each connection it accepts, and those that are idle
    no-answer      reads the head of a request and closes
    head-only      sends the head of the answer and closes
    unavailable    answers 503; /health stays well
    slow           answers nothing but /health before it is 2 s old
    deaf           accepts nothing, its queue of connections is full, and it
                   answers nothing on those it has

Each POST it began to process is a line in the file BEGUN, written as soon as
its head was read: what was written survives the end of the process.

/stream/N sends 256 KiB in 16 pieces: chunked when N is odd, by length when even.
"""

import asyncio
import contextlib
import os
import socket
import struct
import sys
import time

SLOW_SECONDS = 2.0
PIECES, PIECE_BYTES, PIECE_PAUSE = 16, 16384, 0.01
GET_BYTES = 512


def is_chunked(number):
    """Every other stream is; the others say how long they are."""
    return number % 2 == 1


def pattern(number, size):
    """What the body of an answer must be; load.py has the same line."""
    return (b"%08d" % number) * (size // 8)


class Connection:
    """One accepted connection. What came before a reset is read all the same."""

    def __init__(self, sock):
        self.sock = sock
        self.loop = asyncio.get_running_loop()
        self.buffer = b""
        self.idle = False  # waits for a request

    async def read(self):
        """Some bytes, or none at the end."""
        return await self.loop.sock_recv(self.sock, 65536)

    async def fill(self):
        piece = await self.read()
        if not piece:
            raise ConnectionAbortedError
        self.buffer += piece

    async def read_head(self):
        self.idle = not self.buffer
        while b"\r\n\r\n" not in self.buffer:
            await self.fill()
            self.idle = False
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head

    async def read_body(self, size):
        while len(self.buffer) < size:
            await self.fill()
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return body

    async def send(self, data):
        await self.loop.sock_sendall(self.sock, data)


def reset_on_close(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Backend:
    def __init__(self, name, address, http_port, tcp_port, begun, mode):
        self.name = name
        self.address = address
        self.begun = os.open(begun, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.born = time.monotonic()
        self.mode = mode
        self.hears = asyncio.Event()
        self.hears.set()
        self.fillers = []
        self.open = {}  # connections and their tasks
        self.listeners = [self.listen(http_port), self.listen(tcp_port)]

    def listen(self, port):
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((self.address, port))
        made.listen(1024)
        made.setblocking(False)
        return made

    def set_mode(self, mode):
        if mode == "deaf":
            self.hears.clear()
            for listener in self.listeners:
                self.fill(listener)
        elif self.mode == "deaf":
            for listener in self.listeners:
                listener.listen(1024)
            while self.fillers:
                self.fillers.pop().close()
            self.hears.set()
        elif mode == "reset":
            self.reset_idle()
        self.mode = mode

    def fill(self, listener):
        """One connection lies in the queue, one may be accepted yet; the rest gets no answer."""
        listener.listen(0)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            self.fillers.append(filler)

    async def accept(self, listener, serve):
        loop = asyncio.get_running_loop()
        while True:
            await self.hears.wait()
            with contextlib.suppress(ConnectionError):
                sock, _ = await loop.sock_accept(listener)
                if self.mode == "reset":
                    reset_on_close(sock)
                    sock.close()
                    continue
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setblocking(False)
                conn = Connection(sock)
                task = self.open[conn] = asyncio.create_task(self.run(serve, conn))
                task.add_done_callback(lambda _, conn=conn: self.open.pop(conn))

    async def run(self, serve, conn):
        with conn.sock, contextlib.suppress(ConnectionError):
            await serve(conn)

    def reset_idle(self):
        for conn, task in self.open.items():
            if conn.idle:
                reset_on_close(conn.sock)
                task.cancel()

    async def begin(self):
        """What an answer waits for: the end of deafness, and of the slow start."""
        if self.mode == "slow":
            await asyncio.sleep(max(0, self.born + SLOW_SECONDS - time.monotonic()))
        await self.hears.wait()

    async def serve_http(self, conn):
        while True:
            await self.hears.wait()
            head = await conn.read_head()
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            if method == "POST":
                os.write(self.begun, f"{target} {self.name}\n".encode())
            if self.mode == "no-answer":
                return
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            body = await conn.read_body(length)
            if target == "/health":
                await self.hears.wait()
            else:
                await self.begin()
            if not await self.answer(conn, target, body):
                return

    async def answer(self, conn, target, body):
        """Whether the connection goes on."""
        kind, _, number = target.strip("/").partition("/")
        if kind == "stream" and self.mode != "unavailable":
            return await self.stream(conn, int(number))
        status, text = b"200 OK", pattern(int(number or 0), GET_BYTES)
        if self.mode == "unavailable" and kind != "health":
            status, text = b"503 Service Unavailable", b"busy"
        elif kind == "post":
            text = body[:32]
        head = self.head(status, b"Content-Length: %d" % len(text))
        if self.mode == "head-only":
            await conn.send(head)
            return False
        await conn.send(head + text)
        return True

    def head(self, status, framing):
        return b"HTTP/1.1 %s\r\nX-Backend: %s\r\n%s\r\n\r\n" % (status, self.name.encode(), framing)

    async def stream(self, conn, number):
        chunked = is_chunked(number)
        await conn.send(self.head(
            b"200 OK", b"Transfer-Encoding: chunked" if chunked
            else b"Content-Length: %d" % (PIECES * PIECE_BYTES)))
        if self.mode == "head-only":
            return False
        piece = pattern(number, PIECE_BYTES)
        if chunked:
            piece = b"%x\r\n%s\r\n" % (len(piece), piece)
        for _ in range(PIECES):
            await self.hears.wait()
            await conn.send(piece)
            await asyncio.sleep(PIECE_PAUSE)
        if chunked:
            await conn.send(b"0\r\n\r\n")
        return True

    async def serve_tcp(self, conn):
        """Says its name first, then sends back what comes."""
        await self.begin()
        await conn.send(self.name.encode() + b"\n")
        while piece := await conn.read():
            await self.hears.wait()
            await conn.send(piece)

    def command(self):
        text = os.read(0, 4096).decode()
        if not text:
            os._exit(0)
        for mode in text.split():
            self.set_mode(mode)
            print("mode", mode, flush=True)

    async def main(self):
        asyncio.get_running_loop().add_reader(0, self.command)
        print("ready", flush=True)
        await asyncio.gather(self.accept(self.listeners[0], self.serve_http),
                             self.accept(self.listeners[1], self.serve_tcp))


async def main(name, address, http_port, tcp_port, begun, mode):
    await Backend(name, address, int(http_port), int(tcp_port), begun, mode).main()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
