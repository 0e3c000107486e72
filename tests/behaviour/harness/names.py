"""A name server on loopback that says what the test wants."""

import socket
import struct
import threading

from harness import net, settings

SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5
A, AAAA, SRV = 1, 28, 33
GARBAGE, SILENCE = "garbage", "silence"


def encode(name):
    """A name on the wire, without compression."""
    return b"".join(bytes([len(label)]) + label.encode()
                    for label in name.split(".") if label) + b"\0"


class NameServer:
    """
    Answers A and AAAA from `names` (name to addresses of both kinds) and SRV from `services`
    (name to tuples priority, weight, port, target); others: no such name. `trouble` (name to
    SERVFAIL, NXDOMAIN, REFUSED, GARBAGE, SILENCE) comes first.
    """

    def __init__(self, ttl=1):
        self.ttl = ttl
        self.names = {}
        self.services = {}
        self.trouble = {}
        self.questions = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((net.ADDRESS, net.free_port()))
        self.address = "%s:%d" % self.socket.getsockname()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            question, peer = self.socket.recvfrom(4096)
            if not question:
                return
            answer = self._answer(question)
            if answer:
                self.socket.sendto(answer, peer)

    def _records(self, name, kind):
        """The data of each record of the answer."""
        if kind == SRV:
            return [struct.pack(">HHH", *record[:3]) + encode(record[3])
                    for record in self.services.get(name, [])]
        family = socket.AF_INET6 if kind == AAAA else socket.AF_INET
        return [socket.inet_pton(family, address) for address in self.names.get(name, [])
                if kind in (A, AAAA) and (":" in address) == (kind == AAAA)]

    def _answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        name = ".".join(labels)
        kind = struct.unpack_from(">H", question, at + 1)[0]
        self.questions.append(name)
        known = name in self.names or name in self.services
        trouble = self.trouble.get(name, 0 if known else NXDOMAIN)
        if trouble == SILENCE:
            return None
        records = self._records(name, kind)
        count = 77 if trouble == GARBAGE else len(records)
        code = trouble if trouble in (SERVFAIL, NXDOMAIN, REFUSED) else 0
        if code:
            records, count = [], 0
        return (question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, count, 0, 0)
                + question[12:at + 5]
                + b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, self.ttl, len(data)) + data
                           for data in records))

    def wait_asked(self, more=2, groups=()):
        """Returns when as many further questions have come: in all, or for the names of each group."""
        def asked():
            return [sum(map(self.questions.count, group)) for group in groups] or [len(self.questions)]
        before = asked()
        settings.wait_until(lambda: all(now >= then + more for now, then in zip(asked(), before)),
                            "more questions")

    def top(self):
        return f'resolver = {{ servers = ( "{self.address}" ); }};'

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()
