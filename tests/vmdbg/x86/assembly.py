"""Assembling with gas and disassembling with objdump, the second opinion for Capstone's tables."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vmdbg.x86.mode import Width

_LINE = re.compile(r"^\s*([0-9a-f]+):\t((?:[0-9a-f]{2} )+)\s*\t?(.*)$")


@dataclass(frozen=True)
class Listed:
    """One line of objdump's listing."""

    offset: int
    length: int
    text: str


def assemble(source: str, width: Width, directory: Path) -> bytes:
    """Intel-syntax gas source to flat code at offset 0."""
    text = directory / "code.s"
    text.write_text(f".intel_syntax noprefix\n.code{int(width)}\n{source}\n")
    subprocess.run(["as", "--64", "-o", str(directory / "code.o"), str(text)], check=True, timeout=60)
    command = [
        "objcopy",
        "-O",
        "binary",
        "-j",
        ".text",
        str(directory / "code.o"),
        str(directory / "code.bin"),
    ]
    subprocess.run(command, check=True, timeout=60)
    return (directory / "code.bin").read_bytes()


def objdump(code: bytes, width: Width, directory: Path) -> list[Listed]:
    """What objdump makes of flat code."""
    path = directory / "flat.bin"
    path.write_bytes(code)
    command = [
        "objdump",
        "-D",
        "-w",
        "-b",
        "binary",
        "-m",
        "i386",
        "-M",
        f"intel,{_machine(width)}",
        str(path),
    ]
    listing = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    found = (_LINE.match(line) for line in listing.splitlines())
    return [Listed(int(m[1], 16), len(m[2].split()), m[3].strip()) for m in found if m]


def _machine(width: Width) -> str:
    return {Width.BITS16: "i8086", Width.BITS32: "i386", Width.BITS64: "x86-64"}[width]
