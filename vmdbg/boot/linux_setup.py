"""Linux by its oldest way in: the kernel's own setup code, in real mode, on the services of a BIOS.

Source: Linux, Documentation/arch/x86/boot.rst, "Memory Layout", "Loading The Rest of The Kernel" and "Running the
Kernel". The setup code asks the BIOS for memory, keyboard and screen, switches to protected mode, and goes on to the
kernel's decompressor.
"""

from __future__ import annotations

import re
import struct
from dataclasses import replace

from devices.serial.com_ports import COM_PORTS
from vmdbg.boot import entry
from vmdbg.boot.bzimage import SetupHeader, parse_setup_header
from vmdbg.boot.image import BootImage, BootOptions, CpuStart, InputFile, Protocol, SegmentRegister
from vmdbg.boot.layout import HIGH_MEMORY, Layout
from vmdbg.boot.linux import command_line, place_seed
from vmdbg.boot.services import CHIPS, place_services
from vmdbg.errors import UserError

SETUP = 0x10000
"""Where the setup code lies, with its stack and heap behind it and the command line at the end of the segment."""
_SEGMENT = SETUP >> 4
_LONGEST_SETUP, _HEAP_END, _SIZE = 0x8000, 0xE000, 0x10000
_LOADER_UNDEFINED = 0xFF
_KASLR_FLAG = 0x02
_CAN_USE_HEAP = 0x80
_OLDEST = 0x0202
COM1 = COM_PORTS[0].base
_ENTRY = 0x20
"""Paragraphs: the first instruction is at offset 200h."""


def load_setup(options: BootOptions, kernel: InputFile) -> BootImage:
    """Lay out a compressed kernel for its setup code. Raises UserError."""
    if options.via_decompressor:
        raise UserError("--via-setup comes by the decompressor too: leave out --via-decompressor")
    header = parse_setup_header(kernel)
    setup = bytearray(kernel.data[: len(kernel.data) - len(header.protected)])
    if len(setup) > _LONGEST_SETUP:
        raise UserError(f"{kernel.name} has {len(setup)} bytes of setup code, over {_LONGEST_SETUP}: it is damaged")
    layout = Layout(options.memory, options.firmware)
    if not header.has_32bit_entry and options.command_line is None:
        options = replace(options, command_line="")  # no Linux, which the default is for
    text = command_line(options, min(header.command_line_size, _SIZE - _HEAP_END - 1))
    place_services(layout, options, None, screen_on_com1=not writes_to_com1(text))
    layout.reserve(SETUP, _SIZE, "the kernel's setup code")
    _fill_in(setup, options, header, layout)
    layout.fill(SETUP, bytes(setup), "the kernel's setup code")
    layout.fill(SETUP + _HEAP_END, text.encode("utf-8", "surrogateescape") + b"\0", "the command line")
    release = f" {header.release}" if header.release else ""
    return BootImage(
        Protocol.LINUX,
        f"Linux{release}, entered by its 16-bit setup code",
        layout.finish(),
        _start(),
        layout.e820,
        options.memory,
        layout.memory_needed,
        text,
        CHIPS,
    )


def writes_to_com1(command: str) -> bool:
    """Whether this has the setup code write to COM1 whatever it writes on the screen (arch/x86/boot's console_init)."""
    words = dict(word.split("=", 1) for word in command.split() if "=" in word)
    early = re.fullmatch(r"(serial)?(?:,?(0x[0-9a-f]+|ttyS\d?))?(?:,.*)?", words.get("earlyprintk", ""))
    if early is not None and any(early.groups()):
        port = early[2] or "ttyS0"
        return port in ("ttyS", "ttyS0") or (port.startswith("0x") and int(port, 16) in (0, COM1))
    uart = re.fullmatch(r"uart(?:8250)?,io,(0x[0-9a-f]+)(?:,.*)?", words.get("console", ""))
    return uart is not None and int(uart[1], 16) == COM1


def _fill_in(setup: bytearray, options: BootOptions, header: SetupHeader, layout: Layout) -> None:
    """The fields that a loader writes, and what they point to."""

    def put(offset: int, format_: str, *values: int) -> None:
        struct.pack_into("<" + format_, setup, offset, *values)

    address = header.load_address if header.relocatable else HIGH_MEMORY
    size = max(header.init_size, len(header.protected))
    layout.put(address, header.protected, "the kernel's decompressor", size)
    put(0x210, "BB", _LOADER_UNDEFINED, setup[0x211] & ~_KASLR_FLAG | _CAN_USE_HEAP)
    put(0x214, "I", address)
    if options.initrd is not None:
        data = options.initrd.data
        initrd = layout.place_high(data, f"initrd {options.initrd.name}", below=header.initrd_max + 1)
        put(0x218, "II", initrd, len(data))
    put(0x224, "H", _HEAP_END - 0x200)
    put(0x228, "I", SETUP + _HEAP_END)
    if header.version >= 0x0209:
        put(0x250, "Q", place_seed(layout, options.seed))


def _start() -> CpuStart:
    """CS at the setup code, all other segments at what lies before it, interrupts off ("Running the Kernel")."""
    start = entry.real_mode(_SEGMENT + _ENTRY, 0, _HEAP_END, {})
    data = replace(start.ds, selector=_SEGMENT, base=SETUP)
    assert isinstance(data, SegmentRegister)
    return replace(start, ds=data, es=data, ss=data, fs=data, gs=data)
