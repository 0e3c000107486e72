"""A loaded module scales a real service; one that crashes, hangs or is slow takes the keeper, never a request."""

import shutil
import subprocess

import pytest

from harness import client, load, logs, settings

SLOW = client.get("/slow?ms=100")
EXAMPLE = settings.TOP / "contrib" / "autoscaler"

# As doc/modules.md has it; BODY is the inside of propose().
MODULE = """
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include <tidegate/module.h>

static uint32_t
windows(const struct tg_value *values, uint32_t *ret_spans_ms)
{
	(void)values;
	ret_spans_ms[0] = 1000;
	return 1;
}

static void
propose(const struct tg_value *values, const struct tg_snapshot *s, struct tg_proposal *ret)
{
	const struct tg_figure *in_flight = &s->windows[0].metrics[TG_METRIC_IN_FLIGHT];

	(void)values;
	ret->load = NAN;
	ret->desired = in_flight->n > 0 ? 1 + (uint32_t)(in_flight->last / 4) : s->desired;
	BODY
}

static const struct tg_autoscaler ops = {
	.size = sizeof(ops), .windows = windows, .propose = propose };

static const struct tg_module module = {
	.magic = TG_MODULE_MAGIC, .major = TG_MODULE_MAJOR, .minor = TG_MODULE_MINOR,
	.size = sizeof(module), .kind = TG_MODULE_AUTOSCALER,
	.name = "own", .help = "For tests.", .ops = &ops };

const struct tg_module *tidegate_module(const struct tg_host *host);

const struct tg_module *
tidegate_module(const struct tg_host *host)
{
	(void)host;
	return &module;
}
"""
CRASHES = "if (in_flight->last > 0) abort();"
HANGS = "for (volatile double never = in_flight->last; never > 0;) continue;"
IS_SLOW = "nanosleep(&(struct timespec){.tv_nsec = 150000000}, NULL);"


def modules(path):
    path.chmod(0o755)  # whatever the umask is
    return f'modules = ( "{path}" );'


@pytest.fixture
def own(scaled, tmp_path):
    """own(body): tidegate before a service that a module with this inside scales, from 1 to 4."""
    def start(body, top=""):
        (tmp_path / "own.c").write_text(MODULE.replace("BODY", body))
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared",
                        f"-I{settings.TOP}/src", "-o", "own.so", "own.c"], cwd=tmp_path, check=True)
        return scaled("min = 1; max = 4;", module="own",
                      top=top + modules(tmp_path / "own.so"))
    return start


def test_the_example_scales_a_service(scaled, tmp_path):
    folder = shutil.copytree(EXAMPLE, tmp_path / "autoscaler")
    subprocess.run(["make", "-s", f"CPPFLAGS=-I{settings.TOP}/src"], cwd=folder, check=True)
    tg = scaled('high = 2; low = 1.5; window = "500ms"; min = 1; max = 4;', module="aimd",
                top=modules(folder / "aimd.so"))
    tg.site.wait(ready=1, module="aimd")
    with load.KeptLoad(tg.address, clients=8, request=SLOW) as busy:
        tg.site.wait(ready=4)
    tg.site.wait(ready=1, draining=0)
    assert not busy.failures()
    ups = [line for line in tg.log.records(msg="scaling") if int(line["to"]) > int(line["from"]) > 0]
    assert [(line["from"], line["to"]) for line in ups] == [("1", "2"), ("2", "3"), ("3", "4")]
    assert "in flight for each of" in ups[-1]["reason"]


def test_one_that_crashes_takes_the_keeper_and_no_request(own):
    tg = own(CRASHES)
    tg.site.wait(ready=1)
    proxy, backends = tg.role_pid("proxy"), tg.site.processes()
    with load.KeptLoad(tg.address, clients=4, request=SLOW) as busy:
        tg.log.wait(msg="child died", child="keeper", count=6)
        served = busy.served_since(0)
        settings.wait_until(lambda: busy.served_since(0) > served + 20, "requests")
    assert not busy.failures()
    blamed = tg.log.records(msg="the keeper died in a module")
    assert len(blamed) >= 6 and all((one["svc"], one["module"]) == ("site", "own") for one in blamed)
    # It is let live as soon as it can.
    settings.wait_until(lambda: tg.role_pid("keeper"), "a keeper")
    tg.site.wait(ready=1, desired=1, draining=0)
    assert tg.role_pid("proxy") == proxy and tg.site.processes() == backends
    # At once for the first time, then after 100 ms, 200, 400, 500.
    deaths = [logs.moment(line) for line in tg.log.records(msg="child died", child="keeper")]
    again = [logs.moment(line) for line in tg.log.records(msg="starting child again", child="keeper")]
    waits = [start - death for death, start in zip(deaths, again)]
    for wait, least in zip(waits[:6], (0, 0.1, 0.2, 0.4, 0.5, 0.5)):
        assert wait >= least - 0.02, waits


def test_one_that_never_returns_takes_the_keeper_and_no_request(own):
    tg = own(HANGS, 'watchdog = "1s";')
    tg.site.wait(ready=1)
    proxy, backends = tg.role_pid("proxy"), tg.site.processes()
    with load.KeptLoad(tg.address, clients=4, request=SLOW) as busy:
        told = tg.log.wait(msg="child hangs, ending it")
        assert (told["child"], told["svc"], told["module"]) == ("keeper", "site", "own")
        assert tg.log.wait(msg="child died", pid=told["pid"])["signal"] == "ABRT"
        tg.log.wait(msg="child ready", child="keeper", count=2)
        served = busy.served_since(0)
        settings.wait_until(lambda: busy.served_since(0) > served + 20, "requests")
    assert not busy.failures()
    tg.site.wait(ready=1, desired=1, draining=0)
    assert tg.role_pid("proxy") == proxy and tg.site.processes() == backends


def test_one_that_is_slow_is_told_of(own):
    tg = own(IS_SLOW)
    tg.site.wait(ready=1)
    with load.KeptLoad(tg.address, clients=8, request=SLOW) as busy:
        tg.site.wait(ready=3)
    tg.site.wait(ready=1, draining=0)
    assert not busy.failures()
    said = tg.log.wait(msg="a module is slow")
    assert (said["svc"], said["module"]) == ("site", "own") and int(said["us"]) >= 150000
    # At each tick, and told once a minute: one may have begun meanwhile.
    assert len(tg.log.records(msg="a module is slow")) <= 2
