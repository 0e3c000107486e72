"""Clients that ask steadily while something happens."""

import threading
import time

from harness import client, wire

CLIENTS = 4
PAUSE = 0.012  # seconds: they are to be there all the time, not to keep a processor busy


class Load:
    """Clients that ask again and again, each time on a connection of its own."""

    def __init__(self, address, clients=CLIENTS, request=None):
        self.address = address
        self.request = request or client.get()
        self.results = []  # (when it began, None or what went wrong)
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.ask) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def exchange(self):
        """Once; what is wrong, or None."""
        with client.RawClient(self.address) as peer:
            return None if peer.exchange(self.request).status == 200 else "status"

    def ask(self):
        while not self.over.is_set():
            began = time.monotonic()
            try:
                wrong = self.exchange()
            except (OSError, wire.Closed, wire.WireError) as failed:
                wrong = failed
            self.results.append((began, wrong))
            self.over.wait(PAUSE)

    def served_since(self, moment):
        return sum(began >= moment and wrong is None for began, wrong in self.results)

    def failures(self, since=0.0):
        return [wrong for began, wrong in self.results if began >= since and wrong is not None]


class KeptLoad(Load):
    """Clients that keep their connection until they are told that it closes. One that they were not
    told of is a failure: nothing is asked again."""

    def __init__(self, address, **options):
        super().__init__(address, **options)
        self.mine = threading.local()
        self.connections = 0

    def exchange(self):
        peer = getattr(self.mine, "peer", None)
        self.mine.peer = None
        if peer is None:
            peer = client.RawClient(self.address)
            self.connections += 1
        try:
            answer = peer.exchange(self.request)
        except BaseException:
            peer.close()
            raise
        if answer.get("Connection", "").lower() == "close":
            peer.close()
        else:
            self.mine.peer = peer
        return None if answer.status == 200 else "status"

    def ask(self):
        super().ask()
        if getattr(self.mine, "peer", None):
            self.mine.peer.close()


class TcpLoad(Load):
    """Clients of a TCP echo that says a line first, each time on a connection of its own."""

    def exchange(self):
        with client.RawClient(self.address) as peer:
            peer.read_line()
            peer.send(b"echo this\n")
            return None if peer.read_line() == b"echo this\n" else "echo"
