"""What admin.http serves, read strictly, and a Prometheus that scrapes it."""

import contextlib
import functools
import http.client
import json
import re
import shutil
import urllib.parse
import urllib.request

from harness import net, process, settings

_FAMILY = re.compile(r"# (HELP|TYPE) ([a-z0-9_]+) (.+)")
_SAMPLE = re.compile(r'([a-z0-9_]+)(?:\{(.*)\})? ([0-9.]+(?:e[+-]?[0-9]+)?)')
_LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"(?:,|$)')


@functools.lru_cache(maxsize=1 << 15)
def _labels(text):
    return tuple(sorted(_LABEL.findall(text)))


class Answer:
    def __init__(self, status, fields, body):
        self.status = status
        self.fields = fields
        self.body = body

    @property
    def text(self):
        return self.body.decode()


def get(address, target, method="GET", seconds=None):
    """One request; the answer with its whole body."""
    peer = http.client.HTTPConnection(*net.split(address), timeout=seconds or settings.TIMEOUT)
    try:
        peer.request(method, target)
        answer = peer.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        peer.close()


class Page:
    """A page of metrics: samples by name and labels, families by name."""

    def __init__(self, text):
        self.types = {}
        self.helps = {}
        self.samples = {}
        family = None
        assert text.endswith("\n")
        for line in text.splitlines():
            if line.startswith("#"):
                kind, family, said = _FAMILY.fullmatch(line).groups()
                known = self.helps if kind == "HELP" else self.types
                assert family not in known, line
                known[family] = said
                continue
            name, labels, value = _SAMPLE.fullmatch(line).groups()
            assert re.sub("_(bucket|sum|count)$", "", name) == family or name == family, line
            key = (name, _labels(labels or ""))
            assert key not in self.samples, line
            self.samples[key] = float(value)
        assert self.types.keys() == self.helps.keys()

    def value(self, name, **labels):
        return self.samples["tidegate_" + name, tuple(sorted(labels.items()))]

    def has(self, name, **labels):
        return ("tidegate_" + name, tuple(sorted(labels.items()))) in self.samples


def page(address, target="/metrics"):
    answer = get(address, target)
    assert answer.status == 200
    assert answer.fields["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Page(answer.text)


def reasons(address, family, listener):
    """What this family has counted for the listener, by reason; those of which there is none are left out."""
    found = page(address).samples
    return {dict(labels)["reason"]: n for (name, labels), n in found.items()
            if n and name == f"tidegate_{family}" and dict(labels)["listener"] == listener}


@contextlib.contextmanager
def counted(address, family, listener, reason):
    """One more of this reason comes, and none of another."""
    before = reasons(address, family, listener)
    yield
    wanted = dict(before, **{reason: before.get(reason, 0) + 1})
    settings.wait_until(lambda: reasons(address, family, listener) == wanted, f"{reason} counted")


def program(name):
    """Debian's; promtool and prometheus are one package."""
    path = shutil.which(name)
    if path is None:
        raise settings.Missing(f"{name} is not there: install the package prometheus")
    return path


class Prometheus(process.Program):
    """A Prometheus with one job that scrapes `target` each 200 ms."""

    def __init__(self, folder, target, params=""):
        self.address = f"{net.ADDRESS}:{net.free_port()}"
        folder.mkdir(parents=True, exist_ok=True)
        conf = folder / "prometheus.yml"
        conf.write_text(f"""
global: {{ scrape_interval: 200ms, scrape_timeout: 200ms }}
scrape_configs:
  - job_name: tidegate
    {params}
    static_configs: [ {{ targets: [ "{target}" ] }} ]
""")
        super().__init__([program("prometheus"), f"--config.file={conf}",
                          f"--storage.tsdb.path={folder}/data", "--log.level=warn",
                          f"--web.listen-address={self.address}"], folder, None, "prometheus")

    def api(self, path, **arguments):
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        with urllib.request.urlopen(url, timeout=settings.TIMEOUT) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """Values of an instant query, by their labels as a frozen set of pairs."""
        try:
            found = self.api("query", query=expression)["result"]
        except OSError:
            assert self.running(), self.output()
            return {}
        return {frozenset(one["metric"].items()): float(one["value"][1]) for one in found}

    def value(self, expression):
        """The only value of a query; None: there is none yet."""
        found = list(self.query(expression).values())
        return found[0] if len(found) == 1 else None

    def wait_value(self, expression, wanted):
        settings.wait_until(lambda: self.value(expression) == wanted,
                            f"{expression} to be {wanted}")
