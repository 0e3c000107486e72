"""A name server on loopback that says what the test wants."""

import socket
import struct
import threading

from harness import net

NXDOMAIN = 3


class NameServer:
    """Answers A questions from `names` (name to addresses); others: no such name."""

    def __init__(self, ttl=1):
        self.ttl = ttl
        self.names = {}
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
            self.socket.sendto(self._answer(question), peer)

    def _answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        name = ".".join(labels)
        kind = struct.unpack_from(">H", question, at + 1)[0]
        self.questions.append(name)
        known = self.names.get(name)
        addresses = known if known and kind == 1 else []
        head = question[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else NXDOMAIN), 1,
                                          len(addresses), 0, 0)
        records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, self.ttl, 4)
                           + socket.inet_aton(address) for address in addresses)
        return head + question[12:at + 5] + records

    def top(self):
        return f'resolver = {{ servers = ( "{self.address}" ); }};'

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()
