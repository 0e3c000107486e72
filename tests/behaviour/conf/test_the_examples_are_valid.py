"""The examples pass the check, and what -t -v shows is a configuration again."""

import pytest

from harness import settings

EXAMPLES = sorted(path.name for path in (settings.TOP / "conf").glob("*.conf"))


def test_there_are_examples():
    assert {"minimal.conf", "tidegate.conf"} <= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(run_tidegate, name):
    checked = run_tidegate("-t", "-c", str(settings.TOP / "conf" / name))
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_shown_reads_the_same_again(run_tidegate, tmp_path, name):
    def shown(path):
        checked = run_tidegate("-t", "-v", "-c", str(path))
        assert checked.returncode == 0, checked.stderr
        assert checked.stderr == f"{path}: configuration is valid\n"
        return checked.stdout
    first = shown(settings.TOP / "conf" / name)
    assert "listeners = (" in first and 'health = {' in first
    (tmp_path / "again.conf").write_text(first)
    assert shown(tmp_path / "again.conf") == first
