"""doc/metrics.md has every metric, with the type, the labels and the words it has."""

import re

from harness import client, conf, metrics, net, settings, tls

_ROW = re.compile(r"\| `(tidegate_[a-z0-9_]+)` \| ([a-z]+) \| ([^|]*) \| (.*) \|")


def documented():
    text = (settings.TOP / "doc" / "metrics.md").read_text()
    return {name: (kind, frozenset(re.findall("`([a-z]+)`", labels)), said)
            for name, kind, labels, said in _ROW.findall(text)}


# A service that is scaled has lines of its own.
_SCALED = '''{ name = "scaled"; health = { type = "none"; };
    autoscale = { module = "target"; metric = "in-flight"; target = 4; min = 0; max = 4; };
    provider = { type = "process"; command = ( "/bin/false", "{port}" ); }; }'''


_HOOK = 'hooks = ( { name = "h"; on = ( "all" ); exec = ( "/bin/true" ); } );'

_NODE = 'nodes = ( { name = "n"; docker = "unix:///none"; cpu = 2.0; memory = "1G"; } );'

# The same, with a backend that is sampled, and that other instances may find down, of which there are none.
_STORE = 'store = { type = "redis"; url = "redis://127.0.0.1:1"; };'
_SAMPLED = '''{{ name = "scaled"; health = {{ share = "any"; }}; backends = ( "{backend}" ); agent = {{ port = {agent}; interval = "50ms"; }};
    autoscale = {{ module = "threshold"; interval = "100ms"; max = 4; dry_run = true; }}; }}'''


def sampled_page(tg, port):
    """The page in an interval in which the sampled backend was asked and has told."""
    def look():
        assert tg.exchange(client.get("/scaled/")).status == 200
        page = metrics.page(port)
        names = {name for name, _ in page.samples}
        return page if {"tidegate_backend_service_seconds", "tidegate_backend_cpu_ratio"} <= names else None
    return settings.wait_until(look, "samples of a backend")


def test_names_types_labels_and_help_agree(tidegate, recording_backend, authority, tmp_path):
    port = f"{net.ADDRESS}:{net.free_port()}"
    agent = recording_backend(lambda conn: conn.send(b"cpu:50% mem:25%\n"), name="agent")
    sampled = recording_backend(name="sampled", address=agent.address.rpartition(":")[0])
    crl = authority.revoke(tmp_path / "crl.pem")
    own = authority.issue("we")
    text = conf.http(recording_backend(name="plain"), top=f'admin = {{ http = "{port}"; }}; {_HOOK} {_STORE} {_NODE}',
                            service=f'tls = {{ ca = "{authority.pem}"; crl = "{crl}"; name = "a"; certificate = "{own.both}"; }};',
                            listener='routes = ( { path = "/scaled/"; service = "scaled"; } );',
                            services=_SAMPLED.format(backend=sampled.address,
                                                     agent=agent.address.rpartition(":")[2]))
    safe = authority.issue("site.example.org")
    safe.both.write_bytes(safe.pem.read_bytes() + authority.pem.read_bytes() + safe.key.read_bytes())
    authority.say(safe, f"{safe.both}.ocsp")
    text.text = text.text.replace("listeners = (", f"""acme = ( {{ name = "a"; names = ( "a.example" ); command = ( "/bin/false" ); }} );
        listeners = ( {{ name = "byacme"; mode = "http"; service = "site"; bind = "{net.ADDRESS}:{net.free_port()}";
        tls = {{ certificates = ( {{ file = "{tmp_path}/none.pem"; acme = "a"; }} ); }}; }}, {{ name = "safe"; service = "site";
        bind = "{net.ADDRESS}:{net.free_port()}"; {tls.listener(safe, extra=f'client_ca = "{authority.pem}"; client_crl = "{crl}";')} }},""")
    tg = tidegate(text)
    page = sampled_page(tg, port)
    wanted = documented()
    assert page.types.keys() == wanted.keys()
    labels = {}
    for name, pairs in page.samples:
        family = name if name in page.types else name.rsplit("_", 1)[0]
        labels.setdefault(family, set()).update(key for key, _ in pairs if key != "le")
    for name, (kind, known, said) in wanted.items():
        assert (page.types[name], labels[name], page.helps[name]) == (kind, known, said)


def test_numbers_of_lines_agree(tidegate, recording_backend):
    """What one listener, one service and one backend add to the page, beside its end reasons."""
    port = f"{net.ADDRESS}:{net.free_port()}"
    tidegate(conf.http(recording_backend(), top=f'admin = {{ http = "{port}"; }};', services=_SCALED))
    page = metrics.page(port)
    text = (settings.TOP / "doc" / "metrics.md").read_text()
    for what in ("listener", "service", "backend"):
        lines = sum(name.startswith(f"tidegate_{what}_") and "reason" not in dict(labels)
                    and dict(labels).get("service") != "scaled" for name, labels in page.samples)
        assert f"\t{what:9} {lines:4} lines each" in text
    lines = sum(name.startswith("tidegate_autoscale_") for name, _ in page.samples)
    assert f"\tautoscale {lines:4} lines for each service that is scaled" in text
