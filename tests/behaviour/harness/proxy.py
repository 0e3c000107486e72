"""PROXY headers made and read, and other proxies that send and take them.

line(...) and binary(...) are the bytes of a header; read(conn) takes one from a connection, strictly.
Peer(folder, "haproxy", text) and Peer(folder, "nginx", text) run these; `text` has what a test is about.
"""

import collections
import contextlib
import ipaddress
import shutil
import socket
import struct

from harness import net, process, settings

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ALPN, AUTHORITY, CRC32C, ID, SSL, SSL_VERSION, SSL_NAME, SSL_CIPHER = 1, 2, 3, 5, 0x20, 0x21, 0x22, 0x23

Header = collections.namedtuple("Header", "version command source target tlvs")


def line(source="192.0.2.7:1234", target="198.51.100.9:443"):
    (host, port), (to, to_port) = net.split(source), net.split(target)
    family = "TCP6" if ":" in host else "TCP4"
    return f"PROXY {family} {host} {to} {port} {to_port}\r\n".encode()


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def ssl(version=b"TLSv1.3", *more, flags=1, verify=1):
    return tlv(SSL, struct.pack("!BI", flags, verify) + tlv(SSL_VERSION, version) + b"".join(more))


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def binary(source="192.0.2.7:1234", target="198.51.100.9:443", *tlvs, command=1, family=None, checksum=None):
    """`checksum`: True for the right one, False for another."""
    body = b""
    if source:
        (host, port), (to, to_port) = net.split(source), net.split(target)
        body = (ipaddress.ip_address(host).packed + ipaddress.ip_address(to).packed
                + struct.pack("!HH", port, to_port))
        family = family if family is not None else 0x21 if ":" in host else 0x11
    body += b"".join(tlvs)
    if checksum is not None:
        body += tlv(CRC32C, bytes(4))
    head = SIGNATURE + struct.pack("!BBH", 0x20 | command, family or 0, len(body))
    if checksum is not None:
        body = body[:-4] + struct.pack("!I", crc32c(head + body) ^ (not checksum))
    return head + body


def tlvs_of(data):
    """By type; they must fill these bytes."""
    found = {}
    while data:
        kind, n = struct.unpack("!BH", data[:3])
        assert len(data) >= 3 + n, "a TLV runs over"
        found[kind] = data[3:3 + n]
        data = data[3 + n:]
    return found


def _read_binary(conn):
    rest = conn.read(16)[12:]
    version_command, family, n = struct.unpack("!BBH", rest)
    body = conn.read(n)
    assert version_command >> 4 == 2 and len(body) == n
    size = {0: 0, 0x11: 4, 0x21: 16}[family]
    if size == 0:
        return Header(2, version_command & 15, None, None, tlvs_of(body))
    ports = struct.unpack("!HH", body[2 * size:2 * size + 4])
    hosts = [str(ipaddress.ip_address(body[i * size:(i + 1) * size])) for i in range(2)]
    return Header(2, version_command & 15, (hosts[0], ports[0]), (hosts[1], ports[1]),
                  tlvs_of(body[2 * size + 4:]))


def read(conn):
    """The header that a connection begins with; what follows is left. None: it ended before a byte."""
    first = conn.read(6)
    if first == b"":
        return None
    conn.buffer[:0] = first
    if first == SIGNATURE[:6]:
        return _read_binary(conn)
    words = conn.take_through(b"\r\n", settings.deadline()).decode().split(" ")
    assert words[0] == "PROXY" and words[-1].endswith("\r\n")
    if words[1].strip() == "UNKNOWN":
        return Header(1, 1, None, None, {})
    assert len(words) == 6 and words[1] in ("TCP4", "TCP6")
    return Header(1, 1, (words[2], int(words[4])), (words[3], int(words[5])), {})


def server(script, headers):
    """A script that takes a header first, and adds it to a list."""
    def run(conn):
        header = read(conn)
        if header is not None:
            headers.append(header)
            script(conn)
    return run


class Peer(process.Program):
    """haproxy or nginx in the foreground; `address` answers. For the text {address} is that."""

    def __init__(self, folder, kind, text, address=None):
        path = shutil.which(kind)
        if path is None:
            raise settings.Missing(f"{kind} is not there (Debian: haproxy nginx-light)")
        self.address = address or f"{net.ADDRESS}:{net.free_port()}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{kind}.conf").write_text(getattr(self, kind)(text, folder))
        argv = {"haproxy": [path, "-db", "-f", f"{folder}/haproxy.conf"],
                "nginx": [path, "-p", str(folder), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]}
        super().__init__(argv[kind], folder, name=kind)
        settings.wait_until(self.answers, f"{kind} at {self.address}")

    def haproxy(self, text, _):
        times = "timeout connect 60s\n timeout client 60s\n timeout server 60s"
        return f"global\n maxconn 100\ndefaults\n {times}\n{text.format(address=self.address)}\n"

    def nginx(self, text, folder):
        temps = "".join(f" {kind}_temp_path {folder}/{kind};\n"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return (f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nevents {{ }}\n"
                f"http {{\n access_log off;\n{temps}{text.replace('{address}', self.address)}\n}}\n")

    def answers(self):
        assert self.running(), self.output()
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(net.split(self.address), settings.TIMEOUT).close()
            return True
        return False
