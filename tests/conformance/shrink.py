"""A difference's case without what it does not need: registers, flags and memory are as plain as they can be."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.conformance.batch import Batch
from tests.conformance.layout import (
    ACROSS,
    ACROSS_SIZE,
    AT_END,
    DATA_AT,
    FX_AT,
    GENERAL,
    HIGH_AT,
    RFLAGS_AT,
    STATE_SIZE,
    State,
)
from tests.conformance.session import Compare, Tally, Unexplained

_X87, _MXCSR, _VECTORS, _DATA = range(FX_AT, FX_AT + 24), range(FX_AT + 24, FX_AT + 28), FX_AT + 160, 64


def plain_state() -> State:
    """Zeros, with what masks all exceptions."""
    raw = bytearray(STATE_SIZE)
    struct.pack_into("<Q", raw, RFLAGS_AT, 0x202)
    struct.pack_into("<H", raw, FX_AT, 0x37F)
    struct.pack_into("<2I", raw, FX_AT + 24, 0x1F80, 0xFFFF)
    return State(bytes(raw))


def parts() -> Iterator[tuple[str, range]]:
    """Of a state, each with a name and where it is."""
    yield from ((name, range(8 * n, 8 * n + 8)) for n, name in enumerate(GENERAL))
    yield from (("rflags", range(RFLAGS_AT, RFLAGS_AT + 8)), ("x87's control", _X87), ("mxcsr", _MXCSR))
    yield from ((f"st{n}", range(FX_AT + 32 + 16 * n, FX_AT + 48 + 16 * n)) for n in range(8))
    yield from ((f"xmm{n}", range(_VECTORS + 16 * n, _VECTORS + 16 * n + 16)) for n in range(16))
    yield from ((f"ymm{n}h", range(HIGH_AT + 16 * n, HIGH_AT + 16 * n + 16)) for n in range(16))
    for at in range(DATA_AT, HIGH_AT, _DATA):
        offset = at - DATA_AT
        address = ACROSS + offset if offset < ACROSS_SIZE else AT_END + offset - ACROSS_SIZE
        yield f"[{address:#x}]", range(at, at + _DATA)


def shrink(unexplained: Unexplained, compare: Compare) -> Unexplained:
    """The same difference from a state that is plain but for what it takes."""
    best = unexplained
    while True:
        smaller, tally = list(_smaller(best.case.before)), Tally()
        if smaller:
            batch = Batch([best.case.instruction], smaller, best.case.bits)
            compare(unexplained.group, unexplained.seed, batch, tally)
        kept = next((one for one in tally.unexplained if _names(one) == _names(unexplained)), None)
        if kept is None:
            return best
        best = kept


def inputs(state: State) -> str:
    """What of a state is not plain."""
    plain = plain_state()
    values = ((name, _value(state, at), _value(plain, at)) for name, at in parts())
    return ", ".join(f"{name} {value:#x}" for name, value, usual in values if value != usual)


def _names(unexplained: Unexplained) -> frozenset[str]:
    return frozenset(difference.name for difference in unexplained.differences)


def _value(state: State, at: range) -> int:
    return int.from_bytes(state.raw[at.start : at.stop], "little")


def _smaller(state: State) -> Iterator[State]:
    """First without all that is left but one eighth, then without one part."""
    plain = plain_state()
    left = [at for _, at in parts() if _value(state, at) != _value(plain, at)]
    for size in (len(left) // 2, len(left) // 8, 1):
        for first in range(0, len(left), size) if size else ():
            raw = bytearray(state.raw)
            for at in left[first : first + size]:
                raw[at.start : at.stop] = plain.raw[at.start : at.stop]
            yield State(bytes(raw))
