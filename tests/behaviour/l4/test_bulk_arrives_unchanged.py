"""TCP: hundreds of MiB, both ways at once, bit for bit (the splice path)."""

import hashlib
import os
import threading

import pytest

from harness import backends, conf, settings

MIB = 1 << 20


def send_random(sock, mib, digest):
    """Sends pieces of odd sizes, so that no boundary falls on a buffer's."""
    block = os.urandom(MIB + 4099)
    left = mib * MIB
    sock.settimeout(settings.TIMEOUT * 5)
    while left:
        piece = block[:min(left, len(block))]
        digest.update(piece)
        sock.sendall(piece)
        left -= len(piece)


def read_digest(wire):
    digest, taken = hashlib.sha256(), 0
    until = settings.deadline(settings.TIMEOUT * 5)
    while True:
        piece = wire.take(MIB, until)
        digest.update(piece)
        taken += len(piece)
        if len(piece) < MIB:
            return digest.hexdigest(), taken


def test_echo_of_bulk(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.tcp(recording_backend(backends.echo)))
    peer = tg.client(keep=False)
    sent = hashlib.sha256()

    def send():
        send_random(peer.sock, 128, sent)
        peer.finish_sending()
    sender = threading.Thread(target=send)
    sender.start()
    got, taken = read_digest(peer)
    sender.join()
    assert taken == 128 * MIB and got == sent.hexdigest()


@pytest.mark.parametrize("connections", [8])
def test_many_at_once(shared_tidegate, recording_backend, connections):
    tg = shared_tidegate(conf.tcp(recording_backend(backends.echo)))
    results = []

    def one():
        peer = tg.client(keep=False)
        sent = hashlib.sha256()

        def send():
            send_random(peer.sock, 8, sent)
            peer.finish_sending()
        sender = threading.Thread(target=send)
        sender.start()
        got, taken = read_digest(peer)
        sender.join()
        results.append((taken, got == sent.hexdigest()))
    threads = [threading.Thread(target=one) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(settings.TIMEOUT * 5)
    assert results == [(8 * MIB, True)] * connections


def test_bytes_are_counted(shared_tidegate, recording_backend):
    tg = shared_tidegate(conf.tcp(recording_backend(backends.echo)))
    peer = tg.client(keep=False)
    sender = threading.Thread(target=lambda: (peer.send(b"x" * (4 * MIB)), peer.finish_sending()))
    sender.start()
    assert read_digest(peer)[1] == 4 * MIB
    sender.join()
    record = tg.access.wait(listener=tg.listener)
    assert record["bytes_in"] == record["bytes_out"] == str(4 * MIB)
    assert record["end"] == "done"
