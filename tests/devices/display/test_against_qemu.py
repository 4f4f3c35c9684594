"""The VGA does what QEMU's does: registers, memory through all modes of access, and pictures, dot by dot."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.display import vbe as vbe_reg
from devices.display.vga_ports import MODE_3_ATTRIBUTES, MODE_3_CRTC, MODE_3_GRAPHICS, MODE_3_SEQUENCER
from tests.devices.display.bench import VgaBench
from tests.devices.display.qemu_vga import BAR0, BAR2, QemuVga, installed

pytestmark = pytest.mark.skipif(not installed(), reason="QEMU is not installed")
OPERATIONS, SEEDS = 400, 6
MODE_12 = "5f4f508254800b3e00400000000000 00ea8cdf2800e704e3ff".replace(" ", "")
MODE_13 = "5f4f5082548 0bf1f0041000000000000 9c8e8f284096b9a3ff".replace(" ", "")
Either = VgaBench | QemuVga
Both = tuple[VgaBench, QemuVga]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    with QemuVga(tmp_path) as qemu:
        ours = VgaBench()
        for one in (ours, qemu):
            set_mode(one, MODE_3_CRTC.hex(), MODE_3_SEQUENCER, MODE_3_GRAPHICS, MODE_3_ATTRIBUTES, 0x67)
        yield ours, qemu


def set_mode(one: Either, crtc: str, sequencer: bytes, graphics: bytes, attributes: bytes, misc: int) -> None:
    one.write_port(0x3C2, 1, misc)
    for index, value in enumerate(sequencer):
        one.write_port(0x3C4, 2, value << 8 | index)
    one.write_port(0x3D4, 2, 0x0011)
    for index, value in enumerate(bytes.fromhex(crtc)):
        one.write_port(0x3D4, 2, value << 8 | index)
    for index, value in enumerate(graphics):
        one.write_port(0x3CE, 2, value << 8 | index)
    one.read_port(0x3DA, 1)
    for index, value in enumerate(attributes):
        one.write_port(0x3C0, 1, index)
        one.write_port(0x3C0, 1, value)
    one.write_port(0x3C0, 1, 0x20)


def set_colours(one: Either, chance: random.Random) -> None:
    one.write_port(0x3C8, 1, 0)
    for value in chance.randbytes(768):
        one.write_port(0x3C9, 1, value)


def set_vbe(one: Either, **registers: int) -> None:
    for name, value in registers.items():
        one.write_port(0x1CE, 2, getattr(vbe_reg, name.upper()))
        one.write_port(0x1CF, 2, value)


def registers_of(one: Either) -> list[int]:
    """All that can be read back; QEMU's has no mask of colours (3C6h)."""
    found = [one.read_port(port, 1) for port in (0x3CC, 0x3C8)]
    for port, count in ((0x3C4, 5), (0x3CE, 9), (0x3D4, 25)):
        before = one.read_port(port, 1)
        for index in range(count):
            one.write_port(port, 1, index)
            found.append(one.read_port(port + 1, 1))
        one.write_port(port, 1, before)
        found.append(before)
    before = one.read_port(0x1CE, 2)
    for index in range(11):
        one.write_port(0x1CE, 2, index)
        found.append(one.read_port(0x1CF, 2))
    one.write_port(0x1CE, 2, before)
    return found


def operation(chance: random.Random) -> tuple[str, int, int, int]:
    """What, where, how wide, with which value."""
    value = chance.choice((0, 1, 0xFF, chance.randrange(1 << 16)))
    match chance.randrange(10):
        case 0 | 1:
            return "write_port", 0x3CE, 2, chance.randrange(9) | value << 8 & 0xFF00
        case 2:
            return "write_port", 0x3C4, 2, chance.choice((2, 2, 4)) | value << 8 & 0xFF00
        case 3:
            return "write_port", chance.choice((0x3C7, 0x3C8, 0x3C9, 0x3C0, 0x3D4)), 1, value & 0x3F
        case 4:
            return "read_port", chance.choice((0x3C0, 0x3C1, 0x3C5, 0x3C7, 0x3C8, 0x3C9, 0x3CF, 0x3D5)), 1, 0
        case 5 | 6:
            return "read_memory", chance.randrange(0xA0000, 0xBFFF8), chance.choice((1, 2, 4)), 0
        case _:
            return "write_memory", chance.randrange(0xA0000, 0xBFFF8), chance.choice((1, 2, 4)), value


@pytest.mark.parametrize("seed", range(SEEDS))
def test_registers_and_memory(both: Both, seed: int) -> None:
    chance = random.Random(seed)
    chances = both[0], both[1]
    for number in range(OPERATIONS):
        what, where, size, value = operation(chance)
        arguments = (where, size) if what.startswith("read") else (where, size, value)
        answers = [getattr(one, what)(*arguments) for one in chances]
        assert answers[0] == answers[1], f"{number}: {what} {where:#x} {size} {value:#x}"
    assert registers_of(both[0]) == registers_of(both[1])
    for at in range(0, 0x200000, 0x10000):
        assert both[0].load(BAR0 + at, 0x10000) == both[1].load(BAR0 + at, 0x10000), f"{at:#x}"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_modes_of_vbe(both: Both, seed: int) -> None:
    chance = random.Random(seed)
    for one in both:
        one.store(BAR0, b"x" * 0x20000)
    for number in range(60):
        index = chance.randrange(12)
        value = chance.choice((0, 1, 4, 8, 15, 16, 24, 32, 0x41, 0xC1, 0x61, 0xB0C3, 640, 801, 0xFFFF, 2048))
        for one in both:
            if number % 2:
                one.write_port(0x1CE, 2, index)
                one.write_port(0x1CF, 2, value)
            elif index < 11:
                one.write_memory(BAR2 + 0x500 + 2 * index, 2, value)
        assert registers_of(both[0]) == registers_of(both[1]), f"{number}: {index} {value:#x}"
    assert both[0].load(BAR0, 0x20000) == both[1].load(BAR0, 0x20000)


def test_a_bank_is_a_part_of_memory(both: Both) -> None:
    for one in both:
        set_vbe(one, x_res=640, y_res=480, bpp=32, enable=1, bank=5)
        one.write_memory(0xA1234, 4, 0x1234_5678)
    assert both[0].load(BAR0 + 0x51234, 4) == both[1].load(BAR0 + 0x51234, 4) == b"\x78\x56\x34\x12"
    assert both[0].read_memory(0xA1234, 4) == both[1].read_memory(0xA1234, 4)


def test_a_picture_of_text(both: Both) -> None:
    chance = random.Random(1)
    cells = bytes(part for n in range(2000) for part in (n % 0xB0, chance.randrange(0x80)))
    font = chance.randbytes(0x4000)
    planes = bytearray(4 * 0x4000)
    planes[2::4] = font
    planes[0 : 4 * 2000 : 4], planes[1 : 4 * 2000 : 4] = cells[0::2], cells[1::2]
    for one in both:
        one.store(BAR0, bytes(planes))
        set_colours(one, random.Random(3))
        one.write_port(0x3D4, 2, 0x200A)
    assert both[0].picture() == both[1].picture()


@pytest.mark.parametrize(
    ("crtc", "sequencer", "graphics", "misc", "size"),
    [
        (MODE_12, "03010f0006", "00000000000005 0fff", 0xE3, (640, 480)),
        (MODE_13, "03010f000e", "00000000004005 0fff", 0x63, (640, 400)),
        ("2d2728902b80bf1f00c1000000000000 9c8e8f142096b9a3ff", "0309 030002", "00000000003 00f0fff", 0x63, (640, 400)),
        ("2d2728902b80bf1f00c1000000000000 9c8e8f142096b9a2ff", "0309 030002", "00000000003 00f0fff", 0x63, (640, 400)),
    ],
    ids=["planes", "256 colours", "pairs", "CGA"],
)
def test_a_picture_of_graphics(
    both: Both, crtc: str, sequencer: str, graphics: str, misc: int, size: tuple[int, int]
) -> None:
    data = random.Random(2).randbytes(0x40000)
    attributes = bytes([*range(16), 1, 0, 15, 0, 0])
    parts = [bytes.fromhex(text.replace(" ", "")) for text in (sequencer, graphics)]
    for one in both:
        set_mode(one, crtc.replace(" ", ""), *parts, attributes, misc)
        set_colours(one, random.Random(4))
        one.store(BAR0, data)
    ours = both[0].picture()
    assert (ours.width, ours.height) == size
    assert ours == both[1].picture()


@pytest.mark.parametrize("depth", [4, 8, 15, 16, 24, 32])
def test_a_picture_of_vbe(both: Both, depth: int) -> None:
    data = random.Random(depth).randbytes(0x80000)
    for one in both:
        set_colours(one, random.Random(5))
        set_vbe(one, x_res=320, y_res=200, bpp=depth, enable=0x41, virtual_width=400, x_offset=8, y_offset=3)
        one.store(BAR0, data)
    kept = 0xF8 if depth == 15 else 0xFF  # of 15 bits QEMU 7.2 leaves the lowest three of a component 0
    pictures = [bytes(part & kept for part in one.picture().rgb) for one in both]
    assert pictures[0] == pictures[1]
