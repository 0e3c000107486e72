"""accept_proxy: who the client is, is what the PROXY header of a trusted proxy says."""

import shutil
import socket
import ssl
import subprocess

import pytest

from harness import backends, client, conf, metrics, net, proxy, settings, tls, wire

TRUST = 'accept_proxy = true; trusted_proxies = ( "127.0.0.0/8", "192.0.2.99" );'
PATIENT = 'timeouts = { proxy_header = "60s"; request_head = "60s"; tls_handshake = "60s"; };'
CONNECT = 'timeouts = { connect = "60s"; };'


@pytest.fixture(scope="module")
def site(module_tidegate, module_backend, authority, tmp_path_factory):
    at = {name: f"{net.ADDRESS}:{net.free_port()}"
          for name in ("admin", "raw", "secure", "hasty", "stranger")}
    path = tmp_path_factory.mktemp("socket") / "in.sock"
    one = 'mode = "http"; service = "site";'
    others = "".join(f', {{ name = "{name}"; bind = "{at.get(name, f"unix:{path}")}"; {extra} }}' for name, extra in {
        "raw": f'mode = "tcp"; service = "echo"; timeouts = {{ proxy_header = "60s"; }}; {TRUST}',
        "secure": one + TRUST + PATIENT + tls.listener(authority.issue("site.example.org")),
        "hasty": one + TRUST + 'timeouts = { proxy_header = "300ms"; };',
        "stranger": one + 'accept_proxy = true; trusted_proxies = ( "192.0.2.0/24" );' + PATIENT,
        "local": one + PATIENT + "accept_proxy = true;",
    }.items())
    site_backend = module_backend()
    text = conf.http(site_backend, top=f'admin = {{ http = "{at["admin"]}"; }};', listener=TRUST + PATIENT,
                     service=CONNECT, services=conf.service_entry("echo", [module_backend(backends.echo)], CONNECT))
    address = text.address
    text = str(text).replace("}\n);\nservices", "}" + others + "\n);\nservices")
    tg = module_tidegate(conf.Conf(text, address))
    tg.at, tg.path, tg.backend = dict(at, front=address), path, site_backend
    return tg


def counted(tg, reason, listener="front"):
    return metrics.counted(tg.at["admin"], "listener_proxy_failures_total", listener, reason)


def ask(site, path, *pieces, listener="front"):
    """Its fields as the backend got them, and its access record."""
    with client.RawClient(site.at[listener]) as peer:
        answer = peer.send(*pieces, client.get(path)).read_answer()
        assert answer.status == 200
    request = next(request for request in site.backend.requests if request.target == path)
    return request, site.access.wait(path=path)


HEADERS = {
    "v1": (proxy.line(), "192.0.2.7:1234"),
    "v1-6": (proxy.line("[2001:db8::7]:1234", "[2001:db8::9]:443"), "[2001:db8::7]:1234"),
    "v2": (proxy.binary(), "192.0.2.7:1234"),
    "v2-6": (proxy.binary("[2001:db8::7]:1234", "[2001:db8::9]:443"), "[2001:db8::7]:1234"),
    "v2-crc": (proxy.binary(checksum=True), "192.0.2.7:1234"),
    "v2-long": (proxy.binary("192.0.2.7:1234", "198.51.100.9:443", proxy.tlv(4, bytes(4000))), "192.0.2.7:1234"),
    "v1-unknown": (b"PROXY UNKNOWN\r\n", None),
    "v2-local": (proxy.binary(None, command=0), None),
    "v2-unspec": (proxy.binary(None), None),
}


@pytest.mark.parametrize("name", HEADERS)
def test_it_says_who_the_client_is(site, name):
    header, who = HEADERS[name]
    request, told = ask(site, f"/{name}", header)
    if who:
        assert told["client"] == who
        assert request.get("X-Forwarded-For") == net.split(who)[0]
        assert request.get("X-Forwarded-Port") == "443"
    else:
        assert told["client"] == told["proxy"]
        assert request.get("X-Forwarded-For") == "127.0.0.1"
    assert told["proxy"].startswith("127.0.0.1:")


def test_it_comes_in_any_pieces(site):
    header = proxy.binary("192.0.2.7:1234", "198.51.100.9:443", proxy.tlv(proxy.ID, b"x"), checksum=True)
    for kind, whole in (("line", proxy.line()), ("binary", header)):
        pieces = [whole[i:i + 1] for i in range(len(whole))]
        assert ask(site, f"/pieces/{kind}", *pieces)[1]["client"] == "192.0.2.7:1234"


def test_what_it_tells_besides_is_logged(site):
    header = proxy.binary("192.0.2.7:1234", "198.51.100.9:443", proxy.tlv(proxy.ALPN, b"http/1.1"),
                          proxy.tlv(proxy.AUTHORITY, b"api.example.org"), proxy.tlv(proxy.ID, b"id \"7\""),
                          proxy.ssl(b"TLSv1.3", proxy.tlv(proxy.SSL_CIPHER, b"AES"),
                                    proxy.tlv(proxy.SSL_NAME, b"alice"), flags=7, verify=0))
    request, told = ask(site, "/tlvs", header)
    assert {key: value for key, value in told.items() if key.startswith("proxy_")} == {
        "proxy_authority": "api.example.org", "proxy_alpn": "http/1.1", "proxy_id": 'id "7"',
        "proxy_tls": "TLSv1.3", "proxy_cipher": "AES", "proxy_name": "alice"}
    assert request.get("X-Forwarded-Proto") == "https"
    assert "proto=https" in request.get("Forwarded")


def test_the_client_behind_it_is_trusted_by_its_own_address(site):
    """What a stranger says of himself is removed, be he behind a trusted proxy."""
    for host, kept in (("192.0.2.7", b""), ("192.0.2.99", b"203.0.113.1, ")):
        with client.RawClient(site.at["front"]) as peer:
            path = f"/trusted/{host}"
            peer.send(proxy.line(f"{host}:1") + client.get(path, extra=b"X-Forwarded-For: 203.0.113.1\r\n"))
            assert peer.read_answer().status == 200
        request = next(request for request in site.backend.requests if request.target == path)
        assert request.get("X-Forwarded-For") == (kept + host.encode()).decode()


def test_connection_is_kept_for_more_requests(site):
    with client.RawClient(site.at["front"]) as peer:
        peer.send(proxy.line() + client.get("/kept/1") + client.get("/kept/2"))
        assert [peer.read_answer().status for _ in range(2)] == [200, 200]
        assert peer.exchange(client.get("/kept/3")).status == 200
    for i in range(1, 4):
        assert site.access.wait(path=f"/kept/{i}")["client"] == "192.0.2.7:1234"


def test_mode_tcp(site):
    with client.RawClient(site.at["raw"]) as peer:
        peer.send(proxy.binary() + b"first", b" second")
        assert peer.read(12) == b"first second"
        peer.finish_sending()
        assert peer.read_to_end() == b""
    assert site.access.wait(listener="raw", client="192.0.2.7:1234")["end"] == "done"


@pytest.mark.parametrize("header", [proxy.line(), proxy.binary(checksum=True)])
def test_tls_begins_behind_it(site, authority, header):
    with client.RawClient(site.at["secure"]) as peer:
        peer.send(header)
        secure = tls.TlsSocket(peer.sock, authority.context(), "site.example.org")
        path = f"/tls/{len(header)}"
        secure.sendall(client.get(path))
        assert wire.Wire(secure).take_through(b"\r\n\r\n", settings.deadline()).startswith(b"HTTP/1.1 200")
    told = site.access.wait(path=path)
    assert (told["client"], told["tls"], told["sni"]) == ("192.0.2.7:1234", "1.3", "site.example.org")


def test_tls_with_the_hello_in_the_same_piece(site, authority):
    """No report of the socket comes for what lies behind the header already."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = authority.context().wrap_bio(incoming, outgoing, server_hostname="site.example.org")
    with pytest.raises(ssl.SSLWantReadError):
        secure.do_handshake()
    with client.RawClient(site.at["secure"]) as peer:
        peer.send(proxy.line() + outgoing.read())
        assert peer.read(3)[:2] == b"\x16\x03"


def test_unix_socket_trusts_who_may_open_it(site):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(settings.TIMEOUT)
        sock.connect(str(site.path))
        sock.sendall(proxy.line() + client.get("/unix"))
        assert sock.recv(64).startswith(b"HTTP/1.1 200")
    request = next(request for request in site.backend.requests if request.target == "/unix")
    assert request.get("X-Forwarded-For") == "192.0.2.7"
    assert site.access.wait(path="/unix")["client"] == "192.0.2.7:1234"


WRONG = {
    "missing": [client.get("/never"), b"\x16\x03\x01\x02", b"\r\n\r\nGET / HTTP/1.1\r\n"],
    "protocol": [b"PROXY TCP4 192.0.2.7\r\n", proxy.line()[:-2] + b"\n", proxy.SIGNATURE + b"\x41",
                 proxy.binary(command=2), proxy.binary(family=0x21), proxy.binary()[:15] + b"\x0b" + bytes(11)],
    "checksum": [proxy.binary(checksum=False)],
    "length": [proxy.SIGNATURE + b"\x21\x11\xff\xff", b"PROXY TCP4 " + b"1" * 100],
}


@pytest.mark.parametrize("reason, header", [(reason, header) for reason, headers in WRONG.items()
                                            for header in headers])
def test_wrong_headers_close_the_connection(site, reason, header):
    before = len(site.backend.requests)
    with counted(site, reason):
        with client.RawClient(site.at["front"]) as peer:
            peer.try_send(header)
            assert peer.read_to_end() == b""
    assert len(site.backend.requests) == before


def test_wrong_ones_are_told(site):
    with counted(site, "missing", "raw"):
        with client.RawClient(site.at["raw"]) as peer:
            peer.send(b"hello").read_to_end()

    def is_told():
        """A few lines a second: others may have had them."""
        with client.RawClient(site.at["raw"]) as peer:
            peer.send(b"hello").read_to_end()
        return any(record["reason"] == "missing" for record in site.log.records(msg="PROXY header refused"))
    settings.wait_until(is_told, "the log line")


def test_strangers_are_closed(site):
    with counted(site, "untrusted", "stranger"):
        with client.RawClient(site.at["stranger"]) as peer:
            peer.try_send(proxy.line())
            assert peer.read_to_end() == b""


@pytest.mark.parametrize("beginning", [b"", proxy.line()[:-1], proxy.binary()[:20]])
def test_silence_has_its_time(site, beginning):
    with counted(site, "timeout", "hasty"):
        with client.RawClient(site.at["hasty"]) as peer:
            peer.send(beginning)
            assert peer.read_to_end() == b""


@pytest.mark.parametrize("beginning", [b"", b"PROXY TC", proxy.binary()[:16]])
def test_peer_that_leaves_inside_it(site, beginning):
    with counted(site, "closed"):
        with client.RawClient(site.at["front"]) as peer:
            peer.send(beginning).finish_sending()
            peer.read_to_end()


def test_curl(site):
    done = subprocess.run(["curl", "-sS", "--haproxy-protocol", f"http://{site.at['front']}/curl"],
                          capture_output=True, timeout=settings.TIMEOUT, check=False)
    assert done.stdout == b"ok", done.stderr
    assert site.access.wait(path="/curl")["client"].startswith("127.0.0.1:")


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not there")
@pytest.mark.parametrize("how", ["send-proxy", "send-proxy-v2",
                                 "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
def test_haproxy_in_front(site, tmp_path, how):
    """Of HTTP and TCP; its checks are its own connections."""
    path = "/haproxy/" + how.replace(" ", "-")
    peer = proxy.Peer(tmp_path, "haproxy", f"""listen in
 mode tcp
 unique-id-format id-%ci
 bind {{address}}
 server s {site.at["front"]} {how}
""")
    try:
        with client.RawClient(peer.address) as asks:
            own = "{}:{}".format(*asks.sock.getsockname())
            assert asks.exchange(client.get(path)).status == 200
        told = site.access.wait(path=path)
        assert told["client"] == own and told["proxy"] != own
        assert told.get("proxy_id") == ("id-127.0.0.1" if "unique-id" in how else None)
    finally:
        peer.stop(status=None)


def test_balance_by_source_goes_by_the_client(tidegate, recording_backend):
    made = [recording_backend() for _ in range(4)]
    tg = tidegate(conf.http(*made, listener=TRUST + PATIENT, service=CONNECT + 'balance = "hash";'))
    found = {}
    for _ in range(2):
        for i in range(12):
            with tg.client() as peer:
                peer.send(proxy.line(f"192.0.2.{i}:1") + client.get(f"/{i}"))
                assert peer.read_answer().status == 200
    for n, backend in enumerate(made):
        for request in backend.requests:
            found.setdefault(request.target, set()).add(n)
    assert all(len(at) == 1 for at in found.values()) and len(found) == 12
    assert len(set.union(*found.values())) > 1
