"""As many backends as the load needs, started, drained and stopped by tidegate itself."""

import os
import signal
import threading

from harness import client, load, settings

SLOW = client.get("/slow?ms=100")


def failed(*loads):
    return [wrong for one in loads for wrong in one.failures()]


def test_load_starts_backends_and_rest_stops_them(scaled):
    tg = scaled('metric = "in-flight"; target = 2; min = 1; max = 4;')
    tg.site.wait(ready=1)
    with load.KeptLoad(tg.address, clients=8, request=SLOW) as busy:
        tg.site.wait(ready=4)
        assert not failed(busy)
    tg.site.wait(ready=1, draining=0)
    assert not failed(busy)
    assert len(tg.site.processes()) == 1


def ups(tg):
    return [(int(line["from"]), int(line["to"])) for line in tg.log.records(msg="scaling")
            if int(line["to"]) > int(line["from"])]


def test_five_times_the_load_is_answered_in_one_decision(scaled):
    """In one instant, right behind a tick: the next one sees all of it. The fast window is many ticks long."""
    tg = scaled('metric = "in-flight"; target = 2; min = 2; max = 10; '
                'panic_window = "1s"; down_stabilization = "0";')
    tg.site.wait(ready=2, desired=2)
    base = [tg.client().send(client.get("/slow?ms=60000")) for _ in range(2)]
    for turn in range(1, 4):
        crowd = [tg.client() for _ in range(8)]
        # One backend would do just so: min has a say at each tick.
        said = tg.site.show()["by_guard"]["min"]
        settings.wait_until(lambda: tg.site.show()["by_guard"]["min"] > said, "a tick")
        for peer in crowd:
            peer.send(client.get("/slow?ms=1500"))
        tg.site.wait(ready=5, pending=0)
        for peer in crowd:
            assert peer.read_answer().status == 200
        assert ups(tg) == [(2, 5)] * turn
        tg.site.wait(ready=2, draining=0)
    for peer in base:
        peer.close()


def test_nothing_is_stopped_with_work_in_flight(scaled):
    tg = scaled('metric = "in-flight"; target = 1; min = 1; max = 2;')
    tg.site.wait(ready=1)
    slow = client.get("/slow?ms=3000")
    peers = [tg.client().send(slow) for _ in range(2)]
    tg.site.wait(ready=2)
    third = tg.client().send(slow)  # keeps one of them busy while the others end
    for peer in peers:
        assert peer.read_answer().status == 200
    assert third.read_answer().status == 200
    tg.site.wait(ready=1, draining=0)
    assert not tg.log.records(msg="backend cut")


def test_from_zero_with_500_first_requests(scaled):
    tg = scaled('metric = "in-flight"; target = 600; min = 0; max = 3;')
    tg.site.wait(desired=0, ready=0)
    answers = []

    def ask():
        answers.append(tg.exchange(client.get()).status)
    threads = [threading.Thread(target=ask) for _ in range(500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 500
    assert len(tg.log.records(msg="backend starting")) == 1
    assert len(tg.log.records(msg="service wanted")) == 1
    tg.site.wait(desired=0, ready=0, draining=0)
    assert not tg.site.processes()


def test_tcp_from_zero(scaled):
    tg = scaled('metric = "in-flight"; target = 4; min = 0; max = 2;', mode="tcp")
    tg.site.wait(desired=0, ready=0)
    with tg.client() as peer:
        assert peer.read_line()
        peer.send(b"echo this\n")
        assert peer.read_line() == b"echo this\n"
    tg.site.wait(desired=0, ready=0, draining=0)


def test_one_that_is_killed_is_replaced(scaled):
    tg = scaled('metric = "in-flight"; target = 100; min = 2; max = 4;',
                service='retry = { attempts = 2; };')
    tg.site.wait(ready=2)
    with load.Load(tg.address) as busy:
        settings.wait_until(lambda: busy.served_since(0) > 20, "load")
        victim = tg.site.processes()[0]
        os.kill(victim, signal.SIGKILL)
        settings.wait_until(lambda: victim not in tg.site.processes(), "its end")
        tg.site.wait(ready=2, pending=0)
    assert not failed(busy)


# Takes no connections any more when it is told to end, and ends a second later.
SLOW_TO_END = "end() { trap - TERM; sleep 1; }; trap end TERM; $0 -l 127.0.0.1:$1 -n $2 & wait; wait"


def test_all_of_them_end_with_tidegate(scaled):
    command = ["/bin/sh", "-c", SLOW_TO_END, settings.program("tidegate-demo"), "{port}", "{name}"]
    tg = scaled('metric = "in-flight"; target = 4; min = 3; max = 4;', command=command)
    tg.site.wait(ready=3)
    assert len(tg.site.processes()) >= 3
    tg.stop()
    assert not tg.site.processes()
    assert not tg.log.records(msg="backend down"), "that it was stopped is no failure"
