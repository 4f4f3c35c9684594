"""Files of packets for Wireshark, tcpdump and others: pcap with nanoseconds.

Source: draft-ietf-opsawg-pcap, 4 and 5; its variant with nanoseconds is that of libpcap. What is lost is not in it.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from devices.network.frame import LONGEST
from devices.network.wire import Fate, Passage
from vmdbg.document.printable import printable
from vmdbg.errors import UserError
from vmdbg.machine.snapshot import Position
from vmdbg.units import TICKS_PER_SECOND

_MAGIC, _ETHERNET = 0xA1B2_3C4D, 1
_HEAD = struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, LONGEST, _ETHERNET)
_PACKET = struct.Struct("<IIII")


class PcapFile:
    """A new file; `start` is when the guest's clock began, in seconds since 1970."""

    def __init__(self, path: str, start: int) -> None:
        """Raises UserError; nothing is overwritten."""
        self.path = path
        self._start = start
        self._last = 0
        """The tick of the packet that came last; of that tick there were `_there`."""
        self._there = 0
        self._again: int | None = None
        """How many of those were told once more, since somebody went back; None if nobody has."""
        self.failed = ""
        try:
            self._file: BinaryIO = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb")
            self._file.write(_HEAD)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"cannot write packets to {printable(path)}: {reason}") from None

    def on_passage(self, passage: Passage) -> None:
        """devices.network.wire.Listener: what is told again, as of the past, is not written again."""
        if passage.now < self._last:
            self._again = 0
            return
        if passage.now > self._last:
            self._last, self._there, self._again = passage.now, 0, None
        elif self._again is not None and self._again < self._there:
            self._again += 1
            return
        self._there += 1
        if passage.fate is Fate.CARRIED:
            self.write(passage.now, passage.frame)

    def forked(self, position: Position) -> None:
        """Another future begins there."""
        self._last, self._there, self._again = position.tick, 0, None

    def write(self, tick: int, frame: bytes) -> None:
        """A disk that is full is said at the end."""
        seconds, nanoseconds = divmod(self._start * TICKS_PER_SECOND + tick, TICKS_PER_SECOND)
        if self.failed:
            return
        try:
            self._file.write(_PACKET.pack(seconds & 0xFFFF_FFFF, nanoseconds, len(frame), len(frame)) + frame)
        except OSError as error:
            self.failed = f"cannot write packets to {printable(self.path)}: {error.strerror}"

    def flush(self) -> None:
        """vmdbg.host.run_loop.Outlet."""
        try:
            self._file.flush()
        except OSError as error:
            self.failed = self.failed or f"cannot write packets to {printable(self.path)}: {error.strerror}"

    def close(self) -> None:
        self.flush()
        try:
            self._file.close()
        except OSError as error:
            self.failed = self.failed or f"cannot write packets to {printable(self.path)}: {error.strerror}"
