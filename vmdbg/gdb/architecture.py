"""What a client is told about the CPU, and how it is shown the program counter.

A client keeps one layout for the whole connection, a PC changes its mode. The 64-bit layout holds every register of
every mode, so it is the default; clients disassemble by the layout's architecture, so 16- and 32-bit ones can be had.
They refuse a 64-bit layout for a 32-bit program, so a guest booted from one is shown with a 32-bit layout until it goes
to long mode.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.errors import UserError
from vmdbg.x86.mode import EFER_LMA

if TYPE_CHECKING:
    from vmdbg.debugger.debugger import Debugger


class Architecture(enum.Enum):
    """A layout by GDB's name for its architecture."""

    X86_64 = "i386:x86-64"
    I386 = "i386"
    I8086 = "i8086"

    @property
    def is_64bit(self) -> bool:
        return self is Architecture.X86_64

    @property
    def address_bits(self) -> int:
        return 64 if self.is_64bit else 32

    @property
    def triple(self) -> str:
        """LLVM's name."""
        return _TRIPLES[self]


_TRIPLES = {
    Architecture.X86_64: "x86_64-unknown-none",
    Architecture.I386: "i386-unknown-none",
    Architecture.I8086: "i386-unknown-none-code16",
}
CHOICES: Mapping[str, Architecture | None] = {
    "auto": None,
    "x86-64": Architecture.X86_64,
    "i386": Architecture.I386,
    "i8086": Architecture.I8086,
}
"""What a user can ask for; None fits each client to the guest."""

_CLASS = slice(4, 5)
_ELFCLASS32 = b"\x01"


@dataclass(frozen=True, slots=True)
class ClientView:
    """`architecture`: None is the one that fits the guest when the client comes.

    `linear_pc`: outside 64-bit mode the pc is cs.base + (e)ip, where the code lies, rather than (e)ip alone.
    """

    architecture: Architecture | None = None
    linear_pc: bool = True


DEFAULT_VIEW = ClientView()


def choose(name: str, *, linear_pc: bool = True) -> ClientView:
    """The view for one of CHOICES. Raises UserError."""
    if name not in CHOICES:
        raise UserError(f"{name!r} is no architecture that gdb can be shown: choose one of {', '.join(CHOICES)}")
    return ClientView(CHOICES[name], linear_pc)


def in_long_mode(debugger: Debugger) -> bool:
    """Whether the CPU has registers of more than 32 bits now."""
    return bool(debugger.engine.read_register("efer") & EFER_LMA)


def fitting(debugger: Debugger) -> Architecture:
    """The layout for a client that comes now: by what was booted, and by what the CPU has become since."""
    origin = debugger.timeline.origin
    elf = origin.elf if origin is not None else None
    is_32bit = elf is not None and bytes(elf.data[_CLASS]) == _ELFCLASS32
    return Architecture.I386 if is_32bit and not in_long_mode(debugger) else Architecture.X86_64
