"""Multiboot 2: kernels that carry its header, as ELF files of 32 or 64 bits or as flat files.

Source: Multiboot2 Specification 2.0. As with GRUB on a PC without EFI, the kernel starts in 32-bit protected mode
whatever its file says, tags for EFI are passed over, and the screen is the text mode that a BIOS sets up.

The command line is the user's text alone, as with Multiboot 1.
"""

from __future__ import annotations

from vmdbg.boot import elf_file, entry
from vmdbg.boot.elf import start_address
from vmdbg.boot.elf_file import ElfFile
from vmdbg.boot.flat_kernel import AddressFields, load_flat_kernel
from vmdbg.boot.image import BootImage, BootOptions, InputFile, Protocol
from vmdbg.boot.layout import Layout
from vmdbg.boot.multiboot2_header import ARCHITECTURE_I386, Header, HeaderTag, Preference, Relocatable, Wish
from vmdbg.boot.multiboot2_info import UNAVAILABLE, Loaded, information
from vmdbg.boot.services import CHIPS, place_services
from vmdbg.errors import UserError

BOOT_MAGIC = 0x36D76289
_CONSOLE_REQUIRED = 1 << 0
_TEXT_SUPPORTED = 1 << 1
_KNOWN = {int(tag) for tag in HeaderTag}


def load(options: BootOptions, kernel: InputFile, header: Header) -> BootImage:
    """Lay out a Multiboot 2 kernel. Raises UserError for what it requires and cannot have."""
    if header.architecture != ARCHITECTURE_I386:
        raise UserError(
            f"{kernel.name} is a Multiboot 2 kernel for architecture {header.architecture}: vmdbg runs x86 guests only"
        )
    for wish in header.wishes:
        if not wish.is_optional:
            _must_be_met(kernel.name, wish)
    layout = Layout(options.memory, options.firmware)
    if options.real_mode:
        place_services(layout, options, None)
    loaded = _load_flat(layout, kernel, header) if header.address is not None else _load_elf(layout, kernel, header)
    text = options.command_line if options.command_line is not None else options.append
    info = layout.place_low(information(layout, options, loaded, text), "the Multiboot 2 information", align=8)
    cpu = entry.protected_mode(layout, loaded.entry, {"rax": BOOT_MAGIC, "rbx": info})
    return BootImage(
        Protocol.MULTIBOOT2,
        "Multiboot 2 kernel",
        layout.finish(),
        cpu,
        layout.e820,
        options.memory,
        layout.memory_needed,
        text,
        CHIPS if options.real_mode else (),
    )


def _must_be_met(name: str, wish: Wish) -> None:
    """Raises UserError for a tag that is not optional and asks for what there is not."""
    match wish.type:
        case HeaderTag.INFORMATION_REQUEST:
            lacking = [UNAVAILABLE.get(asked, f"tag {asked}") for asked in wish.words if asked in UNAVAILABLE]
            if lacking:
                raise UserError(
                    f"{name} requires information that this machine has not: {', '.join(lacking)}. "
                    "Make that tag of its Multiboot 2 header optional"
                )
        case HeaderTag.CONSOLE_FLAGS if wish.words[0] & _CONSOLE_REQUIRED and not wish.words[0] & _TEXT_SUPPORTED:
            raise UserError(f"{name} requires a console other than EGA text, which is all that this machine has")
        case HeaderTag.FRAMEBUFFER if wish.words[2]:
            width, height, depth = wish.words[:3]
            raise UserError(
                f"{name} requires a framebuffer ({width} by {height}, {depth} bits a pixel), and this machine has EGA "
                "text only: make that tag of its Multiboot 2 header optional"
            )
        case unknown if unknown not in _KNOWN:
            raise UserError(f"{name} requires what Multiboot 2 does not define: a tag of type {unknown} in its header")


def _load_flat(layout: Layout, kernel: InputFile, header: Header) -> Loaded:
    address = header.address
    assert address is not None
    if header.entry is None:
        raise UserError(f"{kernel.name} is damaged: its Multiboot 2 header has load addresses and no entry address")
    load = address.header - header.offset if address.is_from_start else address.load
    fields = AddressFields(header.offset, address.header, load, address.load_end, address.bss_end, header.entry)
    load_flat_kernel(layout, kernel, fields, "Multiboot 2")
    return Loaded(header.entry)


def _load_elf(layout: Layout, kernel: InputFile, header: Header) -> Loaded:
    if bytes(kernel.data[:4]) != elf_file.MAGIC:
        raise UserError(
            f"{kernel.name} is damaged: it is no ELF file, and its Multiboot 2 header does not say where it is loaded"
        )
    elf = elf_file.parse(kernel)
    if not elf.loads:
        raise UserError(f"{elf.name} has nothing to load: it has no PT_LOAD segment")
    linked = elf.loads[0].address
    base = linked if header.relocatable is None else _chosen_base(layout, elf, header.relocatable)
    for part in elf.loads:
        layout.put(part.address - linked + base, elf.content(part), elf.name, part.memory_size)
    at = header.entry if header.entry is not None else start_address(elf)
    if not any(part.address <= at < part.address + part.memory_size for part in elf.loads):
        raise UserError(f"{elf.name} is damaged: its entry point {at:#x} lies outside what it loads")
    return Loaded(at - linked + base, elf, None if header.relocatable is None else base)


def _chosen_base(layout: Layout, elf: ElfFile, wanted: Relocatable) -> int:
    """Where a relocatable kernel is loaded; where it is linked if it does not mind. Raises UserError."""
    linked = elf.loads[0].address
    size = max(part.address + part.memory_size for part in elf.loads) - linked
    align = max(wanted.align, 1)
    high = wanted.preference == Preference.HIGHEST
    bases = []
    for start, end in layout.gaps():
        low, top = max(start, wanted.lowest), min(end, wanted.highest + 1) - size
        if wanted.preference == Preference.NONE and low <= linked <= top and linked % align == 0:
            return linked
        found = top // align * align if high else -(-low // align) * align
        if low <= found <= top:
            bases.append(found)
    if bases:
        return max(bases) if high else min(bases)
    raise UserError(
        f"{elf.name} does not fit: its Multiboot 2 header wants {size} bytes between {wanted.lowest:#x} and "
        f"{wanted.highest:#x} at a multiple of {align:#x}"
    )
