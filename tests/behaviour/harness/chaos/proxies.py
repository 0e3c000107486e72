"""tidegate, haproxy and nginx in front of a site, set up alike.

Connect timeout 300 ms, answer within 1 s, three tries after the first on
another backend, for what is idempotent; health checks every 100 ms that time
out after 300 ms, where the proxy has them.
"""

import os
import pathlib
import shutil
import subprocess

from harness import client, conf, process, settings
from harness.chaos.site import SLOWNESS

NGINX_STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"

TIDEGATE = """\
workers = 2;
shutdown_grace = "1s";
{names}
listeners = (
  {{ name = "web"; bind = "{http}"; mode = "http"; service = "web"; }},
  {{ name = "echo"; bind = "{tcp}"; mode = "tcp"; service = "echo"; }}
);
services = (
  {{ name = "web"; max_connections_per_backend = {limit};
    health = {{ type = "http"; path = "/health"; interval = "100ms"; timeout = "{check}ms"; }};
    retry = {{ attempts = 3;
      on = ( "connect", "empty-response", "response-timeout", "502", "503" ); }};
    timeouts = {{ connect = "300ms"; response = "{response}ms"; idle = "{idle}ms"; }};
    {service}
    backends = ( {http_backends} ); }},
  {{ name = "echo";
    health = {{ type = "tcp"; interval = "100ms"; timeout = "{check}ms"; }};
    retry = {{ attempts = 3; on = ( "connect" ); }};
    timeouts = {{ connect = "300ms"; }};
    backends = ( {tcp_backends} ); }}
);
"""

HAPROXY = """\
global
  nbthread 2
{names}defaults
  timeout connect 300ms
  timeout client 30s
  timeout check 300ms
  retries 3
  option redispatch 1
  default-server check inter 100ms fall 3 rise 2
listen web
  mode http
  bind {http}
  timeout server 1s
  timeout http-keep-alive 30s
  option httpchk GET /health
  retry-on conn-failure empty-response response-timeout 502 503
  http-request disable-l7-retry if METH_POST
{http_backends}
listen echo
  mode tcp
  bind {tcp}
  timeout server 30s
{tcp_backends}
"""
HAPROXY_NAMES = """\
resolvers test
  nameserver test {server}
  timeout resolve 200ms
  timeout retry 200ms
  hold valid 1s
"""

NGINX = """\
{load}daemon off;
user root;
worker_processes 2;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000;
  upstream web {{
    zone web 64k;
{http_backends}
    keepalive 64;
  }}
  server {{
    listen {http};
    location / {{
      proxy_pass http://web;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_connect_timeout 300ms;
      proxy_send_timeout 1s;
      proxy_read_timeout 1s;
      proxy_next_upstream error timeout invalid_header http_502 http_503;
      proxy_next_upstream_tries 4;
    }}
  }}
}}
{stream}"""
NGINX_TCP = """\
stream {{
  access_log off;
  upstream echo {{
    zone echo 64k;
{tcp_backends}
  }}
  server {{
    listen {tcp};
    proxy_pass echo;
    proxy_connect_timeout 300ms;
    proxy_next_upstream_tries 4;
  }}
}}
"""


def _servers(site, which, text, between="\n"):
    """One entry per backend; `which`: 'http' or 'tcp'."""
    return between.join(text(backend, f"{backend.host}:{getattr(backend, which)}")
                        for backend in site.backends)


# What an operator adds who wants what haproxy and nginx have no like of, or have switched on.
DEPTH = """outlier = { consecutive = 5; base_ejection = "1s"; };
    buffer_response = { memory = "64K"; };"""


def tidegate_conf(site, limit=0, service=""):
    """`limit`: requests a backend of "web" gets at a time, 0: as many as there are;
    `service`: more keys of it."""
    def entry(backend, address):
        backup = " backup = true;" if backend.is_backup else ""
        return f'{{ name = "{backend.name}"; address = "{address}";{backup} }}'
    return conf.Conf(TIDEGATE.format(
        names=site.names.top() if site.names else "", http=site.http, tcp=site.tcp,
        limit=limit, service=service, check=300 * SLOWNESS, response=1000 * SLOWNESS, idle=2000 * SLOWNESS,
        http_backends=_servers(site, "http", entry, ", "),
        tcp_backends=_servers(site, "tcp", entry, ", ")), site.http)


def _program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _version(*argv):
    shown = subprocess.run(argv, capture_output=True, text=True, check=False)
    return (shown.stdout + shown.stderr).strip().splitlines()[0]


class Tidegate:
    name = "tidegate"

    @staticmethod
    def missing():
        return None

    @staticmethod
    def version():
        return _version(settings.program("tidegate"), "-V")

    @staticmethod
    def start(site, folder):
        return process.Tidegate(tidegate_conf(site), folder, under=site.under)


class TidegateInDepth(Tidegate):
    """The same, with answers held until they are whole and bad backends ejected."""
    name = "tidegate+"

    @staticmethod
    def start(site, folder):
        return process.Tidegate(tidegate_conf(site, service=DEPTH), folder, under=site.under)


class _Other:
    name = ""

    @classmethod
    def missing(cls):
        return None if _program(cls.name) else f"{cls.name} is not installed"

    @classmethod
    def version(cls):
        return _version(_program(cls.name), "-v")

    @classmethod
    def start(cls, site, folder):
        folder = pathlib.Path(folder)
        folder.mkdir()
        path = folder / f"{cls.name}.conf"
        path.write_text(cls.configuration(site))
        return process.Program([*site.under, *cls.command(path)], folder, name=cls.name)


class Haproxy(_Other):
    name = "haproxy"

    @staticmethod
    def configuration(site):
        def entry(backend, address):
            named = " resolvers test init-addr none resolve-prefer ipv4"
            return f"  server {backend.name} {address}" + " backup" * backend.is_backup + \
                (named if backend.host != backend.address and site.names else "")
        return HAPROXY.format(
            names=HAPROXY_NAMES.format(server=site.names.address) if site.names else "",
            http=site.http, tcp=site.tcp, http_backends=_servers(site, "http", entry),
            tcp_backends=_servers(site, "tcp", entry))

    @staticmethod
    def command(path):
        return [_program("haproxy"), "-db", "-f", str(path)]


class Nginx(_Other):
    """Without health checks, and names are looked up once, at the start: so this version is."""

    name = "nginx"

    @staticmethod
    def has_tcp():
        return os.path.exists(NGINX_STREAM)

    @classmethod
    def configuration(cls, site):
        def entry(backend, address):
            address = address.replace(backend.host, backend.address)
            backup = " backup" * backend.is_backup
            return f"    server {address} max_fails=3 fail_timeout=1s{backup};"
        places = {"http": site.http, "tcp": site.tcp,
                  "http_backends": _servers(site, "http", entry),
                  "tcp_backends": _servers(site, "tcp", entry)}
        return NGINX.format(load=f"load_module {NGINX_STREAM};\n" if cls.has_tcp() else "",
                            stream=NGINX_TCP.format(**places) if cls.has_tcp() else "", **places)

    @classmethod
    def missing(cls):
        if not cls.has_tcp():
            return "nginx has no stream module here (libnginx-mod-stream)"
        return super().missing()

    @staticmethod
    def command(path):
        return [_program("nginx"), "-p", str(path.parent), "-e", "stderr", "-c", str(path)]


ALL = {made.name: made for made in (Tidegate, TidegateInDepth, Haproxy, Nginx)}
