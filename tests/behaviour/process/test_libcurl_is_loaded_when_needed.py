"""libcurl, and the thirty libraries it brings, are in the keeper alone, and only where a node or a webhook needs them;
where it is missing, that is an error which says what to install."""

import pathlib
import re
import subprocess

import pytest

from harness import conf, docker_api, net, procfs

BROUGHT = re.compile(r"/lib(curl|ldap|gssapi_krb5|krb5|ssh2|gnutls|psl|rtmp)\b")
NEEDED = 'nodes with "docker" and hooks with "url" need '
BIND = f"{net.ADDRESS}:{net.free_port()}"


def text(top="", service=""):
    return conf.http("127.0.0.1:1", top=top, bind=BIND, service=service)


def hook():
    return text('hooks = ( { name = "h"; on = ( "all" ); url = "http://127.0.0.1:1/"; } );')


def docker(socket):
    return text(f'nodes = ( {{ name = "a"; docker = "unix://{socket}"; }} );', """
        autoscale = { module = "target"; metric = "in-flight"; target = 4; min = 1; max = 2; };
        provider = { type = "docker"; image = "i"; port = 80; };""")


@pytest.fixture
def library(tmp_path, run_tidegate):
    """A folder where another libcurl is found first, and that libcurl's path."""
    name = re.search(r"loaded when needed \((\S+)\)", run_tidegate("-VV").stdout)[1]
    folder = tmp_path / "lib"
    folder.mkdir()
    return folder / name


def brought(tg):
    """What libcurl brings, by process."""
    pids = {"parent": tg.pid, "proxy": tg.role_pid("proxy"), "keeper": tg.role_pid("keeper")}
    return {role: {found[1] for found in map(BROUGHT.search, procfs.mappings(pid)) if found}
            for role, pid in pids.items()}


def make_old(path):
    """A libcurl that says it is of 7.84: nothing of it is called but that."""
    source = path.with_suffix(".c")
    others = re.findall(r"X\((\w+)\)", (pathlib.Path(__file__).parents[3] /
                                        "src/provider/libcurl.h").read_text())
    source.write_text("""
        static const struct { int age; const char *version; unsigned number; } is = {9, "7.84.0", 0x075400};
        const void *curl_version_info(int age) { (void)age; return &is; }
        """ + "".join(f"void curl_{name}(void); void curl_{name}(void) {{ }}\n"
                      for name in others if name not in ("version_info", "f")))
    subprocess.run(["cc", "-shared", "-fPIC", "-o", path, source], check=True, capture_output=True)


def test_only_the_keeper_has_it_and_only_when_something_is_called(tidegate, tmp_path):
    tg = tidegate(text())
    assert brought(tg) == {"parent": set(), "proxy": set(), "keeper": set()}
    tg.reload(hook())
    with_hook = brought(tg)
    assert "curl" in with_hook["keeper"] and not with_hook["parent"] | with_hook["proxy"]
    tg.stop()
    fake = docker_api.FakeDocker(tmp_path / "docker.sock")
    try:
        other = tidegate(docker(fake.path))
        other.log.wait(msg="node up")
        with_node = brought(other)
        assert "curl" in with_node["keeper"] and not with_node["parent"] | with_node["proxy"]
        other.stop()
    finally:
        fake.stop()


def test_where_it_is_missing_or_too_old_that_is_said(run_tidegate, tidegate, library, tmp_path):
    env = {"LD_LIBRARY_PATH": str(library.parent)}
    path = tmp_path / "wrong.conf"

    def refused(wrong):
        path.write_text(str(wrong))
        checked = run_tidegate("-t", "-c", str(path), env=env)
        assert checked.returncode == 1 and "libcurl4" in checked.stderr
        return checked.stderr

    make_old(library)
    assert refused(hook()).endswith("it is 7.84.0\n")
    library.write_text("no library")
    assert f"{path}:10: services[0].provider: {NEEDED}{library.name}" in refused(docker("/none"))
    assert f"hooks[0].url: {NEEDED}{library.name}" in refused(hook())

    tg = tidegate(text(), env=env)
    assert NEEDED in tg.fail_to_reload(hook())
    library.unlink()
    tg.reload(hook())  # it was installed: nothing is to be started again
    assert "curl" in brought(tg)["keeper"]
