"""kallsyms tables in each of their layouts, built here as scripts/kallsyms.c writes them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmdbg.os.linux import kallsyms
from vmdbg.os.seam import DamagedError, NotThereYetError

BASE = 0xFFFF_FFFF_8120_0000
TEXT = 4096


@dataclass(frozen=True)
class Layout:
    """Where the offsets are, what they are relative to, and whether the table of sequences lies between."""

    offsets_first: bool = True
    absolute_percpu: bool = True
    sequences: bool = False
    place_relative: bool = False


LAYOUTS = {
    "5.10": Layout(),
    "6.2": Layout(sequences=True),
    "6.4": Layout(offsets_first=False),
    "6.15": Layout(offsets_first=False, absolute_percpu=False),
    "7.2": Layout(offsets_first=False, place_relative=True),
}


def tokens() -> list[bytes]:
    """One token a byte, and some longer ones where the alphabet has no use for the byte."""
    table = [bytes([n]) if 0x20 < n < 0x7F else b"t%d_" % n for n in range(256)]
    table[0x80], table[0x81] = b"sys_", b"__x64_"
    return table


def compress(text: bytes, table: list[bytes]) -> bytes:
    text = text.replace(b"__x64_", b"\x81").replace(b"sys_", b"\x80")
    assert all(0x20 < byte < 0x7F or byte in (0x80, 0x81) for byte in text), table
    length = len(text)
    return (bytes([length]) if length < 0x80 else bytes([length & 0x7F | 0x80, length >> 7])) + text


def align(data: bytearray, alignment: int = 8) -> None:
    data += bytes(-len(data) % alignment)


def image_of(symbols: list[tuple[int, str, str]], layout: Layout) -> bytes:
    """A kernel's image with these (address, kind, name)s."""
    table = tokens()
    names, markers = bytearray(), []
    for number, (_, kind, name) in enumerate(symbols):
        if number % 256 == 0:
            markers.append(len(names))
        names += compress((kind + name).encode(), table)
    out = bytearray(b"\xcc" * TEXT)
    if layout.offsets_first:
        add_offsets(out, symbols, layout)
    out += struct.pack("<II", len(symbols), 0) + names
    align(out)
    out += struct.pack(f"<{len(markers)}I", *markers)
    align(out)
    if layout.sequences:
        out += b"".join(struct.pack(">I", n)[1:] for n in range(len(symbols)))
        align(out)
    index, position = [], 0
    for token in table:
        index.append(position)
        position += len(token) + 1
    out += b"".join(token + b"\0" for token in table)
    align(out, 4 if layout.place_relative else 8)
    out += struct.pack("<256H", *index)
    if not layout.offsets_first:
        add_offsets(out, symbols, layout)
    return bytes(out) + b"\x90" * TEXT


def add_offsets(out: bytearray, symbols: list[tuple[int, str, str]], layout: Layout) -> None:
    for address, _, _ in symbols:
        if layout.place_relative:
            offset = address - (BASE + len(out))
        elif not layout.absolute_percpu or address < BASE:
            offset = address if layout.absolute_percpu else address - BASE
        else:
            offset = BASE - 1 - address
        out += struct.pack("<I", offset & 0xFFFF_FFFF)
    if not layout.place_relative:
        align(out)
        out += struct.pack("<Q", BASE)


def many_symbols(count: int, layout: Layout) -> list[tuple[int, str, str]]:
    per_cpu = [(n * 8, "A", f"per_cpu_{n}") for n in range(20)] if layout.absolute_percpu else []
    if layout.place_relative:
        per_cpu = []
    code = [(BASE + n * 16, "tT"[n & 1], f"__x64_sys_call_{n}" + "x" * (n % 90)) for n in range(count)]
    return [*per_cpu, *code]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("count", [2100, 2304, 5000])
def test_every_layout_gives_names_kinds_and_addresses(layout: Layout, count: int) -> None:
    symbols = many_symbols(count, layout)
    image = image_of(symbols, layout)
    found = kallsyms.decode(image, BASE, kallsyms.find_tables(image, BASE))
    assert list(zip(found.addresses, map(chr, found.kinds), found.names, strict=True)) == symbols


def test_a_name_longer_than_127_tokens_has_a_length_of_two_bytes() -> None:
    layout = LAYOUTS["6.4"]
    symbols = many_symbols(2100, layout)
    symbols[700] = (symbols[700][0], "t", "long_" * 60)
    image = image_of(symbols, layout)
    assert kallsyms.decode(image, BASE, kallsyms.find_tables(image, BASE)).names[700] == "long_" * 60


def test_no_tables_is_not_there_yet() -> None:
    with pytest.raises(NotThereYetError):
        kallsyms.find_tables(bytes(1 << 16), BASE)


def test_overwritten_markers_are_damage() -> None:
    image = bytearray(image_of(many_symbols(3000, LAYOUTS["5.10"]), LAYOUTS["5.10"]))
    table = image.find(b"0\x001\x002\x00")
    image[TEXT : table - 400] = bytes(table - 400 - TEXT)
    with pytest.raises(DamagedError):
        kallsyms.find_tables(bytes(image), BASE)


_IMAGES = {name: image_of(many_symbols(2400, layout), layout) for name, layout in LAYOUTS.items()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(_IMAGES)),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=64)), min_size=1, max_size=8),
)
def test_random_damage_gives_an_error_or_symbols(name: str, patches: list[tuple[float, bytes]]) -> None:
    image = bytearray(_IMAGES[name])
    for place, data in patches:
        position = int(place * (len(image) - len(data)))
        image[position : position + len(data)] = data
    try:
        found = kallsyms.decode(bytes(image), BASE, kallsyms.find_tables(bytes(image), BASE))
    except (DamagedError, NotThereYetError):
        return
    assert len(found.names) == len(found.addresses) == len(found.kinds)
