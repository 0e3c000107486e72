"""Configuration texts for tests. Every value can be overridden; nothing is hidden."""

from harness import net


def address_of(backend):
    return getattr(backend, "address", backend)


def backend_entry(backend, extra=""):
    """`{ name; address; }` of a backend object, an address, or a ready text in braces."""
    if isinstance(backend, str) and backend.lstrip().startswith("{"):
        return backend
    name = getattr(backend, "name", None)
    named = f'name = "{name}"; ' if name and name != address_of(backend) else ""
    return f'{{ {named}address = "{address_of(backend)}"; {extra}}}'


def backends_list(backends):
    return "( " + ", ".join(backend_entry(backend) for backend in backends) + " )"


class Conf:
    """A configuration text and the addresses in it."""

    def __init__(self, text, address=None):
        self.text = text
        self.address = address  # of the first listener

    def __str__(self):
        return self.text


def service_entry(name, backends, extra=""):
    health = "" if "health" in extra else 'health = { type = "none"; };'
    return f'{{ name = "{name}"; {health} {extra} backends = {backends_list(backends)}; }}'


def one(mode, backends, listener="", service="", top="", workers=2, services="", bind=None):
    """One listener, one service named 'site'; `services` holds more entries as text."""
    bind = bind or f"{net.ADDRESS}:{net.free_port()}"
    entries = service_entry("site", backends, service) + (", " + services if services else "")
    grace = "" if "shutdown_grace" in top else 'shutdown_grace = "1s";'
    return Conf(f"""workers = {workers};
{grace}
{top}
listeners = (
  {{ name = "front"; bind = "{bind}"; mode = "{mode}"; service = "site";
    {listener} }}
);
services = ( {entries} );
""", bind)


def http(*backends, **options):
    """An http listener in front of these backends; options as one()."""
    return one("http", backends, **options)


def tcp(*backends, **options):
    """A tcp listener in front of these backends; options as one()."""
    return one("tcp", backends, **options)
