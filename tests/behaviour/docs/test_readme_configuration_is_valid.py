"""The configurations in README and doc/docker.md are ones that tidegate takes."""

from harness import settings


def configuration_in(text, begins="workers ="):
    """The indented block that begins so."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(f"\t{begins}"))
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


def test_that_of_docker_hosts_is_valid(run_tidegate, tmp_path):
    text = configuration_in((settings.TOP / "doc/docker.md").read_text(), "listeners =")
    path = tmp_path / "docker.conf"
    path.write_text(text.replace('user = "tidegate"', 'user = "nobody"'))
    checked = run_tidegate("-t", "-v", "-c", str(path))
    assert checked.returncode == 0, checked.stderr
    assert 'owner = "edge"' in checked.stdout + checked.stderr
