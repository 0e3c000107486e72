"""tidegate.conf(5) and tidegate-sim(1), as the build wrote them: no warning from mandoc, and every key is there."""

import re
import shutil
import subprocess

import pytest

from harness import settings


@pytest.fixture
def page():
    return settings.build_folder() / "doc" / "tidegate.conf.5"


@pytest.mark.parametrize("name", ["tidegate.conf.5", "tidegate-sim.1"])
def test_mandoc_has_nothing_to_say(name):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is missing (Debian: mandoc)")
    linted = subprocess.run(["mandoc", "-Tlint", "-W", "warning",
                             str(settings.build_folder() / "doc" / name)], text=True,
                            capture_output=True, timeout=settings.TIMEOUT, check=False)
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["tidegate.conf.5", "tidegate-sim.1"])
def test_no_escape_is_shown(name):
    """A quote that is escaped once too few or too often is text."""
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is missing (Debian: mandoc)")
    shown = subprocess.run(["mandoc", "-Tascii", str(settings.build_folder() / "doc" / name)], text=True,
                           capture_output=True, timeout=settings.TIMEOUT, check=True).stdout
    shown = re.sub(".\b", "", shown)  # overstruck: bold, underlined
    assert [line for line in shown.splitlines() if "(dq" in line or "\\(" in line or "\\e" in line] == []


def test_every_key_of_the_shown_configuration_is_described(run_tidegate, page):
    text = page.read_text()
    shown = run_tidegate("-t", "-v", "-c", str(settings.TOP / "conf" / "tidegate.conf"))
    keys = {part.split(" = ")[0].strip(" {\t,")
            for line in shown.stdout.splitlines() for part in line.split(";") if " = " in part}
    assert {"workers", "trusted_proxies", "expect", "backup", "path"} <= keys
    assert [key for key in sorted(keys) if f".It Ic {key} No =" not in text] == []


def test_every_status_is_described(page):
    text = page.read_text().split(".Sh STATUS CODES\n")[1].split(".Sh ")[0]
    told = [line.split()[1] for line in text.splitlines() if line.startswith(".It ")]
    assert told == ["400", "404", "405", "408", "413", "414", "417", "425", "431",
                    "501", "502", "503", "504", "505"]
