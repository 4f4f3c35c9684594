"""kallsyms: the kernel's own compressed symbol table, found by its shape in the kernel's image.

Kernel source: scripts/kallsyms.c writes the tables, kernel/kallsyms.c reads them. Names are strings of
tokens; `kallsyms_token_index` says where each of 256 tokens begins in `kallsyms_token_table`;
`kallsyms_markers` has the offset of every 256th name; addresses are 32-bit offsets. The order of the tables,
and what lies between them, changed in 6.2 and 6.4; what offsets are relative to changed in 7.x.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from vmdbg.os.seam import DamagedError, NotThereYetError

DIGIT_TOKENS = b"0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00"
BLOCK = 256
MAX_SYMBOLS = 1 << 21
KERNEL_HALF = 0xFFFF_FFFF_8000_0000
_LARGEST_BLOCK = BLOCK * 130
_LEAST_BLOCKS = 8
_MASK = 0xFFFF_FFFF_FFFF_FFFF


@dataclass(frozen=True, slots=True)
class Tables:
    """Where the tables are, as offsets into the image, and how addresses are to be computed."""

    count: int
    names: int
    names_end: int
    tokens: tuple[bytes, ...]
    token_table: int
    offsets: int
    relative_base: int
    absolute_percpu: bool
    place_relative: bool = False


@dataclass(frozen=True, slots=True)
class KernelSymbols:
    """All symbols in address order; `kinds[i]` is the nm letter of `names[i]`."""

    addresses: list[int]
    names: list[str]
    kinds: bytes


def find_tables(image: bytes, base: int) -> Tables:
    """`image` is the kernel's memory from linear `base` on. Raises `NotThereYetError`, `DamagedError`."""
    for token_table, token_index, tokens in _token_tables(image):
        located = _locate_names(image, token_table)
        if located is None:
            raise DamagedError("kallsyms names or markers", base + token_table)
        count, names, names_end = located
        return _locate_offsets(image, base, Located(count, names, names_end, token_table, token_index, tokens))
    raise NotThereYetError("kallsyms (no token table in the kernel's image)")


@dataclass(frozen=True, slots=True)
class Located:
    count: int
    names: int
    names_end: int
    token_table: int
    token_index: int
    tokens: tuple[bytes, ...]


def _token_tables(image: bytes) -> Iterator[tuple[int, int, tuple[bytes, ...]]]:
    """Every token table in `image` that its token index confirms."""
    hit = image.find(DIGIT_TOKENS)
    while hit >= 0:
        end = hit
        for _ in range(BLOCK - ord("0")):
            end = image.find(b"\0", end) + 1
            if not end:
                return
        for alignment in (8, 4, 2):
            index_at = (end + alignment - 1) & -alignment
            index = struct.unpack_from("<256H", image.ljust(index_at + 512, b"\0"), index_at)
            table = hit - index[ord("0")]
            tokens = tuple(image[table : end - 1].split(b"\0")) if table >= 0 else ()
            if len(tokens) == BLOCK and _confirms(index, tokens):
                yield table, index_at, tokens
                break
        hit = image.find(DIGIT_TOKENS, hit + 1)


def _confirms(index: tuple[int, ...], tokens: tuple[bytes, ...]) -> bool:
    position = 0
    for entry, token in zip(index, tokens, strict=True):
        if entry != position:
            return False
        position += len(token) + 1
    return True


def _locate_names(image: bytes, token_table: int) -> tuple[int, int, int] | None:
    """(number of symbols, offset of the names, of their end), from the markers before the token table."""
    words = memoryview(image)[: token_table & ~3].cast("I")
    lowest = max(_LEAST_BLOCKS, len(words) - MAX_SYMBOLS)
    last = len(words) - 1
    while last > lowest:
        if _looks_like_markers(words, last):
            first = last
            while words[first] and words[first - 1] < words[first] <= words[first - 1] + _LARGEST_BLOCK:
                first -= 1
            if not words[first]:
                found = _names_before(image, first * 4, list(words[first : last + 1]))
                if found is not None:
                    return found
        last -= 1
    return None


def _looks_like_markers(words: memoryview[int], last: int) -> bool:
    for position in range(last, last - _LEAST_BLOCKS, -1):
        step = words[position] - words[position - 1]
        if not BLOCK * 2 < step < _LARGEST_BLOCK:
            return False
    return True


def _names_before(image: bytes, markers: int, marks: list[int]) -> tuple[int, int, int] | None:
    """The names end at the markers; their count stands before their start."""
    blocks = len(marks)
    start = (markers - marks[-1] - 2) & ~3
    for names in range(start, max(8, start - _LARGEST_BLOCK), -4):
        for gap in (8, 4):
            (count,) = struct.unpack_from("<I", image, names - gap)
            if (blocks - 1) * BLOCK < count <= blocks * BLOCK and _skip(image, names, BLOCK) == names + marks[1]:
                return count, names, markers
    return None


def _skip(image: bytes, position: int, names: int) -> int:
    """The offset behind `names` compressed names."""
    for _ in range(names):
        length = image[position]
        if length & 0x80:
            length = (length & 0x7F | image[position + 1] << 7) + 1
        position += length + 1
    return position


def _locate_offsets(image: bytes, base: int, located: Located) -> Tables:
    """Offsets before the names (to 6.3) or behind the token index (6.4 on)."""
    count = located.count
    size = (count * 4 + 7) & ~7
    after = (located.token_index + 2 * BLOCK + 7) & ~7
    for gap in (8, 4):
        relative_base = (located.names - gap - 8) & ~7
        if relative_base - size >= 0 and _is_kernel_base(image, relative_base, base):
            return _tables(image, located, relative_base - size, relative_base)
    if _is_kernel_base(image, after + size, base):
        return _tables(image, located, after, after + size)
    return _without_base(image, base, located)


def _is_kernel_base(image: bytes, position: int, base: int) -> bool:
    (value,) = struct.unpack_from("<Q", image.ljust(position + 8, b"\0"), position)
    return max(KERNEL_HALF, base - (16 << 20)) <= int(value) <= base + len(image)


def _tables(image: bytes, located: Located, offsets: int, relative_base: int) -> Tables:
    (value,) = struct.unpack_from("<Q", image, relative_base)
    sample = struct.unpack_from(f"<{located.count}i", image, offsets)
    negative = sum(1 for offset in sample if offset < 0)
    return Tables(
        located.count,
        located.names,
        located.names_end,
        located.tokens,
        located.token_table,
        offsets,
        value,
        absolute_percpu=negative * 2 > located.count,
    )


def _without_base(image: bytes, base: int, located: Located) -> Tables:
    """No base is stored: every offset is relative to its own place."""
    behind = located.token_index + 2 * BLOCK
    for offsets in (behind, (behind + 7) & ~7):
        if offsets + 4 * located.count > len(image):
            break
        places = [offsets + 4 * i for i in range(_LEAST_BLOCKS)]
        targets = [
            place + offset
            for place, offset in zip(places, struct.unpack_from(f"<{len(places)}i", image, offsets), strict=True)
        ]
        if targets == sorted(targets) and targets[0] < len(image):
            return Tables(
                located.count,
                located.names,
                located.names_end,
                located.tokens,
                located.token_table,
                offsets,
                base,
                absolute_percpu=False,
                place_relative=True,
            )
    raise DamagedError("kallsyms offsets", base + behind)


def decode(image: bytes, base: int, tables: Tables) -> KernelSymbols:
    """Every symbol. Raises `DamagedError` where a name runs over the end of the names."""
    try:
        names, kinds = _decode_names(image, base, tables)
    except IndexError as error:
        raise DamagedError("kallsyms names", base + tables.names) from error
    addresses = _decode_addresses(image, base, tables)
    if any(map(int.__gt__, addresses, addresses[1:])):
        order = sorted(range(tables.count), key=addresses.__getitem__)
        addresses = [addresses[i] for i in order]
        names = [names[i] for i in order]
        kinds = bytes(kinds[i] for i in order)
    return KernelSymbols(addresses, names, kinds)


def _decode_names(image: bytes, base: int, tables: Tables) -> tuple[list[str], bytes]:
    token = [word.decode("utf-8", "replace") for word in tables.tokens].__getitem__
    names: list[str] = []
    append = names.append
    position = tables.names
    for _ in range(tables.count):
        length = image[position]
        position += 1
        if length & 0x80:
            length = length & 0x7F | image[position] << 7
            position += 1
        end = position + length
        append("".join(map(token, image[position:end])))
        position = end
    if not tables.names_end - 8 < position <= tables.names_end or not all(names):
        raise DamagedError("kallsyms names", base + tables.names)
    kinds = "".join([name[0] for name in names]).encode("ascii", "replace")
    return [name[1:] for name in names], kinds


def _decode_addresses(image: bytes, base: int, tables: Tables) -> list[int]:
    relative_base = tables.relative_base
    if tables.place_relative:
        place = base + tables.offsets
        signed = struct.unpack_from(f"<{tables.count}i", image, tables.offsets)
        return [place + 4 * i + offset & _MASK for i, offset in enumerate(signed)]
    if tables.absolute_percpu:
        signed = struct.unpack_from(f"<{tables.count}i", image, tables.offsets)
        return [offset if offset >= 0 else relative_base - 1 - offset & _MASK for offset in signed]
    unsigned = struct.unpack_from(f"<{tables.count}I", image, tables.offsets)
    return [relative_base + offset & _MASK for offset in unsigned]
