"""tidectl watch: a command again and again."""

import re
import signal

import pytest

from harness import client, conf, process, settings
from harness.screen import Screen

pytestmark = pytest.mark.names_stay


@pytest.fixture
def admin(tmp_path):
    return f"{tmp_path}/admin.sock"


@pytest.fixture
def site(shared_tidegate, recording_backend, admin):
    return shared_tidegate(conf.http(recording_backend(name="b1"),
                                     top=f'admin = {{ socket = "{admin}"; }};'))


def watch(folder, admin, *arguments, **options):
    return Screen(folder, [settings.program("tidectl"), "-s", admin, "watch", "-i", "0.2",
                           *arguments], **options)


def test_what_changed_since_the_last_answer_is_marked(site, admin, tmp_path):
    with watch(tmp_path, admin, "show", "info", height=50) as screen:
        screen.wait(r"\Ashow info .* \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\s*\n")
        screen.wait(r"\nCumReq: 0\s*\n")
        # A mark stays for as long as one answer, so there are some. Where the line above ends with
        # one, the terminal resets it in front of this.
        def marked():
            assert site.exchange(client.get()).status == 200
            return re.search(r"\n(\x1b\[\d+m)*CumReq: \d*\x1b\[7m\d", screen.text(styles=True))
        settings.wait_until(marked, "the mark of a new number")
        screen.wait(r"\nName: tidegate", styles=True)
        screen.type("q")
        assert screen.wait_end() == 0


def test_long_answers_are_moved_through(site, admin, tmp_path):
    with watch(tmp_path, admin, "show stat", width=60, height=6) as screen:
        screen.wait(r"\n# pxname,svname,")
        screen.wait("1-3 of 4 ")
        screen.type("Down")
        screen.wait("2-4 of 4 ")
        screen.type("Right")
        screen.wait(r"\n(?!front)\S+,")
        screen.type("Home", "p")
        screen.wait(r"PAUSED  1-3 of 4 ")
        screen.resize(20, 4)
        screen.wait(r"\APAUSED|\nPAUSED")
        screen.resize(60, 6)
        screen.wait(r"PAUSED  1-3 of 4 ")
        screen.type("C-c")
        assert screen.wait_end() == 0


def test_a_command_that_fails_is_the_end(tidegate, site, admin, recording_backend, tmp_path):
    with watch(tmp_path, admin, "show latency site") as screen:
        screen.wait(r"\nservice/site total ")
        site.stop()
        screen.wait(r"\nnot reachable, retrying: ")
        text = str(conf.http(recording_backend(), top=f'admin = {{ socket = "{admin}"; }};'))
        tidegate(text.replace('"site"', '"other"'))
        screen.wait('tidectl: error not-found: no service "site"')
        assert screen.wait_end() == 1


def test_without_a_terminal_answers_are_printed(site, admin, tmp_path):
    printer = process.Program([settings.program("tidectl"), "-s", admin, "watch", "--interval",
                               "0.1", "show", "backend;", "show", "version"],
                              tmp_path / "watch", name="watch")
    one = r"# \d{4}-\d\d-\d\d \d\d:\d\d:\d\d show backend; show version\n# name\nsite\n\n\S+\n\n"
    try:
        settings.wait_until(lambda: re.match(f"({one}){{3}}", printer.stdout.text()), "answers")
        assert printer.stderr.text() == ""
    finally:
        printer.stop(status=-signal.SIGTERM)


def test_exit_statuses(site, admin, run_tidectl, tmp_path):
    failed = run_tidectl("-s", admin, "watch", "show", "version;", "show", "nothing")
    assert failed.returncode == 1
    assert failed.stderr.startswith("tidectl: error unknown-command: ")
    assert failed.stdout == ""
    assert run_tidectl("-s", f"{tmp_path}/none", "watch", "show info").returncode == 3
    for arguments in ([], ["-i", "x", "show", "info"], ["-x"], ["events"], ["a" * 20000]):
        assert run_tidectl("-s", admin, "watch", *arguments).returncode == 2
    told = run_tidectl("watch", "-h")
    assert (told.returncode, told.stderr) == (0, "") and "COMMAND..." in told.stdout
