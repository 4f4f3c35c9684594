"""A bzImage: its setup header, and the kernel inside.

Source: Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from vmdbg.boot import elf_file
from vmdbg.boot.image import InputFile
from vmdbg.boot.layout import HIGH_MEMORY, Layout
from vmdbg.errors import UserError

HEADER = 0x1F1
_MAGIC = b"HdrS"
_SECTOR = 512
_PARAGRAPH = 16
"""Bytes. The header counts by these, rounded up; not all files go on to the end of the last."""
_XLF_KERNEL_64 = 0x01
_OLDEST = 0x0202
_SHORTEST_HEADER = 0x10
"""The header ends at 202h plus the byte at 201h; LOADFLAGS at 211h is the last field that is always there."""
_WITH_PAYLOAD = 0x0208
_WITH_XLOADFLAGS = 0x020C
_HEADER_END = 0x290
"""Where other fields of the zero page begin (zero-page.rst)."""
_LOADED_HIGH = 0x01


@dataclass(frozen=True, slots=True)
class SetupHeader:
    """The fields of a bzImage's setup header that loading needs; `raw` is the header from offset 1F1h on."""

    raw: bytes
    version: int
    protected: memoryview
    relocatable: bool
    is_64bit: bool
    initrd_max: int
    command_line_size: int
    payload: memoryview
    load_address: int
    init_size: int
    release: str
    has_32bit_entry: bool = True
    """If not, its setup code is the only way in."""


VMLINUX_HEADER = SetupHeader(
    raw=bytes(0x11) + _MAGIC + struct.pack("<H", 0x020F) + bytes(0x66),
    version=0x020F,
    protected=memoryview(b""),
    relocatable=False,
    is_64bit=True,
    initrd_max=0x7FFFFFFF,
    command_line_size=2047,
    payload=memoryview(b""),
    load_address=0,
    init_size=0,
    release="",
)
"""A vmlinux has no setup header: what every x86-64 kernel since 3.8 says in it."""


def is_bzimage(data: memoryview) -> bool:
    return len(data) > 0x206 and bytes(data[0x202:0x206]) == _MAGIC and bytes(data[0x1FE:0x200]) == b"\x55\xaa"


def parse_setup_header(kernel: InputFile) -> SetupHeader:
    """Read a bzImage's setup header (boot.rst, "The Real-Mode Kernel Header"). Raises UserError."""
    data = kernel.data
    if len(data) < 0x268 or data[0x201] < _SHORTEST_HEADER:
        raise UserError(f"{kernel.name} is truncated: it ends inside the setup header")
    (version,) = struct.unpack_from("<H", data, 0x206)
    protected_start = ((data[HEADER] or 4) + 1) * _SECTOR
    (paragraphs,) = struct.unpack_from("<I", data, 0x1F4)
    if version < _OLDEST or not data[0x211] & _LOADED_HIGH:
        raise UserError(
            f"{kernel.name} speaks boot protocol {version >> 8}.{version & 0xFF:02}: too old, or no bzImage"
        )
    told = protected_start + _PARAGRAPH * paragraphs
    if told - len(data) >= _PARAGRAPH:
        raise UserError(
            f"{kernel.name} is truncated: its header tells of {told} bytes, the file has {len(data)}: copy it again"
        )
    protected = data[protected_start:]

    def number(since: int, format_: str, offset: int, default: int) -> int:
        return int(struct.unpack_from("<" + format_, data, offset)[0]) if version >= since else default

    offset, length = number(_WITH_PAYLOAD, "I", 0x248, 0), number(_WITH_PAYLOAD, "I", 0x24C, 0)
    if offset + length > len(protected):
        raise UserError(f"{kernel.name} is truncated: its compressed kernel goes beyond the file")
    return SetupHeader(
        raw=bytes(data[HEADER : min(0x202 + data[0x201], _HEADER_END)]),
        version=version,
        protected=protected,
        relocatable=number(0x0205, "B", 0x234, 0) != 0,
        is_64bit=number(_WITH_XLOADFLAGS, "H", 0x236, 0) & _XLF_KERNEL_64 != 0,
        initrd_max=number(0x0203, "I", 0x22C, 0x37FFFFFF),
        command_line_size=number(0x0206, "I", 0x238, 255),
        payload=protected[offset : offset + length],
        load_address=number(0x020A, "Q", 0x258, HIGH_MEMORY),
        init_size=number(0x020A, "I", 0x260, 4 * len(protected)),
        release=_release(data),
        has_32bit_entry=number(_OLDEST, "I", 0x214, 0) != 0,
    )


def unpack_vmlinux(kernel: InputFile, header: SetupHeader, limit: int) -> elf_file.ElfFile | None:
    """The ELF file inside a bzImage, at most `limit` bytes of it; None for a kernel that must unpack itself.

    That is a 32-bit kernel, or one older than 2.6.26. Raises UserError.
    """
    if not header.payload or (header.version >= _WITH_XLOADFLAGS and not header.is_64bit):
        return None
    if header.load_address + header.init_size > limit:
        Layout(limit).reserve(header.load_address, header.init_size, kernel.name)
    from vmdbg.boot import decompress  # for such kernels only

    try:
        vmlinux = decompress.unpack(header.payload, limit)
    except decompress.PayloadError as error:
        raise UserError(f"the compressed kernel in {kernel.name} {error}") from None
    elf = elf_file.parse(InputFile(f"the kernel in {kernel.name}", memoryview(vmlinux)))
    return elf if elf.is_64bit else None


def _release(data: memoryview) -> str:
    (offset,) = struct.unpack_from("<H", data, 0x20E)
    text = bytes(data[0x200 + offset :][:128]) if offset else b""
    words = text.split(b"\0")[0].decode("ascii", "replace").split()
    return words[0] if words and words[0].isprintable() else ""
