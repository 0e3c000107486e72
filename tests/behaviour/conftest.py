"""Fixtures of the behaviour tests; tests/behaviour/README tells how to use them."""

import contextlib
import itertools
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness import backends, process, settings, shared, tls  # noqa: E402  (the path comes first)

BLOCKS = 72
LONGEST_NAME = 60  # of a parameter

_FAILED = pytest.StashKey()
_running = []  # every Tidegate of the test under way, for the report of a failure


@contextlib.contextmanager
def _tidegate_factory(folder):
    made = []

    def start(conf, **options):
        program = process.Tidegate(conf, folder / f"tidegate-{len(made)}", **options)
        made.append(program)
        _running.append(program)
        return program
    try:
        yield start
    finally:
        failures = []
        for program in reversed(made):
            try:
                program.end()
            except AssertionError as failed:
                failures.append(str(failed))
            _running.remove(program)
        assert not failures, "\n".join(failures)


@contextlib.contextmanager
def _backend_factory():
    made = []

    def start(*scripts, **options):
        backend = backends.RecordingBackend(*scripts, **options)
        made.append(backend)
        return backend
    try:
        yield start
    finally:
        for backend in made:
            backend.stop()


@contextlib.contextmanager
def _demo_factory(folder):
    made = []

    def start(name=None, **options):
        name = name or f"demo{len(made) + 1}"
        demo = process.Demo(folder / name, name, **options)
        made.append(demo)
        return demo
    try:
        yield start
    finally:
        for demo in made:
            demo.stop(status=None)


@pytest.fixture
def recording_backend():
    """recording_backend(*scripts, name=None): a TCP server that records and plays scripts."""
    with _backend_factory() as start:
        yield start


@pytest.fixture(scope="module")
def module_backend():
    """The same, living for all tests of a file."""
    with _backend_factory() as start:
        yield start


@pytest.fixture
def demo_backend(tmp_path):
    """demo_backend(name=None, tcp=False): a tidegate-demo process."""
    with _demo_factory(tmp_path) as start:
        yield start


@pytest.fixture
def tidegate(tmp_path, recording_backend, demo_backend):
    """tidegate(conf, env=None, arguments=(), wait=True): a running tidegate, judged at its end."""
    with _tidegate_factory(tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def module_tidegate(tmp_path_factory, module_backend):
    """The same, living for all tests of a file."""
    with _tidegate_factory(tmp_path_factory.mktemp("module")) as start:
        yield start


@pytest.fixture(scope="module")
def _shared(module_tidegate):
    return shared.Shared(module_tidegate)


@pytest.fixture
def shared_tidegate(_shared, recording_backend, demo_backend, request):
    """shared_tidegate(conf): one that runs gets this configuration by a reload; harness/shared.py."""
    def start(conf):
        return _shared.begin(conf, names_stay=bool(request.node.get_closest_marker("names_stay")))
    yield start
    _shared.end(failed=request.node.stash.get(_FAILED, False))


@pytest.fixture(scope="session")
def run_tidegate():
    """run_tidegate(*arguments): tidegate to its end, for -t, -V and wrong use."""
    return process.run_tidegate


@pytest.fixture(scope="session")
def run_tidectl():
    """run_tidectl(*arguments): tidectl to its end."""
    return process.run_tidectl


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A tls.Authority for the whole run."""
    return tls.Authority(tmp_path_factory.mktemp("authority"))


def _stays_together(item):
    return "module_tidegate" in item.fixturenames or bool(item.get_closest_marker("together"))


def pytest_make_parametrize_id(val):
    """pytest has the name of the test under way in the environment, of which a string of 128 KiB or more lets
    no program be started: a parameter that is long is named by how it begins."""
    if isinstance(val, (bytes, str)) and len(repr(val)) > LONGEST_NAME:
        return f"{ascii(val)[:LONGEST_NAME]}... {len(val)}"
    return None


def pytest_collection_modifyitems(config, items):
    """xdist gives each worker runs of neighbours, and tests that wait long are neighbours: they are
    spread over blocks, so that no worker is left with all of them, and those of whole folders or files
    that wait (marked so) over the first half of the blocks: none of them is what all others have to wait
    for at the end. What shares a tidegate, or is marked to stay together, does so by files."""
    if not hasattr(config, "workerinput"):
        return
    shared = [item for item in items if _stays_together(item)]
    own = [item for item in items if not _stays_together(item)]
    files = {item.path: [] for item in sorted(shared, key=lambda item: not item.get_closest_marker("long"))}
    for item in shared:
        files[item.path].append(item)
    long = [item for item in own if item.get_closest_marker("long")]
    own = [item for item in own if not item.get_closest_marker("long")]
    blocks = min(BLOCKS, len(own)) or 1
    early = (blocks + 1) // 2
    items.clear()
    for i in range(blocks):
        items += long[i::early] if i < early else []
        items += itertools.chain.from_iterable(list(files.values())[i::blocks])
        items += own[i::blocks]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what its tidegate said."""
    report = (yield).get_result()
    if report.failed:
        item.stash[_FAILED] = True
        said = [program.output() for program in _running]
        found = process.reports_in("\n".join([report.longreprtext, *said]))
        report.user_properties.append(("may_run_again", report.when == "call" and not found))
        for program, text in zip(_running, said):
            report.sections.append((f"tidegate pid {program.pid}", text[-6000:]))


class FailedList:
    """Writes TG_FAILED for contrib/check: a line "again NODEID" for each test that failed, "never NODEID"
    where it was a fixture, a worker that crashed, or a sanitizer that reported."""

    def __init__(self, path):
        self.file = open(path, "w", buffering=1, encoding="utf-8")

    def pytest_runtest_logreport(self, report):
        if report.failed:
            again = dict(report.user_properties).get("may_run_again", False)
            self.file.write(f"{'again' if again else 'never'} {report.nodeid}\n")

    def pytest_collectreport(self, report):
        if report.failed:
            self.file.write(f"never {report.nodeid}\n")


def pytest_configure(config):
    if "TG_FAILED" in os.environ and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FailedList(os.environ["TG_FAILED"]))


def pytest_report_header(config):
    try:
        found = ", ".join(sorted(settings.sanitizers())) or "none"
        return (f"tidegate: {settings.program('tidegate')}, sanitizers: {found}, "
                f"TG_TEST_TIMEOUT {settings.TIMEOUT:g} s")
    except settings.Missing as missing:
        return f"tidegate: {missing}"
