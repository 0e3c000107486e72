"""The configuration in README is one that tidegate takes."""

from harness import settings


def configuration_in(text):
    """The indented block that begins with the workers."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("\tworkers ="))
    block = []
    for line in lines[first:]:
        if not line.startswith("\t"):
            break
        block.append(line[1:])
    return "\n".join(block) + "\n"


def test_it_is_valid(run_tidegate, tmp_path):
    path = tmp_path / "readme.conf"
    path.write_text(configuration_in((settings.TOP / "README").read_text()))
    checked = run_tidegate("-t", "-v", "-c", str(path))
    assert checked.returncode == 0, checked.stderr
    for name in ("web", "pg", "api", "site", "db"):
        assert f'name = "{name}"' in checked.stdout + checked.stderr
