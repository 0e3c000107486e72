"""The examples pass the check, and what -t -v shows is a configuration again."""

import re

import pytest

from harness import settings

EXAMPLES = sorted(path.name for path in (settings.TOP / "conf").glob("*.conf"))


def said(checked):
    """What was said, but that programs of others, folders for them, and files of nodes are not here."""
    return [line for line in checked.stderr.splitlines()
            if not re.search(r":\d+: warning: (services\[\d+\]\.provider|acme\[\d+\])\.(command|challenges): ", line)
            and not re.search(r":\d+: warning: nodes\[\d+\]\.tls\.(ca|certificate|key): .*: No such file", line)
            and not re.search(r":\d+: warning: listeners\[\d+\]\.tls\.certificates\[\d+\]\.acme: there is no file", line)]


def test_there_are_examples():
    assert {"minimal.conf", "tidegate.conf"} <= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(run_tidegate, name):
    checked = run_tidegate("-t", "-c", str(settings.TOP / "conf" / name))
    assert (checked.returncode, said(checked)) == (0, [])


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_shown_reads_the_same_again(run_tidegate, tmp_path, name):
    def shown(path):
        checked = run_tidegate("-t", "-v", "-c", str(path))
        assert checked.returncode == 0, checked.stderr
        assert said(checked) == [f"{path}: configuration is valid"]
        return checked.stdout
    first = shown(settings.TOP / "conf" / name)
    assert "listeners = (" in first and 'health = {' in first
    (tmp_path / "again.conf").write_text(first)
    assert shown(tmp_path / "again.conf") == first
