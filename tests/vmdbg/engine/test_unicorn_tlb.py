"""Unicorn's TLB, filled and emptied by the native part, held to models: pages that share an entry, changing code."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field

import pytest

from tests.guests.build import assemble
from vmdbg.engine.unicorn.bare import CODE, PAGE_DIRECTORY, PAGE_TABLE, PRESENT, USER, WRITABLE, BareCpu
from vmdbg.units import PAGE_SIZE

SEEDS = range(12)
OPERATIONS = 220
ALIASES = 24
"""Of each page, 16 MiB apart: they share an entry of the TLB, and are more than it remembers beside."""
FRAMES = range(11, 15)
SPACING = 16 << 20
MASK = (1 << 64) - 1
REGISTERS = {1: "bl", 2: "bx", 4: "ebx", 8: "rbx"}


@dataclass(frozen=True, slots=True)
class Entry:
    frame: int
    dirty: bool = False


@dataclass(slots=True)
class Pages:
    """What the guest's accesses come to, with a TLB that forgets nothing but what it is told to.

    A store through an entry that is not dirty looks at the page table again (SDM 3A 4.8).
    """

    memory: dict[int, int] = field(default_factory=dict)
    table: dict[int, Entry] = field(default_factory=lambda: {page: Entry(page) for page in FRAMES})
    tlb: dict[tuple[int, int], Entry] = field(default_factory=dict)
    total: int = 0

    def _places(self, alias: int, address: int, size: int, stores: bool) -> list[int]:
        places = []
        for at in range(address, address + size):
            page = at // PAGE_SIZE
            entry = self.tlb.get((alias, page))
            if entry is None or (stores and not entry.dirty):
                entry = Entry(self.table[page].frame, self.table[page].dirty or stores)
                self.table[page] = self.tlb[alias, page] = entry
            places.append(entry.frame * PAGE_SIZE + at % PAGE_SIZE)
        return places

    def load(self, alias: int, address: int, size: int) -> None:
        places = self._places(alias, address, size, stores=False)
        value = int.from_bytes(bytes(self.memory.get(at, 0) for at in places), "little")
        self.total = ((self.total << 1 | self.total >> 63) + value) & MASK

    def store(self, alias: int, address: int, size: int, value: int) -> None:
        places = self._places(alias, address, size, stores=True)
        for at, byte in zip(places, value.to_bytes(8, "little"), strict=False):
            self.memory[at] = byte


def _random_accesses(rng: random.Random, pages: Pages) -> list[str]:
    lines = []
    for number in range(OPERATIONS):
        if number % 40 == 0:
            aliases = rng.sample(range(ALIASES), rng.choice((2, 3, 8, 16)))
            some = rng.sample(FRAMES, rng.choice((1, 1, 4)))
        alias, size, page = rng.choice(aliases), rng.choice(tuple(REGISTERS)), rng.choice(some)
        near_end = rng.random() < 0.2 and page != FRAMES[-1]
        address = page * PAGE_SIZE + (PAGE_SIZE - rng.randrange(1, 9) if near_end else rng.randrange(PAGE_SIZE - 8))
        linear, register = alias * SPACING + address, REGISTERS[size]
        match rng.randrange(20):
            case 0:
                pages.tlb.clear()
                lines.append("mov rbx, cr3\nmov cr3, rbx")
            case 1 | 2:
                frame = rng.choice(FRAMES)
                pages.table[page] = Entry(frame)
                lines.append(f"mov dword [{PAGE_TABLE + 8 * page}], {frame * PAGE_SIZE | PRESENT | WRITABLE | USER}")
            case 3 | 4:
                pages.tlb.pop((alias, page), None)
                lines.append(f"invlpg [{linear}]")
            case n if n < 15:
                pages.load(alias, address, size)
                lines.append(f"xor ebx, ebx\nmov {register}, [{linear}]\nrol rax, 1\nadd rax, rbx")
            case _:
                value = rng.getrandbits(31)
                pages.store(alias, address, size, value)
                lines.append(f"mov ebx, {value}\nmov [{linear}], {register}")
    return lines


@pytest.mark.parametrize("seed", range(80))
def test_pages_that_share_an_entry(seed: int) -> None:
    pages = Pages()
    code = assemble("\n".join(["xor eax, eax", *_random_accesses(random.Random(seed), pages)]), origin=CODE)
    assert len(code) < PAGE_SIZE
    cpu = BareCpu()
    for alias in range(1, ALIASES):
        entry = struct.pack("<Q", PAGE_TABLE | PRESENT | WRITABLE | USER)
        cpu.write(PAGE_DIRECTORY + 8 * (alias * SPACING >> 21), entry)
    cpu.run(code)
    assert cpu["rax"] == pages.total
    for frame in FRAMES:
        expected = bytes(pages.memory.get(at, 0) for at in range(frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE))
        assert cpu.engine.ram[frame * PAGE_SIZE : (frame + 1) * PAGE_SIZE].tobytes() == expected
    cpu.close()


FUNCTIONS = 12 * PAGE_SIZE - 67
"""mov eax, imm32; ret: one every so many bytes, into the next page."""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("spacing", [8, 13, 21, 48])
def test_code_that_is_stored_to_while_it_stands_beside_data(seed: int, spacing: int) -> None:
    """Stores of every size change a function's constant, or what lies before and after it, or both."""
    rng, memory, total, lines = random.Random(seed), bytearray(spacing * 20 + 16), 0, ["xor r8d, r8d"]
    for number in range(20):
        memory[number * spacing : number * spacing + 6] = b"\xb8\0\0\0\0\xc3"
    image = bytes(memory)
    for _ in range(120):
        number, size = rng.randrange(20), rng.choice(tuple(REGISTERS))
        start = rng.randrange(max(number * spacing - 12, 0), (number + 1) * spacing)
        part = bytearray(memory[start : start + size])
        changed = rng.randrange(len(part) + 1)  # the rest is stored as it is
        for i in range(changed):
            if (start + i) % spacing not in (0, 5):  # the opcodes
                part[i] = rng.randrange(256)
        memory[start : start + size] = part
        called = rng.randrange(20) if rng.random() < 0.3 else number
        value = int.from_bytes(memory[called * spacing + 1 : called * spacing + 5], "little")
        total = (total * 3 + value) & MASK
        lines += [f"mov rbx, {int.from_bytes(part, 'little')}", f"mov [{FUNCTIONS + start}], {REGISTERS[size]}"]
        lines += [f"mov ecx, {FUNCTIONS + called * spacing}", "call rcx", "lea r8, [r8 + r8 * 2]", "add r8, rax"]
    cpu = BareCpu()
    cpu.write(FUNCTIONS, image)
    code = assemble("\n".join(lines), origin=CODE)
    assert len(code) < PAGE_SIZE
    cpu.run(code)
    assert cpu["r8"] == total
    assert cpu.engine.ram[FUNCTIONS : FUNCTIONS + len(memory)].tobytes() == bytes(memory)
    cpu.close()


def test_a_jump_into_two_pages_is_changed_in_the_second() -> None:
    """Nothing but its last bytes is there."""
    jump, first = 12 * PAGE_SIZE - 2, 11 * PAGE_SIZE + 0x100
    cpu = BareCpu()
    for number in (1, 2):
        cpu.write(first + (number - 1) * 0x100, assemble(f"mov eax, {number}\nret"))
    cpu.write(jump, b"\xe9" + struct.pack("<i", first - (jump + 5)))
    cpu.run(assemble(f"mov ecx, {jump}\ncall rcx\nmov ebx, eax\ninc byte [{jump + 2}]\ncall rcx", origin=CODE))
    assert (cpu["rbx"], cpu["rax"]) == (1, 2)
    cpu.close()


PLACES = (0, 64, 80, 200)
"""Of functions in a page that is mapped to one frame or another."""
BEFORE = 16
"""NOPs in the page before it, so that control can come to the first one in line."""
MOVED = 14


@pytest.mark.parametrize("seed", range(30))
def test_a_jump_leads_to_what_is_mapped_there_now(seed: int) -> None:
    """Pages of code change places under the same addresses, with and without a flush, and their code changes."""
    rng, cpu = random.Random(seed), BareCpu()
    mapped, cached, total, lines = MOVED, 0, 0, ["xor r8d, r8d"]
    constants = {(frame, place): frame for frame in (11, 12, MOVED) for place in PLACES}
    for (frame, place), constant in constants.items():
        cpu.write(frame * PAGE_SIZE + place, b"\xb8" + struct.pack("<I", constant) + b"\xc3")
    cpu.write(MOVED * PAGE_SIZE - BEFORE, b"\x90" * BEFORE)
    for _ in range(120):
        match rng.randrange(8):
            case 0:
                mapped = rng.choice((11, 12, MOVED))
                entry = mapped * PAGE_SIZE | PRESENT | WRITABLE | USER
                lines.append(f"mov dword [{PAGE_TABLE + 8 * MOVED}], {entry}")
            case 1:
                cached = 0
                lines.append(rng.choice(("mov rbx, cr3\nmov cr3, rbx", f"invlpg [{MOVED * PAGE_SIZE}]")))
            case 2:
                frame, place = rng.choice((11, 12)), rng.choice(PLACES)
                constants[frame, place] = rng.getrandbits(31)
                lines.append(f"mov dword [{frame * PAGE_SIZE + place + 1}], {constants[frame, place]}")
            case _:
                place, cached = rng.choice(PLACES), cached or mapped
                total = (total * 3 + constants[cached, place]) & MASK
                called = MOVED * PAGE_SIZE + (place or -rng.randrange(BEFORE + 1))
                lines.append(f"mov ecx, {called}\ncall rcx\nlea r8, [r8 + r8 * 2]\nadd r8, rax")
    code = assemble("\n".join(lines), origin=CODE)
    assert len(code) < PAGE_SIZE
    cpu.run(code)
    assert cpu["r8"] == total
    cpu.close()


LAST_GENERATION = (1 << 32) - 1


@pytest.mark.parametrize("flushes", range(6))
def test_a_jump_found_before_generations_began_anew_is_asked_for_again(flushes: int) -> None:
    """However many flushes lie between: one of them has the number that the jump was found in."""
    cpu = BareCpu()
    for frame in (11, MOVED):
        cpu.write(frame * PAGE_SIZE, b"\xb8" + struct.pack("<I", frame) + b"\xc3")
    call = f"mov ecx, {MOVED * PAGE_SIZE}\ncall rcx"
    cpu.run(assemble(f"{call}\n" * 3, origin=CODE))  # the first has it translated
    assert cpu["rax"] == MOVED
    cpu.engine._vm.jump_generations = LAST_GENERATION
    entry = 11 * PAGE_SIZE | PRESENT | WRITABLE | USER
    remapped = f"mov dword [{PAGE_TABLE + 8 * MOVED}], {entry}\nmov rbx, cr3\nmov cr3, rbx\n"
    cpu.run(assemble(remapped + "mov cr3, rbx\n" * flushes + call, origin=CODE))
    assert cpu["rax"] == 11
    assert cpu.engine._vm.jump_generations < LAST_GENERATION
    cpu.close()


ACROSS = MOVED * PAGE_SIZE - 3
"""Where an instruction begins whose last two bytes are in the page that changes places."""


@pytest.mark.parametrize("seed", range(12))
def test_an_instruction_across_pages_ends_in_what_is_mapped_there_now(seed: int) -> None:
    """Whatever other pages are flushed in between, of code and of data."""
    rng, cpu = random.Random(seed), BareCpu()
    mapped, cached, total, lines = MOVED, 0, 0, ["xor r8d, r8d"]
    for frame in (11, 12, MOVED):
        cpu.write(frame * PAGE_SIZE, struct.pack("<H", frame) + b"\xc3")
    cpu.write(ACROSS, b"\xb8\0\0")
    for _ in range(100):
        match rng.randrange(6):
            case 0:
                mapped = rng.choice((11, 12, MOVED))
                entry = mapped * PAGE_SIZE | PRESENT | WRITABLE | USER
                lines.append(f"mov dword [{PAGE_TABLE + 8 * MOVED}], {entry}")
            case 1:
                cached = 0
                flush = f"invlpg [{MOVED * PAGE_SIZE + rng.randrange(PAGE_SIZE)}]"
                lines.append(rng.choice(("mov rbx, cr3\nmov cr3, rbx", flush)))
            case 2:
                lines.append(f"invlpg [{rng.choice((11, 12, MOVED - 1, MOVED + 1, CODE // PAGE_SIZE)) * PAGE_SIZE}]")
            case _:
                cached = cached or mapped
                total = (total * 3 + (cached << 16)) & MASK
                lines.append(f"mov ecx, {ACROSS}\ncall rcx\nlea r8, [r8 + r8 * 2]\nadd r8, rax")
    code = assemble("\n".join(lines), origin=CODE)
    assert len(code) < PAGE_SIZE
    cpu.run(code)
    assert cpu["r8"] == total
    cpu.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_code_that_is_written_to_from_outside_is_as_it_is_now(seed: int) -> None:
    """By a device or a debugger: parts of functions that were translated, or of what lies between them."""
    rng, count, spacing = random.Random(seed), 60, 61
    place = CODE + PAGE_SIZE - 20 * spacing  # two thirds of them in a page that is not this code's
    image = bytearray(count * spacing)
    for number in range(count):
        image[number * spacing : number * spacing + 6] = b"\xb8\0\0\0\0\xc3"
    cpu = BareCpu()
    cpu.write(place, bytes(image))
    calls = assemble("\n".join(["xor r8d, r8d", *_calls(place, spacing, count)]), origin=CODE)
    assert CODE + len(calls) < place
    for _ in range(40):
        cpu.run(calls)
        constants = [int.from_bytes(image[at + 1 : at + 5], "little") for at in range(0, len(image), spacing)]
        total = 0
        for constant in constants:
            total = (total * 3 + constant) & MASK
        assert cpu["r8"] == total
        for _ in range(rng.randrange(4)):
            start = rng.randrange(len(image))
            stop = min(start + rng.choice((1, 2, 3, 40, 70, 500)), len(image))
            image[start:stop] = rng.randbytes(stop - start)
            image[::spacing], image[5::spacing] = b"\xb8" * count, b"\xc3" * count
            cpu.write(place + start, bytes(image[start:stop]))
    cpu.close()


def _calls(place: int, spacing: int, count: int) -> list[str]:
    return [
        f"mov ebx, {place + number * spacing}\ncall rbx\nlea r8, [r8 + r8 * 2]\nadd r8, rax" for number in range(count)
    ]
