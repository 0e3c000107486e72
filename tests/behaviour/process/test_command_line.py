"""-t, -V, -h and wrong use: what is said where, and the exit status."""

import subprocess

import pytest

from harness import conf, settings

GOOD = str(conf.http("127.0.0.1:1", bind="127.0.0.1:2"))


def write(tmp_path, text):
    path = tmp_path / "tidegate.conf"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("option", ["-t", "--test"])
def test_valid_configuration(run_tidegate, tmp_path, option):
    path = write(tmp_path, GOOD)
    ended = run_tidegate(option, "-c", path)
    assert (ended.returncode, ended.stdout, ended.stderr) == \
        (0, f"{path}: configuration is valid\n", "")


def test_valid_configuration_in_effect(run_tidegate, tmp_path):
    path = write(tmp_path, GOOD)
    ended = run_tidegate("-t", "-v", "-c", path)
    assert ended.returncode == 0
    assert ended.stderr == f"{path}: configuration is valid\n"
    assert '"round-robin"' in ended.stdout  # a default that the file does not say


def test_every_error_is_told(run_tidegate, tmp_path):
    text = GOOD.replace('mode = "http"', 'mode = "htpp"').replace("workers = 2", 'workers = "x"')
    path = write(tmp_path, text)
    ended = run_tidegate("-t", "-c", path)
    assert (ended.returncode, ended.stdout) == (1, "")
    errors = ended.stderr.splitlines()
    assert len(errors) >= 2
    assert all(error.startswith(f"{path}:") for error in errors)
    assert any("workers" in error for error in errors)
    assert any("mode" in error and "htpp" in error for error in errors)


def test_wrong_configuration_does_not_start(run_tidegate, tmp_path):
    path = write(tmp_path, "nonsense = 1;\n")
    ended = run_tidegate("-c", path)
    assert ended.returncode == 1
    assert f"{path}:1: " in ended.stderr


def test_missing_configuration(run_tidegate, tmp_path):
    ended = run_tidegate("-t", "-c", str(tmp_path / "none.conf"))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "none.conf" in ended.stderr and "No such file" in ended.stderr


def test_version(run_tidegate):
    short = run_tidegate("-V")
    assert short.returncode == 0
    assert short.stdout.startswith("tidegate ") and short.stdout.count("\n") == 1
    assert run_tidegate("--version").stdout == short.stdout
    long = run_tidegate("-VV")
    assert long.returncode == 0
    assert long.stdout.startswith(short.stdout)
    for word in ("llhttp", "libevent", "unit tests", "hardening", "werror"):
        assert f"\n  {word:12} " in long.stdout


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(run_tidegate, option):
    ended = run_tidegate(option)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("usage: tidegate ")
    assert "role" not in ended.stdout  # between our own processes


@pytest.mark.parametrize("arguments", [
    ["-x"], ["--no-such-option"], ["-c"], ["argument"], ["-v"], ["--role=proxy"],
    ["--role=keeper"], ["--role=nonsense"],
])
def test_wrong_use(run_tidegate, arguments):
    ended = run_tidegate(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "tidegate: " in ended.stderr


def test_output_that_cannot_be_written_is_a_failure(tmp_path):
    path = write(tmp_path, GOOD)
    with open("/dev/full", "w", encoding="ascii") as full:
        ended = subprocess.run([settings.program("tidegate"), "-t", "-v", "-c", path], stdout=full,
                               stderr=subprocess.PIPE, timeout=settings.TIMEOUT, check=False)
    assert ended.returncode == 1
