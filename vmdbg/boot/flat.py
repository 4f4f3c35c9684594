"""Boot sectors, and flat images at a chosen address in a chosen mode."""

from __future__ import annotations

from vmdbg.boot import entry
from vmdbg.boot.elf import refuse_extras
from vmdbg.boot.image import BootImage, BootOptions, CpuMode, InputFile, Protocol
from vmdbg.boot.layout import EBDA, HIGH_MEMORY, Layout
from vmdbg.boot.memory_disk import FIRST_HARD_DISK, SECTOR, MemoryDisk, memory_disk
from vmdbg.boot.services import CHIPS, place_services
from vmdbg.errors import UserError
from vmdbg.units import Physical

SIGNATURE = b"\x55\xaa"
BOOT_ADDRESS = Physical(0x7C00)
_FROM_BOOTSTRAP = 0xAA55
"""What AX holds after a BIOS has looked at the signature; some boot sectors have come to read it."""
_SEGMENT_SIZE = 0x10000


def is_boot_sector(data: memoryview) -> bool:
    return bytes(data[SECTOR - 2 : SECTOR]) == SIGNATURE


def load_boot_sector(options: BootOptions, image: InputFile) -> BootImage:
    """The first 512 bytes at 0000:7C00 in real mode, the drive in DL, the stack below it. Raises UserError.

    The whole file is the disk that it was read from (memory_disk.py), and BIOS services are there (services.py).
    """
    refuse_extras(options, f"{image.name} is a boot sector", "boot a kernel")
    layout = Layout(options.memory, options.firmware)
    disk = _place_disk(layout, image)
    place_services(layout, options, disk)
    layout.put(BOOT_ADDRESS, image.data[:SECTOR], image.name)
    drive = disk.drive if disk is not None else FIRST_HARD_DISK
    registers = {"rax": _FROM_BOOTSTRAP, "rdx": drive}
    cpu = entry.real_mode(0, BOOT_ADDRESS, BOOT_ADDRESS, registers, interrupts=True)
    return BootImage(
        Protocol.BOOT_SECTOR,
        "boot sector",
        layout.finish(),
        cpu,
        layout.e820,
        options.memory,
        layout.memory_needed,
        chips=CHIPS,
    )


def load_flat(options: BootOptions, image: InputFile) -> BootImage:
    """The whole file at `options.load_address`, entered there in `options.mode`. Raises UserError.

    Real mode begins with CS holding the address's upper bits and IP its lower 16, SP below 7C00h.
    """
    refuse_extras(options, f"{image.name} is run as a flat image", "boot a kernel")
    address = BOOT_ADDRESS if options.load_address is None else options.load_address
    mode = options.mode or CpuMode.REAL
    if mode is CpuMode.REAL and address >= EBDA:
        raise UserError(
            f"real mode does not reach {address:#x}: give --load-address below {EBDA:#x}, or --mode protected"
        )
    real = mode is CpuMode.REAL
    layout = Layout(options.memory, options.firmware)
    if real:
        place_services(layout, options, None)
    layout.put(address, image.data, image.name)
    match mode:
        case CpuMode.REAL:
            segment, offset = address // _SEGMENT_SIZE * (_SEGMENT_SIZE >> 4), address % _SEGMENT_SIZE
            cpu = entry.real_mode(segment, offset, BOOT_ADDRESS, {})
        case CpuMode.PROTECTED32:
            cpu = entry.protected_mode(layout, address, {})
        case CpuMode.LONG64:
            cpu = entry.long_mode(layout, address, {})
    return BootImage(
        Protocol.FLAT,
        f"flat image at {address:#x}, {mode.value} mode",
        layout.finish(),
        cpu,
        layout.e820,
        options.memory,
        layout.memory_needed,
        chips=CHIPS if real else (),
    )


def _place_disk(layout: Layout, image: InputFile) -> MemoryDisk | None:
    """The file in memory; None where there is no room for so much as one sector that is all there is."""
    size = len(image.data)
    if layout.memory == HIGH_MEMORY and size <= SECTOR:
        return None
    padded = bytes(image.data) + bytes(-size % SECTOR) if size % SECTOR else image.data
    return memory_disk(layout.place_withheld(padded, f"the disk {image.name}"), size)
