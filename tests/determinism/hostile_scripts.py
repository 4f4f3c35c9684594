"""A machine with every device there is, and scripts by which hostile.asm does to one of them what no driver would.

What is chosen favours registers that do something, values that lead into their depths, and rings, tables and buffers in
ARENA, which is full of what looks like them; all of it is also anything, anywhere, at times.
"""

from __future__ import annotations

import functools
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from devices.disk.drive import Drive, DriveBus, DriveKind
from devices.network.net import FarEnd, Net, NicModel
from devices.pci.function import PciFunction
from devices.timers.hpet import HPET_BASE
from tests.determinism.test_disks import Source
from tests.guests.build import assemble
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.config import Chipset, Display, FlashPlace, HpetMode, MachineConfig
from vmdbg.machine.machine import EngineFactory, Machine
from vmdbg.machine.media import Media
from vmdbg.machine.power_on import power_on
from vmdbg.units import Physical

MEMORY = 16 << 20
CURSOR, SCRIPT = Physical(0x2F_0000), Physical(0x40_0000)
"""Where the guest has the address of its next step, and the first."""
ARENA, ARENA_SIZE = Physical(0xA0_0000), 4 << 20
MOST_STEPS = (ARENA - SCRIPT) // 16 - 1
(
    END, OUT8, OUT16, OUT32, IN8, IN16, IN32, STORE8, STORE16, STORE32, LOAD8, LOAD16, LOAD32,
    INS8, INS16, INS32, OUTS8, OUTS16, OUTS32, SPIN, HALT, ENABLE, DISABLE, ENDINGS, COPY, GET_MSR, SET_MSR,
) = range(27)  # fmt: skip
OUT, IN, STORE, LOAD, INS, OUTS = (
    {size: first + at for at, size in enumerate((1, 2, 4))} for first in (OUT8, IN8, STORE8, LOAD8, INS8, OUTS8)
)
CONFIG_ADDRESS, CONFIG_DATA = 0xCF8, 0xCFC
TEST_EXIT = 0xF4
CRITICAL = {0x64, 0x92, 0xCF9, 0x605}
"""Ports by which a guest resets or switches off."""
SELDOM = 0.9995
"""The share of steps that shall not end the run, where they would."""
FLOPPY = 2880
NETS = (
    Net("net0", NicModel.VIRTIO_TSO, "52:54:00:12:34:56", FarEnd.OUTSIDE, whole_segments=True),
    Net("net1", NicModel.E1000, "52:54:00:12:34:57", FarEnd.OUTSIDE),
    Net("net2", NicModel.RTL8139, "52:54:00:12:34:58", FarEnd.OUTSIDE),
    Net("net3", NicModel.RTL8139_CPLUS, "52:54:00:12:34:59", FarEnd.OUTSIDE),
)
FLASH = FlashPlace(0xFFE0_0000, 0x2_0000)

Step = tuple[int, int, int, int]
Steps = list[Step]
Homes = dict[int, tuple[tuple[int, int], ...]]
"""Base address registers and what they hold at first, by the CONFIG_ADDRESS of their function."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a device answers."""

    ports: tuple[range, ...]
    memory: tuple[range, ...]
    functions: tuple[int, ...]
    """CONFIG_ADDRESS of its PCI functions."""


def drives() -> tuple[Drive, ...]:
    disk, cd = DriveKind.DISK, DriveKind.CD
    return (
        Drive("disk0", disk, DriveBus.IDE, "disk.img", 1000, "S1"),
        Drive("cd0", cd, DriveBus.IDE, "cd.iso", 1000, "S2"),
        Drive("disk1", disk, DriveBus.AHCI, "disk.img", 1000, "S3"),
        Drive("cd1", cd, DriveBus.AHCI, "cd.iso", 1000, "S4"),
        Drive("disk2", disk, DriveBus.VIRTIO, "disk.img", 1000, "S5"),
        Drive("disk3", disk, DriveBus.NVME, "disk.img", 1000, "S6"),
        Drive("floppy0", DriveKind.FLOPPY, DriveBus.FLOPPY, "floppy.img", FLOPPY, ""),
    )


def hostile_machine(
    script: Sequence[Step] = (),
    seed: int = 0,
    make_engine: EngineFactory = UnicornEngine,
    *,
    apic: bool = True,
    memory: int = MEMORY,
) -> Machine:
    content = random.Random(3).randbytes(1000 * 512)
    sources = {"disk.img": Source(content), "cd.iso": Source(content), "floppy.img": Source(bytes(FLOPPY * 512))}
    config = MachineConfig(
        memory=memory,
        apic=apic,
        chipset=Chipset.I440FX,
        hpet=HpetMode.LEGACY,
        mouse=True,
        devices=("virtio-rng", "virtio-console"),
        flash=FLASH,
        drives=drives(),
        nets=NETS,
        display=Display.STD,
        option_rom=b"\x55\xaa\x01" + bytes(509),
    )
    machine = Machine(config, make_engine, media=Media(sources))
    image = assemble((Path(__file__).parent / "hostile.asm").read_text())
    power_on(machine, boot_image(BootOptions(memory=memory, kernel=InputFile("guest", memoryview(image)))))
    machine.engine.write_ram(SCRIPT, b"".join(struct.pack("<4I", *step) for step in script) + bytes(16))
    machine.engine.write_ram(ARENA, arena(seed))
    return machine


def reaches(machine: Machine) -> dict[str, Reach]:
    """By device, for each that the guest can reach at all."""
    pc = machine.pc
    ports: dict[str, list[range]] = {}
    memory: dict[str, list[range]] = {}
    functions: dict[str, list[int]] = {}
    for claim in pc.ports.claims():
        ports.setdefault(claim.name, []).append(claim.addresses)
    for claim in pc.memory.claims():
        memory.setdefault(claim.name, []).append(claim.addresses)
    for place, name, _function in pc.pci.placed():
        functions.setdefault(name, []).append(1 << 31 | place.number << 8)
    return {
        name: Reach(tuple(ports.get(name, ())), tuple(memory.get(name, ())), tuple(functions.get(name, ())))
        for name in sorted({*ports, *memory, *functions})
    }


def pointer(chance: random.Random, align: int = 1) -> int:
    """Mostly into the arena."""
    kind = chance.random()
    if kind < 0.9:
        return ARENA + chance.randrange(ARENA_SIZE // align) * align
    if kind < 0.97:
        return chance.choice((MEMORY - align, MEMORY - align, MEMORY, 0xB8000, 0xFEE0_0000, 0x8000_0000, 0xFFFF_F000))
    return chance.getrandbits(32) // align * align


def length(chance: random.Random) -> int:
    return chance.choice(
        (0, 1, 8, 15, 16, 17, 512, 512, 512, 4096, 4097, 0x1_0000, 0x3F_FFFF, 0x7FFF_FFFF, 0xFFFF_FFFF)
    )


def _descriptor(chance: random.Random) -> bytes:
    """Of a virtqueue: its next is mostly near."""
    high = chance.choice((0,) * 15 + (chance.getrandbits(32),))
    flags, after = chance.choice((0, 1, 1, 2, 3, 3, 4, 5, 7, 0xFFFF)), chance.choice((0, 1, 2, 3, 5, 9, 0xFFFF))
    size = chance.choice((16, 16, 1, 512, 512, 4096, length(chance)))
    return struct.pack("<IIIHH", pointer(chance, 16), high, size, flags, after)


def _region(chance: random.Random) -> bytes:
    """Of IDE's PRD table; AHCI's are as long and look like two."""
    return struct.pack("<IHH", pointer(chance, 2), length(chance) & 0xFFFF, chance.choice((0, 0, 0x8000)))


def _ahci_header(chance: random.Random) -> bytes:
    flags = chance.choice((5, 5, 5, 0x25, 0x45, 0x405, 0, 0x1F, chance.getrandbits(16)))
    regions = chance.choice((0, 1, 1, 2, 8, 0xFFFF))
    return struct.pack("<HHIII16x", flags, regions, 0, pointer(chance, 128), 0)


def _ahci_table(chance: random.Random) -> bytes:
    command = chance.choice((0x25, 0x35, 0xC8, 0xCA, 0xEC, 0xA1, 0xA0, 0xA0, 0xE7, 0xEF, 0x60, chance.getrandbits(8)))
    lba = chance.choice((0, 5, 990, 999, 1000, chance.getrandbits(48)))
    fis = bytes((0x27, 0x80, command, chance.choice((0, 1, 3)), lba & 0xFF, lba >> 8 & 0xFF, lba >> 16 & 0xFF, 0x40))
    fis += bytes((lba >> 24 & 0xFF, lba >> 32 & 0xFF, lba >> 40 & 0xFF, 0, chance.choice((1, 8, 0)), 0, 0, 0))
    table = fis.ljust(64, b"\0") + packet(chance).ljust(64, b"\0")
    for _ in range(8):
        table += struct.pack("<IIII", pointer(chance, 2), 0, 0, chance.choice((511, 4095, length(chance) & 0x3F_FFFF)))
    return table


def packet(chance: random.Random) -> bytes:
    """Of SCSI."""
    codes = (0x00, 0x03, 0x12, 0x1B, 0x1E, 0x25, 0x28, 0x28, 0xA8, 0x42, 0x43, 0x46, 0x4A, 0x51, 0x5A, 0xBE, 0x55)
    rest = chance.choice((bytes(11), chance.randbytes(11), b"\0\0\0\0\5\0\0\2\0\0\0", b"\0\0\0\0\0\0\0\x24\0\0\0"))
    return bytes((chance.choice(codes),)) + rest


def _nvme_command(chance: random.Random) -> bytes:
    opcode = chance.choice((0, 1, 1, 2, 2, 2, 4, 5, 6, 8, 9, 0xA, 0xC, 0x10, 0x80, chance.getrandbits(8)))
    space = chance.choice((0, 1, 1, 1, 2, 0xFFFF_FFFF))
    words = [chance.choice((0, 1, 7, 0x1_0001, 0x3F_0001, chance.getrandbits(32))) for _ in range(6)]
    head = struct.pack("<BBHI16x", opcode, chance.choice((0, 0, 0, 0xC0)), chance.getrandbits(16), space)
    return head + struct.pack("<QQ6I", pointer(chance, 512), pointer(chance, 4096), *words)


def _fw_cfg_request(chance: random.Random) -> bytes:
    control = chance.choice((2, 2, 4, 8 | 0x19 << 16 | 2, 0x10, 1, chance.getrandbits(32)))
    return struct.pack(">IIQ", control, length(chance), pointer(chance))


_FORMS: tuple[Callable[[random.Random], bytes], ...] = (
    *(_descriptor, _region, _ahci_header, _ahci_table, _nvme_command, _fw_cfg_request),
    lambda chance: struct.pack("<2H", chance.choice((0, 1)), chance.choice((1, 2, 5, 0x100, 0xFFFF))),
    lambda chance: bytes(64),
    lambda chance: chance.randbytes(64),
)


@functools.lru_cache(maxsize=4)
def arena(seed: int) -> bytes:
    """Pages of one form each: a few kinds, repeated, for what is looked for is where it is aligned."""
    chance = random.Random(seed)
    kinds = [b"".join(form(chance) for _ in range(4096 // 8))[:4096] for form in _FORMS for _ in range(12)]
    return b"".join(chance.choice(kinds) for _ in range(ARENA_SIZE // 4096))


_LAPIC = (
    *(0x20, 0x80, 0xB0, 0xD0, 0xE0, 0xF0, 0x280, 0x300, 0x310, 0x320, 0x320, 0x340, 0x350, 0x350, 0x360, 0x370),
    *(0x380, 0x380, 0x390, 0x3E0),
)
_ATA = (
    *(0x20, 0x20, 0x24, 0x25, 0x29, 0x30, 0x34, 0x35, 0x39, 0xA1, 0xC4, 0xC5, 0xC6, 0xC8, 0xC8, 0xCA, 0xCA, 0xEC, 0xEF),
    *(0x08, 0x10, 0x40, 0x70, 0x90, 0x91, 0xE0, 0xE5, 0xE6, 0xE7, 0xEA, 0xF5, 0xF8),
)
INTERESTING = (
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    0xB,
    0xF,
    0x10,
    0x20,
    0x36,
    0x40,
    0x7F,
    0x80,
    0xFE,
    0xFF,
    0x100,
    0xFFFF,
    0xFFFF_FFFF,
)


class Attacker:
    """Makes scripts against one device of a machine."""

    def __init__(self, target: str, everything: dict[str, Reach], homes: Homes, chance: random.Random) -> None:
        self._chance = chance
        self._all = everything
        self._homes = homes
        self._reach = everything[target]
        self._rings = ARENA + chance.randrange(64) * 0x1_0000
        """Where this one has its rings and tables."""
        self._sequences = [*self._known(target), self._anything, self._anything]

    def script(self, steps: int) -> Steps:
        found: Steps = []
        while len(found) < steps:
            kind = self._chance.random()
            if kind < 0.75:
                found += self._chance.choice(self._sequences)()
            elif kind < 0.82:
                found += self._configure()
            elif kind < 0.88:
                found += self._random(self._all[self._chance.choice(list(self._all))])
            else:
                found += self._pause()
        return found[:steps]

    def _known(self, target: str) -> Iterator[Callable[[], Steps]]:
        kinds = {
            "virtio": self._virtio,
            "net0": self._virtio,
            "net3": self._descriptor_rings,
            "nvme": self._nvme,
            "ahci": self._ahci,
            "ide": self._ide,
            "fw-cfg": self._fw_cfg,
            "fdc": self._floppy,
            "dma1": self._floppy,
            "pic": self._pics,
            "lapic": self._lapic,
            "ioapic": self._ioapic,
            "hpet": self._hpet,
            "pit": self._hpet,
            "rtc": self._hpet,
        }
        for prefix, sequence in kinds.items():
            if target.startswith(prefix):
                yield sequence

    # what any device is asked

    def _value(self) -> int:
        chance = self._chance
        kind = chance.random()
        if kind < 0.5:
            return chance.choice(INTERESTING)
        if kind < 0.65:
            return pointer(chance, 4096)
        return chance.getrandbits(chance.choice((8, 8, 16, 32)))

    def _anything(self) -> Steps:
        return self._random(self._reach)

    def _random(self, reach: Reach) -> Steps:
        """A register is often written and read again, or its neighbour is."""
        chance = self._chance
        if reach.memory and (not reach.ports or chance.random() < 0.5):
            window = chance.choice(reach.memory)
            if window.start > 0xFFFF_FFFF:
                return []
            registers = min(len(window), chance.choice((0x40, 0x140, 0x1100, 0x4000)))
            address = window.start + chance.randrange(registers) // 4 * 4
            sizes, reads, writes = (1, 2, 4, 4, 4), LOAD, STORE
        elif reach.ports:
            window = chance.choice(reach.ports)
            if window.start == TEST_EXIT and chance.random() < SELDOM:
                return []
            address = window.start + chance.randrange(len(window))
            sizes, reads, writes = (1, 1, 1, 2, 4), IN, OUT
            if chance.random() < 0.05:
                size = chance.choice((1, 2, 4))
                which = INS if {*range(address, address + size)} & CRITICAL else chance.choice((INS, OUTS))
                return [(which[size], address, pointer(chance) & 0xFF_FFFF, chance.choice((1, 3, 256, 600)))]
        else:
            return []
        size = chance.choice(sizes)
        if chance.random() < 0.4:
            return [(reads[size], address, 0, 0)]
        value = self._value()
        if writes is OUT and chance.random() < SELDOM:
            value = _harmless(address, size, value)
        return [(writes[size], address, value, 0)]

    def _configure(self) -> Steps:
        """The target's function, or any: and back to where it was, for else nothing would answer for long."""
        chance = self._chance
        functions = self._reach.functions or chance.choice(
            [reach.functions or (1 << 31,) for reach in self._all.values()]
        )
        function = chance.choice(functions)
        register = chance.choice((4, 4, 0x10, 0x14, 0x20, 0x24, 0x30, 0x3C, chance.randrange(64) * 4))
        size = chance.choice((1, 2, 4, 4))
        kept = IN[4], CONFIG_DATA, 0, 0
        value = chance.choice((0, 1, 7, 0x107, 0xFFFF_FFFF, 0xFEB0_0000, 0xC001, self._value()))
        steps: Steps = [(OUT32, CONFIG_ADDRESS, function | register, 0), kept, (OUT[size], CONFIG_DATA, value, 0)]
        if chance.random() < 0.9:
            steps += [*self._random(self._reach), *self._put_back(function)]
        return steps

    def _put_back(self, function: int) -> Steps:
        steps: Steps = []
        for register, value in self._homes.get(function, ()):
            steps += [(OUT32, CONFIG_ADDRESS, function | register, 0), (OUT32, CONFIG_DATA, value, 0)]
        return [*steps, (OUT32, CONFIG_ADDRESS, function | 4, 0), (OUT16, CONFIG_DATA, 7, 0)]

    def _pause(self) -> Steps:
        chance = self._chance
        kind = chance.random()
        if kind < 0.6:
            return [(SPIN, 0, 0, chance.choice((10, 100, 2000, 20_000)))]
        if kind < 0.8:
            return [(chance.choice((ENABLE, DISABLE)), 0, 0, 0)]
        if kind < 0.9:
            return [(ENDINGS, 0, 0, chance.choice((3, 3, 3, 1, 2, 0)))]
        return [(HALT, 0, 0, 0)]

    def _bytes(self, address: int, data: bytes) -> Steps:
        padded = data + bytes(-len(data) % 4)
        return [
            (STORE32, address + at, int.from_bytes(padded[at : at + 4], "little"), 0) for at in range(0, len(padded), 4)
        ]

    def _registers(self) -> int:
        """Where the registers of the target are: its largest window of memory."""
        return max(self._reach.memory, key=len).start

    # what leads into the depths of some

    def _virtio(self) -> Steps:
        chance, base = self._chance, self._registers()
        kind = chance.random()
        if kind < 0.3:
            return [
                (STORE32, base + 0x3000 + 4 * chance.choice((0, 0, 1, 2)), chance.choice((0, 1, 0xFFFF)), 0),
                *self._pause(),
            ]
        table, driver, device = (pointer(chance, align) for align in (4096, 4096, 4096))
        steps: Steps = [(STORE8, base + 0x14, value, 0) for value in (0, 1, 3)]
        for half in (0, 1):
            features = chance.choice((0xFFFF_FFFF, 0x3000_0000, 0, 0x200)) if not half else chance.choice((1, 1, 1, 0))
            steps += [(STORE32, base + 0x08, half, 0), (STORE32, base + 0x0C, features, 0)]
        steps.append((STORE8, base + 0x14, 0xB, 0))
        for queue in range(chance.choice((1, 1, 2, 6))):
            steps += [
                (STORE16, base + 0x16, queue, 0),
                (STORE16, base + 0x18, chance.choice((1, 8, 64, 256, 0, 3, 0x8000)), 0),
            ]
            for offset, address in ((0x20, table), (0x28, driver), (0x30, device)):
                steps += [(STORE32, base + offset, address, 0), (STORE32, base + offset + 4, 0, 0)]
            steps += [(STORE16, base + 0x1A, chance.choice((0, 1, 0xFFFF)), 0), (STORE16, base + 0x1C, 1, 0)]
        steps += [(STORE8, base + 0x14, 0xF, 0)]
        count = chance.randrange(1, 6)
        for number in range(count):
            chain = [chance.choice((0, 1, 4, 8, 0xB, 0xD)), 0, chance.choice((0, 5, 999, 1000, 0xFFFF_FFFF)), 0]
            header = pointer(chance, 16) & 0xFF_FFFF
            steps += self._bytes(header, struct.pack("<4I", *chain))
            for at, (address, size, flags) in enumerate(
                (
                    (header, 16, 1),
                    (pointer(chance, 16), chance.choice((512, 4096, 511, length(chance))), chance.choice((1, 3))),
                    (pointer(chance), 1, 2),
                )
            ):
                where = (table & 0xFF_FFFF) + 16 * (3 * number + at)
                steps += self._bytes(where, struct.pack("<IIIHH", address, 0, size, flags, 3 * number + at + 1))
            steps.append((STORE16, (driver & 0xFF_FFFF) + 4 + 2 * number, 3 * number, 0))
        steps.append((STORE16, (driver & 0xFF_FFFF) + 2, chance.choice((count, count, 1, 0xFFFF)), 0))
        return [*steps, (STORE32, base + 0x3000 + 4 * chance.choice((0, 0, 1)), 0, 0), *self._pause()]

    def _nvme(self) -> Steps:
        chance, base = self._chance, self._registers()
        if chance.random() < 0.3:
            size = chance.choice((1, 7, 31, 63, 4095))
            steps: Steps = [(STORE32, base + 0x14, 0, 0), (STORE32, base + 0x24, size | size << 16, 0)]
            for offset, ring in ((0x28, self._rings), (0x30, self._rings + 0x4000)):
                where = ring if chance.random() < 0.8 else pointer(chance, 4096)
                steps += [(STORE32, base + offset, where, 0), (STORE32, base + offset + 4, 0, 0)]
            steps.append((STORE32, base + 0x14, chance.choice((0x46_0001, 0x46_0001, 0x46_0001, self._value())), 0))
            for queue in (1, 2):
                ring = self._rings + 0x8000 * queue
                words = [queue | 31 << 16, 1 | chance.choice((0, 2)), 0, 0]
                steps += self._nvme_put(2 * queue - 2, struct.pack("<IIQQQQ4I", 5, 0, 0, 0, ring, 0, *words))
                words[1] = 1 | queue << 16
                steps += self._nvme_put(2 * queue - 1, struct.pack("<IIQQQQ4I", 1, 0, 0, 0, ring + 0x4000, 0, *words))
            return [*steps, (STORE32, base + 0x1000, 4, 0), (SPIN, 0, 0, 20_000)]
        if chance.random() < 0.3:
            queue = chance.choice((0, 0, 0, 1, 2, 3, 4, 5, 40))
            return [(STORE32, base + 0x1000 + 4 * queue, chance.choice((0, 1, 2, 3, 9, 63, 0xFFFF)), 0), *self._pause()]
        queue, at = chance.choice((0, 1, 1, 2)), chance.randrange(4)
        where = self._rings + (0x8000 * queue + 0x4000 if queue else 0)
        steps = self._bytes(where + 64 * at, _nvme_command(chance))
        return [*steps, (STORE32, base + 0x1000 + 8 * queue, at + 1, 0), (SPIN, 0, 0, chance.choice((20_000, 40_000)))]

    def _nvme_put(self, at: int, command: bytes) -> Steps:
        return self._bytes(self._rings + 64 * at, command)

    def _ahci(self) -> Steps:
        chance, base = self._chance, self._registers()
        port = base + 0x100 + 0x80 * chance.choice((0, 0, 0, 1, 1, 1, 2, 5))
        kind = chance.random()
        if kind < 0.2:
            return [(STORE32, port + 0x38, chance.choice((1, 2, 3, 0x8000_0000, 0xFFFF_FFFF)), 0), *self._pause()]
        if kind < 0.3:
            registers = chance.sample((0x10, 0x14, 0x18, 0x2C, 0x30), 3)
            return [(STORE32, port + offset, self._value(), 0) for offset in registers]
        steps: Steps = []
        if kind < 0.6:
            steps = [(STORE32, base + 4, 0x8000_0002, 0), (STORE32, port + 0x18, 0, 0)]
            for offset, place in ((0, self._rings), (8, self._rings + 0x1000)):
                where = place if chance.random() < 0.9 else pointer(chance, 1024)
                steps += [(STORE32, port + offset, where, 0), (STORE32, port + offset + 4, 0, 0)]
            steps += [(STORE32, port + 0x30, 0xFFFF_FFFF, 0), (STORE32, port + 0x18, 0x11, 0)]
        slot = chance.choice((0, 0, 1, 31))
        table = self._rings + 0x2000
        flags = chance.choice((5, 5, 0x25, 0x45, 0x65))
        steps += self._bytes(self._rings + 32 * slot, struct.pack("<HHII", flags, chance.choice((1, 2, 8)), 0, table))
        steps += self._bytes(table, _ahci_table(chance)[: 128 + 32])
        return [*steps, (STORE32, port + 0x38, 1 << slot, 0), (SPIN, 0, 0, chance.choice((20_000, 100)))]

    def _ide(self) -> Steps:
        chance = self._chance
        channel, master = chance.choice(((0x1F0, 0), (0x1F0, 0), (0x170, 8)))
        kind = chance.random()
        if kind < 0.2:
            count = chance.choice((1, 6, 256, 256, 600))
            which, size = chance.choice((INS, OUTS)), chance.choice((1, 2, 2, 4))
            return [(which[size], channel, pointer(chance) & 0xFF_FFFF, count)]
        drive = chance.choice((0xE0, 0xE0, 0xF0, 0xA0, 0xB0, self._value()))
        steps: Steps = [(OUT8, channel + 6, drive, 0)]
        steps += [(OUT8, channel + at, chance.choice((0, 0, 1, 2, 0xFF, self._value())), 0) for at in range(1, 6)]
        bases = [window.start for window in self._reach.ports if window.start >= 0xC000]
        if bases and chance.random() < 0.6:
            table = bases[0] + master
            regions = b"".join(_region(chance) for _ in range(3)) + struct.pack("<II", pointer(chance, 2), 0x8000_0000)
            steps += [*self._bytes(self._rings, regions), (OUT32, table + 4, self._rings, 0)]
            steps += [(OUT8, table + 2, 6, 0), (OUT8, table, chance.choice((1, 9)), 0)]
        if kind < 0.5:
            steps += [(OUT8, channel + 6, chance.choice((0xA0, 0xB0)), 0), (OUT8, channel + 7, 0xA0, 0)]
            steps += [(OUT16, channel, int.from_bytes(pair, "little"), 0) for pair in _pairs(packet(chance))]
        else:
            steps.append((OUT8, channel + 7, chance.choice(_ATA), 0))
        count = chance.choice((0, 4, 256, 256, 512, 1024))
        return [*steps, (SPIN, 0, 0, chance.choice((20_000, 30))), (INS16, channel, ARENA, count), *self._pause()]

    def _fw_cfg(self) -> Steps:
        chance = self._chance
        where = pointer(chance) & 0xFFFF_FFFF
        swapped = int.from_bytes(where.to_bytes(4, "big"), "little")
        steps = self._bytes(where & 0xFF_FFFC, _fw_cfg_request(chance)) if chance.random() < 0.5 else []
        return [*steps, (OUT32, 0x514, 0, 0), (OUT32, 0x518, swapped, 0), *self._pause()]

    def _floppy(self) -> Steps:
        """A transfer as drivers do it, all of it nearly right; or any command."""
        chance = self._chance
        command = chance.choice(
            (0x46, 0xE6, 0x45, 0xC5, 0x4D, 0x66, 0x07, 0x08, 0x0F, 0x0A, 0x03, 0x04, 0x0E, 0x13, 0x10)
        )
        data = [chance.choice((0, 0, 1, 2, 18, 0x1B, 0xFF, 4, 36)) for _ in range(chance.randrange(10))]
        steps: Steps = []
        if chance.random() < 0.6:
            command = chance.choice((0x46, 0xE6, 0x45, 0xC5, 0x4D, 0x66))
            track, head, sector = chance.choice((0, 0, 1, 79, 80)), chance.choice((0, 1)), chance.choice((1, 1, 18, 19))
            data = (
                [head << 2, track, head, sector, 2, 18, 0x1B, 0xFF]
                if command != 0x4D
                else [head << 2, 2, 18, 0x54, 0xF6]
            )
            mode = chance.choice((0x46, 0x4A, 0x46, 0x4A, 0x42, 0x56, self._value()))
            count = chance.choice((0x1FF, 0x1FF, 0x3FF, 0x23FF, 0, 0xFFFF))
            for port, value in (
                *((0x3F2, 0x1C), (0x0A, 6), (0x0C, 0), (0x0B, mode), (4, self._value() & 0xFF), (4, 0)),
                *((5, count & 0xFF), (5, count >> 8), (0x81, chance.choice((0xA0, 0xB0, 0xFF))), (0x0A, 2)),
                *((0x3F5, 0x0F), (0x3F5, 0), (0x3F5, track)),
            ):
                steps.append((OUT8, port, value, 0))
            steps += [self._rest(), (OUT8, 0x3F5, 8, 0), (IN8, 0x3F5, 0, 0), (IN8, 0x3F5, 0, 0)]
        elif chance.random() < 0.4:
            steps += [(OUT8, 0x3F2, chance.choice((0, 0xC, 0x1C, 0x1C, 4)), 0), (IN8, 0x3F4, 0, 0)]
        steps += [(OUT8, 0x3F5, byte, 0) for byte in (command, *data)]
        return [*steps, self._rest(), *[(IN8, 0x3F5, 0, 0)] * chance.randrange(9)]

    def _rest(self) -> Step:
        """Mostly too short for a drive."""
        return (HALT, 0, 0, 0) if self._chance.random() < 0.2 else (SPIN, 0, 0, 2000)

    def _pics(self) -> Steps:
        chance = self._chance
        base, vectors = chance.choice(((0x20, 0x20), (0xA0, 0x28)))
        words = (base + 1, vectors), (base + 1, 4 if base == 0x20 else 2), (base + 1, chance.choice((1, 3, 0x11)))
        start = (OUT8, base, chance.choice((0x11, 0x11, 0x19, 0x13)), 0)
        return [
            start,
            *((OUT8, port, value, 0) for port, value in words),
            (OUT8, base + 1, chance.choice((0, 0xFE, self._value())), 0),
            *self._pause(),
        ]

    def _lapic(self) -> Steps:
        chance = self._chance
        register = chance.choice(_LAPIC)
        value = chance.choice((0, 0x40, 0x2_0040, 0x4_0040, 0x8_0040, 0xC_4040, 0x1FF, 0x700, self._value()))
        if register == 0x300 and value & 0x700 in (0x500, 0x600) and chance.random() < SELDOM:
            value &= 0xFF  # INIT and start-up, after which the CPU waits for ever
        if chance.random() < 0.2:
            number = chance.choice((0x1B, 0x800 + (register >> 4), chance.randrange(0x800, 0x900)))
            if number == 0x1B:
                value = 0xFEE0_0900 | chance.choice((0, 0, 0x400, 0x400, 0xFF))
            what = chance.choice((GET_MSR, SET_MSR))
            return [(what, number, value & 0xFFFF_FFFF if number != 0x830 else value & 0xFF, chance.choice((0, 0, 1)))]
        return [(STORE32, 0xFEE0_0000 + register, value, 0), *self._pause()]

    def _hpet(self) -> Steps:
        """Comparators that come soon, level or edge, and interrupts taken over from the chips and given back."""
        chance, number = self._chance, self._chance.choice((0, 0, 1, 1, 2))
        timer = HPET_BASE + 0x100 + 0x20 * number
        config = chance.choice((0x4, 0x6, 0x4C, 0x4E, 0x14C, 0x104, 0x4004)) | chance.choice((0, 20, 23)) << 9
        return [
            (STORE32, timer, config, 0),
            (STORE32, timer + 8, chance.choice((1, 50, 3000, self._value())), 0),
            (STORE32, timer + 8, chance.choice((1, 2, 50, 3000)), 0),
            (STORE32, HPET_BASE + 0x20, chance.choice((0, 7)), 0),
            (STORE32, HPET_BASE + 0x10, chance.choice((3, 3, 3, 1, 2, 0)), 0),
            *self._pause(),
        ]

    def _descriptor_rings(self) -> Steps:
        """Of an RTL8139C+: rings of descriptors that are given over, and what makes it work at them."""
        chance, base = self._chance, self._registers()
        receive, transmit = (pointer(chance, 4096) & 0xFF_FFFF for _ in range(2))
        steps: Steps = [(STORE16, base + 0xE0, chance.choice((0x63, 3, 1, 2, 0x7B)), 0)]
        for register, ring in ((0xE4, receive), (0x20, transmit), (0x28, chance.choice((transmit, 0)))):
            steps += [(STORE32, base + register, ring, 0), (STORE32, base + register + 4, 0, 0)]
        for ring in (receive, transmit):
            for number in range(chance.randrange(1, 5)):
                flags = chance.choice((8, 8, 9, 0xA, 0xB, 0xB, 0xC, 0xF, 3)) << 28 | chance.getrandbits(12) << 16
                size = chance.choice((60, 200, 1514, 0, 0xFFFF))
                row = struct.pack("<IIII", flags | size, chance.getrandbits(18), pointer(chance), 0)
                steps += self._bytes(ring + 16 * number, row)
        steps += [(STORE8, base + 0x37, chance.choice((0xC, 0xC, 4, 8)), 0), (STORE32, base + 0x44, 0xF, 0)]
        poll, loop = chance.choice((0x40, 0x80, 0xC0, 0xC1)), chance.choice((0, 0x6_0000))
        steps += [(STORE16, base + 0x3C, 0xFFFF, 0), (STORE32, base + 0x40, loop, 0), (STORE8, base + 0xD9, poll, 0)]
        dump = (STORE32, base + 0x10, pointer(chance, 64) | 8, 0)
        return [*steps, *([dump] if chance.random() < 0.3 else []), *self._pause()]

    def _ioapic(self) -> Steps:
        chance, base = self._chance, 0xFEC0_0000
        steps: Steps = [(STORE32, base, chance.choice((0, 1, 2, *range(0x10, 0x40), 0xFF)), 0)]
        return [
            *steps,
            (STORE32, base + 0x10, chance.choice((0x30, 0x8030, 0xA030, 0x1_0000, 0x700, 0x400, self._value())), 0),
            *self._pause(),
        ]


def _harmless(port: int, size: int, value: int) -> int:
    """A value by which the machine neither switches off nor resets nor loses A20, which the guest's code needs."""
    data = bytearray((value & (1 << 8 * size) - 1).to_bytes(size, "little"))
    for at in range(size):
        match port + at:
            case 0x64 if data[at] >= 0xF0 or data[at] in (0xD1, 0xDD):
                data[at] = 0x20
            case 0x92:
                data[at] = 2
            case 0xCF9:
                data[at] = 0
            case 0x605:
                data[at] &= 0xDF
    return int.from_bytes(data, "little")


def _pairs(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 2] for at in range(0, len(data), 2))


def homes(machine: Machine) -> Homes:
    found = {}
    for place, _name, function in machine.pc.pci.placed():
        if isinstance(function, PciFunction):
            registers = [
                offset + 4 * at for offset, bar, _, _ in function.bar_positions() for at in range(bar.registers)
            ]
            found[1 << 31 | place.number << 8] = tuple((at, function.read_config(at, 4)) for at in registers)
    return found
