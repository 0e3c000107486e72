"""A control socket, as socat would use it."""

import socket

from harness import settings


def ask(where, line):
    """The whole answer to one line. `where`: a path, or (host, port)."""
    family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
    with socket.socket(family) as peer:
        peer.settimeout(settings.TIMEOUT)
        peer.connect(where)
        peer.sendall(line.encode() + b"\n")
        pieces = []
        while piece := peer.recv(65536):
            pieces.append(piece)
    return b"".join(pieces).decode()


def failure(answer):
    """The code of an answer that failed."""
    assert answer.startswith("error "), answer
    return answer.split(" ")[1].rstrip(":")
