"""Paged state against plain bytes, kept and put back as a machine does it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.wiring.paged import PAGE_SIZE, PagedArea

SIZE = 5 * PAGE_SIZE + 100
offsets = st.integers(0, SIZE) | st.sampled_from([PAGE_SIZE - 1, PAGE_SIZE, 2 * PAGE_SIZE + 512])
lengths = st.integers(0, 3 * PAGE_SIZE) | st.sampled_from([1, 512, PAGE_SIZE])
steps = st.lists(
    st.tuples(st.sampled_from(["write", "read"]), offsets, lengths, st.integers(0, 2))
    | st.tuples(st.sampled_from(["keep", "restore", "clean"]), st.just(0), st.just(0), st.integers(0, 5)),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(script=steps)
def test_it_holds_what_plain_bytes_would(script: list[tuple[str, int, int, int]]) -> None:
    area, plain = PagedArea("disk, overlay", SIZE), bytearray(SIZE)
    kept: list[tuple[dict[int, bytes], bytes]] = [({}, bytes(SIZE))]
    clean = bytes(SIZE)
    for action, offset, length, value in script:
        length = min(length, SIZE - offset)
        match action:
            case "write":
                data = bytes([value]) * length
                area.write(offset, data)
                plain[offset : offset + length] = data
            case "read":
                assert area.read(offset, length) == plain[offset : offset + length]
            case "keep":
                kept.append((dict(area.filled()), bytes(plain)))
            case "clean":
                area.clean()
                clean = bytes(plain)
            case _:
                pages, wanted = kept[value % len(kept)]
                for number in range(area.page_count):
                    area.put(number, pages.get(number, bytes(PAGE_SIZE)))
                area.clean()
                plain[:] = clean = wanted
    assert area.read(0, SIZE) == plain
    assert b"".join(area.page(n) for n in range(area.page_count))[:SIZE] == plain
    filled = {n for n in range(area.page_count) if plain[n * PAGE_SIZE :][:PAGE_SIZE].strip(b"\0")}
    assert [n for n, _ in area.filled()] == sorted(filled)
    pages = [slice(n * PAGE_SIZE, (n + 1) * PAGE_SIZE) for n in range(area.page_count)]
    assert {n for n, page in enumerate(pages) if plain[page] != clean[page]} <= set(area.dirty())


def test_terabytes_of_nothing_cost_nothing() -> None:
    area = PagedArea("disk", 16 << 40)
    area.write((16 << 40) - 4, b"last")
    assert area.read((16 << 40) - 8, 8) == b"\0\0\0\0last"
    assert area.dirty() == [(4 << 30) - 1]
    area.write((16 << 40) - 4, bytes(4))
    assert list(area.filled()) == []


@pytest.mark.parametrize(("offset", "size"), [(-1, 1), (SIZE, 1), (0, SIZE + 1), (SIZE - 1, 2)])
def test_beyond_the_end_there_is_nothing(offset: int, size: int) -> None:
    area = PagedArea("disk, overlay", SIZE)
    with pytest.raises(ValueError, match="disk, overlay: "):
        area.read(offset, size)
    with pytest.raises(ValueError, match="of paged state"):
        area.write(offset, bytes(size))
    with pytest.raises(ValueError, match="cannot be kept"):
        PagedArea("nothing", 0)
