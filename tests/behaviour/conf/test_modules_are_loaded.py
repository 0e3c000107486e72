"""modules: an autoscaler of one's own, built as its Makefile says, is loaded, checked and kept."""

import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from harness import conf, settings

EXAMPLE = settings.TOP / "contrib" / "autoscaler"
SCALED = 'autoscale = { module = "aimd"; max = 9; dry_run = true; %s };'


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """As somebody builds it who has the header installed."""
    folder = tmp_path_factory.mktemp("aimd")
    shutil.copy(EXAMPLE / "aimd.c", folder)
    shutil.copy(EXAMPLE / "Makefile", folder)
    subprocess.run(["make", "-s", f"CPPFLAGS=-I{settings.TOP}/src"], cwd=folder, check=True)
    (folder / "aimd.so").chmod(0o755)
    return folder / "aimd.so"


def check(run_tidegate, tmp_path, module, options, *arguments):
    path = tmp_path / "tidegate.conf"
    path.write_text(f"""modules = ( "{module}" );
listeners = ( {{ name = "l"; bind = "127.0.0.1:1"; service = "s"; }} );
services = ( {{ name = "s";
  {SCALED % options} }} );
""")
    return run_tidegate("-t", *arguments, "-c", "tidegate.conf", folder=tmp_path)


def test_its_options_are_checked_with_their_line(run_tidegate, tmp_path, module):
    checked = check(run_tidegate, tmp_path, module, "high = 30; low = 3;", "-v")
    assert checked.returncode == 0, checked.stderr
    assert "high = 30;" in checked.stdout
    for options, error in {
        "hihg = 3;": 'hihg: unknown key of module "aimd" (did you mean "high"?)',
        "factor = 2;": "factor: 2 is out of range; allowed: 0 to 0.99",
        "low = 30;": "module: low must be less than high",
    }.items():
        checked = check(run_tidegate, tmp_path, module, options)
        assert checked.returncode == 1
        assert checked.stderr == f"tidegate.conf:4: services[0].autoscale.{error}\n"


def test_a_file_that_others_may_write_is_refused(run_tidegate, tmp_path, module):
    mine = tmp_path / "mine.so"
    shutil.copy(module, mine)
    mine.chmod(0o775)
    checked = check(run_tidegate, tmp_path, mine, "")
    assert checked.returncode == 1
    assert checked.stderr.splitlines()[0] == (
        f"tidegate.conf:1: modules[0]: its group may write file {mine} (mode 775); "
        "allowed: its owner alone")


def has_mapped(pid, path):
    return str(path) in pathlib.Path(f"/proc/{pid}/maps").read_text()


def test_the_keeper_has_it_and_the_proxy_never(tidegate, demo_backend, module):
    backend = demo_backend()
    tg = tidegate(conf.http(backend, top=f'modules = ( "{module}" );', service=SCALED % ""))
    assert has_mapped(tg.role_pid("keeper"), module)
    assert not has_mapped(tg.role_pid("proxy"), module)


def test_a_keeper_that_cannot_load_it_serves_all_else(tidegate, demo_backend, tmp_path, module):
    mine = tmp_path / "mine.so"
    shutil.copy(module, mine)
    tg = tidegate(conf.http(demo_backend(), top=f'modules = ( "{mine}" );', service=SCALED % ""))
    mine.unlink()
    os.kill(tg.role_pid("keeper"), signal.SIGKILL)
    told = tg.log.wait(level="error", msg="cannot load a module")
    assert told["reason"] == f"{mine}: No such file or directory"
    tg.log.wait(count=2, msg="child ready", child="keeper")


def test_a_reload_loads_what_is_new_and_refuses_what_changed(tidegate, demo_backend, tmp_path,
                                                             module):
    mine = tmp_path / "mine.so"
    shutil.copy(module, mine)
    backend = demo_backend()
    tg = tidegate(conf.http(backend))

    def text(options):
        return str(conf.http(backend, bind=tg.address, top=f'modules = ( "{mine}" );',
                             service=SCALED % options))

    def reload(options):
        tg.conf_path.write_text(text(options))
        tg.send_signal(signal.SIGHUP)

    reload("high = 30;")
    tg.log.wait(msg="reloaded")
    reload("high = 40;")
    tg.log.wait(count=2, msg="reloaded")
    mine.unlink()
    shutil.copy(module, mine)
    reload("high = 50;")
    tg.log.wait(level="error", msg="the reload has failed, going on")
    assert not tg.log.records(msg="cannot load a module")
