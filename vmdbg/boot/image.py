"""What a loader hands to the machine, and what it is asked for."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from vmdbg.units import Physical


class CpuMode(enum.Enum):
    """The mode the boot processor starts in (SDM 3A 2.2)."""

    REAL = "real"
    PROTECTED32 = "protected"
    LONG64 = "long"


class Protocol(enum.Enum):
    """How a guest is entered."""

    LINUX = "linux"
    MULTIBOOT = "multiboot"
    MULTIBOOT2 = "multiboot2"
    PVH = "pvh"
    ELF = "elf"
    BOOT_SECTOR = "boot-sector"
    FLAT = "flat"
    BIOS = "bios"


class E820Type(enum.IntEnum):
    """ACPI specification 6.5, table 15.4, Address Range Types."""

    USABLE = 1
    RESERVED = 2
    ACPI = 3
    NVS = 4


@dataclass(frozen=True, slots=True)
class E820Entry:
    """A range of physical addresses, `size` in bytes."""

    address: Physical
    size: int
    type: E820Type

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes to place at a physical address before the guest runs.

    `rom` says that the guest cannot change them; a ROM segment may lie above the end of RAM.
    """

    address: Physical
    data: bytes | memoryview
    name: str
    rom: bool = False

    @property
    def end(self) -> int:
        return self.address + len(self.data)


@dataclass(frozen=True, slots=True)
class SegmentRegister:
    """A segment register with its hidden part.

    `limit` is the last valid offset in bytes, scaled already. `attributes` holds bits 40-47 of the descriptor
    in bits 0-7 (type, S, DPL, P) and bits 52-55 in bits 12-15 (AVL, L, D/B, G): the access rights of SDM 3C,
    table 25-2.
    """

    selector: int
    base: int
    limit: int
    attributes: int


@dataclass(frozen=True, slots=True)
class DescriptorTable:
    """GDTR or IDTR: linear base, and the offset of the table's last byte."""

    base: int = 0
    limit: int = 0


@dataclass(frozen=True, slots=True)
class CpuStart:
    """The boot processor at its first instruction. General registers that `general` does not name are 0.

    `rip` is the offset in CS, so the first instruction is at linear address `cs.base + rip`. The GDT and the
    page tables that `gdt` and `cr3` name are among the segments of the image.
    """

    mode: CpuMode
    rip: int
    rsp: int
    cs: SegmentRegister
    ds: SegmentRegister
    es: SegmentRegister
    ss: SegmentRegister
    fs: SegmentRegister
    gs: SegmentRegister
    tr: SegmentRegister
    ldtr: SegmentRegister
    gdt: DescriptorTable
    idt: DescriptorTable
    cr0: int
    cr3: int
    cr4: int
    efer: int
    rflags: int = 2
    general: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChipWrite:
    """A byte that firmware wrote to a port of a chip."""

    port: int
    value: int


DEFAULT_SEED = b"vmdbg"


@dataclass(frozen=True, slots=True)
class BootImage:
    """A guest ready to run.

    `segments` do not overlap. `memory` is the RAM it was laid out for, in bytes; `memory_needed` is
    enough for the guest and what was loaded with it. `e820` is what the guest is told; it is empty when
    firmware is to find out by itself. `entry` is the linear address of the first instruction. `command_line`
    is the whole text the guest is given, or None when the protocol has none. `chips` is what firmware wrote to them, in
    this order; without any they are as after a reset. `random` is where RDRAND's numbers begin, of a CPU that has it.
    """

    protocol: Protocol
    description: str
    segments: tuple[Segment, ...]
    start: CpuStart
    e820: tuple[E820Entry, ...]
    memory: int
    memory_needed: int
    command_line: str | None = None
    chips: tuple[ChipWrite, ...] = ()
    random: int = 0

    @property
    def entry(self) -> int:
        return self.start.cs.base + self.start.rip

    def digest(self) -> str:
        """SHA-256, in hex, of the bytes, their places, the CPU, the chips, the e820 map and the size of RAM.

        Where the files lie and what they are called does not enter.
        """
        import hashlib  # takes its time, and few runs ask

        state = hashlib.sha256(repr((self.memory, _plain(self.start), self.e820)).encode())
        for write in self.chips:
            state.update(b"out %x %x;" % (write.port, write.value))
        if self.random:
            state.update(b"random %x;" % self.random)
        for segment in self.segments:
            state.update(b"%x %x %d;" % (segment.address, len(segment.data), segment.rom))
            state.update(segment.data)
        return state.hexdigest()


def _plain(start: CpuStart) -> list[tuple[str, object]]:
    values = {item.name: getattr(start, item.name) for item in fields(start)}
    values["general"] = sorted(start.general.items())
    return sorted(values.items())


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that the user named, with its contents."""

    name: str
    data: memoryview


@dataclass(frozen=True, slots=True)
class Module:
    """A file for a Multiboot kernel, and the text that the kernel is told with it."""

    file: InputFile
    text: str = ""


@dataclass(frozen=True, slots=True)
class BootOptions:
    """What to boot, and how. Only `memory` and one of `kernel` and `bios` must be given.

    memory: bytes of RAM.
    modules: what a Multiboot kernel has besides its initrd, which comes first.
    nvram: the variables that UEFI firmware has at first, where its own file has none.
    append: text added to the default command line; `command_line` replaces that default.
    via_decompressor: let a Linux kernel unpack itself, so that it can randomise where it lies.
    via_setup: enter a Linux kernel by its 16-bit setup code.
    real_mode: a Multiboot kernel finds a BIOS where it goes back to real mode.
    text_screen: there is a display in text mode, which Linux is told of.
    protocol: enter a guest that offers several ways by this one.
    load_address, mode: run the file as a flat image.
    firmware: segments such as ACPI tables, which must lie in E0000h-FFFFFh; `rsdp`: where the ACPI root
    pointer is.
    start: what the clock of the board shows at first, in seconds since 1970.
    seed: what Linux seeds its random numbers with, and where RDRAND's begin; the same seed gives the same numbers.
    """

    memory: int
    kernel: InputFile | None = None
    initrd: InputFile | None = None
    modules: tuple[Module, ...] = ()
    bios: InputFile | None = None
    nvram: InputFile | None = None
    append: str = ""
    command_line: str | None = None
    via_decompressor: bool = False
    via_setup: bool = False
    real_mode: bool = False
    text_screen: bool = False
    protocol: Protocol | None = None
    load_address: Physical | None = None
    mode: CpuMode | None = None
    firmware: tuple[Segment, ...] = ()
    rsdp: Physical | None = None
    start: int = 0
    seed: bytes = DEFAULT_SEED

    @property
    def all_modules(self) -> tuple[Module, ...]:
        """As a Multiboot kernel is told of them."""
        return self.modules if self.initrd is None else (Module(self.initrd, "initrd"), *self.modules)

    @property
    def random(self) -> int:
        """BootImage.random: 0 for the default seed."""
        if self.seed == DEFAULT_SEED:
            return 0
        import hashlib

        return int.from_bytes(hashlib.sha256(b"RDRAND " + self.seed).digest()[:8])
