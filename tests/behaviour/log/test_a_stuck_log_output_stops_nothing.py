"""Standard output is a pipe that nobody reads: requests go on, and the loss is told."""

import os
import pathlib
import subprocess

import pytest

from harness import client, conf, process, settings

pytestmark = pytest.mark.long



def test_requests_go_on_and_the_loss_is_told(recording_backend, tmp_path):
    text = conf.http(recording_backend(), top='log = { level = "info"; };', workers=1)
    path = pathlib.Path(tmp_path, "tidegate.conf")
    path.write_text(str(text))
    reading, writing = os.pipe()
    log = pathlib.Path(tmp_path, "log")
    with open(log, "wb") as err:
        tg = subprocess.Popen([settings.program("tidegate"), "-c", str(path)], stdout=writing,
                              stderr=err, stdin=subprocess.DEVNULL,
                              env={**process.SANITIZER_OPTIONS, **os.environ})
    os.close(writing)
    try:
        settings.wait_until(lambda: "msg=ready" in log.read_text(), "msg=ready")
        target = "/" + "x" * 4000
        with client.RawClient(text.address) as peer:
            for _ in range(1500):
                assert peer.exchange(client.get(target)).status == 200
        settings.wait_until(lambda: "records dropped" in log.read_text(), "the loss in the log")
        with client.RawClient(text.address) as peer:
            assert peer.exchange(client.get("/still")).status == 200
    finally:
        tg.terminate()
        assert tg.wait(settings.TIMEOUT) == 0
        os.close(reading)
