"""The header of a Multiboot 2 kernel: what it asks of its loader.

Source: Multiboot2 Specification 2.0, section 3.1.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from vmdbg.errors import UserError

MAGIC = 0xE85250D6
SEARCHED = 32768
ARCHITECTURE_I386 = 0
_FIXED = struct.Struct("<4I")
_TAG = struct.Struct("<HHI")
_OPTIONAL = 1
_ALIGNMENT = 8
_FROM_START = 0xFFFFFFFF


class Preference(enum.IntEnum):
    """Where a relocatable kernel would rather lie."""

    NONE = 0
    LOWEST = 1
    HIGHEST = 2


@dataclass(frozen=True, slots=True)
class AddressFields:
    """Where a file without usable ELF headers is loaded; `load_end` and `bss_end` of 0 are the file's end and none."""

    header: int
    load: int
    load_end: int
    bss_end: int

    @property
    def is_from_start(self) -> bool:
        """Whether the file is loaded from its first byte on, rather than from where the header's place says."""
        return self.load == _FROM_START


@dataclass(frozen=True, slots=True)
class Relocatable:
    """A kernel that may be loaded at any multiple of `align` from `lowest` on, ending at `highest` or below."""

    lowest: int
    highest: int
    align: int
    preference: int


@dataclass(frozen=True, slots=True)
class Wish:
    """A tag that asks for something."""

    type: int
    is_optional: bool
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """A Multiboot 2 header, found `offset` bytes into the file."""

    offset: int
    architecture: int
    address: AddressFields | None = None
    entry: int | None = None
    relocatable: Relocatable | None = None
    wishes: tuple[Wish, ...] = field(default=())


class HeaderTag(enum.IntEnum):
    """Types of header tags."""

    END = 0
    INFORMATION_REQUEST = 1
    ADDRESS = 2
    ENTRY_ADDRESS = 3
    CONSOLE_FLAGS = 4
    FRAMEBUFFER = 5
    MODULE_ALIGN = 6
    EFI_BOOT_SERVICES = 7
    EFI_ENTRY_32 = 8
    EFI_ENTRY_64 = 9
    RELOCATABLE = 10


_WORDS: dict[int, int] = {
    HeaderTag.ADDRESS: 4,
    HeaderTag.ENTRY_ADDRESS: 1,
    HeaderTag.CONSOLE_FLAGS: 1,
    HeaderTag.FRAMEBUFFER: 3,
    HeaderTag.RELOCATABLE: 4,
}
"""How many 32-bit words of a tag must be there."""


def find_offset(data: memoryview) -> int | None:
    """Where the header begins: 8-byte aligned in the first 32768 bytes, with a correct checksum; None without one."""
    area = bytes(data[:SEARCHED])
    position = area.find(MAGIC.to_bytes(4, "little"))
    while position >= 0 and position + _FIXED.size <= len(area):
        if position % _ALIGNMENT == 0 and sum(_FIXED.unpack_from(area, position)) & 0xFFFFFFFF == 0:
            return position
        position = area.find(MAGIC.to_bytes(4, "little"), position + 1)
    return None


def parse_header(data: memoryview, name: str) -> Header | None:
    """The header, None without one. Raises UserError where its tags are damaged."""
    offset = find_offset(data)
    if offset is None:
        return None
    _, architecture, length, _ = _FIXED.unpack_from(data, offset)
    header = Header(offset, architecture)
    for wish in _tags(data, offset, offset + length, name):
        header = _READERS.get(wish.type, _with_wish)(header, wish)
    return header


def _tags(data: memoryview, offset: int, end: int, name: str) -> Iterator[Wish]:
    """Tags up to the one that ends them."""
    position = offset + _FIXED.size
    while position + _TAG.size <= min(end, len(data)):
        kind, flags, size = _TAG.unpack_from(data, position)
        if kind == HeaderTag.END:
            return
        if size < _TAG.size or position + size > min(end, len(data)):
            raise _damage(name, f"tag {kind} at offset {position:#x} has {size} bytes")
        count = (size - _TAG.size) // 4
        if count < _WORDS.get(kind, 0):
            raise _damage(name, f"tag {kind} at offset {position:#x} is too short: {size} bytes")
        yield Wish(kind, bool(flags & _OPTIONAL), struct.unpack_from(f"<{count}I", data, position + _TAG.size))
        position += -(-size // _ALIGNMENT) * _ALIGNMENT
    raise _damage(name, "no tag of type 0 ends it")


def _damage(name: str, what: str) -> UserError:
    return UserError(f"{name} is damaged: in its Multiboot 2 header, {what}")


def _with_wish(header: Header, wish: Wish) -> Header:
    return replace(header, wishes=(*header.wishes, wish))


def _with_address(header: Header, wish: Wish) -> Header:
    return replace(header, address=AddressFields(*wish.words[:4]))


def _with_entry(header: Header, wish: Wish) -> Header:
    return replace(header, entry=wish.words[0])


def _with_range(header: Header, wish: Wish) -> Header:
    return replace(header, relocatable=Relocatable(*wish.words[:4]))


_READERS: dict[int, Callable[[Header, Wish], Header]] = {
    HeaderTag.ADDRESS: _with_address,
    HeaderTag.ENTRY_ADDRESS: _with_entry,
    HeaderTag.RELOCATABLE: _with_range,
}
