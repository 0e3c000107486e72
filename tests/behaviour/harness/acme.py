"""Pebble, an authority for tests of ACME, and a name server that it asks; programs that get certificates from it."""

import json
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request

from harness import net, process, settings


def program(name, package=None):
    path = shutil.which(name)
    if path is None:
        raise settings.Missing(f"{name} is not there (Debian: {package or name})")
    return path


class Pebble:
    """At .directory, whose certificate is of `trusted`. It asks for tokens at `port` of what names are told to be: of
    .points_to(*addresses), each name is all of these."""

    def __init__(self, folder, trusted, port, *addresses):
        server, challenges = program("pebble"), program("pebble-challtestsrv", "pebble")
        self.folder = folder / "pebble"
        self.folder.mkdir()
        self.trusted = trusted
        own = trusted.issue(net.ADDRESS)
        listen, manage, dns, self.names = (f"{net.ADDRESS}:{net.free_port()}" for _ in range(4))
        (self.folder / "pebble.json").write_text(json.dumps({"pebble": {
            "listenAddress": listen, "managementListenAddress": manage, "certificate": str(own.pem),
            "privateKey": str(own.key), "httpPort": port, "tlsPort": 1}}))
        self.running = [
            process.Program([challenges, "-dns01", dns, "-management", self.names, "-http01", "", "-https01", "",
                             "-tlsalpn01", "", "-defaultIPv6", "", "-defaultIPv4", addresses[0]], self.folder),
            process.Program([server, "-config", "pebble.json", "-strict", "-dnsserver", dns], self.folder,
                            env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"})]
        self.directory, self.management = f"https://{listen}/dir", f"https://{manage}"
        self.context = trusted.context()
        self.context.check_hostname = False
        settings.wait_until(self.is_there, "pebble")

    def get(self, url):
        with urllib.request.urlopen(url, context=self.context, timeout=settings.TIMEOUT) as answer:
            return answer.read()

    def is_there(self):
        try:
            self.get(self.directory)
            urllib.request.urlopen(f"http://{self.names}/", timeout=1)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def points_to(self, name, *addresses):
        body = json.dumps({"host": f"{name}.", "addresses": addresses}).encode()
        urllib.request.urlopen(f"http://{self.names}/add-a", data=body, timeout=settings.TIMEOUT).close()

    def root(self):
        """Who signs what it issues, PEM."""
        return self.get(f"{self.management}/roots/0").decode()

    def orders(self):
        """How many it was asked for."""
        return self.running[1].stdout.text().count("Added order")

    def issued(self):
        return self.running[1].stdout.text().count("Issued certificate serial")

    def client(self):
        """What believes those it issues."""
        return ssl.create_default_context(cadata=self.root())

    def lego(self, folder, *names, webroot=None):
        """(command, certificate, key) as doc/acme.md has it; variables by env(1), as an authority of tests needs them."""
        words = ["/usr/bin/env", f"LEGO_CA_CERTIFICATES={self.trusted.pem}", program("lego"), "--server", self.directory,
                 "--accept-tos", "--email", "admin@example.org", "--path", str(folder)]
        for name in names:
            words += ["--domains", name]
        words += ["--http", "--http.webroot", str(webroot), "run"]
        return words, folder / "certificates" / f"{names[0]}.crt", folder / "certificates" / f"{names[0]}.key"

    def certbot(self, folder, *names, challenge=()):
        words = ["/usr/bin/env", f"REQUESTS_CA_BUNDLE={self.trusted.pem}", program("certbot"), "certonly", "--server",
                 self.directory, "--non-interactive", "--agree-tos", "--email", "admin@example.org", "--force-renewal",
                 "--config-dir", str(folder / "config"), "--work-dir", str(folder / "work"), "--logs-dir", str(folder / "logs"),
                 "--cert-name", names[0], *challenge]
        for name in names:
            words += ["-d", name]
        live = folder / "config" / "live" / names[0]
        return words, live / "fullchain.pem", live / "privkey.pem"

    def stop(self):
        for one in self.running:
            one.process.kill()
            one.process.wait()
