"""Clients that ask steadily while something happens."""

import threading
import time

from harness import client, wire

CLIENTS = 4


class Load:
    """Clients that ask again and again, each time on a connection of its own."""

    def __init__(self, address):
        self.address = address
        self.results = []  # (when it began, None or what went wrong)
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.ask) for _ in range(CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def ask(self):
        while not self.over.is_set():
            began = time.monotonic()
            try:
                with client.RawClient(self.address) as peer:
                    wrong = None if peer.exchange(client.get()).status == 200 else "status"
            except (OSError, wire.Closed, wire.WireError) as failed:
                wrong = failed
            self.results.append((began, wrong))

    def served_since(self, moment):
        return sum(began >= moment and wrong is None for began, wrong in self.results)

    def failures(self, since=0.0):
        return [wrong for began, wrong in self.results if began >= since and wrong is not None]
