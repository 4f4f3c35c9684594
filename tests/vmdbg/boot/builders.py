"""Builds small kernels: ELF files and bzImages with just what the loaders read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import lz4.block
import zstandard

from vmdbg.boot.image import InputFile

X86_64 = 62
I386 = 3
LOAD = 1
INTERP = 3
NOTE = 4
KERNEL_MAP = 0xFFFFFFFF80000000


@dataclass(frozen=True, slots=True)
class Part:
    """A segment of an ELF file."""

    address: int
    data: bytes
    linear: int | None = None
    memory_size: int | None = None
    type: int = LOAD


def input_file(data: bytes, name: str = "guest") -> InputFile:
    return InputFile(name, memoryview(data))


def elf64(parts: Sequence[Part], entry: int, *, machine: int = X86_64, kind: int = 2) -> bytes:
    start = 64 + 56 * len(parts)
    headers, body = b"", b""
    for part in parts:
        linear = part.address if part.linear is None else part.linear
        size = len(part.data) if part.memory_size is None else part.memory_size
        headers += struct.pack(
            "<IIQQQQQQ", part.type, 7, start + len(body), linear, part.address, len(part.data), size, 16
        )
        body += part.data
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head = struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, entry, 64, 0, 0, 64, 56, len(parts), 64, 0, 0)
    return ident + head + headers + body


def elf32(parts: Sequence[Part], entry: int, *, machine: int = I386, kind: int = 2) -> bytes:
    start = 52 + 32 * len(parts)
    headers, body = b"", b""
    for part in parts:
        linear = part.address if part.linear is None else part.linear
        size = len(part.data) if part.memory_size is None else part.memory_size
        headers += struct.pack("<8I", part.type, start + len(body), linear, part.address, len(part.data), size, 7, 16)
        body += part.data
    ident = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    head = struct.pack("<HHIIIIIHHHHHH", kind, machine, 1, entry, 52, 0, 0, 52, 32, len(parts), 40, 0, 0)
    return ident + head + headers + body


def note(name: bytes, kind: int, value: bytes) -> bytes:
    name += b"\0"
    padded = [item + bytes(-len(item) % 4) for item in (name, value)]
    return struct.pack("<3I", len(name), len(value), kind) + b"".join(padded)


def vmlinux(code: bytes = b"\xf4" * 64, address: int = 0x1000000) -> bytes:
    """A 64-bit ELF that looks like Linux: linked high, loaded low, with its banner."""
    text = code + b"\0Linux version 6.1.0-test\0"
    return elf64([Part(address, text, KERNEL_MAP + address, len(text) + 0x1000)], address)


def pack_lz4(data: bytes) -> bytes:
    blocks = [data[start : start + (8 << 20)] for start in range(0, len(data), 8 << 20)]
    packed = [lz4.block.compress(block, store_size=False) for block in blocks]
    return b"\x02\x21\x4c\x18" + b"".join(struct.pack("<I", len(block)) + block for block in packed)


def pack_xz(data: bytes) -> bytes:
    filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 6}]
    return lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=filters)


def _sized(pack: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda data: pack(data) + struct.pack("<I", len(data))


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "lz4": _sized(pack_lz4),
    "xz": _sized(pack_xz),
    "zstd": _sized(zstandard.ZstdCompressor().compress),
    "bzip2": _sized(bz2.compress),
    "lzma": _sized(lambda data: lzma.compress(data, lzma.FORMAT_ALONE)),
}


def bzimage(
    payload: bytes,
    *,
    version: int = 0x020F,
    xloadflags: int = 1,
    loadflags: int = 1,
    entry: int = 0x100000,
    command_line_size: int = 2047,
    initrd_max: int = 0x7FFFFFFF,
    load_address: int = 0x1000000,
    init_size: int = 0x200000,
    stub: bytes = b"\xf4",
) -> bytes:
    """A kernel with 4 setup sectors; `stub` is the decompressor, padded to its 64-bit entry point."""
    image = bytearray(5 * 512)
    image[0x1F1] = 4
    image[0x1FE:0x200] = b"\x55\xaa"
    image[0x200:0x202] = bytes((0xEB, 0x6A))
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, version)
    struct.pack_into("<H", image, 0x20E, 0x300)
    image[0x211] = loadflags
    struct.pack_into("<I", image, 0x214, entry)
    struct.pack_into("<I", image, 0x22C, initrd_max)
    struct.pack_into("<IBBH", image, 0x230, 0x200000, 1, 21, xloadflags)
    struct.pack_into("<I", image, 0x238, command_line_size)
    struct.pack_into("<II", image, 0x248, 0x400, len(payload))
    struct.pack_into("<QI", image, 0x258, load_address, init_size)
    image[0x500:0x520] = b"6.1.0-test (builder) #1".ljust(0x20, b"\0")
    protected = stub.ljust(0x400, b"\x90") + payload
    protected += bytes(-len(protected) % 16)
    struct.pack_into("<I", image, 0x1F4, len(protected) // 16)
    return bytes(image) + protected


def assemble(source: str) -> bytes:
    """A flat binary, by nasm."""
    with tempfile.TemporaryDirectory() as work:
        path = Path(work, "guest.asm")
        path.write_text(source)
        out = Path(work, "guest")
        subprocess.run(["nasm", "-f", "bin", "-o", out, path], check=True)
        return out.read_bytes()


PUTS = """
puts:
    lodsb
    test al, al
    jz .done
    mov dx, 0x3f8
    out dx, al
    jmp puts
.done:
    ret
leave:
    mov dx, 0xf4
    mov al, 0
    out dx, al
    hlt
"""
"""Prints the string at (E)SI or RSI on COM1; leaves QEMU."""
