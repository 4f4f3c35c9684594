"""Sockets that wait for somebody to come."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from vmdbg.host.addresses import TcpAddress, UnixPath
from vmdbg.host.listeners import listen, stop_listening


def test_a_file_is_the_users_alone_and_goes_with_its_listener(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    listener = listen(UnixPath(str(path)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        listener.accept()[0].close()
    with pytest.raises(BlockingIOError):
        listener.accept()
    stop_listening(listener, UnixPath(str(path)))
    assert not path.exists()


def test_what_somebody_left_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    left, file = tmp_path / "left", tmp_path / "file"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(left))
    listener = listen(UnixPath(str(left)))
    with pytest.raises(OSError, match="in use"):
        listen(UnixPath(str(left)))
    stop_listening(listener, UnixPath(str(left)))
    file.write_text("kept")
    with pytest.raises(OSError, match="a file that is no socket"):
        listen(UnixPath(str(file)))
    with pytest.raises(OSError, match="there is a directory"):
        listen(UnixPath(str(tmp_path)))
    assert file.read_text() == "kept"


def test_a_port_in_use_is_said_in_few_words() -> None:
    in_use = pytest.raises(OSError, match=r"\] Address already in use$")
    with socket.create_server(("127.0.0.1", 0)) as taken, in_use:
        listen(TcpAddress("127.0.0.1", taken.getsockname()[1]))
