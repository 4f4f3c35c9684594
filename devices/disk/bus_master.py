"""The bus master IDE function of a PIIX3, one channel of it (Intel 82371FB/82371SB data sheet, 2.7 and 3.5.7)."""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from devices.seam import BusMaster

REGISTERS = 8
"""Bytes of ports a channel."""
_COMMAND, _STATUS, _TABLE = 0, 2, 4
_START, _TO_MEMORY = 0x01, 0x08
_LAST = 1 << 31
_ENTRY = 8
LONGEST_TABLE = 64 << 10
"""Bytes: a table crosses no 64 KiB."""


class MasterStatus(enum.IntFlag):
    """BMISTA."""

    ACTIVE = 0x01
    ERROR = 0x02
    INTERRUPT = 0x04
    CAPABLE = 0x60
    """Drives 0 and 1 can do DMA, says software."""


_CLEARED_BY_ONES = int(MasterStatus.ERROR | MasterStatus.INTERRUPT)


@dataclass(slots=True)
class BusMasterState:
    command: int = 0
    status: int = 0
    table: int = 0
    """Physical address of the PRD table."""


class ChannelMaster:
    """`memory` is None without a PCI bus; `enabled` says whether the function may be a master.

    `on_start` is called when software starts it, `on_stop` when it is stopped.
    """

    def __init__(
        self,
        memory: BusMaster | None,
        enabled: Callable[[], bool],
        on_start: Callable[[int], None],
        on_stop: Callable[[], None],
    ) -> None:
        self.state = BusMasterState()
        self._exhausted = False
        """Whether the transfer of this deadline came to the end of the table."""
        self._memory = memory
        self._enabled = enabled
        self._on_start = on_start
        self._on_stop = on_stop

    @property
    def started(self) -> bool:
        return bool(self.state.command & _START)

    def read(self, offset: int, size: int, now: int) -> int:
        state = self.state
        whole = struct.pack("<BBBBI", state.command, 0, state.status, 0, state.table)
        return int.from_bytes(whole[offset : offset + size].ljust(size, b"\0"), "little")

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        for lane in range(min(size, REGISTERS - offset)):
            self._write_byte(offset + lane, value >> 8 * lane & 0xFF, now)

    def _write_byte(self, offset: int, value: int, now: int) -> None:
        state = self.state
        if offset == _COMMAND:
            self._command(value & (_START | _TO_MEMORY), now)
        elif offset == _STATUS:
            kept = state.status & ~(value & _CLEARED_BY_ONES) & ~MasterStatus.CAPABLE
            state.status = kept | value & MasterStatus.CAPABLE
        elif offset >= _TABLE:
            shift = 8 * (offset - _TABLE)
            state.table = (state.table & ~(0xFF << shift) | value << shift) & 0xFFFF_FFFC

    def _command(self, value: int, now: int) -> None:
        state, before = self.state, self.started
        state.command = value
        if self.started and not before:
            state.status |= MasterStatus.ACTIVE
            self._on_start(now)
        elif before and not self.started:
            state.status &= ~MasterStatus.ACTIVE
            self._on_stop()

    def interrupt(self) -> None:
        """The channel's interrupt line rises."""
        self.state.status |= MasterStatus.INTERRUPT

    def store(self, data: bytes, request: str) -> bool:
        """ide_drive.BusMasterPort."""
        regions = self._regions(len(data))
        if regions is None or self._memory is None:
            return False
        at = 0
        for address, size in regions:
            self._memory.write(address, data[at : at + size], request)
            at += size
        return True

    def load(self, size: int, request: str) -> bytes | None:
        """ide_drive.BusMasterPort."""
        regions = self._regions(size)
        if regions is None or self._memory is None:
            return None
        return b"".join(self._memory.read(address, part, request) for address, part in regions)

    def _regions(self, size: int) -> list[tuple[int, int]] | None:
        """Where that many bytes lie; None if the table has fewer."""
        regions, left, rest = list[tuple[int, int]](), size, False
        for address, length, last in self._entries():
            regions.append((address, min(length, left)))
            left -= min(length, left)
            rest = length > regions[-1][1] or not last
            if not left:
                break
        self._exhausted = bool(left) or not rest
        return regions if not left else None

    def finish(self) -> None:
        """The transfer is over. The master stays active if its table goes on."""
        if self._exhausted:
            self.state.status &= ~MasterStatus.ACTIVE

    def _entries(self) -> Iterator[tuple[int, int, bool]]:
        """The physical region descriptors: address, bytes, whether it is the last."""
        if self._memory is None or not self._enabled():
            return
        for offset in range(0, LONGEST_TABLE, _ENTRY):
            entry = self._memory.read(self.state.table + offset, _ENTRY, "PRD table")
            address, count = struct.unpack("<II", entry)
            last = bool(count & _LAST)
            yield address & ~1, (count & 0xFFFE) or 0x1_0000, last
            if last:
                return
