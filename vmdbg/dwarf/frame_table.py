"""Call frame information: how each register of the caller is found. Sources: DWARF 5, 6.4; LSB Core, Exception Frames.

.debug_frame and .eh_frame, of a file or as a guest has the latter loaded.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from vmdbg.dwarf.frame_rules import Common, Description
from vmdbg.dwarf.reader import Reader

_PE_OMIT, _PE_PCREL, _PE_RELATIVE = 0xFF, 0x10, 0x70
_FIXED = {0x00: 0, 0x02: 2, 0x03: 4, 0x04: 8, 0x0A: -2, 0x0B: -4, 0x0C: -8}


class FrameTable:
    """One section. `address` is where it is loaded: .eh_frame counts from itself. Damaged entries are passed over."""

    def __init__(self, data: bytes, address: int, address_size: int, *, is_eh: bool) -> None:
        self._data = data
        self._address = address
        self._size = address_size
        self._is_eh = is_eh
        self._common: dict[int, Common | None] = {}
        self._places: list[tuple[int, int, int]] | None = None

    def find(self, address: int) -> Description | None:
        """Of the code at an address. Raises IndexError and ValueError for what is damaged."""
        if self._places is None:
            self._places = sorted(self._scan())
        index = bisect_right(self._places, (address, 1 << 64, 0)) - 1
        if index < 0 or address >= self._places[index][1]:
            return None
        return self.at(self._places[index][2])

    def _scan(self) -> Iterator[tuple[int, int, int]]:
        position = 0
        while position + 4 <= len(self._data):
            try:
                reader, end, identity, is_common = self._head(position)
                if not is_common:
                    common = self.common(identity)
                    if common is not None:
                        start, size = self._extent(reader, common)
                        if size:
                            yield start, start + size, position
            except (IndexError, ValueError):
                end = self._end(position)
            if end <= position:
                return
            position = end

    def _end(self, position: int) -> int:
        length = int.from_bytes(self._data[position : position + 4], "little")
        if length == 0xFFFF_FFFF:
            return position + 12 + int.from_bytes(self._data[position + 4 : position + 12], "little")
        return position + 4 + length

    def _head(self, position: int) -> tuple[Reader, int, int, bool]:
        """A reader behind it, the end of the entry, the offset of the CIE, and whether this is one."""
        reader = Reader(self._data, position)
        length = reader.unsigned(4)
        wide = length == 0xFFFF_FFFF
        if wide:
            length = reader.unsigned(8)
        end = reader.position + length
        if not length:
            return reader, end, 0, True
        if end > len(self._data):
            raise ValueError("beyond the end")
        reader.end = end
        place = reader.position
        size = 8 if wide and not self._is_eh else 4
        identity = reader.unsigned(size)
        if self._is_eh:
            return reader, end, place - identity, not identity
        return reader, end, identity, identity == (1 << 8 * size) - 1

    def common(self, offset: int) -> Common | None:
        if offset not in self._common:
            self._common[offset] = self._read_common(offset)
        return self._common[offset]

    def _read_common(self, offset: int) -> Common | None:
        """None for an augmentation that is not known: what follows it cannot be read."""
        reader, end, _, is_common = self._head(offset)
        if not is_common or not reader.more:
            raise ValueError("no CIE")
        version, augmentation = reader.unsigned(1), reader.text()
        address_size = self._size
        if augmentation == "eh":
            reader.unsigned(self._size)
        if version >= 4:
            address_size = reader.unsigned(1)
            reader.unsigned(1)
        code_factor, data_factor = reader.uleb(), reader.sleb()
        return_register = reader.unsigned(1) if version == 1 else reader.uleb()
        encoding, signal = 0, False
        if augmentation.startswith("z"):
            size = reader.uleb()
            after = reader.position + size
            for letter in augmentation[1:]:
                if letter == "R":
                    encoding = reader.unsigned(1)
                elif letter == "P":
                    form = reader.unsigned(1)
                    self._pointer(reader, form)
                elif letter == "L":
                    reader.unsigned(1)
                elif letter == "S":
                    signal = True
                elif letter != "B":
                    break
            reader.position = after
        elif augmentation not in ("", "eh", "S"):
            return None
        return Common(version, augmentation, code_factor, data_factor, return_register, address_size, encoding,
                      augmentation.startswith("z"), signal or augmentation == "S",
                      bytes(self._data[reader.position : end]))  # fmt: skip

    def _extent(self, reader: Reader, common: Common) -> tuple[int, int]:
        if not self._is_eh:
            return reader.unsigned(common.address_size), reader.unsigned(common.address_size)
        start = self._pointer(reader, common.encoding)
        return start, self._pointer(reader, common.encoding & 0x0F)

    def _pointer(self, reader: Reader, encoding: int) -> int:
        if encoding == _PE_OMIT:
            return 0
        place = self._address + reader.position
        form = encoding & 0x0F
        if form == 0x01:
            value = reader.uleb()
        elif form == 0x09:
            value = reader.sleb()
        else:
            size = _FIXED.get(form)
            if size is None:
                raise ValueError("a pointer of an unknown form")
            size = size or self._size
            value = reader.unsigned(size) if size > 0 else reader.signed(-size)
        if encoding & _PE_RELATIVE == _PE_PCREL:
            value += place
        elif encoding & _PE_RELATIVE:
            raise ValueError("a pointer of an unknown form")
        return value & (1 << 8 * self._size) - 1

    def at(self, offset: int) -> Description:
        """The FDE at an offset of the section."""
        reader, end, identity, is_common = self._head(offset)
        common = self.common(identity) if not is_common else None
        if common is None:
            raise ValueError("no FDE")
        start, size = self._extent(reader, common)
        if common.has_augmentation:
            reader.block()
        return Description(common, start, start + size, bytes(self._data[reader.position : end]))
