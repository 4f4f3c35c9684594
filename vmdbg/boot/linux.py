"""Linux: a bzImage, unpacked on the host or by itself, or a vmlinux.

Sources: Linux, Documentation/arch/x86/boot.rst (the setup header, the 32-bit and 64-bit boot protocols) and
zero-page.rst.

The compressed kernel is unpacked here and its startup_64 entered directly: a decompressor run in the guest
costs seconds and teaches nothing. The kernel then lies where it was linked, so there are no relocations to
apply and no KASLR. `via_decompressor` enters the kernel's own decompressor, which may move it.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

from vmdbg.boot import elf_file, entry
from vmdbg.boot.bzimage import HEADER, VMLINUX_HEADER, SetupHeader, parse_setup_header, unpack_vmlinux
from vmdbg.boot.image import BootImage, BootOptions, CpuStart, InputFile, Protocol
from vmdbg.boot.layout import HIGH_MEMORY, Layout
from vmdbg.errors import UserError
from vmdbg.units import PAGE_SIZE

DEFAULT_COMMAND_LINE = " ".join(
    (
        "console=ttyS0,115200",
        "earlyprintk=serial,ttyS0,115200",
        "tsc_early_khz=1000000",
        "tsc=reliable",
        "no_timer_check",
        "mitigations=off",
        "panic=-1",
    )
)
"""What a kernel is told unless the user replaces it.

console, earlyprintk: everything on COM1, from the first line on, so that an early death is seen.
tsc_early_khz: one tick is one TSC count and one nanosecond; calibrating would only find that out slowly.
tsc=reliable: TSC and PM timer count the same ticks, so no watchdog need compare them twice a second.
no_timer_check: no delay loops to find out whether the timer interrupt works.
mitigations=off: the engine speculates nothing, and page-table isolation flushes the TLB twice a system call.
panic=-1: a panic resets at once, which ends the run, instead of spinning for ever.
"""

_ZERO_PAGE_SIZE = 4096
_SCREEN_INFO = 0x000
_MODE, _COLUMNS, _LINES, _EGA, _IS_VGA, _POINTS = 3, 80, 25, 3, 1, 16
"""struct screen_info (include/uapi/linux/screen_info.h): text mode as a BIOS sets it."""
_E820_TABLE = 0x2D0
_LOADER_UNDEFINED = 0xFF
_LOADED_HIGH = 0x01
_KASLR_FLAG = 0x02
_CAN_USE_HEAP = 0x80
_ENTRY_64 = 0x200
_SETUP_RNG_SEED = 9
_BANNER = b"Linux version "
_KERNEL_MAP = 0xFFFFFFFF80000000


def is_vmlinux(elf: elf_file.ElfFile) -> bool:
    """Whether a 64-bit ELF is a Linux kernel: linked at the kernel's addresses, and says so."""
    return elf.is_64bit and any(
        header.linear >= _KERNEL_MAP and _BANNER in bytes(elf.content(header)) for header in elf.loads
    )


def load_bzimage(options: BootOptions, kernel: InputFile) -> BootImage:
    """Lay out a compressed kernel. Raises UserError."""
    header = parse_setup_header(kernel)
    direct = None if options.via_decompressor else unpack_vmlinux(kernel, header, options.memory)
    if direct is not None:
        return _load(options, header, direct)
    layout = Layout(options.memory, options.firmware)
    return _finish(options, header, layout, *_place_decompressor(layout, header), "by its own decompressor")


def load_vmlinux(options: BootOptions, elf: elf_file.ElfFile) -> BootImage:
    """Lay out an uncompressed 64-bit kernel. Raises UserError."""
    if options.via_decompressor:
        raise UserError(f"{elf.name} is not compressed, so it has no decompressor: leave out --via-decompressor")
    return _load(options, VMLINUX_HEADER, elf)


def _load(options: BootOptions, header: SetupHeader, elf: elf_file.ElfFile) -> BootImage:
    layout = Layout(options.memory, options.firmware)
    if not elf.loads:
        raise UserError(f"{elf.name} has nothing to load")
    start = elf.loads[0].address
    end = max(last.address + last.memory_size for last in elf.loads)
    layout.reserve(start, max(end, header.load_address + header.init_size) - start, elf.name)
    for segment in _segments(elf):
        layout.fill(segment.address, elf.content(segment), elf.name)
    address = elf.entry if elf.entry < _KERNEL_MAP else elf.physical(elf.entry)
    if address is None or not start <= address < end:
        raise UserError(f"{elf.name} is damaged: its entry point {elf.entry:#x} lies outside what it loads")
    params = _ZeroPage(layout)
    cpu = entry.long_mode(layout, address, {"rsi": params.address})
    return _finish(options, header, layout, cpu, params, "at startup_64")


def _segments(elf: elf_file.ElfFile) -> Iterator[elf_file.ProgramHeader]:
    end = 0
    for header in elf.loads:
        if header.address < end:
            raise UserError(f"{elf.name} is damaged: two segments overlap at {header.address:#x}")
        end = header.address + header.memory_size
        yield header


class _ZeroPage:
    """struct boot_params: its place, and its fields by offset."""

    def __init__(self, layout: Layout) -> None:
        self.data = bytearray(_ZERO_PAGE_SIZE)
        self.address = layout.claim_low(_ZERO_PAGE_SIZE, "the zero page", align=PAGE_SIZE)

    def put(self, offset: int, format_: str, *values: int) -> None:
        struct.pack_into("<" + format_, self.data, offset, *values)


def _place_decompressor(layout: Layout, header: SetupHeader) -> tuple[CpuStart, _ZeroPage]:
    address = header.load_address if header.relocatable else HIGH_MEMORY
    size = max(header.init_size, len(header.protected))
    layout.put(address, header.protected, "the kernel's decompressor", size)
    params = _ZeroPage(layout)
    if header.is_64bit:
        return entry.long_mode(layout, address + _ENTRY_64, {"rsi": params.address}), params
    return entry.protected_mode(layout, address, {"rsi": params.address}), params


def _finish(
    options: BootOptions, header: SetupHeader, layout: Layout, cpu: CpuStart, params: _ZeroPage, how: str
) -> BootImage:
    text = command_line(options, header.command_line_size)
    params.data[HEADER : HEADER + len(header.raw)] = header.raw
    params.put(0x210, "BB", _LOADER_UNDEFINED, header.raw[0x20] & ~_KASLR_FLAG & ~_CAN_USE_HEAP | _LOADED_HIGH)
    params.put(0x218, "II", 0, 0)
    if options.initrd is not None:
        data = options.initrd.data
        initrd = layout.place_high(data, f"initrd {options.initrd.name}", below=header.initrd_max + 1)
        params.put(0x218, "II", initrd, len(data))
    params.put(0x228, "I", layout.place_low(text.encode() + b"\0", "the command line"))
    params.put(0x250, "Q", place_seed(layout, options.seed))
    if options.text_screen:
        params.put(_SCREEN_INFO + 0x06, "BB", _MODE, _COLUMNS)
        params.put(_SCREEN_INFO + 0x0A, "H", _EGA)
        params.put(_SCREEN_INFO + 0x0E, "BBH", _LINES, _IS_VGA, _POINTS)
    params.put(0x070, "Q", options.rsdp or 0)
    params.put(0x1E8, "B", len(layout.e820))
    for index, item in enumerate(layout.e820):
        params.put(_E820_TABLE + 20 * index, "QQI", item.address, item.size, item.type)
    layout.fill(params.address, bytes(params.data), "the zero page")
    release = f" {header.release}" if header.release else ""
    return BootImage(
        Protocol.LINUX,
        f"Linux{release}, entered {how}",
        layout.finish(),
        cpu,
        layout.e820,
        options.memory,
        layout.memory_needed,
        text,
    )


def command_line(options: BootOptions, limit: int) -> str:
    """The default, or what replaces it, and then the user's text. Raises UserError past `limit` bytes."""
    base = DEFAULT_COMMAND_LINE if options.command_line is None else options.command_line
    text = f"{base} {options.append}".strip()
    size = len(text.encode("utf-8", "surrogateescape"))
    if size > limit:
        raise UserError(f"the command line has {size} bytes, but this kernel takes {limit}: shorten --append")
    if "\0" in text:
        raise UserError("the command line holds a NUL character: take it out of --append")
    return text


def place_seed(layout: Layout, seed: bytes) -> int:
    """What setup_data has, to seed the kernel's random numbers with; its address."""
    data = hashlib.sha256(seed).digest()
    return layout.place_low(struct.pack("<QII", 0, _SETUP_RNG_SEED, len(data)) + data, "the random seed")
