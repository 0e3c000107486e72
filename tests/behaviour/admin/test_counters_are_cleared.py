"""clear counters: people see them begin anew, Prometheus does not."""

import contextlib
import os

import pytest

from harness import client, conf, metrics, net, settings, stat
from harness.control import ask, failure


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


def start(shared_tidegate, recording_backend, admin, more=""):
    page = f"{net.ADDRESS}:{net.free_port()}"
    top = f'admin = {{ socket = "{admin}"; http = "{page}"; {more} }};'
    tg = shared_tidegate(conf.http(recording_backend(name="b1"), top=top))
    tg.log.wait(msg="backend up")
    return tg, page


def ask_some(tg, n):
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(tg.client()) for _ in range(n)]
        for peer in peers:
            assert peer.exchange(client.get("/x")).status == 200
    tg.access.wait(count=n, path="/x")
    settings.wait_until(lambda: stat.rows(tg.admin)[tg.listener, "FRONTEND"]["scur"] == "0",
                        "all connections to be counted out")


def counted(tg, page):
    return metrics.page(page).value("listener_streams_total", listener=tg.listener)


def test_all_begin_anew_and_stay_so_for_the_next_keeper(shared_tidegate, recording_backend, admin):
    tg, page = start(shared_tidegate, recording_backend, admin)
    tg.admin = admin
    ask_some(tg, 3)
    assert ask(admin, "clear counters all why a new day") == "\n"
    assert tg.log.wait(msg="counters cleared")["why"] == "a new day"
    seen = stat.rows(admin)
    for row in seen.values():
        assert (row["stot"], row["hrsp_2xx"], row["bin"], row["smax"]) == ("0", "0", "0", "0")
    assert "CumReq: 0\n" in ask(admin, "show info")
    assert ask(admin, "show reasons json") == "[]\n\n"
    assert counted(tg, page) == 3
    os.kill(tg.role_pid("keeper"), 9)
    tg.log.wait(count=2, msg="backend up")
    ask_some(tg, 1)
    assert stat.rows(admin)[tg.listener, "FRONTEND"]["req_tot"] == "1"
    assert counted(tg, page) == 4


def test_maxima_alone(shared_tidegate, recording_backend, admin):
    tg, _ = start(shared_tidegate, recording_backend, admin)
    tg.admin = admin
    ask_some(tg, 3)
    assert ask(admin, "clear counters") == "\n"
    row = stat.rows(admin)[tg.listener, "FRONTEND"]
    assert (row["smax"], row["req_tot"]) == ("0", "3")
    with tg.client() as peer:
        peer.exchange(client.get())
        assert stat.rows(admin)[tg.listener, "FRONTEND"]["smax"] in ("1", "2")


def test_all_is_for_those_with_the_rights_of_admin(shared_tidegate, recording_backend, admin, tmp_path):
    operator = f"{tmp_path}/op"
    start(shared_tidegate, recording_backend, admin,
          f'sockets = ( {{ bind = "unix:{operator}"; rights = "operator"; }} );')
    assert failure(ask(operator, "clear counters all")) == "denied"
    assert ask(operator, "clear counters json") == '{"ok":true}\n\n'
    assert failure(ask(admin, "clear counters some")) == "usage"
