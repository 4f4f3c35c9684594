"""Where COM1 and a virtio console lead: --serial's choices, and those that need no client to come."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from vmdbg.errors import ReaderGoneError, UserError
from vmdbg.host.addresses import TcpAddress, UnixPath, tcp_address, unix_path
from vmdbg.host.poller import READ, Poller
from vmdbg.host.terminal import is_terminal

CHUNK = 1 << 16
LONGEST_TYPED_FILE = 16 << 20
_CR, _LF = 0x0D, 0x0A
Receive = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Stdio:
    """This terminal, or whatever stdin and stdout are."""


@dataclass(frozen=True, slots=True)
class NoSerial:
    """Nowhere: output is dropped."""


@dataclass(frozen=True, slots=True)
class Pty:
    """A new pseudoterminal."""


@dataclass(frozen=True, slots=True)
class FilePath:
    """Output only."""

    path: str


SerialChoice = Stdio | NoSerial | Pty | FilePath | UnixPath | TcpAddress


def serial_choice(text: str) -> SerialChoice:
    """stdio, none, pty, file:PATH, unix:PATH or tcp:HOST:PORT. Raises UserError."""
    kind, _, rest = text.partition(":")
    simple: dict[str, SerialChoice] = {"stdio": Stdio(), "none": NoSerial(), "pty": Pty()}
    if text in simple:
        return simple[text]
    if kind == "file" and rest:
        return FilePath(rest)
    if kind == "unix":
        return unix_path(text)
    if kind == "tcp":
        return tcp_address(rest)
    raise UserError(f"--serial {text!r} is unknown: give stdio, none, pty, file:PATH, unix:PATH or tcp:HOST:PORT")


def virtio_console_choice(text: str) -> SerialChoice:
    """As serial_choice(). Raises UserError."""
    try:
        return serial_choice(text)
    except UserError as error:
        raise UserError(str(error).replace("--serial", "--virtio-console")) from None


def debug_console_choice(text: str) -> Stdio | NoSerial | FilePath:
    """stdio, none or file:PATH. Raises UserError."""
    found = serial_choice(text)
    if not isinstance(found, Stdio | NoSerial | FilePath):
        raise UserError(f"--debug-console {text!r} is unknown: give stdio, none or file:PATH")
    return found


class SerialBackend(Protocol):
    """One end of the serial line. `write` may be called while guest code runs; all else between slices."""

    def open(self, poller: Poller, receive: Receive) -> str | None:
        """Begin; input is passed to `receive`. The value tells the user where the line is. Raises UserError."""
        ...

    def write(self, data: bytes) -> None: ...

    def flush(self) -> None:
        """Pass on what was written, as far as the other end takes it. Raises UserError or ReaderGoneError."""
        ...

    @property
    def congested(self) -> bool:
        """So much output waits that the guest had better wait too."""
        ...

    @property
    def live(self) -> bool:
        """Whether somebody may still type."""
        ...

    def close(self) -> None: ...


class NullBackend:
    """Nowhere."""

    congested = live = False

    def open(self, poller: Poller, receive: Receive) -> str | None:
        del poller, receive
        return None

    def write(self, data: bytes) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class FileBackend:
    """A file, written anew."""

    congested = live = False

    def __init__(self, path: str) -> None:
        self._path = path
        self._pending = bytearray()
        self._file = -1

    def open(self, poller: Poller, receive: Receive) -> str | None:
        del poller, receive
        try:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        except (OSError, ValueError) as error:
            raise UserError(f"cannot write serial output to {self._path}: {_reason(error)}") from None
        return None

    def write(self, data: bytes) -> None:
        self._pending += data

    def flush(self) -> None:
        if not self._pending:
            return
        try:
            write_all(self._file, self._pending)
        except OSError as error:
            self._pending.clear()
            raise UserError(f"cannot write serial output to {self._path}: {_reason(error)}") from None

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class StdioBackend:
    """stdout, and stdin if `readable`. `raw`: stdout is a raw terminal, to which a bare LF needs a CR."""

    congested = False

    def __init__(self, *, readable: bool, raw: bool = False) -> None:
        self._live = readable
        self._raw = raw
        self._pending = bytearray()
        self._poller: Poller | None = None
        self._receive: Receive = lambda _data: None
        self._last = _LF
        self._mute = False
        self.diverted: Callable[[bytes], None] | None = None
        """Who gets what is written, while something else is on the terminal."""

    def open(self, poller: Poller, receive: Receive) -> str | None:
        self._poller, self._receive = poller, receive
        if not self._live:
            return None
        try:
            poller.watch(0, READ, self._ready)
        except OSError:  # a plain file, or closed
            self._take_file()
        return None

    @property
    def live(self) -> bool:
        return self._live

    def pause(self) -> None:
        """Leave stdin, and stdout where it is a terminal, to somebody else."""
        self._mute = is_terminal(1)
        if self._poller is not None:
            self._poller.forget(0)

    def resume(self) -> None:
        self._mute = False
        if self._live and self._poller is not None:
            self._poller.watch(0, READ, self._ready)

    def end_line(self) -> None:
        """What is written next on a terminal begins a line of its own."""
        if not self.at_line_start:
            self.write(b"\n")

    def _take_file(self) -> None:
        self._live = False
        try:
            while data := os.read(0, LONGEST_TYPED_FILE):
                self._receive(data)
        except OSError:
            pass

    def _ready(self, events: int) -> None:
        del events
        try:
            data = os.read(0, CHUNK)
        except OSError:
            data = b""
        if data:
            self._receive(data)
        elif self._poller is not None:
            self._live = False
            self._poller.forget(0)

    def write(self, data: bytes) -> None:
        if self._mute:
            return
        if self.diverted is not None:
            self.diverted(data)
            return
        for byte in data:
            if byte == _LF and self._raw and self._last != _CR:
                self._pending.append(_CR)
            self._pending.append(byte)
            self._last = byte

    @property
    def at_line_start(self) -> bool:
        return self._last == _LF

    def flush(self) -> None:
        try:
            write_all(1, self._pending)
        except BrokenPipeError as error:
            raise ReaderGoneError(error.errno, error.strerror) from None
        except OSError as error:
            self._pending.clear()
            raise UserError(f"cannot write the guest's output to stdout: {_reason(error)}") from None

    def close(self) -> None:
        self.pause()


def write_all(file: int, data: bytearray) -> None:
    """Write and clear `data`, waiting where the file is not ready. Raises OSError."""
    while data:
        try:
            del data[: os.write(file, data)]
        except BlockingIOError:
            select.select([], [file], [])


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
