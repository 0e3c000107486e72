"""A program gets certificates from an authority, which asks tidegate for tokens; what is got is used at once."""

import json
import os
import signal

import pytest

from harness import client, conf, control, metrics, net, procfs, settings, tls
from harness.acme import Pebble
from harness.redis import Redis

NAME = "site.example.org"


def quoted(words):
    return ", ".join(f'"{word}"' for word in words)


class Site:
    """A tidegate on a fresh machine: with a port for requests and one for TLS, and a certificate by ACME."""

    def __init__(self, folder, address=net.ADDRESS, port=None, name="a"):
        self.folder, self.name, self.address = folder, name, address
        self.plain = f"{address}:{port or net.free_port(address)}"
        self.safe = f"{address}:{net.free_port(address)}"
        self.admin = f"{folder}/{name}.sock"
        self.page = f"{address}:{net.free_port(address)}"
        self.webroot = folder / "webroot"

    def text(self, backend, command, file, key, keys="", top="", names=(NAME,)):
        challenges = f'challenges = "{self.webroot}";' if self.webroot else ""
        return conf.Conf(f"""workers = 2; shutdown_grace = "1s"; {top}
            admin = {{ socket = "{self.admin}"; http = "{self.page}"; }};
            listeners = (
              {{ name = "plain"; bind = "{self.plain}"; mode = "http"; service = "site"; }},
              {{ name = "front"; bind = "{self.safe}"; mode = "http"; service = "site";
                 tls = {{ certificates = ( {{ file = "{file}"; key = "{key}"; acme = "site"; }} ); }}; }} );
            services = ( {conf.service_entry("site", [backend])} );
            acme = ( {{ name = "site"; names = ( {quoted(names)} ); command = ( {quoted(command)} ); {challenges} {keys} }} );
            """, self.plain)

    def show(self):
        return json.loads(control.ask(self.admin, "show acme json"))[0]

    def wait(self, seconds=None, **wanted):
        def holds():
            shown = self.show()
            return shown if all(shown[key] == value for key, value in wanted.items()) else None
        return settings.wait_until(holds, f"acme to be {wanted}", seconds)

    def use(self):
        return {one["use"] for one in json.loads(control.ask(self.admin, "show cert json"))}

    def serial(self, context):
        with tls.TlsClient(self.safe, context) as peer:
            assert peer.exchange(client.get()).status == 200
            return peer.tls.getpeercert()["serialNumber"]


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    made.webroot.mkdir()
    return made


@pytest.fixture
def pebble(tmp_path, authority, site):
    port = int(site.plain.rpartition(":")[2])
    server = Pebble(tmp_path, authority, port, net.ADDRESS)
    yield server
    server.stop()


def exchange(address, request):
    with client.RawClient(address) as peer:
        return peer.exchange(request)


def stubborn(folder, file):
    """For a script: two children in sessions of their own, which also write their numbers; one passes over SIGTERM."""
    child = folder / "child"
    child.write_text(f"#!/bin/sh\n[ -z $1 ] || trap '' TERM\necho $$ >> {file}\nwhile :; do sleep 1000; done\n")
    child.chmod(0o700)
    return f"setsid {child} & setsid {child} ignore & echo $$ >> {file}; exec sleep 1000"


def pids(file, n=3):
    return settings.wait_until(lambda: file.exists() and len(file.read_text().split()) >= n and
                               [int(word) for word in file.read_text().split()], f"{n} programs")


def wait_gone(some):
    settings.wait_until(lambda: not any(procfs.alive(pid) for pid in some), "the programs to be gone")


def script(folder, text):
    path = folder / "script"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path



def test_lego_gets_one_for_a_fresh_machine(tidegate, recording_backend, site, pebble, tmp_path):
    """Until then there is one that nobody vouches for; a backend never hears of tokens."""
    command, file, key = pebble.lego(tmp_path / "lego", NAME, webroot=site.webroot)
    told = tmp_path / "told"
    hook = f'hooks = ( {{ name = "h"; on = ( "acme-done" ); exec = ( "/usr/bin/tee", "-a", "{told}" ); }} );'
    backend = recording_backend()
    tg = tidegate(site.text(backend, command, file, key, top=hook))
    assert site.use() == {"placeholder"} and "nobody vouches for" in tg.log.text()
    shown = site.wait(state="idle", done=1, failed=0)
    assert shown["not_after"] and shown["next"] < shown["not_after"] and shown["error"] is None
    site.serial(pebble.client())
    assert site.use() == {"server"} and pebble.orders() == 1
    page = metrics.page(site.page)
    assert page.value("acme_runs_total", acme="site", result="done") == 1
    assert page.value("listener_acme_challenges_total", listener="plain") >= 1
    settings.wait_until(lambda: told.exists() and "acme site: made" in told.read_text(), "the event")
    assert all(b"acme-challenge" not in request.raw for request in backend.requests)
    # Another by order, and with its time, not before.
    before = site.serial(pebble.client())
    assert control.ask(site.admin, "acme run site").strip() == ""
    site.wait(state="idle", done=2)
    assert site.serial(pebble.client()) != before
    assert control.failure(control.ask(site.admin, "acme run other")) == "not-found"


def test_certbot_writes_to_the_folder(tidegate, recording_backend, site, pebble, tmp_path):
    """Keys are in a process of their own."""
    command, file, key = pebble.certbot(tmp_path / "certbot", NAME, challenge=("--webroot", "--webroot-path", str(site.webroot)))
    tidegate(site.text(recording_backend(), command, file, key, top="key_isolation = true;"))
    site.wait(state="idle", done=1)
    site.serial(pebble.client())
    assert pebble.orders() == 1


def test_certbot_says_it_by_tidectl(tidegate, recording_backend, site, pebble, tmp_path):
    tidectl = f"{settings.program('tidectl')} -s {site.admin}"
    hooks = {name: tmp_path / name for name in ("set", "del")}
    hooks["set"].write_text(f'#!/bin/sh\nexec {tidectl} set acme-challenge "$CERTBOT_TOKEN" "$CERTBOT_VALIDATION"\n')
    hooks["del"].write_text(f'#!/bin/sh\nexec {tidectl} del acme-challenge "$CERTBOT_TOKEN"\n')
    for path in hooks.values():
        path.chmod(0o700)
    site.webroot = None
    command, file, key = pebble.certbot(tmp_path / "certbot", NAME, challenge=(
        "--manual", "--preferred-challenges", "http", "--manual-auth-hook", str(hooks["set"]), "--manual-cleanup-hook",
        str(hooks["del"])))
    tidegate(site.text(recording_backend(), command, file, key))
    site.wait(state="idle", done=1)
    site.serial(pebble.client())


TOKEN = "0123456789abcdefghijklmnopqrstuv-_"
ANSWER = f"{TOKEN}.{'T' * 43}"


def test_tokens_are_answered_and_nothing_else(tidegate, recording_backend, site, tmp_path):
    """Before any route, by both listeners; what is no token, or not known, goes on as any request."""
    backend = recording_backend()
    made = script(tmp_path, "exit 1")
    tidegate(site.text(backend, [made], tmp_path / "no.pem", tmp_path / "no.key", keys='retry = "1h";'))
    site.wait(state="resting")
    for token, key in (("short", "short." + "T" * 43), (TOKEN, TOKEN), (TOKEN, f"x{ANSWER}"), (f"{TOKEN}/", ANSWER),
                       (TOKEN, f"{ANSWER}/"), ("../" + TOKEN, ANSWER)):
        assert control.failure(control.ask(site.admin, f"set acme-challenge {token} {key}")) == "bad-value"
    control.ask(site.admin, f"set acme-challenge {TOKEN} {ANSWER}")
    path = f"/.well-known/acme-challenge/{TOKEN}"
    settings.wait_until(lambda: exchange(site.plain, client.get(path)).body == ANSWER.encode(), "the answer")
    seen = len(backend.requests)
    got = exchange(site.plain, client.get(path))
    assert (got.status, got.get("content-type"), got.get("allow")) == (200, "application/octet-stream", None)
    assert exchange(site.plain, client.get(f"{path}?x=1")).body == ANSWER.encode()
    assert len(backend.requests) == seen
    for other in (f"{path}x", f"{path}/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/..%2f..%2fetc%2fpasswd",
                  f"/.well-known/acme-challenge/{TOKEN[:-1]}", f"/x{path}"):
        exchange(site.plain, client.get(other))
    exchange(site.plain, client.post(b"x", path))
    assert len(backend.requests) == seen + 7
    control.ask(site.admin, f"del acme-challenge {TOKEN}")
    settings.wait_until(lambda: exchange(site.plain, client.get(path)).body != ANSWER.encode(), "it to be gone")
    assert control.failure(control.ask(site.admin, f"del acme-challenge {TOKEN}")) == "not-found"


def test_what_fails_is_told_and_tried_again(tidegate, recording_backend, site, authority, tmp_path):
    """What was used before stays; the last lines say why, and that the folder of tokens is not there."""
    site.webroot.rmdir()
    made = authority.issue(NAME, days=5)
    fails = script(tmp_path, 'echo first; echo second; echo no such order >&2; [ "$TIDEGATE_ACME_NAME" = site ] || exit 9; '
                             '[ -z "$HOME$USER" ] || exit 8; exit 3')
    tg = tidegate(site.text(recording_backend(), [fails], made.pem, made.key, keys='retry = "1s";', names=("other.example.org",)))
    first = site.wait(state="resting", failed=1)
    assert first["error"].startswith("challenges cannot be read: No such file or directory; exit status 3; it said: ") and "no such order" in first["error"]
    assert first["error_at"] and tg.log.wait(msg="no new certificate by acme")["acme"] == "site"
    assert "acme[0].challenges: " in tg.log.text() and f"{site.webroot}\\\": No such file or directory" in tg.log.text()
    site.wait(failed=2)
    site.serial(authority.context())
    assert metrics.page(site.page).value("acme_runs_total", acme="site", result="failed") >= 2


def test_status_0_without_a_certificate_is_no_success(tidegate, recording_backend, site, tmp_path):
    hangs = script(tmp_path, stubborn(tmp_path, tmp_path / "pids"))
    site_text = site.text(recording_backend(), [hangs], tmp_path / "no.pem", tmp_path / "no.key",
                          keys='timeout = "5s"; retry = "1h";')
    tidegate(site_text)
    shown = site.wait(state="resting", failed=1)
    assert shown["error"] == "killed: it took more than 5 s"
    wait_gone(pids(tmp_path / "pids"))


def test_runs_end_with_their_keeper_and_stay_over_a_reload(tidegate, recording_backend, site, tmp_path):
    started = tmp_path / "started"
    hangs = script(tmp_path, stubborn(tmp_path, started))
    tg = tidegate(site.text(recording_backend(), [hangs], tmp_path / "no.pem", tmp_path / "no.key", keys='retry = "1h";'))
    site.wait(state="running")
    programs = pids(started)
    # Of a reload that changes something else it hears nothing.
    tg.conf_path.write_text(tg.conf_path.read_text().replace("shutdown_grace = \"1s\"", "shutdown_grace = \"2s\""))
    control.ask(site.admin, "reload")
    assert site.show()["state"] == "running" and all(procfs.alive(pid) for pid in programs)
    # With the keeper it dies, and the next one does not try at once.
    keeper = tg.role_pid("keeper")
    os.kill(keeper, signal.SIGKILL)
    wait_gone(programs)
    tg.log.wait(msg="the keeper before ended while acme ran, waiting")
    settings.wait_until(lambda: tg.role_pid("keeper") not in (None, keeper), "another keeper")
    assert site.wait(state="turn")["done"] == 0
    assert len(started.read_text().split()) == 3


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path)
    yield server
    server.stop()


class Two:
    """Tidegates on one redis and one folder of certificates, at one port of two addresses. The authority asks the one
    that does not run the command."""

    def __init__(self, folder, authority, redis):
        self.folder, self.redis = folder, redis
        addresses = net.ADDRESS, net.own_address(1)
        port = net.free_port(*addresses)
        self.sites = [Site(folder, address, port, name) for address, name in zip(addresses, "ab")]
        for one in self.sites:
            one.webroot = folder / f"webroot-{one.name}"
            one.webroot.mkdir()
        self.pebble = Pebble(folder, authority, port, *addresses)

    def command(self):
        words, self.file, self.key = self.pebble.lego(self.folder / "lego", NAME, webroot="$TIDEGATE_ACME_CHALLENGES")
        lego = " ".join(f'"{word}"' for word in words)
        a, b = (one.address for one in self.sites)
        return script(self.folder, f'''case $TIDEGATE_ACME_CHALLENGES in *-a) other={b};; *) other={a};; esac
            /usr/bin/curl -s -d "{{\\"host\\":\\"{NAME}.\\",\\"addresses\\":[\\"$other\\"]}}" http://{self.pebble.names}/add-a || exit 7
            exec {lego}''')

    def text(self, one, backend, command, keys=""):
        store = (f'store = {{ type = "redis"; url = "{self.redis.url()}"; instance = "{one.name}"; }}; '
                 'certificate_watch = "0";')
        return one.text(backend, [command], self.file, self.key, keys=keys, top=store)


@pytest.fixture
def two(tmp_path, authority, redis):
    made = Two(tmp_path, authority, redis)
    yield made
    made.pebble.stop()


def test_of_two_one_asks_and_the_other_answers(tidegate, recording_backend, two):
    """One order at the authority; each has the certificate."""
    backend, command = recording_backend(), two.command()
    for one in two.sites:
        tidegate(two.text(one, backend, command))
    for one in two.sites:
        settings.wait_until(lambda one=one: one.use() == {"server"}, "the certificate")
    assert two.sites[0].serial(two.pebble.client()) == two.sites[1].serial(two.pebble.client())
    shown = [one.wait(state="idle") for one in two.sites]
    assert sorted(one["done"] for one in shown) == [0, 1] and [one["failed"] for one in shown] == [0, 0]
    assert two.pebble.orders() == two.pebble.issued() == 1
    ran = shown[1]["done"]
    answered = [metrics.page(one.page).value("listener_acme_challenges_total", listener="plain") for one in two.sites]
    assert answered[ran] == 0 and answered[1 - ran] >= 1
    assert two.redis.ask("exists", "tg:{*}:acme:lock:site") in (0, "0")


def test_what_one_is_told_all_answer_and_what_failed_all_leave_alone(tidegate, recording_backend, two):
    fails = script(two.folder, f"echo $TIDEGATE_ACME_CHALLENGES >> {two.folder}/ran; exit 3")
    two.file = two.key = two.folder / "none"
    backend = recording_backend()
    for one in two.sites:
        tidegate(two.text(one, backend, fails, keys='retry = "1h";'))
    for one in two.sites:
        one.wait(state="resting")
    assert len((two.folder / "ran").read_text().split()) == 1
    assert sorted(one.show()["failed"] for one in two.sites) == [0, 1]
    control.ask(two.sites[0].admin, f"set acme-challenge {TOKEN} {ANSWER}")
    path = f"/.well-known/acme-challenge/{TOKEN}"
    for one in two.sites:
        settings.wait_until(lambda one=one: exchange(one.plain, client.get(path)).body == ANSWER.encode(), "the answer")
    control.ask(two.sites[0].admin, f"del acme-challenge {TOKEN}")
    for one in two.sites:
        settings.wait_until(lambda one=one: exchange(one.plain, client.get(path)).body != ANSWER.encode(), "it to be gone")


def test_when_a_keeper_is_killed_while_it_runs_another_begins_anew(tidegate, recording_backend, two):
    """Not before what ran is gone, and once; all answer the tokens of whichever runs."""
    ran = two.folder / "ran"
    stays = script(two.folder, f"""for pid in $(cut -d' ' -f1 {ran}); do kill -0 $pid && echo $pid >> {two.folder}/both; done
        case $TIDEGATE_ACME_CHALLENGES in *-a) t=a{TOKEN};; *) t=b{TOKEN};; esac
        d=$TIDEGATE_ACME_CHALLENGES/.well-known/acme-challenge
        mkdir -p $d; echo $t.{"T" * 43} > $d/$t
        echo $$ $t >> {ran}; exec sleep 1000""")
    ran.touch()
    two.file = two.key = two.folder / "none"
    backend = recording_backend()
    tidegates = [tidegate(two.text(one, backend, stays, keys='retry = "1h";')) for one in two.sites]

    def runs(n):
        lines = settings.wait_until(lambda: ran.read_text().count("\n") >= n and ran.read_text().split("\n"), f"{n} runs")
        return [line.split() for line in lines if line]

    def answers(token):
        path = f"/.well-known/acme-challenge/{token}"
        return [exchange(one.plain, client.get(path)).body == f"{token}.{'T' * 43}".encode() for one in two.sites]
    (pid, token), = runs(1)
    settings.wait_until(lambda: answers(token) == [True, True], "the answer of both")
    first = token.startswith("b")
    os.kill(tidegates[first].role_pid("keeper"), signal.SIGKILL)
    wait_gone([int(pid)])
    (_, (_, token)) = runs(2)
    assert token.startswith("b") != first
    settings.wait_until(lambda: answers(token) == [True, True], "the answer of both, to the other run")
    assert two.sites[first].show()["state"] == "turn"
    assert len(runs(2)) == 2 and not (two.folder / "both").exists()


def test_without_redis_nobody_runs_it(tidegate, recording_backend, two, redis):
    """What runs is killed before another could begin; when redis is back one of them begins."""
    started = two.folder / "started"
    hangs = script(two.folder, f"echo $$ >> {started}; exec sleep 1000")
    two.file = two.key = two.folder / "none"
    one = two.sites[0]
    tidegate(two.text(one, recording_backend(), hangs, keys='retry = "1s";'))
    one.wait(state="running")
    settings.wait_until(started.exists, "the program")
    pid = int(started.read_text())
    redis.kill()
    settings.wait_until(lambda: not procfs.alive(pid), "the program to be gone")
    assert one.wait(failed=1)["error"] == "killed: others do not hear any more that it runs"
    assert one.wait(state="turn")["why"].startswith("others are not heard")
    redis.start()
    one.wait(state="running")


def test_an_upgrade_ends_a_run_and_begins_it_anew(tidegate, recording_backend, site, tmp_path):
    started = tmp_path / "started"
    hangs = script(tmp_path, stubborn(tmp_path, started))
    tg = tidegate(site.text(recording_backend(), [hangs], tmp_path / "no.pem", tmp_path / "no.key"))
    site.wait(state="running")
    programs = pids(started)
    tg.upgrade()
    wait_gone(programs)
    site.wait(state="running")
    programs = pids(started, 6)
    tg.stop()
    wait_gone(programs)
