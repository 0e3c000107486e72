"""Addresses and ports nobody else uses.

Every test process has a loopback address of its own, made from its pid, so
that test runs beside each other (and pytest -n) never meet on a port.
"""

import itertools
import os
import socket
import struct

_pid = os.getpid()


def own_address(number=0):
    """One of three loopback addresses of this process: 0, 1 or 2."""
    return f"127.{64 + 64 * number + (_pid >> 16) % 64}.{(_pid >> 8) & 0xff}.{_pid & 0xff}"


ADDRESS = own_address()
_ports = itertools.cycle(range(10000, 30000))


def is_free(address, port):
    """Whether it can be bound now."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def free_port(*addresses):
    """A port of all these (none: of ADDRESS) that can be bound now; the next call gives another."""
    for port in itertools.islice(_ports, 20000):
        if all(is_free(address, port) for address in addresses or (ADDRESS,)):
            return port
    raise OSError(f"no free port on {addresses}")


def split(address):
    """('127.0.0.1', 80) of '127.0.0.1:80' or of such a pair."""
    if isinstance(address, str):
        host, port = address.rsplit(":", 1)
        return host.strip("[]"), int(port)
    return address


def reset_on_close(sock):
    """close() of this socket sends RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
