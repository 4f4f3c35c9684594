"""Boot sectors, and flat images at a chosen address in a chosen mode."""

from __future__ import annotations

from vmdbg.boot import entry
from vmdbg.boot.elf import refuse_extras
from vmdbg.boot.image import BootImage, BootOptions, CpuMode, InputFile, Protocol
from vmdbg.boot.layout import EBDA, Layout, check_memory, e820_map
from vmdbg.boot.services import interrupt_vectors, service_code
from vmdbg.errors import UserError
from vmdbg.units import Physical

SECTOR = 512
SIGNATURE = b"\x55\xaa"
BOOT_ADDRESS = Physical(0x7C00)
_FIRST_HARD_DISK = 0x80
_SEGMENT_SIZE = 0x10000


def is_boot_sector(data: memoryview) -> bool:
    return bytes(data[SECTOR - 2 : SECTOR]) == SIGNATURE


def load_boot_sector(options: BootOptions, image: InputFile) -> BootImage:
    """The first 512 bytes at 0000:7C00 in real mode, DL 80h, the stack below it. Raises UserError.

    What follows the first sector is not loaded: a BIOS would not, and there is no disk to read it from. Some
    BIOS services are there: see services.py.
    """
    refuse_extras(options, f"{image.name} is a boot sector", "boot a kernel")
    layout = _layout_with_services(options)
    layout.put(BOOT_ADDRESS, image.data[:SECTOR], image.name)
    cpu = entry.real_mode(0, BOOT_ADDRESS, BOOT_ADDRESS, {"rdx": _FIRST_HARD_DISK})
    return BootImage(
        Protocol.BOOT_SECTOR,
        "boot sector",
        layout.finish(),
        cpu,
        layout.e820,
        options.memory,
        layout.memory_needed,
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
    layout = _layout_with_services(options) if real else Layout(options.memory, options.firmware)
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
    )


def _layout_with_services(options: BootOptions) -> Layout:
    check_memory(options.memory)
    code = service_code(e820_map(options.memory), options.memory)
    layout = Layout(options.memory, (*options.firmware, code))
    layout.put(0, interrupt_vectors(), "the interrupt vectors")
    return layout
