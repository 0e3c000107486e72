"""tidectl top: services, backends and their rates, on a terminal and without one."""

import os
import re
import signal
import socket
import threading

import pytest

from harness import backends, conf, load, settings
from harness.screen import Screen

pytestmark = pytest.mark.names_stay

ROW = r"(?m)^ *{name} +{state} +\d+ +\S+ +{rate} "
SOME = r"[1-9][0-9.]*k?"
MANY = 1000 if settings.sanitizers() else 2000


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


@pytest.fixture
def text(demo_backend, admin):
    """Service site with two backends, that is asked; service api, that is not."""
    return conf.http(demo_backend("b1"), demo_backend("b2"), top=f'admin = {{ socket = "{admin}"; }};',
                     listener='routes = ( { path = "/api/"; service = "api"; } );',
                     services=conf.service_entry("api", [demo_backend("a1")]))


@pytest.fixture
def site(shared_tidegate, text):
    return shared_tidegate(text)


def top(folder, admin, *arguments, **options):
    return Screen(folder, [settings.program("tidectl"), "-s", admin, "top", "-i", "0.2",
                           *arguments], **options)


def row(name, state=r"no check|UP \d+/\d+", rate=r"\S+"):
    return ROW.format(name=name, state=f"(?:{state})", rate=rate)


def wait_order(screen, *names):
    """Until the rows of these services stand in this order."""
    screen.wait("(?s)" + ".*".join(rf"\n{name} +UP " for name in names))


def test_services_backends_and_rates_are_shown(site, admin, tmp_path):
    with load.Load(site.address), top(tmp_path, admin) as screen:
        screen.wait(rf"{SOME} req/s +\d+ conns ")
        screen.wait(r"^tidegate \S+  up ")
        screen.wait(row("site", "UP 2/2", SOME) + r".*[um]s .*[um]s .*[um]s .*[um]s")
        screen.wait(row("b1", "no check", SOME))
        screen.wait(row("b2", "no check", SOME))
        screen.wait(row("api", "UP 1/1", "0"))
        screen.wait(r"3/3 up +2 services +by rate")
        screen.type("q")
        assert screen.wait_end() == 0


def test_errors_and_queues_are_shown(shared_tidegate, recording_backend, admin, tmp_path):
    bad = recording_backend(backends.handles(lambda _: backends.answer(status="500 Bad")), name="bad")
    tg = shared_tidegate(conf.http(bad, top=f'admin = {{ socket = "{admin}"; }};'))
    with load.Load(tg.address), top(tmp_path, admin) as screen:
        screen.wait(row("site", rate=SOME) + rf" +{SOME} ")
        screen.type("e")
        screen.wait("by errors")


def test_keys_choose_the_order(site, admin, tmp_path):
    with load.Load(site.address), top(tmp_path, admin) as screen:
        wait_order(screen, "site", "api")
        screen.type("n")
        wait_order(screen, "api", "site")
        screen.type("R")
        wait_order(screen, "site", "api")
        for key, word in (("f", "in-flight"), ("u", "queue"), ("l", "latency"), ("r", "rate")):
            screen.type(key)
            screen.wait(f"by {word}  ")
        wait_order(screen, "site", "api")


def test_keys_choose_the_rows(site, admin, tmp_path):
    with load.Load(site.address), top(tmp_path, admin) as screen:
        wait_order(screen, "site", "api")
        screen.type("/", "a", "p", "Enter")
        screen.wait("filter ap")
        screen.wait(r"1-2 of 2 ")
        assert "\nsite " not in screen.text()
        screen.type("Escape")
        wait_order(screen, "site", "api")
        screen.type("Enter")
        screen.wait("filter =site")
        screen.wait(r"1-3 of 3 ")
        screen.type("Enter", "v")
        screen.wait("only services")
        screen.wait(r"1-2 of 2 ")
        screen.type("v")
        screen.wait(r"\nsite/b1 +no check")
        screen.type("v", "t")
        screen.wait("times response")
        screen.type("?")
        screen.wait("Keys of tidectl top")
        screen.type("x", "+")
        screen.wait("every 0.5 s")
        screen.type("-", "-")
        screen.wait("every 0.1 s")
        screen.type("p")
        screen.wait("PAUSED")
        screen.type("p")
        settings.wait_until(lambda: "PAUSED" not in screen.text(), "it goes on")


def test_many_backends_are_scrolled_through(shared_tidegate, admin, tmp_path):
    many = [f'{{ name = "b{i}"; address = "127.0.0.1:9"; }}' for i in range(MANY)]
    shared_tidegate(conf.http(*many, top=f'admin = {{ socket = "{admin}"; }};'))
    with top(tmp_path, admin, "-o", "name", height=20) as screen:
        screen.wait(rf"\nsite +UP {MANY} ")
        screen.type("End")
        screen.wait(rf"\n  b{MANY - 1} ")
        screen.wait(f"{MANY - 13}-{MANY + 1} of {MANY + 1}")
        screen.type("PageUp")
        screen.wait(rf"\n  b{MANY - 16} ")
        screen.type("Home")
        screen.wait(r"\n  b0 ")


def test_it_fits_the_terminal(site, admin, tmp_path):
    with load.Load(site.address), top(tmp_path, admin, width=90) as screen:
        screen.wait(r"P99\s*\n")
        screen.resize(40, 10)
        screen.wait(r"REQ/S\s*\n")
        screen.wait(rf"\nsite +UP 2/2 +\d+ +{SOME}\s*\n")
        assert all(len(line) <= 40 for line in screen.text().splitlines())
        assert len(screen.text().splitlines()) == 10
        screen.wait(r"1-5 of 5 .*\n\Z")
        screen.resize(12, 3)
        screen.wait(r"\Atidegate")
        screen.resize(160, 40)
        screen.wait(r"MEAN\s*\n")
        screen.type("C-c")
        assert screen.wait_end() == 0


def test_another_locale_is_as_good(site, admin, tmp_path):
    with top(tmp_path, admin, env={"LANG": "C", "LC_ALL": "C"}) as screen:
        screen.wait(row("site"))


@pytest.mark.parametrize("name, told", [("dumb", "has no places for text"),
                                        ("nonsense", "is not known")])
def test_terminals_that_will_not_do_are_refused(site, admin, tmp_path, name, told):
    with Screen(tmp_path, ["env", f"TERM={name}", settings.program("tidectl"), "-s", admin,
                           "top"]) as screen:
        screen.wait(f'tidectl: a terminal "{name}" {told}')
        assert screen.wait_end() == 1


def test_it_stops_and_goes_on(site, admin, tmp_path):
    with Screen(tmp_path, ["bash", "--norc"]) as screen:
        screen.type(f"{settings.program('tidectl')} -s {admin} top -i 0.2", "Enter")
        screen.wait(row("site"))
        screen.type("C-z")
        screen.wait("Stopped ")
        assert screen.ask("#{alternate_on}") == "0"
        screen.type("fg", "Enter")
        screen.wait(row("site"))
        assert screen.ask("#{alternate_on}") == "1"
        screen.type("q")
        settings.wait_until(lambda: screen.ask("#{alternate_on}") == "0", "the shell again")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signals_leave_the_terminal_as_it_was(site, admin, tmp_path, number):
    with top(tmp_path, admin) as screen:
        screen.wait(row("site"))
        assert screen.ask("#{alternate_on}") == "1"
        os.kill(screen.pid(), number)
        assert screen.wait_end() == 128 + number


def test_a_daemon_that_is_away_is_waited_for(tidegate, site, text, admin, tmp_path):
    with top(tmp_path, admin) as screen:
        screen.wait(row("site"))
        site.stop()
        screen.wait(r"\nnot reachable, retrying: ")
        again = tidegate(text)
        with load.Load(again.address):
            screen.wait(row("site", rate=SOME))
            screen.wait(r"q quit\s*\Z")
            again.upgrade()
            screen.wait(row("site", rate=SOME))
            screen.wait(r"q quit\s*\Z")
        screen.type("q")
        assert screen.wait_end() == 0


class Liar:
    """Something else behind the socket: says the next of these to each client, the last to all others."""

    def __init__(self, path, *answers):
        self.answers = list(answers)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(16)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                try:
                    peer.recv(65536)
                    peer.sendall(self.answers[0])
                except OSError:
                    pass
            if len(self.answers) > 1:
                self.answers.pop(0)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


INFO = b'{"Version":"\\u001b[2Jx","node":"n","Pid":1,"Uptime_sec":5}\n\n'
UNKNOWN = b'{"error":"unknown-command","text":"x"}\n\n'  # as an older tidegate says


def test_what_is_no_answer_is_said_and_asked_again(admin, tmp_path):
    good = INFO + b'[{"pxname":"\\u009b5mevil","svname":"BACKEND","status":"UP"}]\n\n' + 2 * UNKNOWN
    liar = Liar(admin, b"SSH-2.0-OpenSSH\r\n", b"", b"\n", b"[" * 100000 + b"\n\n",
                bytes(range(256)) * 64, INFO, INFO + b"{}\n\n", good)
    try:
        with top(tmp_path, admin) as screen:
            screen.wait(r"not understood, retrying: the answer to \"show info\"")
            screen.wait(r"\n\?5mevil +UP 0/0 ")
            assert "tidegate ?[2Jx" in screen.text()
            screen.type("q")
            assert screen.wait_end() == 0
    finally:
        liar.close()


def test_without_a_terminal_snapshots_are_printed(site, admin, run_tidectl):
    with load.Load(site.address):
        once = run_tidectl("-s", admin, "top", "--once", "-i", "0.3")
        assert (once.returncode, once.stderr) == (0, "")
        assert re.search(row("site", "UP 2/2", SOME), once.stdout), once.stdout
        assert "\033" not in once.stdout and once.stdout.count("tidegate ") == 1
        assert once.stdout.endswith("\n\n") and " \n" not in once.stdout
        twice = run_tidectl("-s", admin, "top", "-n", "2", "-i", "0.1", "-w", "backends",
                            "-o", "name", "-f", "=site")
        assert twice.stdout.count("tidegate ") == 2
        assert len(re.findall(r"(?s)\nsite/b1 [^\n]*\nsite/b2 ", twice.stdout)) == 2
        assert "api" not in twice.stdout.replace("filter", "")


def test_without_a_terminal_trouble_is_the_end(admin, run_tidectl):
    assert run_tidectl("-s", admin, "top").returncode == 3
    liar = Liar(admin, b"nonsense\n\n")
    try:
        refused = run_tidectl("-s", admin, "top", "--once")
    finally:
        liar.close()
    assert refused.returncode == 1
    assert refused.stderr == 'tidectl: the answer to "show info" is not understood\n'


@pytest.mark.parametrize("arguments", [
    ["-o", "size"], ["-w", "x"], ["-i", "0"], ["-i", "x"], ["-n", "0"], ["-n", "-1"], ["more"],
    ["--what"], ["-f", "x" * 64],
])
def test_wrong_arguments(run_tidectl, arguments):
    told = run_tidectl("top", *arguments)
    assert told.returncode == 2 and "usage: tidectl top " in told.stderr


def test_help(run_tidectl):
    told = run_tidectl("top", "--help")
    assert (told.returncode, told.stderr) == (0, "") and "--once" in told.stdout
    assert "  top " in run_tidectl("--help").stdout
