"""A PC BIOS, run from the reset vector.

The image lies below 4 GiB as ROM. Its last 128 KiB lie below 1 MiB too: in RAM where the chipset cannot shadow, as if
that were done already.
"""

from __future__ import annotations

from vmdbg.boot import entry
from vmdbg.boot.elf import refuse_extras
from vmdbg.boot.image import BootImage, BootOptions, InputFile, Protocol, Segment
from vmdbg.boot.layout import (
    FLASH,
    FOUR_GIB,
    HIGH_MEMORY,
    KIB,
    SMALLEST_MEMORY,
    check_memory,
    size_text,
)
from vmdbg.boot.uefi import with_variables
from vmdbg.errors import UserError
from vmdbg.units import Physical

_SMALLEST = 64 * KIB
_LARGEST = FOUR_GIB - FLASH
SHADOWED = 128 * KIB
SHADOW = "BIOS shadow"
"""What the segment is called that lies below 1 MiB where no chipset shows ROM there."""
VARIABLES = "UEFI variables"
"""What the segment is called that is not ROM, but flash memory."""
SIGNATURE = 0x600
"""EDX after a reset: family 6."""


def load(options: BootOptions, bios: InputFile) -> BootImage:
    """Lay out a firmware image, with no e820 map: firmware finds out by itself. Raises UserError."""
    check_memory(options.memory)
    if options.bios is not None and options.kernel is not None:
        raise UserError("--bios runs firmware, which has no disk to find a kernel on: leave out --bios or the kernel")
    refuse_extras(options, f"{bios.name} is firmware", "boot a kernel")
    data, variables = with_variables(bios, options.nvram)
    size = len(data)
    if size % _SMALLEST or not _SMALLEST <= size <= _LARGEST:
        sizes = f"a multiple of {size_text(_SMALLEST)} up to {size_text(_LARGEST)}"
        raise UserError(f"{_in_words(bios, options.nvram)} {sizes}")
    shadow = data[-SHADOWED:]
    flash = (Segment(Physical(FOUR_GIB - size), data[:variables], VARIABLES, rom=True),) if variables else ()
    return BootImage(
        protocol=Protocol.BIOS,
        description="firmware from the reset vector",
        segments=(
            Segment(Physical(HIGH_MEMORY - len(shadow)), shadow, SHADOW),
            *flash,
            Segment(Physical(FOUR_GIB - size + variables), data[variables:], "BIOS", rom=True),
        ),
        start=entry.reset_vector({"rdx": SIGNATURE}),
        e820=(),
        memory=options.memory,
        memory_needed=SMALLEST_MEMORY,
    )


def _in_words(bios: InputFile, nvram: InputFile | None) -> str:
    """How large they are, as the beginning of what is said where that cannot be."""
    size = len(bios.data)
    if nvram is None:
        return f"{bios.name} has {size} bytes: a BIOS image is"
    return (
        f"{nvram.name} has {len(nvram.data)} bytes of UEFI variables and {bios.name} {size}: they do not belong "
        "together, for both are"
    )
