"""What a BIOS leaves behind for real-mode guests: services, interrupt vectors, its data area, and chips set up.

Sources: Ralf Brown's Interrupt List and its list of the BIOS data area; IBM PC/AT Technical Reference. The services are
in services.asm: text on the screen (INT 10h), the file as a disk in memory (13h), serial ports (14h), memory, A20 and
waiting (15h), keys (16h), the clock and the PCI bus (1Ah). Divide errors and invalid opcodes halt.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devices.serial.com_ports import COM_PORTS
from vmdbg.boot.image import BootOptions, ChipWrite, E820Entry, Segment
from vmdbg.boot.layout import EBDA, HIGH_MEMORY, KIB, MIB, Layout
from vmdbg.boot.services_code import CODE
from vmdbg.units import Physical

if TYPE_CHECKING:
    from vmdbg.boot.memory_disk import MemoryDisk

CODE_ADDRESS = Physical(0xFE000)
DATA_AREA = Physical(0x400)
DATA_SIZE = 0x100
_SEGMENT = 0xF000
_TO_COM1, _RETURN = CODE.index(bytes.fromhex("52 50 ba fd 03")), 0xC3
"""`serial` in services.asm, which writes to COM1 what is written on the screen; RET."""
_SIZE = 0x2000
_VECTORS = 256
_VECTOR_LIST = 0x20
_LAST_VECTOR = 0xFFFF
_RESET = bytes.fromhex("b0fe e664 f4")
"""MOV AL, FEh; OUT 64h, AL; HLT: what lies at F000:FFF0 resets the processor."""
_DATE_AND_MODEL = b"01/01/00\0\xfc\0"
_PARAMETERS = struct.Struct("<IIBBHHHHHHI")

_MOST_EXTENDED = 63 * KIB
_LOW_END = 16 * MIB
_BLOCK = 64 * KIB
_TICKS_A_DAY, _SECONDS_A_DAY = 0x1800B0, 86_400

CHIPS: tuple[ChipWrite, ...] = tuple(
    ChipWrite(port, value)
    for port, value in (
        *((0x43, 0x34), (0x40, 0x00), (0x40, 0x00)),
        *((0x20, 0x11), (0x21, 0x08), (0x21, 0x04), (0x21, 0x01)),
        *((0xA0, 0x11), (0xA1, 0x70), (0xA1, 0x02), (0xA1, 0x01)),
        *((0x21, 0xB8), (0xA1, 0x8F)),
        *((0x64, 0x60), (0x60, 0x61)),
    )
)
"""The 8254 dividing by 65,536 (18.2 Hz), before the 8259A, which forgets the edge that this makes; interrupts of these
at 08h and 70h, those of timer, keyboard, cascade, floppy, mouse, FPU and disk let through; the 8042 translating what
the keyboard sends, with its interrupt.
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the services answer with: the memory map, the end of RAM that is the guest's, the disk, and the time of day
    in seconds; and whether what is written on the screen is written to COM1 too.
    """

    e820: Sequence[E820Entry]
    end: int
    disk: MemoryDisk | None
    seconds: int
    on_com1: bool = True


def service_code(machine: Machine) -> Segment:
    """The services, up to the end of the first MiB."""
    above = max(machine.end - HIGH_MEMORY, 0) // KIB
    disk = machine.disk
    geometry = (disk.cylinders, disk.heads, disk.per_track) if disk is not None else (0, 0, 0)
    parameters = _PARAMETERS.pack(
        disk.address if disk is not None else 0,
        disk.sectors if disk is not None else 0,
        disk.drive if disk is not None else 0,
        disk.floppy_type if disk is not None else 0,
        *geometry,
        min(above, _MOST_EXTENDED),
        min(above, (_LOW_END - HIGH_MEMORY) // KIB),
        max(machine.end - _LOW_END, 0) // _BLOCK,
        len(machine.e820),
    )
    table = b"".join(struct.pack("<QQI", entry.address, entry.size, entry.type) for entry in machine.e820)
    code = bytearray((parameters + CODE[len(parameters) :] + table).ljust(_SIZE, b"\0"))
    if not machine.on_com1:
        code[_TO_COM1] = _RETURN
    code[-16:] = _RESET + _DATE_AND_MODEL
    return Segment(CODE_ADDRESS, bytes(code), "BIOS services")


def interrupt_vectors() -> bytes:
    """The real-mode interrupt vector table, which belongs at address 0 (SDM 3A 21.1.4)."""
    named: dict[int, int] = {}
    position = _VECTOR_LIST
    while _LAST_VECTOR not in named:
        vector, handler = struct.unpack_from("<HH", CODE, position)
        named[vector] = handler
        position += 4
    others = named[_LAST_VECTOR]
    return b"".join(struct.pack("<HH", named.get(vector, others), _SEGMENT) for vector in range(_VECTORS))


def data_area(machine: Machine) -> bytes:
    """The BIOS data area, 40:00 to 40:FF."""
    data = bytearray(DATA_SIZE)

    def put(offset: int, form: str, *values: int) -> None:
        struct.pack_into("<" + form, data, offset, *values)

    put(0x00, "4H", *(port.base for port in COM_PORTS))
    put(0x0E, "H", EBDA >> 4)
    put(0x10, "H", _equipment(machine.disk))
    put(0x13, "H", EBDA // KIB)
    put(0x1A, "HH", 0x1E, 0x1E)
    put(0x49, "BHH", 3, 80, 0x1000)
    put(0x60, "HBH", 0x0607, 0, 0x3D4)
    put(0x65, "BB", 0x29, 0x30)
    put(0x6C, "I", machine.seconds % _SECONDS_A_DAY * _TICKS_A_DAY // _SECONDS_A_DAY)
    put(0x75, "B", 1 if machine.disk is not None and not machine.disk.floppy_type else 0)
    put(0x7C, "4B", 10, 10, 10, 10)
    put(0x80, "HH", 0x1E, 0x3E)
    put(0x84, "BH", 24, 16)
    put(0x87, "BBBB", 0x60, 0xF9, 0x51, 0x08)
    put(0x96, "B", 0x10)
    return bytes(data)


def _equipment(disk: MemoryDisk | None) -> int:
    """Floppy drives, FPU, PS/2 mouse (none), 80x25 in colour, serial ports."""
    floppy = 1 if disk is not None and disk.floppy_type else 0
    return floppy | 0x0002 | 0x0020 | len(COM_PORTS) << 9


def place_services(
    layout: Layout, options: BootOptions, disk: MemoryDisk | None, *, screen_on_com1: bool = True
) -> None:
    """The BIOS's vectors, data and code. A flat image may lie where its data area is."""
    end = disk.address if disk is not None else layout.memory
    machine = Machine(layout.e820, end, disk, options.start, screen_on_com1)
    layout.add_firmware(service_code(machine))
    layout.put(0, interrupt_vectors(), "the interrupt vectors")
    if layout.free(DATA_AREA, DATA_SIZE):
        layout.put(DATA_AREA, data_area(machine), "the BIOS data area")
