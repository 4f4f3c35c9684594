"""What two CPUs made of one case, but for what neither promises."""

from __future__ import annotations

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
    return [
        difference
        for difference in (*_exceptions(expected, found), *_words(instruction, expected, found), *_x87(expected, found))
        if difference.expected != difference.found
    ]


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


def _words(instruction: Instruction, expected: State, found: State) -> list[Difference]:
    words = [Difference(name, expected.register(name), found.register(name)) for name in GENERAL]
    defined = ~(FLAGS.get(instruction.mnemonic.split()[-1], 0) | RF) if expected.vector is None else ~RF
    words.append(Difference("rflags", expected.rflags & defined, found.rflags & defined))
    words += [Difference(f"xmm{number}", expected.xmm(number), found.xmm(number)) for number in range(16)]
    words += [Difference(f"ymm{number}h", expected.ymm_high(number), found.ymm_high(number)) for number in range(16)]
    words.append(Difference("mxcsr", expected.mxcsr, found.mxcsr))
    for at in range(0, len(expected.data), 8):
        address = ACROSS + at if at < ACROSS_SIZE else AT_END + at - ACROSS_SIZE
        words.append(Difference(f"[{address:#x}]", expected.word(DATA_AT + at), found.word(DATA_AT + at)))
    return words


def _x87(expected: State, found: State) -> list[Difference]:
    def field(state: State, at: int, size: int) -> int:
        return int.from_bytes(state.fx[at : at + size], "little")

    parts = [("fcw", 0, 2), ("fsw", 2, 2), ("ftw", 4, 1), *((f"st{n}", 32 + 16 * n, 10) for n in range(8))]
    return [Difference(name, field(expected, at, size), field(found, at, size)) for name, at, size in parts]
