"""gRPC through tidegate: client and server of the library on both sides (python3-grpcio)."""

import threading
from concurrent import futures

import grpc
import pytest

from harness import conf, h2 as harness_h2, h2_backend, net, settings

METHODS = {
    "/t.T/Echo": ("unary_unary", lambda request, context: echo(request, context)),
    "/t.T/Fail": ("unary_unary", lambda request, context: context.abort(grpc.StatusCode.DATA_LOSS, "50% gone")),
    "/t.T/Down": ("unary_stream", lambda request, context: (b"x" * 1000 for _ in range(int(request)))),
    "/t.T/Up": ("stream_unary", lambda requests, context: b"%d" % sum(len(one) for one in requests)),
    "/t.T/Both": ("stream_stream", lambda requests, context: requests),
}


def echo(request, context):
    context.send_initial_metadata((("x-begin", "1"),))
    context.set_trailing_metadata((("x-end", "2"),))
    return request


class Server(grpc.GenericRpcHandler):
    """.address; .cancelled is set when a client of /t.T/Slow is gone."""

    def __init__(self):
        self.cancelled = threading.Event()
        self.left = None
        self.server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        self.server.add_generic_rpc_handlers((self,))
        self.address = f"{net.ADDRESS}:{net.free_port()}"
        assert self.server.add_insecure_port(self.address)
        self.server.start()

    def service(self, details):
        if details.method == "/t.T/Slow":
            return grpc.unary_unary_rpc_method_handler(self.wait)
        if details.method not in METHODS:
            return None
        kind, method = METHODS[details.method]
        return getattr(grpc, f"{kind}_rpc_method_handler")(method)

    def wait(self, _, context):
        self.left = context.time_remaining()
        context.add_callback(self.cancelled.set)
        self.cancelled.wait(settings.TIMEOUT)
        return b""

    def stop(self):
        self.server.stop(0).wait()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def channel(shared_tidegate, server):
    """To tidegate in front of the server; .tg is it."""
    tg = shared_tidegate(conf.http(server.address, service='protocol = "h2";', listener=harness_h2.LISTENER +
                                   ' limits = { body = "0"; };'))
    with grpc.insecure_channel(tg.address, options=[("grpc.enable_http_proxy", 0)]) as made:
        made.tg = tg
        yield made


def test_one_message_each_way_with_all_metadata(channel):
    answer, call = channel.unary_unary("/t.T/Echo").with_call(b"hello", metadata=(("x-mine", "1"),),
                                                             timeout=settings.TIMEOUT)
    assert (answer, call.code()) == (b"hello", grpc.StatusCode.OK)
    assert ("x-begin", "1") in [tuple(one) for one in call.initial_metadata()]
    assert ("x-end", "2") in [tuple(one) for one in call.trailing_metadata()]
    assert channel.tg.access.wait(path="/t.T/Echo")["status"] == "200"


@pytest.mark.parametrize("method, code, details", [
    ("Fail", grpc.StatusCode.DATA_LOSS, "50% gone"),
    ("None", grpc.StatusCode.UNIMPLEMENTED, "Method not found!"),
])
def test_errors_of_the_server_are_its_own(channel, method, code, details):
    with pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(f"/t.T/{method}")(b"", timeout=settings.TIMEOUT)
    assert (raised.value.code(), raised.value.details()) == (code, details)


def test_streams_of_messages(channel):
    limit = settings.TIMEOUT * 3
    assert sum(len(one) for one in channel.unary_stream("/t.T/Down")(b"2000", timeout=limit)) == 2_000_000
    assert channel.stream_unary("/t.T/Up")(iter([b"y" * 10000] * 200), timeout=limit) == b"2000000"
    # Each is answered before the next is said.
    said = threading.Semaphore(1)

    def requests():
        for i in range(50):
            assert said.acquire(timeout=settings.TIMEOUT)
            yield b"%d" % i
    for i, answer in enumerate(channel.stream_stream("/t.T/Both")(requests(), timeout=limit)):
        assert answer == b"%d" % i
        said.release()


@pytest.mark.parametrize("method", ["Both", "Up"])
def test_a_stream_of_few_messages_lasts(shared_tidegate, server, method):
    """Longer than request_body has for so few bytes: they are sent when there is something to say."""
    tg = shared_tidegate(conf.http(server.address, service='protocol = "h2";', listener=harness_h2.LISTENER +
                                   ' timeouts = { request_body = "200ms"; };'))

    def requests():
        for i in range(4):
            yield b"%d" % i
            pause.wait(0.15)
    pause = threading.Event()
    with grpc.insecure_channel(tg.address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        if method == "Both":
            answers = channel.stream_stream("/t.T/Both")(requests(), timeout=settings.TIMEOUT)
            assert list(answers) == [b"0", b"1", b"2", b"3"]
        else:
            assert channel.stream_unary("/t.T/Up")(requests(), timeout=settings.TIMEOUT) == b"4"


def test_the_deadline_reaches_the_server_and_ends_it(channel, server):
    with pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/t.T/Slow")(b"", timeout=0.5)
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert server.cancelled.wait(settings.TIMEOUT)
    assert 0 < server.left <= 0.5
    # Of three who know it, whoever is first; the server says so in an answer.
    assert channel.tg.access.wait(path="/t.T/Slow")["end"] in ("deadline", "client-abort", "done")


def test_a_server_that_is_gone_is_unavailable(channel, server):
    assert channel.unary_unary("/t.T/Echo")(b"x", timeout=settings.TIMEOUT) == b"x"
    server.stop()
    with pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/t.T/Echo")(b"x", timeout=settings.TIMEOUT)
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    assert channel.tg.access.wait(status="503")["end"] == "connect-failed"


def timeout_of(exchange):
    """Seconds."""
    value = exchange.get("grpc-timeout")
    return int(value[:-1]) * {"H": 3600, "M": 60, "S": 1, "m": 1e-3, "u": 1e-6, "n": 1e-9}[value[-1]]


def test_what_remains_of_a_deadline_is_passed_on(shared_tidegate):
    """Behind a queue, and again behind a failed try; what is no timeout is left as it is."""
    def handle(exchange):
        if exchange.path == "/retry" and len(backend.exchanges) % 2:
            settings.let_rest(0.05)
            exchange.answer(503)
        elif exchange.path != "/first":
            exchange.answer(fields=[("content-type", "application/grpc"), ("grpc-status", "0")])
    with h2_backend.starting() as start:
        backend = start(handle)
        tg = shared_tidegate(conf.http(backend.address, listener=harness_h2.LISTENER, workers=1, service="""
            protocol = "h2"; max_connections_per_backend = 1; queue = 10;
            retry = { attempts = 2; on = ("503"); budget = 1.0; };"""))

        def call(path, timeout, method="POST"):
            return peer.request(path, method=method, extra=[("content-type", "application/grpc"), ("te", "trailers"),
                                                            ("grpc-timeout", timeout)])
        with harness_h2.H2Client(tg.address) as peer:
            first, second = call("/first", "99999999H"), call("/second", "20S")
            backend.wait_exchanges(1)
            peer.wait_ping()
            settings.let_rest(0.05)
            backend.exchanges[0].answer()
            peer.answer(first)
            peer.answer(second)
            assert backend.exchanges[0].get("grpc-timeout") == "99999998H"
            assert 0 < timeout_of(backend.exchanges[1]) <= 19.95
            backend.exchanges.clear()
            assert peer.answer(call("/retry", "30S", "PUT")).status == 200
            before, behind = [timeout_of(made) for made in backend.exchanges]
            assert behind <= before - 0.05 < 30
            peer.answer(call("/odd", "soon"))
            assert backend.exchanges[-1].get("grpc-timeout") == "soon"


@pytest.mark.parametrize("begun", [False, True])
def test_at_the_end_of_its_deadline_a_call_is_over_on_both_sides(shared_tidegate, begun):
    def handle(exchange):
        if begun:
            exchange.head(fields=[("content-type", "application/grpc")])
            exchange.data(b"\0\0\0\0\1x")
    with h2_backend.starting() as start:
        backend = start(handle)
        tg = shared_tidegate(conf.http(backend.address, listener=harness_h2.LISTENER, service='protocol = "h2";'))
        with harness_h2.H2Client(tg.address) as peer:
            answer = peer.exchange("/slow", method="POST", body=b"\0\0\0\0\0", extra=[
                ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "200m")])
            assert answer.is_whole and answer.reset is None
            assert dict(answer.trailers if begun else answer.fields)["grpc-status"] == "4"
            assert answer.body == (b"\0\0\0\0\1x" if begun else b"")
            settings.wait_until(lambda: backend.exchanges[0].reset is not None, "a reset")
            assert backend.exchanges[0].reset == harness_h2.CANCEL
            assert tg.access.wait(path="/slow")["end"] == "deadline"


def grpc_call(peer, path):
    return peer.exchange(path, method="POST", body=b"\0\0\0\0\0", extra=[
        ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "200m")])


@pytest.mark.parametrize("framing, is_told", [(b"Transfer-Encoding: chunked\r\n\r\n9\r\n", True), (b"\r\n", True),
                                              (b"Content-Length: 9\r\n\r\n", False)], ids=["chunk", "close", "length"])
def test_frames_have_an_end_inside_a_chunk_too(shared_tidegate, recording_backend, framing, is_told):
    """But not behind a length that was said (RFC 9113 8.1.1)."""
    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\n", framing, b"half")
        conn.read_to_end()
    tg = shared_tidegate(conf.http(recording_backend(script), listener=harness_h2.LISTENER))
    with harness_h2.H2Client(tg.address) as peer:
        answer = grpc_call(peer, "/half")
        assert answer.body == b"half" and (answer.reset is None) == is_told
        if is_told:
            assert dict(answer.trailers)["grpc-status"] == "4"
        assert tg.access.wait(path="/half")["end"] == "deadline"


def test_who_reads_slowly_is_told_behind_what_was_taken(shared_tidegate):
    def handle(exchange):
        exchange.head(fields=[("content-type", "application/grpc")])
        exchange.data(b"x" * 200000)
    with h2_backend.starting() as start:
        backend = start(handle)
        tg = shared_tidegate(conf.http(backend.address, listener=harness_h2.LISTENER, service='protocol = "h2";'))
        with harness_h2.H2Client(tg.address, takes=False) as peer:
            stream = peer.request("/slow-reader", method="POST", end=True, extra=[
                ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "200m")])
            assert tg.access.wait(path="/slow-reader")["end"] == "deadline"
            peer.take_from(0, 10**6)
            peer.take_from(stream, 10**6)
            answer = peer.answer(stream)
            assert answer.reset is None and dict(answer.trailers)["grpc-status"] == "4"
            assert set(answer.body) == set(b"x")
