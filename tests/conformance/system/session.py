"""Cases on both sides, what differs, and the smallest case that still does."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tests.conformance.system.case import Case
from tests.conformance.system.cpus import Cpu
from tests.conformance.system.draw import draw
from tests.conformance.system.follow import Step
from tests.conformance.system.known import explain
from tests.conformance.system.layout import WORD_NAMES, Result
from tests.conformance.system.world import Mode

LEFT_BEHIND = "what a case before it has left in the other: alone that does as the engine does"


@dataclass(frozen=True, slots=True)
class Unexplained:
    case: Case
    differences: dict[str, tuple[int | None, int | None]]
    """By field: QEMU's and the engine's."""

    def __str__(self) -> str:
        def number(value: int | None) -> str:
            return "none" if value is None else f"{value:#x}"

        words = (f"{name}: {number(a)} != {number(b)}" for name, (a, b) in self.differences.items())
        return f"{self.case}\n    " + ", ".join(words)


@dataclass(slots=True)
class Tally:
    modes: Counter[str] = field(default_factory=Counter)
    instructions: Counter[str] = field(default_factory=Counter)
    vectors: Counter[int] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    unexplained: list[Unexplained] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return self.modes.total()


def batch(mode: Mode, seed: int, count: int) -> list[Case]:
    rng = random.Random(f"{mode.name} {seed}")
    return [draw(rng, mode) for _ in range(count)]


def differences(expected: Result, found: Result) -> dict[str, tuple[int | None, int | None]]:
    if expected.raw == found.raw:
        return {}
    one, other = expected.record(), found.record()
    if len(one) != len(other) or one["vector"] != other["vector"]:
        names = ("vector", "rip", "error code", "cs")
        return {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}
    apart: dict[str, tuple[int | None, int | None]] = {
        name: (one[name], other[name]) for name in one if one[name] != other[name]
    }
    if len(one) > 1:
        words = zip(WORD_NAMES, expected.words(), found.words(), strict=True)
        apart |= {name: (a, b) for name, a, b in words if a != b}
    return apart


Follow = Callable[[Case], Sequence[Step]]


Explain = Callable[[Case, Result, Result, dict[str, tuple[int | None, int | None]], Follow], str | None]
"""Why they are apart, or None for a difference that should not be."""


def compare(
    cases: Sequence[Case], oracle: Cpu, engine: Cpu, follow: Follow, tally: Tally, explain: Explain = explain
) -> None:
    for case, expected, found in zip(cases, oracle.run(cases), engine.run(cases), strict=True):
        tally.modes[case.mode.value] += 1
        tally.vectors[found.vector] += 1
        tally.instructions.update(instruction.name for instruction in case.instructions)
        apart = differences(expected, found)
        reason = explain(case, expected, found, apart, follow) if apart else None
        if apart and reason is None and len(cases) > 1:
            apart, reason = _alone(case, oracle, found, follow, explain)
        if reason is not None:
            tally.known[reason] += 1
        elif apart:
            tally.unexplained.append(Unexplained(case, apart))


def _alone(
    case: Case, oracle: Cpu, found: Result, follow: Follow, explain: Explain
) -> tuple[dict[str, tuple[int | None, int | None]], str | None]:
    """How the oracle is apart that has run no case before it, with the engine as it was."""
    (expected,) = oracle.run([case])
    apart = differences(expected, found)
    return apart, explain(case, expected, found, apart, follow) if apart else LEFT_BEHIND


def shrink(
    unexplained: Unexplained, oracle: Cpu, engine: Cpu, follow: Follow, explain: Explain = explain
) -> Unexplained:
    """The case without all that can go while something unexplained is left."""
    best = unexplained
    while True:
        smaller = _smaller(best.case)
        tally = Tally()
        if smaller:
            compare(smaller, oracle, engine, follow, tally, explain)
        if not tally.unexplained:
            return best
        best = tally.unexplained[0]


NEEDED = ("cs", "ss", "rsp", "cr0", "cr3", "cr4", "efer", "rflags", "dr6", "dr7", "ds", "es", "fs", "gs")


def _smaller(case: Case) -> list[Case]:
    """Without an instruction, a register's value or a piece of memory."""
    found = [
        replace(case, instructions=(*case.instructions[:number], *case.instructions[number + 1 :]))
        for number in range(len(case.instructions))
        if len(case.instructions) > 1
    ]
    found += [
        replace(case, memory={at: data for at, data in case.memory.items() if at != address}) for address in case.memory
    ]
    for name, value in case.registers.items():
        if value and name not in NEEDED:
            found.append(replace(case, registers=case.registers | {name: 0}))
    for name, plain in (("rflags", 0x8D5), ("rflags", 0x100), ("rflags", 0x3000), ("rflags", 0x200), ("cr4", 0x210808)):
        value = case.registers[name] & ~plain
        if value != case.registers[name]:
            found.append(replace(case, registers=case.registers | {name: value}))
    if case.registers["dr7"] != 0x400:
        found.append(replace(case, registers=case.registers | {"dr7": 0x400}))
    return found
