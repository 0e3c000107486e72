"""Backends that speak TLS: who is taken for one, what is told of the others, and that nothing else changes."""

import threading

import pytest

from harness import backends, client, conf, metrics, net, settings, tls

PATIENT = 'timeouts = { connect = "60s"; }; retry = { attempts = 0; };'


def one_answer(conn):
    """Closes after it, as it says."""
    if conn.read_request() is not None:
        conn.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")


def speaking_http(conn):
    conn.read(1)
    conn.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def greeting(conn):
    conn.send(b"220 mail.example ESMTP\r\n")
    conn.read_to_end()


class Site:
    """A tidegate with a service for each path."""

    def __init__(self):
        self.backends = {}
        self.entries = []
        self.asked = []  # names that were asked for

    def add(self, name, *made, keys=""):
        self.backends[name] = made[0]
        self.entries.append(conf.service_entry(name, made, f"{PATIENT} {keys}"))

    def text(self, authority, admin):
        routes = ", ".join(f'{{ path = "/{name}/"; service = "{name}"; }}' for name in self.backends)
        return conf.http(self.backends["good"], listener=f"routes = ( {routes} );",
                         service=f'{PATIENT} tls = {{ ca = "{authority.pem}"; name = "site.example.org"; }};',
                         services=", ".join(self.entries), top=f'admin = {{ http = "{admin}"; }};', workers=1)

    def request(self, name, method="GET"):
        with client.RawClient(self.tg.address) as peer:
            head = client.get(f"/{name}/") if method == "GET" else client.post(b"words", f"/{name}/")
            answer = peer.exchange(head)
        return answer

    def failures(self, name, reason):
        return metrics.page(self.admin).value("backend_tls_failures_total", service=name, backend=self.backends[name].name,
                                              reason=reason)


@pytest.fixture(scope="module")
def site(module_tidegate, module_backend, authority, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    other = tls.Authority(folder / "other")
    made = []

    def backend(context, *scripts):
        made.append(tls.TlsBackend(context, *scripts))
        return made[-1]
    s = Site()
    name = 'name = "site.example.org";'
    good = authority.issue("site.example.org", net.ADDRESS)
    revoked = authority.issue("site.example.org")
    trust = f'ca = "{authority.pem}"; {name}'
    listed = f'{trust} crl = "{authority.revoke(folder / "crl.pem", revoked)}";'
    context = authority.serve(good)
    context.sni_callback = lambda _, asked, __: s.asked.append(asked)
    s.add("good", backend(context), keys=f"tls = {{ {listed} }};")
    s.add("address", backend(context), keys=f'tls = {{ ca = "{authority.pem}"; }};')
    s.add("again", backend(context, one_answer), keys=f"tls = {{ {trust} }};")
    s.add("old", backend(authority.serve(good, version="1.2"), one_answer), keys=f"tls = {{ {trust} }};")
    s.add("too-old", backend(authority.serve(good, version="1.2")),
          keys=f'tls = {{ {trust} min_version = "1.3"; }};')
    s.add("expired", backend(authority.serve(authority.issue("site.example.org", days=-1))),
          keys=f"tls = {{ {trust} }};")
    s.add("wrong-name", backend(authority.serve(authority.issue("other.example.org"))),
          keys=f"tls = {{ {trust} }};")
    s.add("wrong-address", backend(authority.serve(authority.issue("site.example.org"))),
          keys=f'tls = {{ ca = "{authority.pem}"; }};')
    s.add("stranger", backend(other.serve(other.issue("site.example.org"))), keys=f"tls = {{ {trust} }};")
    s.add("revoked", backend(authority.serve(revoked)), keys=f"tls = {{ {listed} }};")
    s.add("weak", backend(authority.serve(authority.issue("site.example.org", rsa=1024), weak=True)),
          keys=f"tls = {{ {trust} }};")
    s.add("lax", backend(authority.serve(authority.issue("other.example.org"))),
          keys=f'tls = {{ ca = "{authority.pem}"; verify = "chain"; }};')
    s.add("blind", backend(authority.serve(authority.issue("other.example.org", days=-1))),
          keys='tls = { verify = "none"; };')
    s.add("plain", module_backend(speaking_http), keys=f"tls = {{ {trust} }};")
    s.add("greeting", module_backend(greeting), keys=f"tls = {{ {trust} }};")
    asking = authority.serve(good, asks=True)
    s.add("asking", backend(asking), keys=f'tls = {{ {trust} certificate = "{authority.issue("me").both}"; }};')
    s.add("asking-in-vain", backend(asking), keys=f"tls = {{ {trust} }};")
    s.add("asking-in-vain-old", backend(authority.serve(good, version="1.2", asks=True)), keys=f"tls = {{ {trust} }};")
    s.add("cut", backend(context, lambda conn: (conn.read_request(), conn.send(b"HTTP/1.1 200 OK\r\n\r\nhalf"))),
          keys=f"tls = {{ {trust} }};")
    s.add("whole", backend(context, lambda conn: (conn.read_request(), conn.send(b"HTTP/1.1 200 OK\r\n\r\nall"),
                                                  conn.finish_sending())), keys=f"tls = {{ {trust} }};")
    s.backends["bad-one"] = s.backends["expired"]
    s.entries.append(conf.service_entry("bad-one", [s.backends["expired"], s.backends["good"]],
                                        f'timeouts = {{ connect = "60s"; }}; tls = {{ {trust} }}; balance = "first"; '
                                        'max_connections_per_backend = 100;'))
    s.admin = f"{net.ADDRESS}:{net.free_port()}"
    s.tg = module_tidegate(s.text(authority, s.admin))
    yield s
    for one in made:
        one.stop()


def told(site, name):
    """The line of the log on its handshake; there are five a second at most, so it is provoked until it is there."""
    found = []

    def provoke():
        site.request(name)
        found.extend(site.tg.log.records(msg="no TLS to a backend", svc=name))
        return found
    settings.wait_until(provoke, f"a line on {name}")
    return found[0]["reason"], found[0]["detail"]


@pytest.mark.parametrize("name, version", [("good", "1.3"), ("address", "1.3"), ("old", "1.2"), ("lax", "1.3"),
                                           ("blind", "1.3"), ("asking", "1.3")])
def test_taken(site, name, version):
    answer = site.request(name)
    assert (answer.status, answer.body[:2]) == (200, b"ok")
    line = site.tg.access.wait(service=name, path=f"/{name}/")
    assert (line["end"], line["back_tls"], line["retries"]) == ("done", version, "0")


def test_the_name_is_asked_for(site):
    del site.asked[:]
    assert site.request("again").status == 200
    assert site.asked == ["site.example.org"]


@pytest.mark.parametrize("name, reason, detail", [
    ("expired", "certificate", "certificate has expired"),
    ("wrong-name", "certificate", "hostname mismatch"),
    ("wrong-address", "certificate", "IP address mismatch"),
    ("stranger", "certificate", "unable to get local issuer certificate"),
    ("revoked", "certificate", "certificate revoked"),
    ("weak", "certificate", "EE certificate key too weak"),
    ("too-old", "alert", "tlsv1 alert protocol version"),
    ("asking-in-vain", "alert", "tlsv13 alert certificate required"),
    ("asking-in-vain-old", "alert", "sslv3 alert handshake failure"),
    ("greeting", "not-tls", None),
    ("plain", "not-tls", None),
])
def test_refused(site, name, reason, detail):
    """For any method: nothing of the request was sent."""
    before = site.failures(name, reason)
    answer = site.request(name, "POST")
    assert answer.status == 503
    line = site.tg.access.wait(service=name, path=f"/{name}/", method="POST")
    assert line["end"] == "tls-failed"
    assert site.failures(name, reason) == before + 1
    assert site.backends[name].requests == []
    said = told(site, name)
    assert said[0] == reason and detail in (None, said[1])


def test_another_one_is_tried_for_any_method(site):
    assert site.request("bad-one", "POST").status == 200
    line = site.tg.access.wait(service="bad-one")
    assert (line["retries"], line["failed"]) == ("1", site.backends["expired"].name + ":tls-failed")


@pytest.mark.parametrize("name", ["again", "old"])
def test_sessions_are_resumed(site, name):
    for _ in range(3):
        assert site.request(name).status == 200
    backend = site.backends[name]
    backend.wait_closed()
    assert [conn.tls.session_reused for conn in backend.connections][-2:] == [True, True]
    page = metrics.page(site.admin)
    assert page.value("backend_tls_resumed_total", service=name, backend=backend.name) >= 2


def test_connections_are_kept(site):
    for _ in range(5):
        assert site.request("asking").status == 200
    assert len(site.backends["asking"].connections) == 1


def test_an_answer_without_length_ends_by_a_word(site):
    assert site.request("whole").body == b"all"
    with client.RawClient(site.tg.address) as peer:
        peer.send(client.get("/cut/"))
        got = peer.read_to_end()
    assert b"half" in got and not got.endswith(b"0\r\n\r\n")
    assert site.tg.access.wait(service="cut")["end"] == "answer-cut"


def test_long_bodies(site):
    body = bytes(range(256)) * 3_000
    with client.RawClient(site.tg.address) as peer:
        assert peer.exchange(client.post(body, "/good/")).status == 200
    assert site.backends["good"].requests[-1].body == body


def test_tcp(tidegate, authority, tmp_path):
    """Bytes and ends both ways; an end without a word is a cut."""
    def script(conn):
        got = conn.read_to_end()
        conn.send(got * 20)
        conn.finish_sending()
        conn.read_to_end()

    def cutting(conn):
        conn.send(b"so far")
        conn.take(1, settings.deadline())
    backend = tls.TlsBackend(authority.serve(authority.issue("site.example.org")), script, cutting)
    try:
        tg = tidegate(conf.tcp(backend, service=f'timeouts = {{ connect = "60s"; }}; tls = {{ ca = "{authority.pem}"; '
                               'name = "site.example.org"; };'))
        with client.RawClient(tg.address) as peer:
            peer.send(b"x" * 100_000).finish_sending()
            assert peer.read_to_end() == b"x" * 2_000_000 and peer.ended == "eof"
        line = tg.access.wait(listener="front")
        assert (line["end"], line["back_tls"]) == ("done", "1.3")
        with client.RawClient(tg.address) as peer:
            assert peer.read(6) == b"so far"
            peer.send(b"!")
            peer.read_to_end()
            assert peer.ended == "reset"
    finally:
        backend.stop()


@pytest.mark.parametrize("mode", [conf.http, conf.tcp])
def test_a_proxy_header_goes_before_it(tidegate, authority, mode):
    """In plain, from checks too."""
    def before(sock):
        line = b""
        while not line.endswith(b"\r\n"):
            line += sock.recv(1)
        lines.append(line)
    lines = []
    backend = tls.TlsBackend(authority.serve(authority.issue("site.example.org")), before=before)
    try:
        tg = tidegate(mode(backend, service='health = { type = "http"; timeout = "60s"; }; timeouts = { connect = "60s"; }; '
                           f'send_proxy = "v1"; tls = {{ ca = "{authority.pem}"; name = "site.example.org"; }};'))
        assert tg.log.wait(msg="backend up")["reason"] == "status 200"
        with client.RawClient(tg.address) as peer:
            port = peer.sock.getsockname()[1]
            for _ in range(2):
                assert peer.exchange(client.get()).status == 200
        mine = [line for line in lines if f" {port} ".encode() in line]
        assert len(mine) == 1 and all(line.startswith(b"PROXY TCP4 ") for line in lines)
    finally:
        backend.stop()


def test_a_backend_that_never_shakes_hands_has_the_time_of_a_connect(tidegate, recording_backend, authority):
    def silent(conn):
        conn.sock.settimeout(None)
        while conn.sock.recv(65536):
            pass
    tg = tidegate(conf.http(recording_backend(silent), service='timeouts = { connect = "300ms"; }; retry = '
                            f'{{ attempts = 0; }}; tls = {{ ca = "{authority.pem}"; name = "x"; }};'))
    with client.RawClient(tg.address) as peer:
        assert peer.exchange(client.get()).status == 504
    assert tg.access.wait(listener="front")["end"] == "connect-timeout"
    assert tg.log.wait(msg="no TLS to a backend")["reason"] == "timeout"


def test_a_long_chain_is_read_to_its_end(tidegate, authority):
    """Longer than what is looked at in one step, by checks and by requests."""
    made = authority.issue("site.example.org")
    made.pem.write_bytes(made.pem.read_bytes() + 100 * authority.pem.read_bytes())
    backend = tls.TlsBackend(authority.serve(made.join()), name="long")
    try:
        tg = tidegate(conf.http(backend, service='health = { type = "http"; interval = "200ms"; timeout = "60s"; }; '
                                f'{PATIENT} tls = {{ ca = "{authority.pem}"; name = "site.example.org"; }};'))
        tg.log.wait(msg="backend up", srv="long", reason="status 200")
        with client.RawClient(tg.address) as peer:
            assert peer.exchange(client.get()).status == 200
    finally:
        backend.stop()


@pytest.mark.parametrize("kind, good", [("http", "status 200"), ("tcp", "TLS handshake made")])
def test_checks_speak_tls_too(tidegate, authority, kind, good):
    made = [tls.TlsBackend(authority.serve(authority.issue("site.example.org", days=days)), name=name)
            for name, days in (("right", 9), ("wrong", -1))]
    try:
        tg = tidegate(conf.http(*made, service=f'health = {{ type = "{kind}"; interval = "200ms"; timeout = "60s"; }}; '
                                f'tls = {{ ca = "{authority.pem}"; name = "site.example.org"; }};'))
        assert tg.log.wait(msg="backend up", srv="right")["reason"] == good
        assert tg.log.wait(msg="backend down", srv="wrong")["reason"] == "TLS: certificate, certificate has expired"
    finally:
        for one in made:
            one.stop()


def test_files_are_read_anew_without_touching_what_runs(tidegate, authority, tmp_path):
    """Who is revoked from now on gets no new request; the one under way ends in peace."""
    def script(conn):
        while (request := conn.read_request()) is not None:
            if request.target == "/slow":
                conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl")
                released.wait(settings.TIMEOUT)
                conn.send(b"ow")
            else:
                conn.send(backends.OK)
    released = threading.Event()
    certificate = authority.issue("site.example.org")
    crl = authority.revoke(tmp_path / "crl.pem")
    backend = tls.TlsBackend(authority.serve(certificate), script)
    try:
        tg = tidegate(conf.http(backend, top='certificate_watch = "100ms";', service=f'{PATIENT} tls = {{ ca = '
                                f'"{authority.pem}"; crl = "{crl}"; name = "site.example.org"; }};'))
        with client.RawClient(tg.address) as peer, client.RawClient(tg.address) as slow:
            assert peer.exchange(client.get()).status == 200
            slow.send(client.get("/slow"))
            assert b"sl" in slow.read_head() + slow.read(2)
            authority.revoke(crl, certificate)
            tg.log.wait(msg="renewing certificates")
            settings.wait_until(lambda: peer.exchange(client.get()).status == 503, "a refusal")
            released.set()
            assert slow.read(2) == b"ow"
    finally:
        released.set()
        backend.stop()
