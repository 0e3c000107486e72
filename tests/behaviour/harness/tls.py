"""Certificates made when they are needed, and clients that speak TLS.

Authority(folder) is one of its own: .pem is what clients believe; .issue(names, ...) makes a
certificate. ECDSA, as it is cheap; the fixture `authority` is one for the whole run.
"""

import contextlib
import datetime
import pathlib
import socket
import ssl
import subprocess

from harness import backends, client, net, settings

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def openssl(*arguments, stdin=None):
    """The program to its end; its output."""
    done = subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True,
                          timeout=settings.TIMEOUT * 3, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


class Certificate:
    """Its files: .pem with the chain, .key, and .both in one."""

    def __init__(self, stem):
        self.pem = pathlib.Path(f"{stem}.pem")
        self.key = pathlib.Path(f"{stem}.key")
        self.both = pathlib.Path(f"{stem}.both.pem")

    def join(self):
        self.both.write_bytes(self.pem.read_bytes() + self.key.read_bytes())
        self.both.chmod(0o600)
        return self


class Authority:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pem = self.folder / "ca.pem"
        self.key = self.folder / "ca.key"
        self.made = 0
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.key, "-out", self.pem, "-days", 90, "-subj", "/CN=tests")

    def issue(self, *names, rsa=False, days=60, curve="P-256"):
        """A certificate for these names, or addresses, the first its common name; `days` below 0: it has ended.
        `rsa`: true, or how many bits."""
        self.made += 1
        made = Certificate(self.folder / f"c{self.made}")
        kind = [f"rsa:{2048 if rsa is True else rsa}"] if rsa else ["ec", "-pkeyopt", f"ec_paramgen_curve:{curve}"]
        wanted = ["-newkey", *kind, "-nodes", "-keyout", made.key, "-subj", f"/CN={names[0]}"]
        called = "subjectAltName=" + ",".join(
            f"{'IP' if name.replace('.', '').isdigit() else 'DNS'}:{name}" for name in names)
        if days > 0:
            config = self.folder / "req.cnf"
            config.write_text("[req]\ndistinguished_name = dn\n[dn]\n")
            openssl("req", "-x509", "-config", config, "-CA", self.pem, "-CAkey", self.key, *wanted, "-addext", called,
                    "-days", days, "-out", made.pem)
        else:
            self.issue_ended(made, openssl("req", "-new", *wanted), called, days)
        made.key.chmod(0o600)
        return made.join()

    def issue_ended(self, made, request, called, days):
        """What ended so many days ago, below 0."""
        extensions = self.folder / f"c{self.made}.ext"
        extensions.write_text(called)
        now = datetime.datetime.now(datetime.timezone.utc)
        begin = now + datetime.timedelta(days=days - 1)
        config = self.configure()
        text = self.folder / f"c{self.made}.csr"
        text.write_bytes(request)
        form = "%Y%m%d%H%M%SZ"
        openssl("ca", "-batch", "-notext", "-config", config, "-cert", self.pem, "-keyfile", self.key,
                "-in", text, "-out", made.pem, "-extfile", extensions, "-startdate",
                begin.strftime(form), "-enddate",
                (now + datetime.timedelta(days=days)).strftime(form))

    def configure(self):
        """With nothing issued yet."""
        config = self.folder / "ca.cnf"
        (self.folder / "index.txt").write_text("")
        config.write_text(f"[ca]\ndefault_ca = it\n[it]\ndatabase = {self.folder}/index.txt\n"
                          f"new_certs_dir = {self.folder}\nrand_serial = yes\ndefault_md = sha256\n"
                          "policy = any\nunique_subject = no\n[any]\ncommonName = supplied\n")
        return config

    def revoke(self, path, *certificates, days=30):
        """Writes the list of these to a file, which it returns; good for so many days from yesterday."""
        config = self.configure()
        signer = ["-config", config, "-cert", self.pem, "-keyfile", self.key]
        for one in certificates:
            openssl("ca", *signer, "-revoke", one.pem)
        written = pathlib.Path(f"{path}.new")
        openssl("ca", *signer, "-gencrl", "-crldays", days, "-out", written)
        written.rename(path)
        return pathlib.Path(path)

    def say(self, certificate, path, minutes=60, revoked=False):
        """Writes what this authority says of it, as OCSP response, to a file in the place of another."""
        serial = openssl("x509", "-in", certificate.pem, "-noout", "-serial").decode().strip().partition("=")[2]
        index = self.folder / "ocsp.txt"
        index.write_text(f"{'R' if revoked else 'V'}\t480101000000Z\t{'260101000000Z' if revoked else ''}\t{serial}"
                         "\tunknown\t/CN=x\n")
        written = pathlib.Path(f"{path}.new")
        openssl("ocsp", "-index", index, "-CA", self.pem, "-rsigner", self.pem, "-rkey", self.key, "-issuer", self.pem,
                "-cert", certificate.pem, "-respout", written, "-nmin", minutes)
        written.rename(path)

    def serve(self, *certificates, version=None, asks=False, weak=False):
        """What a server speaks that has these; `asks`: clients must have one of this authority."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if weak:
            made.set_ciphers("DEFAULT@SECLEVEL=0")
        for one in certificates:
            made.load_cert_chain(one.pem, one.key)
        if version:
            made.minimum_version = made.maximum_version = VERSIONS[version]
        if asks:
            made.load_verify_locations(self.pem)
            made.verify_mode = ssl.CERT_REQUIRED
        return made

    def context(self, version=None, protocols=(), ciphers=None, verify=True, own=None):
        """What a client of this authority speaks; `own`: the certificate it has."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if own:
            made.load_cert_chain(own.pem, own.key)
        made.load_verify_locations(self.pem)
        if not verify:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        if version:
            made.minimum_version = made.maximum_version = VERSIONS[version]
        if protocols:
            made.set_alpn_protocols(protocols)
        if ciphers:
            made.set_ciphers(ciphers)
        return made


class Truncated(ConnectionResetError):
    """The bytes ended without the word that they were all."""


class TlsSocket:
    """A socket with TLS over it whose ends are told apart; what Wire needs of one."""

    def __init__(self, raw, context, name=None, session=None, is_server=False):
        self.raw = raw
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name,
                                    server_side=is_server, session=session)
        self.run(self.tls.do_handshake)

    def flush(self):
        if self.outgoing.pending:
            self.raw.sendall(self.outgoing.read())

    def feed(self):
        got = self.raw.recv(65536)
        if got:
            self.incoming.write(got)
        else:
            self.incoming.write_eof()

    def run(self, call, *arguments):
        while True:
            try:
                done = call(*arguments)
                self.flush()
                return done
            except ssl.SSLWantReadError:
                self.flush()
                self.feed()
            except ssl.SSLEOFError as cut:
                raise Truncated(str(cut)) from None
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self.flush()
                raise

    def recv(self, n, *_):
        try:
            return self.run(self.tls.read, n)
        except ssl.SSLZeroReturnError:
            return b""

    def sendall(self, data):
        view = memoryview(data)
        for at in range(0, len(view), 65536):
            self.run(self.tls.write, view[at:at + 65536])

    def shutdown(self, how):
        """Of writing: close_notify alone, the connection stays whole, so that answers come."""
        if how != socket.SHUT_WR:
            self.raw.shutdown(how)
            return
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLSyscallError):
            self.tls.unwrap()
        self.flush()

    def close(self):
        self.raw.close()

    def __getattr__(self, name):
        return getattr(self.raw, name)


class TlsClient(client.RawClient):
    """As RawClient, over TLS; .tls is what was agreed on."""

    def __init__(self, address, context, name="site.example.org", session=None, **options):
        super().__init__(address, **options)
        try:
            self.sock = TlsSocket(self.sock, context, name, session)
        except BaseException:
            self.sock.close()
            raise
        self.tls = self.sock.tls

    def leave(self):
        """The end of TCP without a word before it."""
        self.sock.raw.shutdown(socket.SHUT_WR)

    def reset(self):
        net.reset_on_close(self.sock.raw)
        self.sock.close()

    def common_name(self):
        return dict(pair[0] for pair in self.tls.getpeercert()["subject"])["commonName"]


class TlsBackend(backends.RecordingBackend):
    """As RecordingBackend, over TLS as `context` has it; what it records is plain. `before(sock)` has the socket first."""

    def __init__(self, context, *scripts, before=None, **options):
        self.context = context
        self.before = before
        super().__init__(*scripts, **options)

    def _run(self, script, conn):
        def secured(conn):
            if self.before:
                self.before(conn.sock)
            conn.sock = TlsSocket(conn.sock, self.context, is_server=True)
            conn.tls = conn.sock.tls
            script(conn)
        super()._run(secured, conn)


def listener(*certificates, extra=""):
    """For a configuration: `tls` with these files."""
    files = ", ".join(f'"{one.both if isinstance(one, Certificate) else one}"' for one in certificates)
    return f"tls = {{ certificates = ( {files} ); {extra} }};"
