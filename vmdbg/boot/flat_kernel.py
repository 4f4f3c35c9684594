"""Kernels without usable ELF headers, whose Multiboot header says where they are loaded."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.boot.image import InputFile
from vmdbg.boot.layout import Layout
from vmdbg.errors import UserError


@dataclass(frozen=True, slots=True)
class AddressFields:
    """What the headers of both Multiboots say: the header is `offset` bytes into the file and `header` in memory.

    `load_end` 0 loads the whole file; `bss_end` 0 is for no bss.
    """

    offset: int
    header: int
    load: int
    load_end: int
    bss_end: int
    entry: int


def load_flat_kernel(layout: Layout, kernel: InputFile, fields: AddressFields, what: str) -> int:
    """Put the kernel where its header, called `what` in errors, says; its entry point. Raises UserError."""
    start = fields.offset - (fields.header - fields.load)
    if not 0 <= start <= fields.offset:
        raise UserError(
            f"{kernel.name} is damaged: its {what} header says it is loaded at {fields.load:#x}, "
            f"behind itself at {fields.header:#x}"
        )
    size = fields.load_end - fields.load if fields.load_end else len(kernel.data) - start
    if size <= 0 or start + size > len(kernel.data):
        raise UserError(
            f"{kernel.name} is truncated: its {what} header wants {size} bytes from offset {start:#x}, "
            f"the file has {len(kernel.data)}"
        )
    total = max(size, fields.bss_end - fields.load if fields.bss_end else 0)
    layout.put(fields.load, kernel.data[start : start + size], kernel.name, total)
    if not fields.load <= fields.entry < fields.load + total:
        raise UserError(f"{kernel.name} is damaged: its entry point {fields.entry:#x} lies outside what it loads")
    return fields.entry
