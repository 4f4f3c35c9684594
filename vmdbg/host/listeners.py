"""Sockets that wait for somebody to come: for a serial line, or for the other end of a network's."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat

from vmdbg.host.addresses import TcpAddress, UnixPath


def listen(address: TcpAddress | UnixPath) -> socket.socket:
    """One that never blocks; a file of it is this user's alone. Raises OSError, whose `strerror` is for people."""
    try:
        listener = _listen_unix(address.path) if isinstance(address, UnixPath) else _listen_tcp(address)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while ")[0]  # what socket.create_server() adds
        raise OSError(error.errno, reason) from None
    listener.setblocking(False)
    return listener


def stop_listening(listener: socket.socket, address: TcpAddress | UnixPath) -> None:
    listener.close()
    if isinstance(address, UnixPath):
        with contextlib.suppress(OSError):
            os.unlink(address.path)


def _listen_tcp(address: TcpAddress) -> socket.socket:
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(found[4][:2], family=found[0], backlog=1)


def _listen_unix(path: str) -> socket.socket:
    """A socket left behind by somebody who is gone is replaced, any other file is not."""
    with contextlib.suppress(FileNotFoundError):
        mode = os.stat(path).st_mode
        if not stat.S_ISSOCK(mode):
            what = "a directory" if stat.S_ISDIR(mode) else "a file that is no socket"
            raise OSError(errno.EEXIST, f"there is {what}")
        if not _answers(path):
            os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(mask)
    return listener


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0
