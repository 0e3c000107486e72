"""PostgreSQL, real server and clients, through a tcp listener."""

import os
import pathlib
import pwd
import shutil
import subprocess

import pytest

from harness import conf, net, settings

pytestmark = pytest.mark.long


def postgres_folder():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.skip("PostgreSQL is not there (Debian: postgresql)")
    return found[-1].parent


def ordinary_user():
    """postgres refuses to run as root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("no ordinary user to run PostgreSQL")


def run(*argv, user=None, **options):
    given = dict(user=user.pw_uid, group=user.pw_gid, extra_groups=[]) if user else {}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/",
                          timeout=settings.TIMEOUT * 6, **given, **options)
    assert done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def postgres():
    """A server of our own; its port."""
    folder, user = postgres_folder(), ordinary_user()
    where = pathlib.Path(f"/tmp/tidegate-pg-{os.getpid()}")
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(mode=0o700)
    if user:
        os.chown(where, user.pw_uid, user.pw_gid)
    run(str(folder / "initdb"), "-D", str(where / "data"), "-U", "tester", "-A", "trust",
        "--no-sync", "--locale=C", user=user)
    port = net.free_port()
    given = dict(user=user.pw_uid, group=user.pw_gid, extra_groups=[]) if user else {}
    with open(where / "log", "wb") as log:
        server = subprocess.Popen(
            [str(folder / "postgres"), "-D", str(where / "data"), "-p", str(port),
             "-h", net.ADDRESS, "-k", "", "-c", "fsync=off"],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", **given)
    try:
        settings.wait_until(lambda: b"ready to accept" in (where / "log").read_bytes(),
                            "PostgreSQL to accept")
        yield f"{net.ADDRESS}:{port}"
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(where, ignore_errors=True)


def at(tg):
    host, port = net.split(tg.address)
    return ["-h", host, "-p", str(port), "-U", "tester"]


def test_psql_and_pgbench(shared_tidegate, postgres):
    tg = shared_tidegate(conf.tcp(postgres))
    assert run("psql", *at(tg), "-Atc", "select 40 + 2", "postgres").strip() == "42"
    rows = run("psql", *at(tg), "-Atc",
               "select repeat('x', 1000) from generate_series(1, 20000)", "postgres")
    assert rows.count("\n") == 20000
    run("psql", *at(tg), "-c", "create database bench", "postgres")
    run("pgbench", *at(tg), "-i", "-s", "1", "-q", "bench")
    said = run("pgbench", *at(tg), "-c", "8", "-j", "2", "-t", "40", "bench")
    assert "320/320" in said, said
    said = run("pgbench", *at(tg), "-c", "4", "-t", "10", "-C", "-S", "bench")
    assert "40/40" in said, said


def test_copy_of_bulk_both_ways(shared_tidegate, postgres, tmp_path):
    tg = shared_tidegate(conf.tcp(postgres))
    rows = tmp_path / "rows"
    rows.write_text("".join(f"{i}\t{'x' * 500}\n" for i in range(20000)))
    run("psql", *at(tg), "-c", "create table bulk (n int, t text)", "postgres")
    with open(rows, "rb") as stdin:
        run("psql", *at(tg), "-c", "copy bulk from stdin", "postgres", stdin=stdin)
    back = run("psql", *at(tg), "-Atc", "copy (select * from bulk order by n) to stdout",
               "postgres")
    assert back == rows.read_text()
    run("psql", *at(tg), "-c", "drop table bulk", "postgres")
