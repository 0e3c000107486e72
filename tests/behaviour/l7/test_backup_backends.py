"""Backup backends serve when no other may, and stop when one may again."""

import threading

from harness import backends, client, conf, net, settings

HEALTH = 'health = { type = "tcp"; interval = "30ms"; rise = 1; fall = 1; };'


def entry(address, **keys):
    extra = " ".join(f"{key} = {value};" for key, value in keys.items())
    return f'{{ address = "{address}"; {extra} }}'


def test_backup_gets_nothing_while_another_serves(shared_tidegate, recording_backend):
    main, backup = recording_backend(), recording_backend()
    tg = shared_tidegate(conf.http(entry(main.address), entry(backup.address, backup="true")))
    for _ in range(20):
        assert tg.exchange(client.get()).status == 200
    assert len(main.requests) == 20 and backup.requests == []


def test_backup_takes_over_and_gives_back(shared_tidegate, recording_backend):
    port = net.free_port()
    main = recording_backend(name="main", port=port)
    backup = recording_backend()
    tg = shared_tidegate(conf.http(entry(main.address), entry(backup.address, backup="true"),
                                   service=HEALTH))
    settings.wait_until(lambda: tg.exchange(client.get("/a")).status == 200
                        and main.requests, "main to serve")
    main.stop()
    settings.wait_until(lambda: tg.exchange(client.get("/b")).status == 200, "backup to serve")
    assert backup.requests
    again = recording_backend(name="main again", port=port)
    settings.wait_until(lambda: tg.exchange(client.get("/c")).status == 200 and again.requests,
                        "main to serve again")
    backup.forget()
    for _ in range(10):
        assert tg.exchange(client.get("/d")).status == 200
    assert backup.requests == []


def test_backups_share_by_weight(shared_tidegate, recording_backend):
    one, two = recording_backend(), recording_backend()
    tg = shared_tidegate(conf.http(entry(f"{net.ADDRESS}:1", weight=0),
                                   entry(one.address, backup="true", weight=3),
                                   entry(two.address, backup="true", weight=1), workers=1))
    for _ in range(40):
        assert tg.exchange(client.get()).status == 200
    assert [len(one.requests), len(two.requests)] == [30, 10]


def test_backup_serves_where_all_others_are_ejected(shared_tidegate, recording_backend):
    """They accept, and close: a check that connects finds them well."""
    bad, backup = recording_backend(lambda conn: conn.read_head()), recording_backend()
    tg = shared_tidegate(conf.http(entry(bad.address), entry(backup.address, backup="true"), workers=1, service=HEALTH + """
        retry = { attempts = 0; }; outlier = { consecutive = 3; max_ejected = 100; base_ejection = "60s"; };"""))
    settings.wait_until(lambda: tg.exchange(client.get("/a")).status == 200, "the backup to serve")
    tg.log.wait(msg="backend ejected", srv=bad.address)
    for _ in range(5):
        assert tg.exchange(client.get("/b")).status == 200


def test_tcp_uses_backups_too(shared_tidegate, recording_backend):
    backup = recording_backend(backends.echo)
    tg = shared_tidegate(conf.tcp(entry(f"{net.ADDRESS}:1", weight=0),
                                  entry(backup.address, backup="true")))
    assert tg.client().send(b"hello").read(5) == b"hello"


def test_tiers_take_over_one_after_the_other(shared_tidegate, recording_backend):
    first, second, third = (recording_backend(name=name) for name in ("first", "second", "third"))
    tg = shared_tidegate(conf.http(entry(third.address, tier=2), entry(second.address, backup="true"),
                                   entry(first.address), workers=1, service=HEALTH))
    for backend in (first, second, third):
        settings.wait_until(lambda: tg.exchange(client.get("/a")).status == 200
                            and backend.requests, f"{backend.name} to serve")
        before = len(backend.requests)
        for _ in range(6):
            assert tg.exchange(client.get("/b")).status == 200
        assert len(backend.requests) == before + 6
        backend.stop()


def down_unseen(recording_backend, name):
    """One that is gone, of which no check tells."""
    backend = recording_backend(name=name)
    backend.stop()
    return backend


def test_a_request_all_primaries_failed_goes_to_a_backup(shared_tidegate, recording_backend):
    one, two = down_unseen(recording_backend, "one"), down_unseen(recording_backend, "two")
    second, backup = recording_backend(name="second tier"), recording_backend(name="backup")
    tg = shared_tidegate(conf.http(entry(one.address), entry(two.address), entry(second.address, tier=2),
                                   entry(backup.address, backup="true"), workers=1))
    for i in range(5):
        assert tg.exchange(client.post(b"abc", f"/to-backup{i}")).status == 200
    assert len(backup.requests) == 5 and second.requests == []
    line = tg.access.wait(path="/to-backup0")
    assert (line["backend"], line["choice"], line["retries"]) == (backup.address, "backup", "2")
    assert sorted(line["failed"].split(",")) == sorted(f"{b.address}:connect-failed" for b in (one, two))
    backup.stop()
    assert tg.exchange(client.get("/to-second")).status == 200
    assert len(second.requests) == 1
    line = tg.access.wait(path="/to-second")
    assert (line["backend"], line["choice"]) == (second.address, "backup")


def test_a_request_that_waits_for_primaries_goes_to_no_backup(shared_tidegate, recording_backend):
    """They are full, which is no failure."""
    main, backup = recording_backend(lambda conn: conn.read_to_end()), recording_backend()
    tg = shared_tidegate(conf.http(entry(main.address), entry(backup.address, backup="true"), workers=1,
                                   service='max_connections_per_backend = 1; timeouts = { queue = "50ms"; };'))
    held = tg.client().send(client.get("/held"))
    main.wait_connections(1)
    assert tg.exchange(client.get("/waits")).status == 503
    assert tg.access.wait(path="/waits")["end"] == "queue-timeout"
    assert backup.requests == []
    held.close()


def test_a_request_all_primaries_failed_waits_for_a_full_backup(shared_tidegate, recording_backend):
    """And asks none of them again meanwhile."""
    go = threading.Event()

    def script(conn):
        conn.read_request()
        assert go.wait(settings.TIMEOUT)
        conn.send(backends.OK)
    bad, backup = recording_backend(lambda conn: conn.read_head()), recording_backend(script, backends.serve)
    tg = shared_tidegate(conf.http(entry(bad.address), entry(backup.address, backup="true"), workers=1,
                                   service='max_connections_per_backend = 1; retry = { attempts = 7; backoff = "1ms"; };'))
    held = tg.client().send(client.get("/held"))
    backup.wait_connections(1)
    waits = tg.client().send(client.get("/waits"))
    settings.wait_until(lambda: len(bad.connections) == 2, "its first try")
    settings.let_rest(0.1)
    go.set()
    for peer in (held, waits):
        assert peer.read_answer().status == 200
    line = tg.access.wait(path="/waits")
    assert (line["backend"], line["choice"], line["failed"]) == (backup.address, "queue", f"{bad.address}:empty-answer")
    assert len(bad.connections) == 2


def test_tcp_goes_on_to_a_backup(shared_tidegate, recording_backend):
    gone, backup = down_unseen(recording_backend, "gone"), recording_backend(backends.echo)
    tg = shared_tidegate(conf.tcp(entry(gone.address), entry(backup.address, backup="true"), workers=1))
    assert tg.client().send(b"hello").read(5) == b"hello"
    settings.wait_until(lambda: backup.connections, "the backup")
