"""${NAME} and ${NAME:-default} in strings: in the check, and with traffic."""

from harness import client, conf


def text_of(backend, port):
    return f"""workers = 1;
log = {{ file = "${{TG_TEST_LOG:-/dev/stdout}}"; }};
listeners = ( {{ name = "front"; bind = "{port}"; service = "site"; }} );
services = ( {{ name = "site"; health = {{ type = "none"; }}; backends = ( "{backend}" ); }} );
"""


def test_traffic_flows_to_the_backend_of_the_environment(tidegate, recording_backend):
    backend = recording_backend()
    made = conf.http("${TG_TEST_BACKEND}")
    tg = tidegate(made, env={"TG_TEST_BACKEND": backend.address})
    assert tg.exchange(client.get("/x")).status == 200
    assert backend.requests[0].target == "/x"


def shown(run_tidegate, tmp_path, text, **env):
    (tmp_path / "t.conf").write_text(text)
    return run_tidegate("-t", "-v", "-c", str(tmp_path / "t.conf"), env=env)


def test_defaults_are_for_unset_and_empty(run_tidegate, tmp_path):
    text = text_of("127.0.0.1:2", "127.0.0.1:${TG_TEST_PORT:-81}")
    assert 'bind = "127.0.0.1:81";' in shown(run_tidegate, tmp_path, text).stdout
    assert 'bind = "127.0.0.1:81";' in shown(run_tidegate, tmp_path, text, TG_TEST_PORT="").stdout
    assert 'bind = "127.0.0.1:82";' in shown(run_tidegate, tmp_path, text, TG_TEST_PORT="82").stdout


def test_a_value_cannot_add_settings(run_tidegate, tmp_path):
    checked = shown(run_tidegate, tmp_path, text_of("127.0.0.1:2", "${TG_TEST_BIND}"),
                    TG_TEST_BIND='127.0.0.1:81"; backlog = 1; x = "')
    assert checked.returncode == 1
    assert "listeners[0].bind: bad port" in checked.stderr


def test_a_plain_dollar(run_tidegate, tmp_path):
    checked = shown(run_tidegate, tmp_path, text_of("127.0.0.1:2", "127.0.0.1:81").replace(
        "${TG_TEST_LOG:-/dev/stdout}", "/x/$${TG_TEST_LOG} $"))
    assert 'file = "/x/$${TG_TEST_LOG} $";' in checked.stdout
