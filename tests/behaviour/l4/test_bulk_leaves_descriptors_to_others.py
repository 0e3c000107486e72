"""Pipes of splice(2) are bounded and given back: bulk never takes a client's descriptors."""

import contextlib
import threading

import pytest

from harness import backends, client, conf, net, procfs, settings

pytestmark = pytest.mark.long

LIMIT = 400
STREAMS = 40
STUCK = 110
BULK = 8 * 1024 * 1024


def both(tidegate, tcp_backend, http_backend):
    """A tcp listener and, beside it, an http one."""
    text = conf.tcp(tcp_backend, workers=1)
    port = net.free_port()
    text.text = text.text.replace("listeners = (", f'''listeners = (
        {{ name = "web"; bind = "{net.ADDRESS}:{port}"; mode = "http"; service = "web"; }},''')
    text.text = text.text.replace("services = (", "services = ( " + conf.service_entry(
        "web", [http_backend]) + ",")
    return tidegate(text, files=LIMIT), f"{net.ADDRESS}:{port}"


def count_fds(tg):
    return sum(procfs.count_by_kind(tg.role_pid("proxy")).values())


def exchange_bulk(peer):
    """Echoes BULK bytes through it, reading while it writes."""
    writer = threading.Thread(target=peer.send, args=(b"x" * BULK,))
    writer.start()
    left = BULK
    while left > 0:
        left -= len(peer.sock.recv(1 << 18))
    writer.join(settings.TIMEOUT)


def test_what_rests_holds_no_pipe(tidegate, recording_backend):
    tg, _ = both(tidegate, recording_backend(backends.echo), recording_backend())
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(tg.client(keep=False)) for _ in range(STREAMS)]
        for peer in peers:
            exchange_bulk(peer)
        # Two sockets each, a few kept pipes, and what the process has itself.
        settings.wait_until(lambda: count_fds(tg) <= 2 * STREAMS + 64 + 40, "the pipes to be closed")


def test_others_are_served_beside_bulk(tidegate, recording_backend):
    """More streams than there could be pipes for, all of them stuck with bytes under way."""
    tg, web = both(tidegate, recording_backend(backends.echo), recording_backend())
    with contextlib.ExitStack() as stack:
        for _ in range(STUCK):
            peer = stack.enter_context(tg.client(keep=False))
            peer.sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    peer.sock.send(b"x" * (1 << 20))
        with client.RawClient(web) as other:
            for _ in range(10):
                assert other.exchange(client.get()).status == 200
        with tg.client() as another:
            assert another.send(b"hello").read(5) == b"hello"
    assert not tg.log.records(msg="cannot accept, pausing")
