"""Task-state segments of 16, 32 and 64 bits (SDM 3A figures 7-2, 7-10, 7-11)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

SIZE_WITHOUT_IO_MAP = 104
SIZE16 = 44
IO_MAP_BASE = 102


class TaskWidth(Enum):
    """Which of the three layouts."""

    BITS16 = 16
    BITS32 = 32
    BITS64 = 64


@dataclass(frozen=True, slots=True)
class TaskState:
    """A TSS decoded. `stacks` holds (selector, pointer) for rings 0 to 2, the selector None in 64 bits.

    `ist` are the seven pointers of 64 bits; `registers` what a task switch saves in 16 and 32 bits.
    `io_map_base` is an offset in the segment, None in 16 bits.
    """

    width: TaskWidth
    stacks: tuple[tuple[int | None, int], ...]
    ist: tuple[int, ...] = ()
    registers: tuple[tuple[str, int], ...] = ()
    io_map_base: int | None = None
    debug_trap: bool = False
    link: int | None = None


_REGISTERS32 = (
    ("cr3", 28, 4), ("eip", 32, 4), ("eflags", 36, 4), ("eax", 40, 4), ("ecx", 44, 4), ("edx", 48, 4),
    ("ebx", 52, 4), ("esp", 56, 4), ("ebp", 60, 4), ("esi", 64, 4), ("edi", 68, 4), ("es", 72, 2),
    ("cs", 76, 2), ("ss", 80, 2), ("ds", 84, 2), ("fs", 88, 2), ("gs", 92, 2), ("ldtr", 96, 2),
)  # fmt: skip
_NAMES16 = ("ip", "flags", "ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "es", "cs", "ss", "ds", "ldtr")
_REGISTERS16 = tuple((name, 14 + 2 * index, 2) for index, name in enumerate(_NAMES16))


def decode_task_state(raw: bytes, width: TaskWidth) -> TaskState:
    """A TSS from its first 104 bytes (44 in 16 bits). Raises ValueError if there are fewer."""
    needed = SIZE16 if width is TaskWidth.BITS16 else SIZE_WITHOUT_IO_MAP
    if len(raw) < needed:
        raise ValueError(f"a {width.value}-bit TSS has at least {needed} bytes, here are {len(raw)}")

    def word(offset: int, size: int) -> int:
        return int.from_bytes(raw[offset : offset + size], "little")

    if width is TaskWidth.BITS64:
        return TaskState(
            width,
            stacks=tuple((None, word(4 + 8 * ring, 8)) for ring in range(3)),
            ist=tuple(word(36 + 8 * number, 8) for number in range(7)),
            io_map_base=word(IO_MAP_BASE, 2),
        )
    if width is TaskWidth.BITS32:
        return TaskState(
            width,
            stacks=tuple((word(8 + 8 * ring, 2), word(4 + 8 * ring, 4)) for ring in range(3)),
            registers=tuple((name, word(offset, size)) for name, offset, size in _REGISTERS32),
            io_map_base=word(IO_MAP_BASE, 2),
            debug_trap=bool(word(100, 2) & 1),
            link=word(0, 2),
        )
    return TaskState(
        width,
        stacks=tuple((word(4 + 4 * ring, 2), word(2 + 4 * ring, 2)) for ring in range(3)),
        registers=tuple((name, word(offset, size)) for name, offset, size in _REGISTERS16),
        link=word(0, 2),
    )


def port_allowed(bitmap: bytes, port: int, size: int) -> bool:
    """Whether the I/O permission bitmap, as read from `io_map_base` on, allows all bytes of an access.

    Ports past its end are refused (SDM 1 19.5.2).
    """
    return all(
        number >> 3 < len(bitmap) and not bitmap[number >> 3] >> (number & 7) & 1 for number in range(port, port + size)
    )
