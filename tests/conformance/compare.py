"""What two CPUs made of one case, but for what neither promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.conformance.instructions import Instruction
from tests.conformance.layout import (
    ACROSS,
    ACROSS_SIZE,
    AT_END,
    BATCH_SIZE,
    CR2_AT,
    DATA_AT,
    ERROR_AT,
    FX_AT,
    GENERAL,
    HIGH_AT,
    LOW_BATCH,
    RIP_AT,
    State,
)
from tests.conformance.undefined import FLAGS, RF

PAGE_FAULT, PRESENT, TASK_SIZE = 14, 1, 0x7FFFFFFFF000
"""Linux tells nobody whether one of its own addresses is mapped: it says so of all (arch/x86/mm/fault.c)."""
_FX_UNCOMPARED = (*range(5, 24), *range(28, 32), *range(416, 512))
"""FXSAVE's reserved byte, where the x87 last was, MXCSR's mask, and what is software's."""
_UNCOMPARED = tuple(FX_AT + at for at in _FX_UNCOMPARED) + tuple(
    FX_AT + 32 + 16 * r + at for r in range(8) for at in range(10, 16)
)


@dataclass(frozen=True, slots=True)
class Difference:
    """`name` is a register, a flag word, "vector" and the like; values as the oracle and as the engine have them."""

    name: str
    expected: int | None
    found: int | None


def _clean(state: State) -> bytes:
    raw = bytearray(state.raw)
    for at in _UNCOMPARED:
        raw[at] = 0
    return bytes(raw)


def differences(instruction: Instruction, expected: State, found: State) -> list[Difference]:
    if expected.raw == found.raw or _clean(expected) == _clean(found):
        return []
    flags = Difference("rflags", *(_defined(instruction, expected, state.rflags) for state in (expected, found)))
    ends = [one for one in (*_exceptions(expected, found), flags) if one.expected != one.found]
    return ends + list(_parts(expected, found))


def _is_presence_hidden(address: int) -> bool:
    """Of Linux's own addresses, and of the harness's that nobody has touched yet."""
    return address >= TASK_SIZE or 0 <= address - LOW_BATCH < BATCH_SIZE


def _exceptions(expected: State, found: State) -> list[Difference]:
    ends = [Difference("vector", expected.vector, found.vector)]
    if expected.vector is not None and expected.vector == found.vector:
        seen = ~PRESENT if expected.vector == PAGE_FAULT and _is_presence_hidden(expected.word(CR2_AT)) else ~0
        ends.append(Difference("rip", expected.word(RIP_AT), found.word(RIP_AT)))
        ends.append(Difference("error code", expected.word(ERROR_AT) & seen, found.word(ERROR_AT) & seen))
        if expected.vector == PAGE_FAULT:
            ends.append(Difference("cr2", expected.word(CR2_AT), found.word(CR2_AT)))
    return ends


def _defined(instruction: Instruction, expected: State, rflags: int) -> int:
    """Those of the flags that an instruction that went well promises, and all that one that did not leaves."""
    undefined = FLAGS.get(instruction.mnemonic.split()[-1], 0) if expected.vector is None else 0
    return rflags & ~(undefined | RF)


def _places() -> Iterator[tuple[str, int, int]]:
    """Of registers and of memory, with where in a state they are, and their size."""
    yield from ((name, 8 * number, 8) for number, name in enumerate(GENERAL))
    yield from ((f"xmm{number}", FX_AT + 160 + 16 * number, 16) for number in range(16))
    yield from ((f"ymm{number}h", HIGH_AT + 16 * number, 16) for number in range(16))
    yield "mxcsr", FX_AT + 24, 4
    for at in range(0, HIGH_AT - DATA_AT, 8):
        address = ACROSS + at if at < ACROSS_SIZE else AT_END + at - ACROSS_SIZE
        yield f"[{address:#x}]", DATA_AT + at, 8
    yield from (("fcw", FX_AT, 2), ("fsw", FX_AT + 2, 2), ("ftw", FX_AT + 4, 1))
    yield from ((f"st{number}", FX_AT + 32 + 16 * number, 10) for number in range(8))


_PLACES = tuple(_places())


def _parts(expected: State, found: State) -> Iterator[Difference]:
    for name, at, size in _PLACES:
        one, other = expected.raw[at : at + size], found.raw[at : at + size]
        if one != other:
            yield Difference(name, int.from_bytes(one, "little"), int.from_bytes(other, "little"))
