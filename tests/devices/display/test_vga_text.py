"""VGA registers as drivers of text mode use them."""

from __future__ import annotations

from devices.display.vga_text import VgaText
from devices.wiring.bus import PortBus


def board() -> tuple[PortBus, VgaText]:
    bus, vga = PortBus(), VgaText()
    bus.claim(range(0x3C0, 0x3E0), vga, "vga")
    return bus, vga


def test_index_and_data_are_written_at_once_or_one_after_the_other() -> None:
    bus, vga = board()
    bus.write(0x3D4, 2, 0x010E, 0)
    bus.write(0x3D4, 1, 0x0F, 0)
    bus.write(0x3D5, 1, 0x45, 0)
    assert vga.cursor == 0x145
    assert bus.read(0x3D5, 1, 0) == 0x45


def test_who_waits_for_a_retrace_sees_it_come_and_go() -> None:
    bus, _ = board()
    seen = {bus.read(0x3DA, 1, now) & 0x09 for now in range(0, 20_000_000, 5_000)}
    assert seen == {0x00, 0x01, 0x09}


def test_a_read_of_the_status_makes_the_next_write_an_index() -> None:
    bus, _ = board()
    bus.write(0x3C0, 1, 0x30, 0)
    bus.read(0x3DA, 1, 0)
    bus.write(0x3C0, 1, 0x30, 0)
    bus.write(0x3C0, 1, 0x08, 0)
    assert (bus.read(0x3C0, 1, 0), bus.read(0x3C1, 1, 0)) == (0x30, 0x08)


def test_timing_is_protected_where_software_says_so() -> None:
    bus, _ = board()
    bus.write(0x3D4, 2, 0xFF00, 0)
    assert bus.read(0x3D5, 1, 0) == 0x5F
    bus.write(0x3D4, 2, 0x0E11, 0)
    bus.write(0x3D4, 2, 0x5000, 0)
    assert bus.read(0x3D5, 1, 0) == 0x50


def test_the_palette_is_read_as_it_was_written() -> None:
    bus, _ = board()
    bus.write(0x3C8, 1, 2, 0)
    for value in (1, 2, 3, 0xFF):
        bus.write(0x3C9, 1, value, 0)
    bus.write(0x3C7, 1, 2, 0)
    assert [bus.read(0x3C9, 1, 0) for _ in range(4)] == [1, 2, 3, 0x3F]
