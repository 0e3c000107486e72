"""A backend that does badly with real requests gets none for a while, whatever its checks say."""

import json

import pytest

from harness import backends, client, conf, settings

OUTLIER = 'outlier = {{ consecutive = 3; base_ejection = "{base}"; {more} }};'


class Switch:
    """A backend that does well or badly as the test wants it."""

    def __init__(self, bad):
        self.bad = bad
        self.is_bad = False

    def __call__(self, conn):
        while (request := conn.read_request()) is not None:
            if self.is_bad and request.target != "/check":
                if not self.bad:
                    return
                conn.send(self.bad)
            else:
                conn.send(backends.OK)


def start(shared_tidegate, recording_backend, tmp_path, switches, base="60s", more="", service=""):
    made = [recording_backend(switch, name=f"b{i}") for i, switch in enumerate(switches)]
    tg = shared_tidegate(conf.http(*made, workers=2,
                                   service=OUTLIER.format(base=base, more=more) + service,
                                   top=f'admin = {{ socket = "{tmp_path}/admin.sock"; }};'))
    return tg, made


def served(tg, made, n=9):
    before = [sum(request.target == "/x" for request in backend.requests) for backend in made]
    statuses = [tg.exchange(client.get("/x")).status for _ in range(n)]
    after = [sum(request.target == "/x" for request in backend.requests) for backend in made]
    return {backend.name for backend, b, a in zip(made, before, after) if a > b}, statuses


BAD = {"closes": b"", "answers 500": backends.answer("500 Bad", b"no"),
       "answers junk": b"HTTP/1.1 2 OK\r\n\r\n"}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_failures_in_a_row(shared_tidegate, recording_backend, run_tidectl, tmp_path, bad):
    switches = [Switch(bad) for _ in range(3)]
    tg, made = start(shared_tidegate, recording_backend, tmp_path, switches)
    assert served(tg, made)[0] == {"b0", "b1", "b2"}
    switches[1].is_bad = True

    def ejected():
        served(tg, made, 3)
        return tg.log.records(msg="backend ejected")
    said = settings.wait_until(ejected, "the backend to be ejected")[0]
    assert (said["svc"], said["srv"], said["reason"]) == (tg.service, "b1", "consecutive")
    settings.wait_until(lambda: served(tg, made)[0] == {"b0", "b2"}, "both workers to follow")
    names, statuses = served(tg, made)
    assert names == {"b0", "b2"} and set(statuses) == {200}
    rows = {row["svname"]: row for row in json.loads(
        run_tidectl("-s", f"{tmp_path}/admin.sock", "show", "stat", "json").stdout)}
    assert (rows["b1"]["status"], rows["b1"]["hanafail"]) == ("NOLB", 1)
    assert rows["b0"]["hanafail"] == 0


def test_it_comes_back_and_goes_for_longer(shared_tidegate, recording_backend, tmp_path):
    switches = [Switch(b"") for _ in range(2)]
    tg, made = start(shared_tidegate, recording_backend, tmp_path, switches, base="300ms")
    switches[0].is_bad = True

    def times():
        served(tg, made, 3)
        return [int(record["ms"]) for record in tg.log.records(msg="backend ejected")]
    settings.wait_until(lambda: len(times()) >= 3, "three ejections")
    assert times()[:3] == [300, 600, 900]
    switches[0].is_bad = False
    settings.wait_until(lambda: served(tg, made)[0] == {"b0", "b1"}, "it to be back")
    assert len(tg.log.records(msg="backend is used again", srv="b0")) >= 3


def test_not_more_than_the_configured_share(shared_tidegate, recording_backend, tmp_path):
    switches = [Switch(backends.answer("500 Bad", b"no")) for _ in range(4)]
    tg, made = start(shared_tidegate, recording_backend, tmp_path, switches, more="max_ejected = 50;")
    for switch in switches:
        switch.is_bad = True

    def two():
        served(tg, made)
        return len(tg.log.records(msg="backend ejected")) == 2
    settings.wait_until(two, "two to be ejected")
    for _ in range(5):
        names, statuses = served(tg, made)
        assert set(statuses) == {500}
    assert len(tg.log.records(msg="backend ejected")) == 2


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_one_that_refuses_connections(shared_tidegate, recording_backend, mode):
    """Nobody notices: connects are repeated; and soon not even tried. Nothing has to be set for that."""
    made = [recording_backend(backends.serve, name=f"b{i}") for i in range(3)]
    tg = shared_tidegate(getattr(conf, mode)(
        *made, workers=1, service='balance = "least-conn"; outlier = { connect_ejection = "60s"; };'))
    made[2].close_listener()
    for _ in range(60):
        assert tg.exchange(client.get("/x")).status == 200
    said = tg.log.wait(msg="backend ejected")
    assert (said["srv"], said["reason"]) == ("b2", "connects")
    tg.access.wait(count=60, listener=tg.listener)
    tried = sum(record["failed"] != "-" for record in tg.access.records(listener=tg.listener))
    assert 3 <= tried <= 5


def test_slow_start_lets_it_have_little_at_first(tidegate, recording_backend, tmp_path):
    switches = [Switch(b"") for _ in range(2)]
    tg, made = start(tidegate, recording_backend, tmp_path, switches, base="300ms",
                     service='slow_start = "1h";')
    switches[0].is_bad = True
    settings.wait_until(lambda: served(tg, made) and tg.log.records(msg="backend ejected"),
                        "the ejection")
    switches[0].is_bad = False
    tg.log.wait(msg="backend is used again", srv="b0")
    settings.wait_until(lambda: "b0" in served(tg, made)[0], "its first request")
    before = [len(backend.requests) for backend in made]
    for _ in range(220):
        assert tg.exchange(client.get("/x")).status == 200
    got = [len(backend.requests) - b for backend, b in zip(made, before)]
    assert 10 <= got[0] <= 32  # a tenth of the other's 200


def test_a_reset_in_a_good_tcp_connection_is_no_failure(shared_tidegate, recording_backend):
    """Many protocols end so: only connects say something about a backend of tcp."""
    def resets(conn):
        conn.read(1)
        conn.reset()
    made = [recording_backend(resets, name=f"b{i}") for i in range(2)]
    tg = shared_tidegate(conf.tcp(*made, workers=1, service=OUTLIER.format(base="60s", more="")))
    for _ in range(20):
        with tg.client() as peer:
            peer.send(b"x")
            peer.read_to_end()
    tg.access.wait(count=20, end="back-abort")
    assert tg.log.records(msg="backend ejected") == []
    assert all(len(backend.connections) == 10 for backend in made)
