"""What is nobody's is left alone, and a request is held only where a backend may come."""

import json
import os
import signal

from harness import client, conf, control, load, net, settings


def test_backends_of_the_configuration_are_left_alone(tidegate, demo_backend, tmp_path):
    admin = f"{tmp_path}/admin.sock"
    own = demo_backend(name="auto-1")
    tg = tidegate(conf.http(own, top=f'admin = {{ socket = "{admin}"; }};', service="""
        health = { type = "tcp"; interval = "100ms"; rise = 1; };
        autoscale = { module = "target"; metric = "in-flight"; target = 4; min = 1; max = 2;
                      interval = "250ms"; };
        provider = { type = "process"; command = ( "/bin/false", "{port}" ); };"""))
    tg.log.wait(msg="backend start failed", count=2)
    assert tg.exchange(client.get()).get("X-Backend") == "auto-1"
    assert "auto-1" not in {line["srv"] for line in tg.log.records(msg="backend start failed")}
    assert not tg.log.records(msg="backend deleted", backend="auto-1")


def test_the_only_one_that_dies_costs_no_request(scaled):
    tg = scaled('metric = "in-flight"; target = 100; min = 1; max = 1;',
                service='retry = { attempts = 3; };')
    tg.site.wait(ready=1)
    with load.Load(tg.address) as busy:
        settings.let_rest(2.5)  # it was well for a while
        os.kill(tg.site.processes()[0], signal.SIGKILL)
        began = len(busy.results)
        settings.wait_until(lambda: busy.served_since(0) > began + 20, "load")
    assert not busy.failures()
    assert tg.site.show()["start_failures"] == 0


def test_a_dry_run_without_a_provider_decides(tidegate, recording_backend, tmp_path):
    admin = f"{tmp_path}/admin.sock"
    tg = tidegate(conf.http(recording_backend(name="b1"), top=f'admin = {{ socket = "{admin}"; }};',
                            service='autoscale = { module = "target"; metric = "in-flight"; target = 4; '
                                    'min = 1; max = 9; interval = "250ms"; dry_run = true; };'))

    def decided():
        return json.loads(control.ask(admin, "show autoscale site json"))[0]["decisions"] > 0
    settings.wait_until(decided, "a decision")
    assert "target proposes" in control.ask(admin, "explain site")
    assert tg.exchange(client.get()).status == 200


def test_who_is_put_to_sleep_by_order_refuses_at_once(scaled):
    tg = scaled('metric = "in-flight"; target = 4; min = 0; max = 2;', service='hold = { timeout = "60s"; };')
    tg.site.wait(desired=0)
    assert control.ask(tg.site.admin, "scale site 0").startswith(("\n", "scale", "done", "s"))

    def refused():
        answer = tg.exchange(client.get())
        return answer.status == 503 and answer.get("Retry-After") == "1"
    settings.wait_until(refused, "503")
    why = "those that come are refused with 503: none is ready, and none will be started"
    assert why in control.ask(tg.site.admin, "explain site")
    # A pause does not start one either.
    control.ask(tg.site.admin, "autoscale site pause; scale site auto")
    settings.wait_until(refused, "503")
    told = control.ask(tg.site.admin, "explain site")
    assert "mode: paused: the number stays" in told and why in told
    control.ask(tg.site.admin, "autoscale site resume")
    tg.exchange_until(200)
    told = control.ask(tg.site.admin, "explain site")
    assert "mode:" not in told and "refused" not in told


def test_one_that_sleeps_is_ready(scaled):
    http = f"{net.ADDRESS}:{net.free_port()}"
    tg = scaled('metric = "in-flight"; target = 4; min = 0; max = 2;', sockets=f'http = "{http}";')
    tg.site.wait(desired=0, ready=0)
    with client.RawClient(http) as peer:
        assert peer.exchange(client.get("/readyz")).status == 200
