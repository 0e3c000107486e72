"""What cannot be bound is named, and a second tidegate never shares a port in silence."""

import socket

from harness import client, conf, net


def failed_start(tg):
    """The reason a tidegate gave for not starting."""
    tg.expect_status = 1
    assert tg.wait() == 1
    return tg.log.wait(level="error", msg="cannot start")["error"]


def test_stranger_on_the_port(tidegate, demo_backend):
    bind = f"{net.ADDRESS}:{net.free_port()}"
    with socket.create_server(net.split(bind)):
        said = failed_start(tidegate(conf.http(demo_backend(), bind=bind), wait=False))
    assert said == f'listener "front": {bind}: cannot bind: Address already in use'


def test_second_tidegate_on_the_port(tidegate, demo_backend):
    text = conf.http(demo_backend())
    first = tidegate(text)
    said = failed_start(tidegate(text, wait=False))
    assert said == f'listener "front": {text.address}: cannot bind: Address already in use'
    assert first.exchange(client.get()).status == 200


def test_second_tidegate_after_the_first(tidegate, demo_backend):
    text = conf.http(demo_backend())
    first = tidegate(text)
    assert first.exchange(client.get()).status == 200
    first.stop()
    assert tidegate(text).exchange(client.get()).status == 200


def test_address_of_another_machine(tidegate, demo_backend):
    said = failed_start(tidegate(conf.http(demo_backend(), bind="192.0.2.1:8080"), wait=False))
    assert said == ('listener "front": 192.0.2.1:8080: cannot bind: '
                    'Cannot assign requested address')


def test_unix_socket_of_a_running_tidegate(tidegate, demo_backend, tmp_path):
    path = tmp_path / "front.sock"
    text = conf.tcp(demo_backend(), bind=f"unix:{path}")
    tidegate(text)
    said = failed_start(tidegate(text, wait=False))
    assert said == f'listener "front": unix:{path}: cannot bind: Address already in use'
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))


def test_stale_unix_socket_is_replaced_and_removed_at_the_end(tidegate, demo_backend, tmp_path):
    path = tmp_path / "front.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    tg = tidegate(conf.tcp(demo_backend(), bind=f"unix:{path}"))
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))
    tg.stop()
    assert not path.exists()


def test_other_file_in_the_place_of_a_socket_is_kept(tidegate, demo_backend, tmp_path):
    path = tmp_path / "precious"
    path.write_text("content")
    said = failed_start(tidegate(conf.tcp(demo_backend(), bind=f"unix:{path}"), wait=False))
    assert said == f'listener "front": unix:{path}: cannot bind: a file that is no socket is there'
    assert path.read_text() == "content"


def test_folder_of_the_admin_socket_is_missing(tidegate, demo_backend, tmp_path):
    path = tmp_path / "none" / "admin.sock"
    said = failed_start(tidegate(conf.http(
        demo_backend(), top=f'admin = {{ socket = "{path}"; }};'), wait=False))
    assert said == f"admin.socket: {path}: cannot bind: No such file or directory"


def test_failed_start_leaves_the_address_free(tidegate, demo_backend, tmp_path):
    text = conf.http(demo_backend(), top='log = { file = "/nonexistent/log"; };')
    said = failed_start(tidegate(text, wait=False))
    assert said == "log.file: /nonexistent/log: cannot open: No such file or directory"
    with socket.create_server(net.split(text.address)):
        pass
