"""QEMU's firmware configuration device: what firmware is told of the machine, by key and as named files.

Source: QEMU, docs/specs/fw_cfg. Ports 510h (selector, 16 bits), 511h (data, a byte a time) and 514h to 51Bh (address
of a DMA descriptor, big-endian). A transfer by DMA is done in deadlines after the address was written; the descriptor's
control field says when it is over.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from devices.copied import copied
from devices.seam import BusMaster, Rows, Timer

SELECTOR_PORTS = range(0x510, 0x512)
DMA_PORTS = range(0x514, 0x51C)
SIGNATURE, ID, FILE_DIRECTORY = 0x0000, 0x0001, 0x0019
FIRST_FILE = 0x0020
TRADITIONAL_AND_DMA = 0x3
NAME_SIZE = 56
ENTRY = struct.Struct(f">IHH{NAME_SIZE}s")
"""Of the directory: size, key, reserved, name."""
FARTHEST = 1 << 32
"""Where an offset stays."""
DMA_SIGNATURE = b"QEMU CFG"

DMA_ERROR, DMA_READ, DMA_SKIP, DMA_SELECT, DMA_WRITE = 0x01, 0x02, 0x04, 0x08, 0x10
DESCRIPTOR = struct.Struct(">IIQ")
"""Control, length, address."""
TRANSFER = "transfer"
BASE_TIME = 20_000
"""Nanoseconds until the descriptor is read; after that each byte takes one."""
MOST = 1 << 16
"""Bytes moved at one deadline; a longer transfer goes on at the next."""
DMA_NAME = "fw_cfg transfer"

Content = Callable[[], bytes]
"""What is behind a key, whose length never changes."""


def number(value: int, size: int) -> Content:
    """A little-endian number of `size` bytes."""
    data = value.to_bytes(size, "little")
    return lambda: data


def fixed(data: bytes) -> Content:
    return lambda: data


def contents(keys: Mapping[int, Content], files: Mapping[str, Content]) -> dict[int, Content]:
    """All keys of a device: signature, ID, directory, files from FIRST_FILE on by rising name, and `keys`.

    Raises ValueError for a name that is too long.
    """
    found = {SIGNATURE: fixed(b"QEMU"), ID: number(TRADITIONAL_AND_DMA, 4), **keys}
    directory = struct.pack(">I", len(files))
    for key, (name, content) in enumerate(sorted(files.items()), FIRST_FILE):
        encoded = name.encode()
        if len(encoded) >= NAME_SIZE:
            raise ValueError(f"{name} is too long for a file of fw_cfg")
        directory += ENTRY.pack(len(content()), key, 0, encoded)
        found[key] = content
    found[FILE_DIRECTORY] = fixed(directory)
    return found


@dataclass(slots=True)
class Transfer:
    """One by DMA: `descriptor` and `address` are physical, `left` in bytes; all known once `begun`."""

    descriptor: int
    begun: bool = False
    control: int = 0
    address: int = 0
    left: int = 0


@dataclass(slots=True)
class FwCfgState:
    key: int = 0
    offset: int = 0
    address_high: int = 0
    transfer: Transfer | None = None


class FwCfg:
    """`items` by key. What is read beyond an item's end, or of none, is zero; nothing can be written."""

    name = "fw-cfg"
    title = "firmware configuration"
    State: ClassVar[type[FwCfgState]] = FwCfgState

    def __init__(self, items: Mapping[int, Content], timer: Timer, memory: BusMaster) -> None:
        self._items = items
        self._timer = timer
        self._memory = memory
        self._state = FwCfgState()
        self.dma = _DmaPorts(self._set_address)

    def read(self, offset: int, size: int, now: int) -> int:
        """The next bytes of the item, at either port."""
        return int.from_bytes(self._take(size), "little")

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        """The selector takes 16 bits; items cannot be written."""
        if offset == 0 and size >= 2:
            self._select(value & 0xFFFF)

    def on_event(self, name: str, now: int) -> None:
        transfer = self._state.transfer
        if transfer is None:
            return
        if not transfer.begun:
            self._begin(transfer)
        else:
            self._move(transfer)
        if transfer.left:
            self._timer.schedule(TRANSFER, now + min(transfer.left, MOST))
        else:
            self._end(transfer)

    def save(self) -> FwCfgState:
        return copied(self._state)

    def restore(self, state: FwCfgState) -> None:
        self._state = copied(state)

    def describe(self, now: int) -> Rows:
        s = self._state
        rows = [
            ("key", f"{s.key:04x} {self._file_name(s.key)}".rstrip()),
            ("offset", f"{s.offset:#x} of {len(self._content()):#x}"),
        ]
        if s.transfer is not None:
            rows.append(("DMA", f"descriptor at {s.transfer.descriptor:x}, {s.transfer.left:#x} bytes left"))
        return rows

    def files(self) -> dict[str, bytes]:
        """What is there by name, for people."""
        return {name: self._items[key]() for key, name in self._directory()}

    def _directory(self) -> Iterator[tuple[int, str]]:
        directory = self._items[FILE_DIRECTORY]()
        for _, key, _, name in ENTRY.iter_unpack(directory[4:]):
            yield key, name.rstrip(b"\0").decode()

    def _file_name(self, key: int) -> str:
        return dict(self._directory()).get(key, "")

    def _select(self, key: int) -> None:
        self._state.key, self._state.offset = key, 0

    def _content(self) -> bytes:
        content = self._items.get(self._state.key)
        return content() if content is not None else b""

    def _take(self, size: int) -> bytes:
        s = self._state
        data = self._content()[s.offset : s.offset + size]
        self._skip(size)
        return data.ljust(size, b"\0")

    def _skip(self, size: int) -> None:
        self._state.offset = min(self._state.offset + size, FARTHEST)

    def _set_address(self, high: bool, value: int, now: int) -> None:
        """The low half starts the transfer. One that starts while another goes on takes its place."""
        s = self._state
        if high:
            s.address_high = value
            return
        s.transfer = Transfer(s.address_high << 32 | value)
        s.address_high = 0
        self._timer.schedule(TRANSFER, now + BASE_TIME)

    def _begin(self, transfer: Transfer) -> None:
        descriptor = self._memory.read(transfer.descriptor, DESCRIPTOR.size, DMA_NAME)
        transfer.control, transfer.left, transfer.address = DESCRIPTOR.unpack(descriptor)
        transfer.begun = True
        if transfer.control & DMA_SELECT:
            self._select(transfer.control >> 16)
        if not transfer.control & DMA_READ:
            if transfer.control & DMA_SKIP:
                self._skip(transfer.left)
            transfer.left = 0

    def _move(self, transfer: Transfer) -> None:
        size = min(transfer.left, MOST)
        self._memory.write(transfer.address, self._take(size), f"fw_cfg {self._file_name(self._state.key)}".rstrip())
        transfer.left -= size
        transfer.address = transfer.address + size & (1 << 64) - 1

    def _end(self, transfer: Transfer) -> None:
        refused = transfer.control & DMA_WRITE and not transfer.control & (DMA_READ | DMA_SKIP)
        result = DMA_ERROR if refused else 0
        self._memory.write(transfer.descriptor, result.to_bytes(4, "big"), DMA_NAME)
        self._state.transfer = None


class _DmaPorts:
    """The address register, as two dwords in big-endian order. It reads as a signature."""

    def __init__(self, set_address: Callable[[bool, int, int], None]) -> None:
        self._set_address = set_address

    def read(self, offset: int, size: int, now: int) -> int:
        return int.from_bytes(DMA_SIGNATURE[offset : offset + size], "little")

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if size == 4 and offset in (0, 4):
            self._set_address(offset == 0, int.from_bytes(value.to_bytes(4, "little"), "big"), now)
