"""What was touched in few bytes: rows that can be foretold by others cost little. Knows no machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vmdbg.engine.native import _native
from vmdbg.engine.packed_rows import PackedRows

ffi, lib = _native.ffi, _native.lib
_KINDS = ("uint64_t[]", "uint32_t[]", "uint8_t[]", "uint64_t[]", "uint64_t[]", "uint8_t[]")


class TouchedCoding:
    """A stream of parts: each is encoded by what those before it were, and decoded after the same ones."""

    def __init__(self) -> None:
        self._coder = ffi.gc(lib.touched_coder_new(), lib.touched_coder_free)

    def encode(self, rows: PackedRows) -> bytes:
        """Raises ValueError if these columns do not go together. Then nothing more can be encoded."""
        columns, _held = _columns(rows)
        size = ffi.new("uint64_t *")
        encoded = lib.touched_encode(self._coder, columns, size)
        if not encoded or any(count != room for count, room in _counts(columns)):
            raise ValueError("these are no rows")
        return bytes(ffi.buffer(encoded, size[0]))

    def decode(self, data: bytes, count: int) -> PackedRows:
        """So many rows. Raises ValueError if the bytes do not hold as many; other bytes may well hold other rows."""
        room = [bytearray(width * count) for width in (8, 4, 1, 8, 8, 8)]
        columns, _held = _columns(room)
        if not lib.touched_decode(self._coder, ffi.from_buffer("uint8_t[]", data), len(data), columns):
            raise ValueError(f"these bytes do not hold {count} rows")
        ends = 8 * columns.lines_count, 8 * columns.written_count, columns.words_count
        return PackedRows(*map(bytes, room[:3]), *(bytes(some[:end]) for some, end in zip(room[3:], ends, strict=True)))


def _columns(rows: Sequence[bytes | bytearray]) -> tuple[_native.TouchedColumns, object]:
    """As the native part takes them, as long as the other is kept."""
    steps, farther, kinds, lines, written, words = rows
    if not len(steps) == 2 * len(farther) == 8 * len(kinds):
        raise ValueError("these are columns of different lengths")
    held = [ffi.from_buffer(kind, column) for kind, column in zip(_KINDS, rows, strict=True)]
    places = dict(zip(PackedRows._fields, held, strict=True))
    rooms = {"lines_room": len(lines) // 8, "written_room": len(written) // 8, "words_room": len(words)}
    return ffi.new("TouchedColumns *", {"rows": len(kinds), **places, **rooms}), held


def _counts(columns: _native.TouchedColumns) -> Iterator[tuple[int, int]]:
    """Of what not all rows have: how many there were, and how many there could have been."""
    yield columns.lines_count, columns.lines_room
    yield columns.written_count, columns.written_room
    yield columns.words_count, columns.words_room
