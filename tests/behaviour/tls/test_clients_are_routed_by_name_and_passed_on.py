"""mode = "tcp" with routes: the ClientHello says whose a connection is, and reaches the backend as it came."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from harness import client, conf, metrics, net, proxy, settings, tls

PATIENT = 'timeouts = { tls_handshake = "60s"; proxy_header = "60s"; };'
CONNECT = 'timeouts = { connect = "60s"; };'


class Secure:
    """A backend that ends TLS, answers with its name and the ALPN agreed on, and keeps nothing."""

    def __init__(self, factory, name, certificate, protocols=()):
        self.name, self.headers = name, []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.both)
        if protocols:
            self.context.set_alpn_protocols(protocols)
        self.backend = factory(self.serve)

    def serve(self, conn):
        with contextlib.suppress(OSError):
            secure = self.context.wrap_socket(conn.sock, server_side=True, suppress_ragged_eofs=True)
            said = f"{self.name} {secure.selected_alpn_protocol()}"
            secure.sendall(said.encode())
            secure.recv(1)
            secure.close()


@pytest.fixture(scope="module")
def site(module_tidegate, module_backend, authority):
    certificate = authority.issue("a.example.org", "b.example.org", "x.w.example.org", "other.example.org")
    names = {"a": (), "a2": ("h2",), "wild": (), "rest": ("http/1.1",)}
    made = {name: Secure(module_backend, name, certificate, protocols) for name, protocols in names.items()}
    raw = {name: module_backend(lambda conn: conn.read_to_end()) for name in ("raw", "plain")}
    headers = []
    proxied = module_backend(proxy.server(lambda conn: conn.read_to_end(), headers))
    at = {name: f"{net.ADDRESS}:{net.free_port()}" for name in ("strict", "hasty", "chain", "ended", "admin")}
    routes = """routes = ( { host = "a.example.org"; service = "a"; },
        { host = "a.example.org"; alpn = "h2"; service = "a2"; },
        { host = "*.w.example.org"; service = "wild"; }, { host = "raw.example.org"; service = "raw"; } );"""
    others = "".join(f', {{ name = "{name}"; bind = "{at[name]}"; mode = "tcp"; {extra} }}' for name, extra in {
        "strict": routes + PATIENT,
        "hasty": routes + 'timeouts = { tls_handshake = "300ms"; };',
        "chain": 'routes = ( { host = "raw.example.org"; service = "proxied"; } ); accept_proxy = true; '
                 'trusted_proxies = ( "127.0.0.0/8" );' + PATIENT,
        "ended": 'routes = ( { host = "raw.example.org"; service = "raw"; }, { alpn = "x"; service = "plain"; } );'
                 + tls.listener(certificate, extra='alpn = ( "x", "y" );') + PATIENT,
    }.items())
    rest = ", ".join([conf.service_entry(name, [one.backend], CONNECT) for name, one in made.items()]
                     + [conf.service_entry(name, [one], CONNECT) for name, one in raw.items()]
                     + [conf.service_entry("proxied", [proxied], CONNECT + 'send_proxy = "v2";')])
    text = conf.tcp(made["rest"].backend, listener=routes + 'plain_service = "plain";' + PATIENT, services=rest,
                    service=CONNECT,
                    top=f'admin = {{ http = "{at["admin"]}"; }};')
    tg = module_tidegate(conf.Conf(str(text).replace("}\n);\nservices", "}" + others + "\n);\nservices"),
                                   text.address))
    tg.at, tg.raw, tg.headers, tg.proxied = dict(at, front=text.address), raw, headers, proxied
    return tg


def ask(site, authority, name, protocols=(), version=None, listener="front"):
    context = authority.context(version, protocols)
    context.check_hostname = False
    with socket.create_connection(net.split(site.at[listener]), settings.TIMEOUT) as sock:
        with context.wrap_socket(sock, server_hostname=name) as secure:
            return secure.recv(100).decode()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("name, protocols, said", [
    ("a.example.org", (), "a None"),
    ("A.Example.org", (), "a None"),
    ("a.example.org", ("http/1.1", "h2"), "a2 h2"),
    ("a.example.org", ("http/1.1",), "a None"),
    ("x.w.example.org", (), "wild None"),
    ("y.x.w.example.org", (), "wild None"),
    ("w.example.org", (), "rest None"),
    ("other.example.org", ("http/1.1",), "rest http/1.1"),
    (None, (), "rest None"),
])
def test_name_and_protocols_say_whose_it_is(site, authority, name, protocols, said, version):
    assert ask(site, authority, name, protocols, version) == said


def test_name_is_in_the_log(site, authority):
    ask(site, authority, "log.w.example.org")
    told = site.access.wait(sni="log.w.example.org")
    assert (told["service"], told["end"]) == ("wild", "done") and "tls" not in told


def hello(name, padding=0, protocols=(b"h2",)):
    """A ClientHello, and what a browser has in it: GREASE, ECH, padding."""
    def extension(kind, body):
        return kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body
    sni = b"\0" + len(name).to_bytes(2, "big") + name
    names = b"".join(bytes([len(p)]) + p for p in protocols)
    all_of_them = (extension(0x5a5a, b"") + extension(0xfe0d, b"\0" + bytes(range(200)))
                   + extension(0, len(sni).to_bytes(2, "big") + sni)
                   + extension(16, len(names).to_bytes(2, "big") + names) + extension(21, bytes(padding)))
    body = (b"\3\3" + bytes(range(32)) + b"\x20" + bytes(32) + b"\0\4\x5a\x5a\x13\1" + b"\1\0"
            + len(all_of_them).to_bytes(2, "big") + all_of_them)
    return b"\1" + len(body).to_bytes(3, "big") + body


def records(message, size=16384):
    return b"".join(b"\x16\3\1" + len(piece).to_bytes(2, "big") + piece
                    for piece in (message[i:i + size] for i in range(0, len(message), size)))


WHOLE = {
    "plain": (records(hello(b"raw.example.org")), None),
    "small-records": (records(hello(b"raw.example.org"), 7), None),
    "bytes": (records(hello(b"raw.example.org"), 100), 1),
    "long": (records(hello(b"raw.example.org", 40_000)), None),
    "long-pieces": (records(hello(b"raw.example.org", 60_000), 5000), 1500),
    "more-behind": (records(hello(b"raw.example.org")) + b"\x14\3\3\0\1\1" + b"and so on" * 3000, None),
}


@pytest.mark.parametrize("name", WHOLE)
def test_every_byte_reaches_the_backend(site, name):
    whole, step = WHOLE[name]
    site.raw["raw"].forget()
    with client.RawClient(site.at["front"]) as peer:
        peer.send(*(whole[i:i + step] for i in range(0, len(whole), step)) if step else [whole])
        peer.send(b"the rest")
        peer.finish_sending()
        site.raw["raw"].wait_connections(1)
        site.raw["raw"].wait_closed()
    assert site.raw["raw"].received == whole + b"the rest"


def test_what_is_no_tls_goes_to_its_service(site):
    for said in (b"SSH-2.0-OpenSSH\r\n", b"\x80\x2e\x01\0\x02\0\x15\0\0\0\x10" + bytes(40), b"G"):
        site.raw["plain"].forget()
        with client.RawClient(site.at["front"]) as peer:
            peer.send(said)
            peer.finish_sending()
            site.raw["plain"].wait_connections(1)
            site.raw["plain"].wait_closed()
        assert site.raw["plain"].received == said


@pytest.mark.parametrize("first", [b"\x15\3\1\0\2\1\0", b"\x16\3\1\0\0", b"\x14\3\3\0\1\1"])
def test_tls_that_begins_with_no_hello_goes_nowhere(site, first):
    site.raw["plain"].forget()
    with counted(site, "protocol", "front"):
        with client.RawClient(site.at["front"]) as peer:
            peer.try_send(first + records(hello(b"raw.example.org")))
            peer.read_to_end()
    assert not site.raw["plain"].connections


def counted(site, reason, listener="strict"):
    return metrics.counted(site.at["admin"], "listener_tls_failures_total", listener, reason)


def test_unknown_names_are_told_so(site, authority):
    with counted(site, "unknown-name"):
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            ask(site, authority, "nobody.example.org", listener="strict")
    settings.wait_until(lambda: site.log.records(msg="no ClientHello to route by", reason="unknown-name",
                                                 detail="nobody.example.org"), "the log line")


@pytest.mark.parametrize("reason, said", [
    ("not-tls", b"SSH-2.0-OpenSSH\r\n"),
    ("protocol", b"\x16\3\1\0\4\2"),
    ("protocol", records(hello(b"raw.example.org"), 40)[:45] + b"\x17\3\3"),
    ("protocol", records(hello(b"raw.example.org", 0, (b"",)))),
    ("length", b"\x16\3\1\0\4\1\xff\xff\xff"),
    ("length", records(hello(b"raw.example.org", 40_000), 1)),
    ("unknown-name", records(hello(b"nobody"))),
])
def test_what_nobody_takes_is_closed(site, reason, said):
    with counted(site, reason):
        with client.RawClient(site.at["strict"]) as peer:
            peer.try_send(said)
            peer.read_to_end()


@pytest.mark.parametrize("beginning", [b"", records(hello(b"raw.example.org"))[:-1]])
def test_silence_has_its_time(site, beginning):
    with counted(site, "timeout", "hasty"):
        with client.RawClient(site.at["hasty"]) as peer:
            assert peer.send(beginning).read_to_end() == b""


@pytest.mark.parametrize("beginning", [b"", records(hello(b"raw.example.org"))[:30]])
def test_clients_that_leave(site, beginning):
    with counted(site, "closed"):
        with client.RawClient(site.at["strict"]) as peer:
            peer.send(beginning).finish_sending()
            peer.read_to_end()


@pytest.mark.parametrize("pieces", [1, 0])
def test_behind_a_proxy_header(site, pieces):
    """The header first, then the hello; the backend is told both by a header of ours."""
    said = proxy.binary(), records(hello(b"raw.example.org"))
    n = len(site.headers)
    with client.RawClient(site.at["chain"]) as peer:
        peer.send(*said if pieces else [b"".join(said)])
        peer.finish_sending()
        settings.wait_until(lambda: len(site.headers) > n, "a header")
        site.proxied.wait_closed()
    header = site.headers[n]
    assert header.source == ("192.0.2.7", 1234) and header.tlvs[proxy.AUTHORITY] == b"raw.example.org"
    assert site.proxied.connections[-1].received.endswith(said[1])
    told = site.access.wait(listener="chain")
    assert (told["client"], told["sni"]) == ("192.0.2.7:1234", "raw.example.org")


def test_with_tls_of_our_own_what_was_agreed_on_counts(site, authority):
    for name, protocol, backend in (("raw.example.org", "y", "raw"), ("other.example.org", "x", "plain")):
        site.raw[backend].forget()
        with tls.TlsClient(site.at["ended"], authority.context(protocols=[protocol], verify=False), name) as peer:
            peer.send(b"hello " + name.encode())
            peer.finish_sending()
            site.raw[backend].wait_connections(1)
            site.raw[backend].wait_closed()
        assert site.raw[backend].received == b"hello " + name.encode()
    with counted(site, "unknown-name", "ended"):
        with tls.TlsClient(site.at["ended"], authority.context(protocols=["y"], verify=False), "nobody") as peer:
            assert peer.read_to_end() == b""


def test_many_at_a_time(site, authority):
    said = {}
    names = ["a.example.org", "x.w.example.org", "other.example.org"] * 8

    def one(i):
        said[i] = ask(site, authority, names[i])
    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(names))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [said[i] for i in range(len(names))] == ["a None", "wild None", "rest None"] * 8


NGINX = """ server {
  listen {address} ssl; ssl_certificate %s; ssl_certificate_key %s; keepalive_timeout 0;
  location / { return 200 "%s $ssl_server_name"; }
 }"""


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not there")
def test_nginx_behind_curl_and_openssl_in_front(tidegate, authority, tmp_path):
    made, peers = authority.issue("one.example.org", "two.example.org"), []
    try:
        for name in ("one", "two"):
            peers.append(proxy.Peer(tmp_path / name, "nginx", NGINX % (made.pem, made.key, name)))
        routes = ", ".join(f'{{ host = "{name}.example.org"; service = "{name}"; }}' for name in ("one", "two"))
        text = conf.tcp(peers[0].address, listener=f"routes = ( {routes} ); {PATIENT}", services=", ".join(
            conf.service_entry(name, [peer.address], CONNECT) for name, peer in zip(("one", "two"), peers)))
        tg = tidegate(text)
        host, port = net.split(tg.address)
        for name in ("one", "two"):
            done = subprocess.run(["curl", "-sS", "--cacert", str(authority.pem), "--resolve",
                                   f"{name}.example.org:{port}:{host}", f"https://{name}.example.org:{port}/"],
                                  capture_output=True, timeout=settings.TIMEOUT, check=False)
            assert done.stdout.decode() == f"{name} {name}.example.org", done.stderr
            done = subprocess.run(["openssl", "s_client", "-connect", tg.address, "-servername",
                                   f"{name}.example.org", "-CAfile", str(authority.pem), "-verify_return_error",
                                   "-quiet", "-ign_eof"], input=f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode(),
                                  capture_output=True, timeout=settings.TIMEOUT, check=False)
            assert done.stdout.endswith(f"{name} {name}.example.org".encode()), done.stderr
    finally:
        for peer in peers:
            peer.stop(status=None)


def test_a_reload_changes_the_routes(tidegate, recording_backend):
    one, two = (recording_backend(lambda conn: conn.read_to_end()) for _ in range(2))
    said = records(hello(b"raw.example.org"))

    def text(service, address=None):
        return conf.tcp(one, listener=f'routes = ( {{ host = "raw.example.org"; service = "{service}"; }} );' + PATIENT,
                        services=conf.service_entry("two", [two], CONNECT), service=CONNECT, bind=address)
    first = text("site")
    tg = tidegate(first)
    early = tg.client().send(said[:20])
    tg.reload(text("two", first.address))

    def taken():
        tg.client().send(said)
        return two.connections
    settings.wait_until(taken, "a connection by the new route")
    early.send(said[20:])
    early.finish_sending()
    settings.wait_until(lambda: any(bytes(conn.received) == said and conn.closed.is_set()
                                    for conn in two.connections), "the one that had begun before")


def test_a_service_that_a_reload_takes_away_gets_nobody(tidegate, recording_backend):
    """Who has begun its ClientHello then is closed; all others go on."""
    gone, stays = (recording_backend(lambda conn: conn.read_to_end()) for _ in range(2))
    said = records(hello(b"raw.example.org"))
    going = f"{net.ADDRESS}:{net.free_port()}"
    after = conf.tcp(stays, service=CONNECT)
    before = str(after).replace("}\n);\nservices", f"""}}, {{ name = "going"; bind = "{going}"; mode = "tcp"; {PATIENT}
        routes = ( {{ host = "raw.example.org"; service = "gone"; }} ); }}\n);\nservices""").replace(
            "services = (", f"services = ( {conf.service_entry('gone', [gone])},")
    tg = tidegate(conf.Conf(before, after.address))
    early, pid = tg.client(going).send(said[:20]), tg.role_pid("proxy")
    tg.reload(after)
    early.try_send(said[20:])
    assert early.read_to_end() == b"" and not gone.connections
    tg.client().send(b"hello").finish_sending()
    stays.wait_connections(1)
    assert tg.role_pid("proxy") == pid
