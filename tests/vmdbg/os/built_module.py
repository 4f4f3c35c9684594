"""Kernel modules compiled at test time, without the kernel's headers.

What a module must share with its kernel is taken from one of that kernel's own: the size of `struct module`, where its
name and its two functions are, and the strings that the loader compares.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

from tests.vmdbg.os.kernels import Kernel, being_made, cache_directory

THIS_MODULE = ".gnu.linkonce.this_module"
DONORS = ("dummy", "crc32_generic", "crc-itu-t", "zsmalloc", "mii", "ext4")
FLAGS = (
    *("-c", "-ffreestanding", "-fno-pic", "-mcmodel=kernel", "-mno-red-zone", "-mno-sse", "-mno-mmx"),
    *("-fcf-protection=branch", "-fno-stack-protector", "-fno-asynchronous-unwind-tables"),
    "-fno-optimize-sibling-calls",
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Of `struct module`: its size, and offsets of its members. `information` is what .modinfo says."""

    size: int
    name: int
    functions: dict[str, int]
    information: bytes


def layout(kernel: Kernel) -> Layout:
    """As one of the kernel's own modules has it."""
    for donor in DONORS:
        path = next(kernel.modules.rglob(f"{donor}.ko*"), None)
        if path is not None and (found := _layout_of(module_bytes(path))) is not None:
            return found
    raise LookupError(f"no module of {kernel.label} shows the layout of its struct module")


def module_bytes(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def _layout_of(data: bytes) -> Layout | None:
    file = ELFFile(io.BytesIO(data))
    own = file.get_section_by_name(THIS_MODULE)
    links = file.get_section_by_name(f".rela{THIS_MODULE}")
    if own is None or not isinstance(links, RelocationSection):
        return None
    symbols = file.get_section(links["sh_link"])
    functions = {symbols.get_symbol(link["r_info_sym"]).name: link["r_offset"] for link in links.iter_relocations()}
    if not {"init_module", "cleanup_module"} <= set(functions):
        return None
    name = re.search(rb"[a-z0-9_]+", own.data())
    information = file.get_section_by_name(".modinfo").data().split(b"\0")
    kept = [word for word in information if word.startswith((b"vermagic=", b"retpoline="))]
    assert name is not None
    return Layout(own["sh_size"], name.start(), functions, b"\0".join([*kept, b"license=GPL", b""]))


def built_module(kernel: Kernel, name: str, source: str, options: tuple[str, ...] = ("-O1",)) -> Path:
    """A `.ko` of C with `init_module` and `cleanup_module`. Cached by what goes into it."""
    told = layout(kernel)
    key = hashlib.sha256(repr((kernel.release, name, source, options, told, FLAGS)).encode()).hexdigest()[:16]
    directory = cache_directory() / "modules" / f"{name}-{key}"
    module = directory / f"{name}.ko"
    with being_made(directory) as missing:
        if missing:
            (directory / f"{name}.c").write_text(source)
            (directory / "this.s").write_text(_this_module(name, told))
            _run(["gcc", *FLAGS, *options, f"{name}.c", "-o", "code.o"], directory)
            _run(["gcc", "-c", "this.s", "-o", "this.o"], directory)
            _run(["ld", "-r", "code.o", "this.o", "-o", module.name], directory)
    return module


def _this_module(name: str, told: Layout) -> str:
    places = sorted(
        [(told.name, f'.asciz "{name}"', len(name) + 1)]
        + [(offset, f".quad {function}", 8) for function, offset in told.functions.items()]
    )
    lines = [f'.section {THIS_MODULE},"aw",@progbits', ".balign 64", ".globl __this_module", "__this_module:"]
    at = 0
    for offset, directive, size in places:
        lines += [f".skip {offset - at}", directive]
        at = offset + size
    lines += [f".skip {told.size - at}", '.section .modinfo,"a",@progbits']
    lines += [f'.asciz "{word.decode()}"' for word in [*told.information.split(b"\0")[:-1], f"name={name}".encode()]]
    lines += ['.section .note.GNU-stack,"",@progbits', ""]
    return "\n".join(lines)


def _run(command: list[str], directory: Path) -> None:
    subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=60)
