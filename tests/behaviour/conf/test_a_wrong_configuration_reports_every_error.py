"""tidegate -t: exit 1 and every error, in file order, with file, line and what is allowed."""

import pytest

FINE = """listeners = ( { name = "l"; bind = "127.0.0.1:1"; service = "s"; } );
services = ( { name = "s"; backends = ( "127.0.0.1:2" ); } );
"""


def check(run_tidegate, tmp_path, text, *arguments, env=None):
    path = tmp_path / "tidegate.conf"
    path.write_text(text)
    return run_tidegate("-t", *arguments, "-c", "tidegate.conf", folder=tmp_path, env=env)


CASES = {
    "wrong type": ('workers = "many";',
                   "workers: a string where an integer is wanted"),
    "bare duration": ("shutdown_grace = 30;",
                      'shutdown_grace: an integer where a duration is wanted; '
                      'allowed: "500ms", "1s", "2m", "1h", "1d"'),
    "bad unit": ('shutdown_grace = "30sec";',
                 'shutdown_grace: "30sec": unknown unit "sec"; '
                 'allowed: "500ms", "1s", "2m", "1h", "1d"'),
    "out of range": ("workers = 1000;", "workers: 1000 is out of range; allowed: 0 to 256"),
    "beyond 32 bits": ("workers = 4294967298;",
                       "workers: 4294967298 is out of range; allowed: 0 to 256"),
    "unknown key": ("wrokers = 2;", 'wrokers: unknown key (did you mean "workers"?)'),
    "unknown value": ('log = { level = "inof"; };',
                      'log.level: unknown value "inof"; allowed: error, warn, info, debug '
                      '(did you mean "info"?)'),
    "given twice": ("workers = 1; workers = 2;", "workers: given twice, first at line 2"),
    "control bytes": ('log = { level = "a\\nb\\x07"; };',
                      'log.level: unknown value "a\\nb\\x07"; '
                      'allowed: error, warn, info, debug'),
    "missing include": ('@include "none.conf"',
                        '@include "none.conf": none.conf: No such file or directory'),
    "unset variable": ('user = "${TG_TEST_NOT_SET}";',
                       "user: environment variable TG_TEST_NOT_SET is not set; "
                       "give a default with ${TG_TEST_NOT_SET:-...}"),
    "syntax": ("workers = ;", "syntax error; look for a missing quote, comma or bracket here "
                              "or just before"),
}


@pytest.mark.parametrize("name", CASES)
def test_one_error_on_its_line(run_tidegate, tmp_path, name):
    line, error = CASES[name]
    checked = check(run_tidegate, tmp_path, f"# first line\n{line}\n{FINE}")
    assert checked.returncode == 1
    assert checked.stderr == f"tidegate.conf:2: {error}\n"
    assert checked.stdout == ""


def test_all_errors_in_file_order(run_tidegate, tmp_path):
    checked = check(run_tidegate, tmp_path, """services = (
  { name = "one"; balance = "round-robin"; },
  { name = "one"; protocol = "h4"; },
  { name = "two";
    balance = "lest-conn";
    backends = ( "10.0.0.1", { address = "10.0.0.2:80"; weight = 300; } ); }
);
listeners = (
  { name = "web"; bind = "*:8080"; service = "onee"; },
  { name = "db"; bind = "*:8080"; mode = "tcp"; }
);
""")
    assert checked.returncode == 1
    assert checked.stderr.splitlines() == [
        'tidegate.conf:3: services[1].protocol: unknown value "h4"; '
        'allowed: http1, h2 (did you mean "h2"?)',
        "tidegate.conf:3: services[1].name: already the name of services[0]",
        'tidegate.conf:5: services[2].balance: unknown value "lest-conn"; '
        'allowed: round-robin, least-conn, p2c, hash, ewma, first, random '
        '(did you mean "least-conn"?)',
        'tidegate.conf:6: services[2].backends[0]: "10.0.0.1" has no port; allowed: "host:port"',
        "tidegate.conf:6: services[2].backends[1].weight: 300 is out of range; "
        "allowed: 0 to 256",
        'tidegate.conf:9: listeners[0].service: unknown service "onee" (did you mean "one"?)',
        'tidegate.conf:10: listeners[1].service: missing; required with mode = "tcp" without routes',
        "tidegate.conf:10: listeners[1].bind: already the address of listeners[0]",
    ]


def test_errors_name_the_included_file(run_tidegate, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "services.conf").write_text(
        '# included\nservices = ( { name = "s"; idle_connections = -1; } );\n')
    checked = check(run_tidegate, tmp_path, """workers = -1;
@include "more/services.conf"
listeners = ( { name = "l"; bind = "127.0.0.1:1"; service = "t"; } );
""")
    assert checked.returncode == 1
    assert checked.stderr.splitlines() == [
        "tidegate.conf:1: workers: -1 is out of range; allowed: 0 to 256",
        "more/services.conf:2: services[0].idle_connections: -1 is out of range; "
        "allowed: 0 to 10000",
        'tidegate.conf:3: listeners[0].service: unknown service "t" (did you mean "s"?)',
    ]


def test_keys_given_twice_hide_nothing(run_tidegate, tmp_path):
    (tmp_path / "more.conf").write_text("# included\nworkers = 3;\n")
    checked = check(run_tidegate, tmp_path, """workers = 1; workers = 2; user = 5;
@include "more.conf"
listeners = ( { name = "l"; bind = "127.0.0.1:1"; service = "s"; bind = "*:2"; } );
/* workers = 4; */
services = ( { name = "s"; },
  { name = "t = {"; health = { type = "none"; type = "tcp"; }; balance = "x"; } );
""")
    assert checked.returncode == 1
    assert checked.stderr.splitlines() == [
        "tidegate.conf:1: workers: given twice, first at line 1",
        "tidegate.conf:1: user: an integer where a string is wanted",
        "more.conf:2: workers: given twice, first at tidegate.conf:1",
        "tidegate.conf:3: listeners[0].bind: given twice, first at line 3",
        "tidegate.conf:6: services[1].health.type: given twice, first at line 6",
        'tidegate.conf:6: services[1].name: bad name "t = {"; '
        "allowed: letters, digits and _ . : -",
        'tidegate.conf:6: services[1].balance: unknown value "x"; '
        "allowed: round-robin, least-conn, p2c, hash, ewma, first, random",
    ]


def test_a_file_that_is_not_there(run_tidegate, tmp_path):
    checked = run_tidegate("-t", "-c", "none.conf", folder=tmp_path)
    assert checked.returncode == 1
    assert checked.stderr == "none.conf: cannot read: No such file or directory\n"


def test_nothing_starts_with_a_wrong_configuration(run_tidegate, tmp_path):
    (tmp_path / "tidegate.conf").write_text("workers = 1000;\n" + FINE)
    ended = run_tidegate("-c", "tidegate.conf", folder=tmp_path)
    assert ended.returncode == 1
    assert "tidegate.conf:1: workers: 1000 is out of range" in ended.stderr


def test_warnings_are_no_errors(run_tidegate, tmp_path):
    text = FINE.replace('name = "s";', 'name = "s"; autoscale = { module = "threshold"; combine = "cpu"; '
                                       'max = 2; dry_run = true; };')
    done = check(run_tidegate, tmp_path, text)
    assert done.returncode == 0
    assert done.stdout == "tidegate.conf: configuration is valid\n"
    assert done.stderr.startswith("tidegate.conf:2: warning: services[0].autoscale: cpu decides here, ")
    assert done.stderr.count("\n") == 1
