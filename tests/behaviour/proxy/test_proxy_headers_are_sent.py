"""send_proxy: backends are told who the client is, and no connection tells of one and carries another's."""

import json
import shutil

import pytest

from harness import backends, client, conf, control, h2, net, proxy, settings, tls

NGINX = """ server {
  listen {address} proxy_protocol;
  location / { return 200 "$proxy_protocol_addr $proxy_protocol_port"; }
 }"""


def say_five(conn):
    conn.send(conn.read(5))
    conn.read_to_end()


CONNECT = 'timeouts = { connect = "60s"; };'


class Taker:
    """A backend that takes headers, and remembers them."""

    def __init__(self, factory, script=backends.serve):
        self.headers = []
        self.backend = factory(proxy.server(script, self.headers))

    def service(self, name, extra):
        return conf.service_entry(name, [self.backend], extra)


@pytest.fixture(scope="module")
def site(module_tidegate, module_backend, authority):
    takers = {"v1": Taker(module_backend), "v2": Taker(module_backend),
              "raw1": Taker(module_backend, say_five), "raw2": Taker(module_backend, say_five)}
    plain = module_backend()
    at = {name: f"{net.ADDRESS}:{net.free_port()}" for name in ("raw1", "raw2", "secure", "chain")}
    routes = """routes = ( { path = "/v1"; service = "v1"; }, { path = "/v2"; service = "v2"; } );"""
    trust = 'accept_proxy = true; trusted_proxies = ( "127.0.0.0/8" );'
    others = "".join(f', {{ name = "{name}"; bind = "{at[name]}"; {extra} }}' for name, extra in {
        "raw1": 'mode = "tcp"; service = "raw1";',
        "raw2": 'mode = "tcp"; service = "raw2";',
        "secure": f'{routes} {tls.listener(authority.issue("site.example.org"))}',
        "chain": f"{routes} {trust}",
    }.items())
    rest = ", ".join(taker.service(name, CONNECT + f'send_proxy = "v{name[-1]}";') for name, taker in takers.items())
    text = conf.http(plain, listener=routes + h2.LISTENER, service=CONNECT, services=rest)
    address = text.address
    tg = module_tidegate(conf.Conf(str(text).replace("}\n);\nservices", "}" + others + "\n);\nservices"), address))
    tg.at, tg.takers, tg.plain = dict(at, front=address), takers, plain
    return tg


def own(peer):
    return peer.sock.getsockname()


@pytest.mark.parametrize("version", [1, 2])
def test_http_backends_are_told(site, version):
    taker = site.takers[f"v{version}"]
    with client.RawClient(site.at["front"]) as peer:
        before = len(taker.headers)
        assert peer.exchange(client.get(f"/v{version}/told")).status == 200
        header = taker.headers[before]
        assert header.version == version and header.command == 1
        assert header.source == own(peer)
        assert header.target == net.split(site.at["front"])
    told = site.access.wait(path=f"/v{version}/told")
    if version == 2:
        assert header.tlvs == {proxy.ID: told["id"].encode()}


@pytest.mark.parametrize("version", [1, 2])
def test_tcp_backends_are_told(site, version):
    name = f"raw{version}"
    with client.RawClient(site.at[name]) as peer:
        peer.send(b"hello")
        assert peer.read(5) == b"hello"
        header = site.takers[name].headers[-1]
        assert header.source == own(peer) and header.target == net.split(site.at[name])
        client_of = "{}:{}".format(*own(peer))
        peer.finish_sending()
        assert peer.read_to_end() == b""
    told = site.access.wait(listener=name, client=client_of)
    assert len(told["id"]) == 16
    if version == 2:
        assert header.tlvs == {proxy.ID: told["id"].encode()}


def test_a_client_keeps_its_connection_and_shares_it_with_nobody(site):
    taker = site.takers["v2"]
    with client.RawClient(site.at["front"]) as one, client.RawClient(site.at["front"]) as two:
        before = len(taker.headers)
        for peer in (one, one, two, one, two, two):
            assert peer.exchange(client.get("/v2/kept")).status == 200
        assert [header.source for header in taker.headers[before:]] == [own(one), own(two)]


def test_requests_of_one_client_of_http2_share_connections(site):
    """One after the other one, as many at a time as many; and no other client has any of them."""
    taker = site.takers["v2"]
    before = len(taker.headers)
    with h2.H2Client(site.at["front"]) as one, h2.H2Client(site.at["front"]) as two:
        for peer in (one, one, two, one, two):
            assert peer.exchange("/v2/kept").status == 200
        assert [header.source for header in taker.headers[before:]] == [own(one), own(two)]
        for _ in range(2):
            with site.standing_still():
                streams = [one.request("/v2/many") for _ in range(5)]
            assert [one.answer(stream).status for stream in streams] == [200] * 5
        assert {header.source for header in taker.headers[before:]} == {own(one), own(two)}
        assert len(taker.headers) <= before + 6
    taker.backend.wait_closed()


def test_requests_to_others_leave_it_alone(site):
    taker = site.takers["v2"]
    with client.RawClient(site.at["front"]) as peer:
        before = len(taker.headers)
        for path in ("/v2/a", "/other", "/v2/b"):
            assert peer.exchange(client.get(path)).status == 200
        assert len(taker.headers) == before + 1


def test_it_ends_with_its_client(site):
    taker = site.takers["v1"]
    with client.RawClient(site.at["front"]) as peer:
        assert peer.exchange(client.get("/v1/ends")).status == 200
        assert not taker.backend.connections[-1].closed.is_set()
    taker.backend.wait_closed()


def test_a_backend_that_closes_it_costs_nothing(tidegate, recording_backend):
    headers = []
    backend = recording_backend(proxy.server(backends.answers(backends.OK, then=None), headers))
    tg = tidegate(conf.http(backend, service=CONNECT + 'send_proxy = "v2";'))
    peer = tg.client()
    for i in range(1, 4):
        assert peer.exchange(client.get(f"/{i}")).status == 200
        backend.wait_closed()
    assert [header.source for header in headers] == [own(peer)] * 3


@pytest.mark.parametrize("reload", [False, True], ids=["maintenance", "reload"])
def test_it_ends_when_its_backend_is_used_no_more(tidegate, recording_backend, tmp_path, reload):
    """Also that of a client that asks for nothing meanwhile."""
    backend = recording_backend(proxy.server(backends.serve, []))
    socket = str(tmp_path / "admin.sock")
    made = conf.http(backend, listener=h2.LISTENER, service=CONNECT + 'send_proxy = "v2";',
                     top=f'admin = {{ socket = "{socket}"; }};')
    tg = tidegate(made)
    with h2.H2Client(tg.address) as one, tg.client() as two:
        assert one.exchange("/1").status == 200
        assert two.exchange(client.get("/2")).status == 200
        assert [conn.closed.is_set() for conn in backend.connections] == [False, False]
        if reload:
            tg.reload(conf.Conf(str(made).replace('"v2"', '"v1"'), made.address))
        else:
            control.ask(socket, f"set server site/{backend.name} state maint")
        backend.wait_closed()


def test_tls_of_the_client_is_told(site, authority):
    with tls.TlsClient(site.at["secure"], authority.context(protocols=["http/1.1"])) as peer:
        assert peer.exchange(client.get("/v2/tls")).status == 200
    tlvs = site.takers["v2"].headers[-1].tlvs
    told = site.access.wait(path="/v2/tls")
    assert tlvs[proxy.AUTHORITY] == b"site.example.org" and tlvs[proxy.ALPN] == b"http/1.1"
    assert tlvs[proxy.ID] == told["id"].encode()
    parts = proxy.tlvs_of(tlvs[proxy.SSL][5:])
    assert tlvs[proxy.SSL][:5] == b"\x01\0\0\0\x01"
    assert parts == {proxy.SSL_VERSION: b"TLSv1.3", proxy.SSL_CIPHER: told["cipher"].encode()}


@pytest.mark.parametrize("is_secure", [False, True])
def test_clients_of_http2_are_told(site, authority, is_secure):
    taker = site.takers["v2"]
    context = authority.context(protocols=["h2"]) if is_secure else None
    with h2.H2Client(site.at["secure" if is_secure else "front"], context) as peer:
        assert peer.exchange("/v2/h2").status == 200
        assert taker.headers[-1].source == getattr(peer.sock, "raw", peer.sock).getsockname()
    tlvs = taker.headers[-1].tlvs
    assert (tlvs.get(proxy.ALPN), proxy.SSL in tlvs) == ((b"h2", True) if is_secure else (None, False))


def test_what_a_header_told_is_passed_on(site):
    tlvs = [proxy.tlv(proxy.AUTHORITY, b"api.example.org"), proxy.tlv(proxy.ID, b"theirs"),
            proxy.ssl(b"TLSv1.2")]
    with client.RawClient(site.at["chain"]) as peer:
        peer.send(proxy.binary("[2001:db8::7]:1234", "[2001:db8::9]:443", *tlvs) + client.get("/v2/chain"))
        assert peer.read_answer().status == 200
    header = site.takers["v2"].headers[-1]
    assert (header.source, header.target) == (("2001:db8::7", 1234), ("2001:db8::9", 443))
    assert header.tlvs[proxy.ID] == b"theirs" and header.tlvs[proxy.AUTHORITY] == b"api.example.org"
    assert header.tlvs[proxy.SSL] == proxy.ssl(b"TLSv1.2")[3:]


def test_a_reload_changes_what_is_sent(tidegate, recording_backend):
    """Connections that were made before are used no more."""
    headers = []

    def script(conn):
        first = conn.take(1, settings.deadline())
        conn.buffer[:0] = first
        headers.append(None if first == b"G" else proxy.read(conn))
        backends.serve(conn)
    backend = recording_backend(script)
    plain = conf.http(backend, service=CONNECT)
    tg = tidegate(plain)
    peer = tg.client()

    def versions():
        return [header and header.version for header in headers]
    assert peer.exchange(client.get("/1")).status == 200
    for n, version in enumerate((2, 1, None), 2):
        extra = f'send_proxy = "v{version}";' if version else ""
        text = str(plain).replace('name = "site"; health', f'name = "site"; {extra} health')
        tg.reload(conf.Conf(text, plain.address))

        def asked():
            assert peer.exchange(client.get("/n")).status == 200
            return versions()[-1] == version
        settings.wait_until(asked, f"a header of version {version}")
        assert len(headers) == n


@pytest.mark.parametrize("version", [1, 2])
def test_checks_send_one_too(tidegate, recording_backend, version):
    headers = []
    backend = recording_backend(proxy.server(backends.serve, headers))
    tg = tidegate(conf.http(backend, service=CONNECT + f'send_proxy = "v{version}"; health = {{ type = "http"; '
                            'timeout = "60s"; };'))
    tg.log.wait(msg="backend up", reason="status 200")
    if version == 2:
        assert headers[0].command == 0 and headers[0].source is None
    else:
        assert headers[0].source == backend.connections[0].peer
        assert headers[0].target == net.split(backend.address)


def test_checks_of_another_port_send_none(tidegate, recording_backend):
    traffic, checked = recording_backend(), recording_backend()
    tg = tidegate(conf.http(traffic, service=CONNECT + f'send_proxy = "v2"; health = {{ type = "http"; timeout = "60s"; '
                            f'port = {checked.port}; }};'))
    tg.log.wait(msg="backend up", reason="status 200")
    assert checked.requests[0].target == "/"


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not there")
@pytest.mark.parametrize("version", [1, 2])
def test_nginx_behind(tidegate, tmp_path, version):
    peer = proxy.Peer(tmp_path, "nginx", NGINX)
    try:
        tg = tidegate(conf.http(peer.address, service=CONNECT + f'send_proxy = "v{version}"; health = {{ type = "http"; '
                                'timeout = "60s"; };'))
        tg.log.wait(msg="backend up", reason="status 200")
        asks = tg.client()
        for _ in range(2):
            assert asks.exchange(client.get()).body == "{} {}".format(*own(asks)).encode()
    finally:
        peer.stop(status=None)


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not there")
@pytest.mark.parametrize("version", [1, 2])
def test_haproxy_behind(tidegate, authority, tmp_path, version):
    peer = proxy.Peer(tmp_path, "haproxy", """frontend in
 mode http
 bind {address} accept-proxy
 http-request return status 200 content-type application/json lf-string '{{"client":"%ci:%cp","name":"%[fc_pp_authority]","id":"%[fc_pp_unique_id]"}}'
""")
    try:
        tg = tidegate(conf.http(peer.address, service=CONNECT + f'send_proxy = "v{version}"; health = {{ type = "http"; '
                                'timeout = "60s"; };', listener=tls.listener(authority.issue("site.example.org"))))
        tg.log.wait(msg="backend up", reason="status 200")
        with tls.TlsClient(tg.address, authority.context()) as asks:
            told = json.loads(asks.exchange(client.get("/haproxy")).body)
            assert told["client"] == "{}:{}".format(*own(asks))
        if version == 2:
            assert told["name"] == "site.example.org"
            assert told["id"] == tg.access.wait(path="/haproxy")["id"]
    finally:
        peer.stop(status=None)
