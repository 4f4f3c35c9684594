"""Decoded symbols and the index of types on disk, one file per build of a kernel.

A file is found by the kernel's banner, named by its build-id, and used only if the tables in the guest are
byte for byte those that it was made from: a guest cannot plant names for another one.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import xxhash
import zstandard

from vmdbg.os.linux.btf import NO_TYPES, Btf
from vmdbg.os.linux.memory import KernelMemory
from vmdbg.os.linux.symbols import KernelTable
from vmdbg.os.seam import DamagedError
from vmdbg.x86.linear_memory import UnmappedLinearError

VERSION = 1
MAX_FILE = 64 << 20


@dataclass(frozen=True, slots=True)
class Build:
    """Where a build keeps its tables, as offsets from its base, and its build-id."""

    build_id: str
    names: int
    names_end: int
    token_table: int
    offsets: int
    offsets_size: int
    btf: int
    btf_size: int

    def digest(self, read: Callable[[int, int], bytes], base: int) -> bytes:
        """Over all tables as they are in the guest."""
        state = xxhash.xxh3_128()
        for offset, size in (
            (self.names, self.names_end - self.names),
            (self.token_table, 1024),
            (self.offsets, self.offsets_size),
            (self.btf, self.btf_size),
        ):
            state.update(read(base + offset, size))
        return state.digest()


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """The contents of a file. Addresses are as they were with the kernel at `base`."""

    version: int
    build: Build
    digest: bytes
    base: int
    names: bytes
    kinds: bytes
    addresses: bytes
    btf_index: bytes


class Cache:
    """`directory` is made when the first file is written; trouble with it never stops anyone."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or default_directory()

    def _prefix(self, banner: bytes) -> str:
        return xxhash.xxh3_64_hexdigest(banner)

    def load(self, memory: KernelMemory, base: int, banner: bytes) -> tuple[Build, KernelTable, Btf] | None:
        """What was saved for this build, or None."""
        try:
            for path in sorted(self.directory.glob(f"{self._prefix(banner)}-*.symbols")):
                found = _decode(path.read_bytes(), memory, base)
                if found is not None:
                    return found
        except (OSError, UnmappedLinearError, msgspec.DecodeError, zstandard.ZstdError, DamagedError):
            return None
        return None

    def save(self, memory: KernelMemory, base: int, banner: bytes, build: Build, table: KernelTable, btf: Btf) -> None:
        """Keep what was read, for the next time this build is seen."""
        entry = Entry(
            VERSION,
            build,
            build.digest(memory.read_image, base),
            base,
            table.text,
            table.kinds,
            table.addresses.tobytes(),
            btf.index,
        )
        packed = zstandard.ZstdCompressor(level=1, write_checksum=True).compress(msgspec.msgpack.encode(entry))
        target = self.directory / f"{self._prefix(banner)}-{build.build_id}.symbols"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            partial = target.with_suffix(f".{os.getpid()}")
            partial.write_bytes(packed)
            partial.replace(target)
        except OSError:
            return


def default_directory() -> Path:
    """`$XDG_CACHE_HOME/vmdbg/kernels`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vmdbg" / "kernels"


def _decode(data: bytes, memory: KernelMemory, base: int) -> tuple[Build, KernelTable, Btf] | None:
    raw = zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_FILE)
    entry = msgspec.msgpack.decode(raw, type=Entry)
    build = entry.build
    if entry.version != VERSION or build.digest(memory.read_image, base) != entry.digest:
        return None
    addresses = array("Q")
    addresses.frombytes(entry.addresses)
    table = KernelTable(addresses, entry.base, base - entry.base, entry.names, entry.kinds)
    start = base + build.btf
    return build, table, Btf(memory.read_image(start, build.btf_size) or NO_TYPES, None, start, entry.btf_index)
