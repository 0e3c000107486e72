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


def free_port(address=ADDRESS):
    """A port of `address` that can be bound now; the next call gives another."""
    for port in itertools.islice(_ports, 20000):
        probe = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
            return port
        except OSError:
            continue
        finally:
            probe.close()
    raise OSError(f"no free port on {address}")


def split(address):
    """('127.0.0.1', 80) of '127.0.0.1:80' or of such a pair."""
    if isinstance(address, str):
        host, port = address.rsplit(":", 1)
        return host.strip("[]"), int(port)
    return address


def reset_on_close(sock):
    """close() of this socket sends RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
