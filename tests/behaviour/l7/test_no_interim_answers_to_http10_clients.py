"""HTTP/1.0 knows no 1xx (RFC 9110 15.2): such a client gets the final answer alone."""

import threading

import pytest

from harness import backends, client, conf, settings

INTERIM = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n",
    "several": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3 + b"HTTP/1.1 100 Continue\r\n\r\n",
}


@pytest.mark.parametrize("interim", INTERIM.values(), ids=INTERIM.keys())
def test_1_0_client_gets_the_final_answer_alone(shared_tidegate, recording_backend, interim):
    tg = shared_tidegate(conf.http(recording_backend(backends.answers(interim + backends.OK))))
    peer = tg.client().send(client.get(version="1.0"))
    raw = peer.read_to_end()
    assert raw.startswith(b"HTTP/1.") and b" 200 " in raw.split(b"\r\n")[0]
    assert raw.count(b"HTTP/1.") == 1
    assert raw.endswith(b"\r\n\r\nok")


@pytest.mark.parametrize("interim", INTERIM.values(), ids=INTERIM.keys())
def test_1_1_client_gets_them_in_order(shared_tidegate, recording_backend, interim):
    tg = shared_tidegate(conf.http(recording_backend(backends.answers(interim + backends.OK))))
    answer = tg.exchange(client.get())
    assert answer.status == 200 and answer.body == b"ok"
    sent = [int(line.split()[1]) for line in interim.split(b"\r\n") if line.startswith(b"HTTP/")]
    assert [one.status for one in answer.interim] == sent


def test_expect_of_a_1_0_client_is_ignored(shared_tidegate, recording_backend):
    backend = recording_backend()
    tg = shared_tidegate(conf.http(backend))
    peer = tg.client().send(b"POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n"
                            b"Content-Length: 2\r\n\r\nab")
    assert b" 200 " in peer.read_line()
    assert backend.requests[0].body == b"ab"


def test_interim_answer_arrives_before_the_final_one_is_there(shared_tidegate, recording_backend):
    seen = threading.Event()

    def script(conn):
        conn.read_request()
        conn.send(INTERIM["103"])
        assert seen.wait(settings.TIMEOUT)
        conn.send(backends.OK)
    tg = shared_tidegate(conf.http(recording_backend(script)))
    peer = tg.client().send(client.get())
    head = peer.read_head()
    assert head.startswith(b"HTTP/1.1 103 ") and b"Link: </a.css>" in head
    seen.set()
    assert peer.read_answer().status == 200
