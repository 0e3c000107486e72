"""Certificates of the tests, by openssl(1)."""

import pathlib
import ssl
import subprocess

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class Authority:
    """Signs what others are known by; its own certificate is `path`."""

    def __init__(self, folder, name="ca"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.path, self._key = self.folder / f"{name}.pem", self.folder / f"{name}-key.pem"
        self._run("req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN={name}", "-keyout", str(self._key),
                  "-out", str(self.path))

    def _run(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def issue(self, name, subject=None, days=2):
        """(certificate, key): of a server with a `subject` as "DNS:localhost", else of a client; of days below 0:
        expired."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}-key.pem"
        (self.folder / f"{name}.ext").write_text(
            f"subjectAltName={subject}\nextendedKeyUsage=serverAuth" if subject else "extendedKeyUsage=clientAuth")
        self._run("req", *_KEY, "-subj", f"/CN={name}", "-keyout", str(key), "-out", f"{name}.csr")
        self._run("x509", "-req", "-in", f"{name}.csr", "-days", str(days), "-CA", str(self.path), "-CAkey",
                  str(self._key), "-CAcreateserial", "-out", str(certificate), "-extfile", f"{name}.ext")
        return certificate, key


def server_context(pair, clients=None):
    """Of a server with this certificate and key; with the path of an authority only for those it has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    if clients:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def listen_with(server, context):
    """A server of socketserver speaks TLS from now on: each of its connections shakes hands when it is read first,
    in its own thread, and one that fails there is nothing to tell of."""
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *_: None
