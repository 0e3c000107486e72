"""Load on connections that live as long as it: pipelined requests, tunnels, streams of bytes."""

import threading

from harness import backends, client, load

PIPELINED = 3
SWITCH = (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          b"Sec-WebSocket-Accept: x\r\n\r\n")
ASK = client.get("/chat", extra=b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
                 b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")


def chat(conn):
    conn.read_request()
    conn.send(SWITCH)
    backends.echo(conn)


class Pipeline(load.Load):
    """Clients that send several requests at once, on one connection for all their life."""

    def __init__(self, address):
        super().__init__(address)
        self.mine = threading.local()

    def exchange(self):
        if not hasattr(self.mine, "peer"):
            self.mine.peer = client.RawClient(self.address)
        peer = self.mine.peer
        peer.send(*[client.get(f"/{number}") for number in range(PIPELINED)])
        answers = [peer.read_answer() for _ in range(PIPELINED)]
        good = all(one.status == 200 and not one.has("Connection") for one in answers)
        return None if good else "answer"

    def ask(self):
        super().ask()
        self.mine.peer.close()


class Stream(Pipeline):
    """Clients with one stream of bytes to an echo, after `greeting`, for all their life."""

    greeting = None

    def begin(self):
        peer = client.RawClient(self.address)
        if self.greeting:
            peer.send(self.greeting)
            assert peer.read_head().startswith(b"HTTP/1.1 101")
        return peer

    def exchange(self):
        if not hasattr(self.mine, "peer"):
            self.mine.peer = self.begin()
        word = b"echo this, please"
        self.mine.peer.send(word)
        return None if self.mine.peer.read(len(word)) == word else "echo"


class Tunnel(Stream):
    greeting = ASK
