"""What happens is told: to programs, and to the web, signed, in order, once; what fails is tried again."""

import json
import os
import stat

import pytest

from harness import client, conf, control, metrics, net, process, procfs, settings
from harness.receiver import SECRET, Receiver, is_signed


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.stop()


@pytest.fixture
def local_receiver():
    server = Receiver("127.0.0.1")  # whom the name localhost means, by /etc/hosts
    yield server
    server.stop()


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


def script(folder, text, name="hook"):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def web(name, url, more="", on='"all"'):
    return f'{{ name = "{name}"; on = ( {on} ); url = "{url}"; {more} }}'


CHECKED = 'health = { type = "tcp"; interval = "50ms"; rise = 1; fall = 1; };'


@pytest.fixture
def watched(tidegate, demo_backend, admin):
    """watched(*hooks, n=1): a tidegate whose n backends are checked; its `hooks()` is the text with other ones."""
    demo = demo_backend("b1")
    page = f"{net.ADDRESS}:{net.free_port()}"
    bind = f"{net.ADDRESS}:{net.free_port()}"
    count = [1]

    def text(*hooks):
        others = [f'{{ name = "b{i + 2}"; address = "127.0.1.{i + 2}:{demo.address.rsplit(":", 1)[1]}"; }}'
                  for i in range(count[0] - 1)]
        first = conf.http(demo, *others, service=CHECKED, bind=bind)
        return conf.Conf(f'admin = {{ socket = "{admin}"; http = "{page}"; }};\n'
                         f"hooks = ( {', '.join(hooks)} );\n{first.text}", first.address)

    def start(*hooks, n=1):
        count[0] = n
        tg = tidegate(text(*hooks))
        tg.demo, tg.page, tg.hooks = demo, page, text
        return tg
    return start


def show(admin):
    return {one["name"]: one for one in json.loads(control.ask(admin, "show hooks json"))}


def wait_shown(admin, name, **wanted):
    seen = {}

    def holds():
        seen.update(show(admin).get(name, {}))
        return all(seen.get(key) == value for key, value in wanted.items())
    try:
        settings.wait_until(holds, f"{name} to be {wanted}")
    except AssertionError as failed:
        raise AssertionError(f"{failed}; it is {seen}") from None
    return seen


def test_web_is_told_signed_and_nobody_else_knows_the_secret(watched, local_receiver, admin, tmp_path, request):
    receiver = local_receiver
    signed = web("alerts", receiver.url("/T0/secret-path?x=1", "localhost"),
                 f'secret = "{SECRET}"; services = ( "site" );', '"backend-up", "backend-down"')
    plain = web("plain", receiver.url("/plain", "127.0.0.1"), on='"backend-down"')
    # The example of the documentation, once with the secret that it knows.
    port = net.free_port()
    example = process.Program([settings.TOP / "contrib" / "hook-receiver", net.ADDRESS, str(port)], tmp_path,
                              env={"SECRET": SECRET})
    request.addfinalizer(example.kill)
    known = web("known", f"http://{net.ADDRESS}:{port}/", f'secret = "{SECRET}";')
    stranger = web("stranger", f"http://{net.ADDRESS}:{port}/", 'secret = "another one of them";', '"backend-down"')
    tg = watched(signed, plain, known, stranger)
    up = receiver.wait_event("backend-up", backend="b1", service="site")
    assert up["version"] == 1 and up["from"] is None and up["host"] == os.uname().nodename
    assert up["time"].endswith("Z") and len(up["id"]) == 32
    tg.demo.stop()
    receiver.wait_event("backend-down", backend="b1")
    wait_shown(admin, "alerts", sent=2, failed=0, waiting=0)
    wait_shown(admin, "plain", sent=1, failed=0, waiting=0)
    wait_shown(admin, "known", sent=2, failed=0)
    assert wait_shown(admin, "stranger", failed=1)["error"] == "status 403"
    with client.RawClient(f"{net.ADDRESS}:{port}") as peer:  # nor does it read on without end
        assert peer.exchange(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n").status == 403
    assert [json.loads(line)["event"] for line in example.stdout.text().splitlines()] == ["backend-up", "backend-down"]
    paths = [path for path, _, _ in receiver.tries]
    assert sorted(paths) == ["/T0/secret-path?x=1"] * 2 + ["/plain"]
    for path, headers, body in receiver.tries:
        assert headers["Content-Type"] == "application/json"
        assert ("Tidegate-Signature" in headers) == (path != "/plain")
        assert path == "/plain" or is_signed(headers["Tidegate-Signature"], body)
        assert path == "/plain" or not is_signed(headers["Tidegate-Signature"], body + b" ")
    downs = {event["id"] for event in receiver.events if event["event"] == "backend-down"}
    assert len(downs) == 1  # one event, told to two
    for command in ("show config", "show hooks", "show hooks json", "save config"):
        answer = control.ask(admin, command)
        assert SECRET not in answer and "secret-path" not in answer, command
    assert "alerts webhook http://localhost:" in control.ask(admin, "show hooks")
    # The process that reads strangers' bytes is not told of hooks at all.
    if not settings.sanitizers():  # they map terabytes
        assert procfs.memory_has(tg.role_pid("keeper"), [SECRET.encode()])
        assert not procfs.memory_has(tg.role_pid("proxy"), [SECRET.encode()])
    page = metrics.page(tg.page)
    assert page.value("hook_events_total", hook="alerts", result="sent") == 2
    assert page.value("hook_waiting_events", hook="plain") == 0
    assert page.value("hook_retries_total", hook="plain") == 0


def test_a_program_is_told_on_its_input_without_a_shell(watched, admin, tmp_path):
    out = tmp_path / "told"
    writes = script(tmp_path, f'cat >>"{out}"; echo "$#:$1:$TIDEGATE_X:$PATH" >>"{out}.words"')
    fails = script(tmp_path, "echo it is broken >&2; exit 3", "fails")
    pids = tmp_path / "pids"
    hangs = script(tmp_path, f'sleep 1000 & echo "$! $$" >"{pids}"; wait', "hangs")
    tg = watched(
        f'{{ name = "log"; on = ( "all" ); exec = ( "{writes}", "$(reboot); *" ); }}',
        f'{{ name = "fails"; on = ( "backend-up" ); exec = ( "{fails}" ); retries = 1; }}',
        f'{{ name = "hangs"; on = ( "backend-up" ); exec = ( "{hangs}" ); retries = 0; timeout = "3s"; }}')
    wait_shown(admin, "log", sent=1)
    events = [json.loads(line) for line in out.read_text().splitlines()]
    assert [event["event"] for event in events] == ["backend-up"]
    assert events[0]["reason"] == "connected" and events[0]["backend"] == "b1"
    assert (tmp_path / "told.words").read_text().startswith("1:$(reboot); *::/")
    failed = wait_shown(admin, "fails", failed=1, retries=1, waiting=0)
    assert failed["error"] == "exit status 3; it said: it is broken" and failed["way"] == "exec"
    hung = wait_shown(admin, "hangs", failed=1, retries=0)
    assert hung["error"] == "killed: it took more than 3000 ms"
    settings.wait_until(lambda: not any(procfs.alive(int(pid)) for pid in pids.read_text().split()),
                        "it to end, and what it started")
    assert tg.running()


def test_what_fails_is_tried_again_in_order_and_what_is_refused_is_not(watched, receiver, admin):
    receiver.answer(500, "cut", 400)
    tg = watched(web("hook", receiver.url(), f'secret = "{SECRET}";'))
    tg.demo.stop()
    # Once 500, once cut, then 400: not asked again. What came behind it waited, and is told next.
    receiver.wait_event("backend-down")
    shown = wait_shown(admin, "hook", sent=1, failed=1, retries=2, waiting=0)
    assert shown["error"] == "status 400"
    bodies = [json.loads(body) for _, _, body in receiver.tries]
    assert [body["event"] for body in bodies] == ["backend-up"] * 3 + ["backend-down"]
    assert len({body["id"] for body in bodies}) == 2
    assert all(is_signed(headers["Tidegate-Signature"], body) for _, headers, body in receiver.tries)


def test_one_that_hangs_delays_nobody_and_what_finds_no_room_is_counted(watched, receiver, admin, tmp_path):
    receiver.answer("hang")
    told = tmp_path / "told"
    hook = web("hook", receiver.url(), 'queue = 2; retries = 0; timeout = "60s";')
    other = f'{{ name = "other"; on = ( "all" ); exec = ( "{script(tmp_path, f"cat >>{told}")}" ); }}'
    # Eight backends are up at once: one is told, two wait, the oldest of the others are gone.
    tg = watched(hook, other, n=8)
    shown = wait_shown(admin, "hook", sent=0, waiting=3, dropped=5)
    wait_shown(admin, "other", sent=8, dropped=0)
    assert tg.exchange(client.get("/status/200")).status == 200
    # Another configuration, which changes one and takes the other away: what waits goes on with it.
    tg.reload(tg.hooks(web("hook", receiver.url("/other"), 'queue = 2; retries = 0;')))
    shown = wait_shown(admin, "hook", sent=3, waiting=0, dropped=5)
    assert list(show(admin)) == ["hook"] and shown["failed"] == 0
    assert [path for path, _, _ in receiver.tries] == ["/tidegate"] + ["/other"] * 3
    names = [json.loads(line)["backend"] for line in told.read_text().splitlines()]
    assert [event["backend"] for event in receiver.events] == [names[0], *names[6:]]
    ids = [json.loads(body)["id"] for _, _, body in receiver.tries]
    assert ids[0] == ids[1]


def test_the_end_waits_for_what_is_under_way_and_not_for_ever(watched, receiver, admin):
    receiver.answer("hang")
    tg = watched(web("hook", receiver.url(), 'timeout = "60s";'))
    settings.wait_until(lambda: receiver.tries, "it to be under way")
    tg.stop()
    assert "a hook is not told all that happened" in tg.stderr.text()
