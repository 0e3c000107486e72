"""A session is resumed by any worker, behind a reload, an upgrade and a crash, and under its own policy only."""

import os
import signal

import pytest

from harness import client, conf, net, settings, tls
from harness.redis import Redis


class Dialer:
    """Asks with the session of the last answer of this listener."""

    def __init__(self, tg, authority, version):
        self.tg = tg
        self.context = authority.context(version)

    def session(self, name="site.example.org", address=None, session=None):
        """Whether `session` was resumed; and that of this connection."""
        with tls.TlsClient(address or self.tg.address, self.context, name, session) as peer:
            assert peer.exchange(client.get("/x")).status == 200
            return peer.tls.session_reused, peer.tls.session


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_by_all_workers_and_processes(tidegate, recording_backend, authority, version):
    tg = tidegate(conf.http(recording_backend(), listener=tls.listener(authority.issue("site.example.org"))))
    dialer = Dialer(tg, authority, version)
    was, session = dialer.session()
    assert not was
    assert all(dialer.session(session=session)[0] for _ in range(8)), "by each worker"
    tg.reload()
    assert dialer.session(session=session)[0]
    old = tg.upgrade()
    old.wait()
    assert dialer.session(session=session)[0]
    os.kill(tg.role_pid("proxy"), signal.SIGKILL)
    tg.log.wait(msg="child ready", child="proxy", count=3)
    assert dialer.session(session=session)[0]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_not_with_another_policy(tidegate, recording_backend, authority, version):
    other = f"{net.ADDRESS}:{net.free_port()}"
    one, two = authority.issue("site.example.org"), authority.issue("other.example.org")
    text = conf.http(recording_backend(), listener=tls.listener(one, two))
    text.text = text.text.replace("listeners = (", f"""listeners = (
        {{ name = "second"; bind = "{other}"; service = "site"; {tls.listener(one, two)} }},""")
    tg = tidegate(text)
    dialer = Dialer(tg, authority, version)
    _, session = dialer.session()
    assert dialer.session(session=session)[0]
    for where in [{"address": other}, {"name": "other.example.org"}]:
        _, session = dialer.session()
        assert not dialer.session(session=session, **where)[0]


def test_no_tickets_where_they_are_switched_off(tidegate, recording_backend, authority):
    tg = tidegate(conf.http(recording_backend(), listener=tls.listener(
        authority.issue("site.example.org"), extra='session_lifetime = "0";')))
    for version in ["1.2", "1.3"]:
        _, session = Dialer(tg, authority, version).session()
        assert session is None or not session.has_ticket


RULES = "~tg:* +evalsha +script|load +get +set +pexpire +time +ping +select +hset +hget +hgetall +incr +zadd +zrange +zrem " \
        "+zremrangebyscore +hlen +del +info +xadd"


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path, users={"tidegate": ("p", RULES)})
    yield server
    server.kill()


def test_by_all_instances_of_a_store(tidegate, recording_backend, authority, redis):
    """Two with the same secret agree on keys; redis cannot read them, and whoever has another secret is left alone."""
    backend, one = recording_backend(), authority.issue("site.example.org")

    def start(name, secret):
        return tidegate(conf.http(backend, listener=tls.listener(one), top=f"""store = {{ type = "redis"; instance = "{name}";
            session_secret = "{secret}"; timeout = "2s"; url = "{redis.url('tidegate')}"; }};"""))

    same = "of all who share, thirty-two bytes and more"
    first, second = start("a", same), start("b", same)
    hidden = start("c", "of one who does not, thirty-two bytes and more")
    for tg in (first, second, hidden):
        tg.log.wait(msg="keys of TLS sessions are shared")
    assert sorted(tg.log.records(msg="keys of TLS sessions are shared")[0]["taken_over"] for tg in (first, second)) == ["no", "yes"]
    for version in ["1.2", "1.3"]:
        dialer = Dialer(first, authority, version)

        def resumes_at_second():
            _, session = dialer.session()
            return dialer.session(address=second.address, session=session)[0]
        # The proxy is told a moment after the log.
        settings.wait_until(resumes_at_second, "a session of the other instance")
        _, session = dialer.session()
        assert not dialer.session(address=hidden.address, session=session)[0]
    # A tidegate that is started again comes to the same keys, and redis may go.
    redis.stop()
    _, session = dialer.session()
    assert dialer.session(address=second.address, session=session)[0]
