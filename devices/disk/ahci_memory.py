"""What an AHCI port keeps in the guest's memory: command headers, tables and received FISes (AHCI 1.3.1, 4.2)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from devices.disk.ahci_port_registers import Cmd, PortState
from devices.disk.fis import COMMAND_SIZE, task_of
from devices.disk.scsi_cd import PACKET_SIZE
from devices.seam import BusMaster

HEADER = struct.Struct("<IIQ")
PIO_FIS, REGISTER_FIS = 0x20, 0x40
"""Places in the received FIS area."""
_HEADER_SIZE = 32
_TABLE_PACKET, _TABLE_PRDT = 0x40, 0x80
_ENTRY = struct.Struct("<QII")

Region = tuple[int, int]
"""Where in physical memory, and how many bytes."""


class PortMemory:
    """Of one port, whose registers say where it is."""

    def __init__(self, memory: BusMaster) -> None:
        self._memory = memory

    def _header(self, state: PortState) -> tuple[int, int]:
        """DW0 of the header of the command at work, and where its table is."""
        flags, _, table = HEADER.unpack(
            self._memory.read(state.clb + state.slot * _HEADER_SIZE, HEADER.size, "command header")
        )
        return flags, table & ~0x7F

    def command(self, state: PortState, *, packet: bool) -> tuple[bytes, bytes]:
        """The command FIS, and the packet if there may be one."""
        _, table = self._header(state)
        fis = self._memory.read(table, COMMAND_SIZE, "command FIS")[:20]
        if task_of(fis)[0] is None or not packet:
            return fis, b""
        return fis, self._memory.read(table + _TABLE_PACKET, PACKET_SIZE, "packet")

    def regions(self, state: PortState, size: int) -> Iterator[Region]:
        """Where so many bytes lie, by the physical region descriptors (4.2.3.3); fewer if these are fewer."""
        flags, table = self._header(state)
        for index in range(flags >> 16):
            if size <= 0:
                return
            entry = self._memory.read(table + _TABLE_PRDT + index * _ENTRY.size, _ENTRY.size, "PRDT")
            address, _, count = _ENTRY.unpack(entry)
            length = min((count & 0x3F_FFFF) + 1, size)
            yield address & ~1, length
            size -= length

    def load(self, regions: Iterable[Region], words: str) -> bytes:
        return b"".join(self._memory.read(at, length, words) for at, length in regions)

    def store(self, regions: Iterable[Region], data: bytes, words: str) -> None:
        at = 0
        for address, length in regions:
            self._memory.write(address, data[at : at + length], words)
            at += length

    def count(self, state: PortState, size: int) -> None:
        """PRDBC: what was moved."""
        place = state.clb + state.slot * _HEADER_SIZE + 4
        self._memory.write(place, struct.pack("<I", size), "byte count")

    def receive(self, state: PortState, offset: int, fis: bytes) -> None:
        if state.cmd & Cmd.FRE:
            self._memory.write(state.fb + offset, fis, "received FIS")
