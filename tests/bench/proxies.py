"""The proxies under measurement, each with one worker, and their exact configurations.

All relay to the same three ports of bench/backend, http, echo and source, and to two of nghttpd, without and with trailers.
Access logs are off, connections to backends are kept (1024 at most idle), no
health checks, idle timeouts long enough not to matter. With headers="forwarded"
each writes the six fields tidegate writes by default; with "plain" none, but
for tidegate's X-Request-Id, which has no switch.
"""

import os
import pathlib
import resource
import shutil
import subprocess

from processes import ADDRESS, Program, family, free_port

NGINX_STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"
MAX_CONNECTIONS = (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 400) // 2

TIDEGATE = """\
workers = 1;
log = {{ level = "warn"; access = "off"; }};
listeners = (
  {{ name = "http"; bind = "{address}:{http}"; mode = "http"; service = "http";
    forwarded = "{forwarded}"; timeouts = {{ keep_alive = "600s"; }}; }},
  {{ name = "https"; bind = "{address}:{https}"; mode = "http"; service = "http";
    tls = {{ certificates = ( "{certificate}" ); }};
    forwarded = "{forwarded}"; timeouts = {{ keep_alive = "600s"; }}; }},
  {{ name = "h2h2"; bind = "{address}:{h2h2}"; mode = "http"; service = "h2h2";
    tls = {{ certificates = ( "{certificate}" ); }};
    forwarded = "{forwarded}"; timeouts = {{ keep_alive = "600s"; }}; }},
  {{ name = "grpc"; bind = "{address}:{grpc}"; mode = "http"; service = "grpc";
    tls = {{ certificates = ( "{certificate}" ); }};
    forwarded = "{forwarded}"; timeouts = {{ keep_alive = "600s"; }}; }},
  {{ name = "echo"; bind = "{address}:{echo}"; mode = "tcp"; service = "echo"; }},
  {{ name = "source"; bind = "{address}:{source}"; mode = "tcp"; service = "source"; }}
);
services = (
  {{ name = "http"; health = {{ type = "none"; }}; idle_connections = 1024;
    timeouts = {{ connect = "5s"; }};
    backends = ( "{address}:{to_http}" ); }},
  {{ name = "h2h2"; health = {{ type = "none"; }}; protocol = "h2"; backends = ( "{address}:{to_h2h2}" ); }},
  {{ name = "grpc"; health = {{ type = "none"; }}; protocol = "h2"; backends = ( "{address}:{to_grpc}" ); }},
  {{ name = "echo"; health = {{ type = "none"; }}; backends = ( "{address}:{to_echo}" ); }},
  {{ name = "source"; health = {{ type = "none"; }}; backends = ( "{address}:{to_source}" ); }}
);
"""

HAPROXY = """\
global
  nbthread 1
  maxconn {max_connections}
  maxpipes 64
defaults
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
  maxconn {max_connections}
listen http
  mode http
  bind {address}:{http} backlog 4096
  bind {address}:{https} backlog 4096 ssl crt {certificate} alpn h2,http/1.1
  option splice-response
  http-reuse always
{headers}  server backend {address}:{to_http} pool-max-conn 1024
listen h2h2
  mode http
  bind {address}:{h2h2} backlog 4096 ssl crt {certificate} alpn h2,http/1.1
  http-reuse always
{headers}  server backend {address}:{to_h2h2} pool-max-conn 1024 proto h2
listen grpc
  mode http
  bind {address}:{grpc} backlog 4096 ssl crt {certificate} alpn h2,http/1.1
  http-reuse always
{headers}  server backend {address}:{to_grpc} pool-max-conn 1024 proto h2
listen echo
  mode tcp
  bind {address}:{echo} backlog 4096
  server backend {address}:{to_echo}
listen source
  mode tcp
  option splice-response
  bind {address}:{source} backlog 4096
  server backend {address}:{to_source}
"""
HAPROXY_FORWARDED = """\
  option forwardfor
  http-request set-header Forwarded "for=%[src];host=\\"%[req.hdr(host)]\\";proto=http"
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  unique-id-format %[uuid]
  unique-id-header X-Request-Id
"""

NGINX = """\
{load}daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 19500; }}
http {{
  access_log off;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  upstream backend {{
    server {address}:{to_http};
    keepalive 1024;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
  }}
  upstream h2h2 {{
    server {address}:{to_h2h2};
    keepalive 1024;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
  }}
  upstream grpc {{
    server {address}:{to_grpc};
    keepalive 1024;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
  }}
  ssl_certificate {certificate};
  ssl_certificate_key {certificate};
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:tls:10m;
  server {{
    listen {address}:{h2h2} backlog=4096 ssl http2;
    location / {{
      grpc_pass grpc://h2h2;
{grpc_headers}    }}
  }}
  server {{
    listen {address}:{grpc} backlog=4096 ssl http2;
    location / {{
      grpc_pass grpc://grpc;
{grpc_headers}    }}
  }}
  server {{
    listen {address}:{http} backlog=4096;
    listen {address}:{https} backlog=4096 ssl http2;
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_max_temp_file_size 0;
{headers}    }}
  }}
}}
{stream}"""
NGINX_FORWARDED = """\
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header Forwarded 'for=$remote_addr;host="$http_host";proto=http';
      proxy_set_header X-Forwarded-Proto http;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header X-Request-Id $request_id;
"""
NGINX_TCP = """\
stream {{
  access_log off;
  server {{ listen {address}:{echo} backlog=4096; proxy_pass {address}:{to_echo}; }}
  server {{ listen {address}:{source} backlog=4096; proxy_pass {address}:{to_source}; }}
}}
"""


def _program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


NGHTTPD = _program("nghttpd")


def _version(*argv):
    shown = subprocess.run(argv, capture_output=True, text=True, check=False)
    return (shown.stdout + shown.stderr).strip().splitlines()[0]


class Proxy:
    """A running proxy. `pids()` is all of its processes, `port(kind)` where it listens."""

    name = ""
    kinds = ("http", "https", "h2h2", "grpc", "echo", "source")
    ends_connections = True  # closes after an answer to "Connection: close"

    def __init__(self, targets, folder, options):
        self.folder = pathlib.Path(folder) / self.name
        self.folder.mkdir(exist_ok=True)
        self.ports = {kind: free_port() for kind in self.kinds}
        conf = self.folder / f"{self.name}.conf"
        self.certificate = options.certificate
        conf.write_text(self.configuration(targets, options))
        self.program = Program(self.command(conf, options), self.folder, self.name)
        try:
            self.program.wait_listening(*self.ports.values())
        except BaseException:
            self.program.stop()
            raise

    def configuration(self, targets, options):
        raise NotImplementedError

    def command(self, conf, options):
        raise NotImplementedError

    def addresses(self, targets):
        return {"address": ADDRESS, "max_connections": MAX_CONNECTIONS, "certificate": self.certificate, **self.ports,
                **{f"to_{kind}": port for kind, port in targets.items()}}

    def port(self, scenario):
        return self.ports[scenario.kind]

    def pids(self, _scenario=None):
        return family(self.program.pid)

    def stop(self):
        self.program.stop()

    @classmethod
    def missing(cls, _scenario, _options):
        """Why this proxy has no part in a scenario, or None."""
        return None if _program(cls.name) else f"{cls.name} is not installed"

    @classmethod
    def version(cls, _options):
        return _version(_program(cls.name), "-v")


class Tidegate(Proxy):
    name = "tidegate"

    def configuration(self, targets, options):
        forwarded = "append" if options.headers == "forwarded" else "off"
        return TIDEGATE.format(forwarded=forwarded, **self.addresses(targets))

    def command(self, conf, options):
        return [options.binary, "-c", str(conf)]

    @classmethod
    def missing(cls, _scenario, _options):
        return None

    @classmethod
    def version(cls, options):
        return _version(options.binary, "-V")


class Haproxy(Proxy):
    name = "haproxy"

    def configuration(self, targets, options):
        headers = HAPROXY_FORWARDED if options.headers == "forwarded" else ""
        return HAPROXY.format(headers=headers, **self.addresses(targets))

    def command(self, conf, _options):
        return [_program("haproxy"), "-db", "-f", str(conf)]


class Nginx(Proxy):
    name = "nginx"
    has_stream = os.path.exists(NGINX_STREAM)
    kinds = Proxy.kinds if has_stream else Proxy.kinds[:-2]

    def configuration(self, targets, options):
        places = self.addresses(targets)
        load = f"load_module {NGINX_STREAM};\n" if self.has_stream else ""
        stream = NGINX_TCP.format(**places) if self.has_stream else ""
        headers = NGINX_FORWARDED if options.headers == "forwarded" else ""
        return NGINX.format(load=load, stream=stream, headers=headers,
                            grpc_headers=headers.replace("proxy_set_header", "grpc_set_header"), **places)

    def command(self, conf, _options):
        return [_program("nginx"), "-p", str(self.folder), "-e", "stderr", "-c", str(conf)]

    @classmethod
    def missing(cls, scenario, options):
        if scenario.kind not in cls.kinds:
            return "nginx has no stream module here (libnginx-mod-stream)"
        return super().missing(scenario, options)


class Floor:
    """bench/floor, one process for each way it is used."""

    name = "floor"
    ends_connections = False

    def __init__(self, targets, folder, options):
        self.targets = targets
        self.folder = pathlib.Path(folder) / self.name
        self.folder.mkdir(exist_ok=True)
        self.tool = options.tools / "floor"
        self.running = {}

    def _of(self, scenario):
        way = (scenario.kind, scenario.floor)
        if way not in self.running:
            program = Program([str(self.tool), *scenario.floor, ADDRESS, ADDRESS,
                               str(self.targets[scenario.kind])], self.folder, self.name)
            self.running[way] = program, int(program.line().split("=")[1])
        return self.running[way]

    def port(self, scenario):
        return self._of(scenario)[1]

    def pids(self, scenario):
        return [self._of(scenario)[0].pid]

    def stop(self):
        for program, _port in self.running.values():
            program.stop()

    @classmethod
    def missing(cls, scenario, _options):
        return "the floor speaks no TLS" if scenario.has_tls else None

    @classmethod
    def version(cls, _options):
        return "floor (tests/bench/floor.c)"


ALL = {cls.name: cls for cls in (Tidegate, Haproxy, Nginx, Floor)}
