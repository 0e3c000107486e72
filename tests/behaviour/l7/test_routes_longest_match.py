"""The most exact host wins, then the longest path, in whole segments."""

import pytest

from harness import backends, client, conf

SERVICES = ("exact", "exact-api", "exact-api-v2", "wild", "wild-deep", "wild-path", "anywhere",
            "site")

ROUTES = '''routes = (
    { path = "/any"; service = "anywhere"; },
    { host = "*.example.org"; service = "wild"; },
    { host = "*.example.org"; path = "/p"; service = "wild-path"; },
    { host = "www.example.org"; path = "/api"; service = "exact-api"; },
    { host = "www.example.org"; service = "exact"; },
    { host = "*.deep.example.org"; service = "wild-deep"; },
    { host = "WWW.Example.org"; path = "/api/v2/"; service = "exact-api-v2"; }
);'''


@pytest.fixture(scope="module")
def front(module_tidegate, module_backend):
    made = {name: module_backend(backends.handles(
        lambda request, name=name: backends.answer(body=name.encode()))) for name in SERVICES}
    return module_tidegate(conf.http(
        made["site"], listener=ROUTES,
        services=", ".join(conf.service_entry(name, [made[name]]) for name in SERVICES[:-1])))


@pytest.mark.parametrize("host, path, service", [
    ("www.example.org", "/", "exact"),
    ("www.example.org", "/apix", "exact"),
    ("www.example.org", "/api", "exact-api"),
    ("www.example.org", "/api/", "exact-api"),
    ("www.example.org", "/api/v1", "exact-api"),
    ("www.example.org", "/api/v2/", "exact-api-v2"),
    ("www.example.org", "/api/v2/x", "exact-api-v2"),
    ("www.example.org", "/api/v2", "exact-api"),
    ("www.example.org", "/api?x=/api/v2/", "exact-api"),
    ("www.example.org", "/any", "exact"),
    ("www.example.org", "/p", "exact"),
    ("WWW.EXAMPLE.ORG", "/", "exact"),
    ("www.example.org.", "/", "exact"),
    ("www.example.org:8080", "/", "exact"),
    ("www.example.org:8080", "/api/v2/x", "exact-api-v2"),
    ("www.example.org", "/x/../api", "exact-api"),
    ("www.example.org", "/%61pi", "exact-api"),
    ("www.example.org", "/api/../x", "exact"),
    ("www.example.org", "/API", "exact"),
    ("shop.example.org", "/", "wild"),
    ("shop.example.org", "/p/x", "wild-path"),
    ("shop.example.org", "/any", "wild"),
    ("a.b.example.org", "/", "wild"),
    ("x.deep.example.org", "/", "wild-deep"),
    ("x.deep.example.org", "/p", "wild-deep"),
    ("deep.example.org", "/", "wild"),
    ("example.org", "/", "site"),
    ("xexample.org", "/", "site"),
    ("other.example.com", "/", "site"),
    ("other.example.com", "/any", "anywhere"),
    ("other.example.com", "/any/x", "anywhere"),
    ("other.example.com", "/anything", "site"),
    ("[::1]", "/any", "anywhere"),
    ("192.0.2.1", "/", "site"),
])
def test_match(front, host, path, service):
    answer = front.exchange(client.get(path, host))
    assert answer.status == 200 and answer.body.decode() == service


def test_nothing_matches_and_no_service_is_404(shared_tidegate, recording_backend):
    made = conf.http(recording_backend())
    made.text = made.text.replace('service = "site";\n',
                                  'routes = ( { host = "a.example"; service = "site"; } );\n')
    tg = shared_tidegate(made)
    assert tg.exchange(client.get("/", "a.example")).status == 200
    peer = tg.client()
    assert peer.exchange(client.get("/x", "b.example")).status == 404
    assert peer.exchange(client.get("/", "a.example")).status == 200
    assert tg.access.wait(path="/x")["end"] == "no-route"


def test_verbose_check_shows_routes_in_match_order(run_tidegate, tmp_path):
    path = tmp_path / "routes.conf"
    path.write_text(str(conf.http("127.0.0.1:1", listener=ROUTES, services=", ".join(
        conf.service_entry(name, ["127.0.0.1:1"]) for name in SERVICES[:-1]))))
    shown = run_tidegate("-t", "-v", "-c", str(path))
    assert shown.returncode == 0, shown.stderr
    text = shown.stdout + shown.stderr
    order = [text.index(mark) for mark in
             ('"exact-api-v2";', '"exact-api";', '"exact";', '"wild-deep";', '"wild-path";',
              '"wild";', '"anywhere";')]
    assert order == sorted(order), text
