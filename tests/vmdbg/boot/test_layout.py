from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.boot.image import E820Type, Segment
from vmdbg.boot.layout import Layout, e820_map, size_text
from vmdbg.errors import UserError
from vmdbg.units import Physical

MIB = 1 << 20


@given(st.integers(1, 3072) | st.integers(3073, 1 << 16))
def test_the_map_is_sorted_without_overlap_and_its_ram_is_the_memory_less_the_legacy_hole(
    mebibytes: int,
) -> None:
    entries = e820_map(mebibytes * MIB)
    assert all(entry.size > 0 for entry in entries)
    assert all(first.end <= second.address for first, second in pairwise(entries))
    usable = sum(entry.size for entry in entries if entry.type is E820Type.USABLE)
    assert usable == mebibytes * MIB - (0x100000 - 0x9FC00)
    assert not any(entry.type is E820Type.USABLE and 3 << 30 < entry.end < (4 << 30) + 1 for entry in entries)


@pytest.mark.parametrize("memory", [0, MIB - 4096, (64 << 30) + MIB, 16 * MIB + 1])
def test_memory_that_cannot_be_is_refused(memory: int) -> None:
    with pytest.raises(UserError, match="--memory"):
        Layout(memory)


def test_fixed_data_beyond_ram_says_how_much_is_needed() -> None:
    with pytest.raises(UserError, match=r"has only 16 MiB: give --memory 33M or more"):
        Layout(16 * MIB).put(32 * MIB, b"x", "kernel")
    with pytest.raises(UserError, match=r"at most 3 GiB"):
        Layout(16 * MIB).put(0xFFFF_FFFF_0000_0000, b"x", "kernel")


@pytest.mark.parametrize("address", [0x9FC00, 0x9FBFF, 0xA0000, 0xF0000, 0xFFFFF])
def test_fixed_data_in_the_legacy_hole_is_refused(address: int) -> None:
    with pytest.raises(UserError, match="not free RAM"):
        Layout(16 * MIB).put(address, b"xx", "kernel")


def test_overlap_names_both() -> None:
    layout = Layout(16 * MIB)
    layout.put(0x100000, b"a" * 64, "first")
    with pytest.raises(UserError, match=r"second at 0x10003f-0x100040 overlaps first at 0x100000-0x100040"):
        layout.put(0x10003F, b"b", "second")


def test_low_data_moves_above_1_mib_when_conventional_memory_is_full() -> None:
    layout = Layout(16 * MIB)
    layout.reserve(0x500, 0x9FC00 - 0x500, "kernel")
    assert layout.place_low(b"text", "the command line") == 0x100000


def test_high_data_is_page_aligned_under_its_limit_and_ram() -> None:
    layout = Layout(16 * MIB)
    assert layout.place_high(bytes(5000), "initrd", below=0x7FFF_FFFF) == 16 * MIB - 0x2000
    assert layout.place_high(bytes(5000), "initrd", below=8 * MIB + 1) == 8 * MIB - 0x2000
    assert layout.place_high(bytes(5000), "initrd", below=0x7FFF_FFFF) == 16 * MIB - 0x4000


def test_what_does_not_fit_says_how_much_would_do() -> None:
    layout = Layout(4 * MIB)
    layout.reserve(0x100000, MIB, "kernel")
    with pytest.raises(UserError, match=r"initrd of 3 MiB does not fit .* give --memory 6M"):
        layout.place_high(bytes(3 * MIB), "initrd", below=4 * MIB)
    grown = Layout(6 * MIB)
    grown.reserve(0x100000, MIB, "kernel")
    grown.place_high(bytes(3 * MIB), "initrd", below=6 * MIB)


def test_firmware_must_lie_in_its_area() -> None:
    inside = Segment(Physical(0xE0000), b"tables", "ACPI tables")
    assert inside in Layout(MIB, [inside]).finish()
    with pytest.raises(UserError, match="firmware area"):
        Layout(MIB, [Segment(Physical(0xFFFFF), b"tables", "ACPI tables")])


def test_the_bios_data_area_tells_where_conventional_memory_ends() -> None:
    (segment,) = Layout(MIB).finish()
    assert segment.address == 0x40E
    assert segment.data[:2] == b"\xc0\x9f"
    assert segment.data[5:7] == (639).to_bytes(2, "little")


@given(st.lists(st.tuples(st.integers(1, 200_000), st.sampled_from(["low", "high", "above"])), max_size=40))
def test_what_is_placed_never_overlaps_and_lies_in_usable_ram(requests: list[tuple[int, str]]) -> None:
    layout = Layout(4 * MIB)
    for size, where in requests:
        data = bytes(size)
        try:
            match where:
                case "low":
                    layout.place_low(data, "data")
                case "high":
                    layout.place_high(data, "data", below=4 * MIB)
                case _:
                    layout.place_above(data, "data")
        except UserError:
            continue
    segments = layout.finish()
    assert all(first.end <= second.address for first, second in pairwise(segments))
    usable = [entry for entry in layout.e820 if entry.type is E820Type.USABLE]
    for segment in segments:
        assert any(entry.address <= segment.address and segment.end <= entry.end for entry in usable)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1 KiB"), (1536, "1.5 KiB"), (3 << 30, "3 GiB")],
)
def test_sizes_are_written_for_people(size: int, text: str) -> None:
    assert size_text(size) == text
