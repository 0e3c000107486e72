"""TCP: whoever speaks first, the other hears it."""

from harness import conf, settings


def test_server_speaks_first(shared_tidegate, recording_backend):
    def script(conn):
        conn.send(b"220 ready\r\n")
        conn.send(b"you said " + conn.read(4))
    tg = shared_tidegate(conf.tcp(recording_backend(script)))
    peer = tg.client()
    assert peer.read_line() == b"220 ready\r\n"
    assert peer.send(b"QUIT").read_to_end() == b"you said QUIT"


def test_client_speaks_first(shared_tidegate, recording_backend):
    def script(conn):
        conn.send(conn.read(5)[::-1])
    tg = shared_tidegate(conf.tcp(recording_backend(script)))
    assert tg.client().send(b"hello").read_to_end() == b"olleh"


def test_in_turns(shared_tidegate, recording_backend):
    def script(conn):
        for number in range(500):
            conn.send(b"%d\n" % number)
            assert conn.take_through(b"\n", settings.deadline()) == b"%d\n" % (number * 2)
    tg = shared_tidegate(conf.tcp(recording_backend(script)))
    peer = tg.client()
    for number in range(500):
        assert peer.read_line() == b"%d\n" % number
        peer.send(b"%d\n" % (number * 2))
    assert peer.read_to_end() == b""


def test_banner_of_the_demo(shared_tidegate, demo_backend):
    tg = shared_tidegate(conf.tcp(demo_backend("teller", tcp=True)))
    peer = tg.client()
    assert peer.read_line() == b"teller ready\r\n"
    assert peer.send(b"echo").read(4) == b"echo"


def test_backend_that_closes_at_once(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.tcp(recording_backend(lambda conn: None)))
    assert tg.client().read_to_end() == b""
