"""What is behind a serial line, by where the user has it lead."""

from __future__ import annotations

from typing import assert_never

from vmdbg.host.addresses import TcpAddress, UnixPath
from vmdbg.host.serial_lines import (
    FileBackend,
    FilePath,
    NoSerial,
    NullBackend,
    Pty,
    SerialBackend,
    SerialChoice,
    Stdio,
    StdioBackend,
)


def make_backend(choice: SerialChoice, *, readable: bool, raw: bool = False) -> SerialBackend:
    """`readable`: stdin is there to be read; `raw`: the terminal will be raw. Raises UserError."""
    match choice:
        case Stdio():
            return StdioBackend(readable=readable, raw=raw)
        case NoSerial():
            return NullBackend()
        case FilePath(path):
            return FileBackend(path)
        case Pty() | UnixPath() | TcpAddress():
            return _for_clients(choice)
        case _:
            assert_never(choice)


def _for_clients(choice: Pty | UnixPath | TcpAddress) -> SerialBackend:
    from vmdbg.host.serial_clients import PtyBackend, SocketBackend  # for lines that others come to only

    return PtyBackend() if isinstance(choice, Pty) else SocketBackend(choice)
