"""The receive ring of an 82540EM. Source: the software developer's manual, 3.2."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

from devices.network.e1000 import receive
from devices.network.e1000 import registers as reg
from devices.network.e1000.interrupts import Interrupts
from devices.network.e1000.statistics import Statistics
from devices.network.frame import PADDED
from devices.seam import BusMaster

MOST_WAITING: Final = 48 << 10
"""Bytes of frames that have no descriptor yet: the receive part of the packet buffer."""


class Receiver:
    """`registers` and `statistics` are the controller's; `strips` says whether VLAN tags come off."""

    def __init__(
        self,
        registers: dict[int, int],
        statistics: Statistics,
        memory: BusMaster,
        interrupts: Interrupts,
        strips: Callable[[], bool],
    ) -> None:
        self._registers = registers
        self._statistics = statistics
        self._memory = memory
        self._interrupts = interrupts
        self._strips = strips
        self.waiting: tuple[bytes, ...] = ()

    def receive(self, frame: bytes, now: int) -> bool:
        """A frame has come. False: there is no room for it."""
        control, statistics = self._control, self._statistics
        if not control & reg.RCTL_ENABLE:
            return False
        frame = frame.ljust(PADDED, b"\0")
        statistics.arrived(frame)
        if len(frame) > (receive.LONGEST_JUMBO if control & reg.RCTL_LONG else receive.LONGEST_USUAL):
            statistics.count(reg.ROC)
            return True
        if not receive.keeps(self._registers, frame, self._tag_of(frame)):
            return True
        if sum(map(len, self.waiting)) + len(frame) > MOST_WAITING:
            statistics.count(reg.MPC)
            self._interrupts.cause(reg.RXO, now)
            return False
        statistics.received(frame)
        self.waiting += (frame,)
        self.fill(now)
        return True

    def fill(self, now: int) -> None:
        """Frames that wait go into the descriptors that there are, each whole."""
        count = self._registers.get(reg.RDLEN, 0) // receive.SIZE
        size, filled = receive.buffer_size(self._control), False
        while self.waiting and self._free(count) * size >= len(self.waiting[0]) + receive.CRC_SIZE:
            frame, self.waiting = self.waiting[0], self.waiting[1:]
            self._store(frame, count)
            filled = True
        if self.waiting:
            self._statistics.count(reg.RNBC)
        if filled:
            if self._free(count) <= count >> (self._control >> 8 & 3) + 1:
                self._interrupts.state.causes |= reg.RXDMT0
            self._interrupts.received(now)

    @property
    def _control(self) -> int:
        return self._registers.get(reg.RCTL, 0)

    def _free(self, count: int) -> int:
        """Descriptors that the driver has given."""
        head, tail = self._registers.get(reg.RDH, 0), self._registers.get(reg.RDT, 0)
        return (tail - head) % count if head < count and tail < count else 0

    def _tag_of(self, frame: bytes) -> int | None:
        """Of its VLAN."""
        ethertype = self._registers.get(reg.VET, 0).to_bytes(2, "big")
        return int.from_bytes(frame[14:16], "big") if frame[12:14] == ethertype else None

    def _store(self, frame: bytes, count: int) -> None:
        tag = self._tag_of(frame)
        checksum, status, errors = receive.checksum_status(self._registers, frame)
        if tag is not None and self._strips():
            frame, status = frame[:12] + frame[16:], status | receive.TAGGED
        else:
            tag = 0
        if not self._control & reg.RCTL_STRIP_CRC:
            frame += zlib.crc32(frame).to_bytes(receive.CRC_SIZE, "little")
        base = self._registers.get(reg.RDBAH, 0) << 32 | self._registers.get(reg.RDBAL, 0)
        size = receive.buffer_size(self._control)
        for start in range(0, len(frame), size):
            part, head = frame[start : start + size], self._registers.get(reg.RDH, 0)
            at = base + head * receive.SIZE
            buffer = int.from_bytes(self._memory.read(at, 8, "receive descriptor"), "little")
            self._memory.write(buffer, part, "received frame")
            bits = status | receive.DONE | (receive.END if start + size >= len(frame) else 0)
            filled = receive.written_back(buffer, len(part), checksum, bits, errors, tag)
            self._memory.write(at, filled, "receive descriptor")
            self._registers[reg.RDH] = head + 1 if head + 1 < count else 0
