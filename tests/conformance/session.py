"""Batches of random instructions on an oracle and on the engine, and what came of them by kind."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tests.conformance.batch import Batch
from tests.conformance.compare import Difference, differences
from tests.conformance.instructions import bits_of, draw
from tests.conformance.known import Case, explain
from tests.conformance.layout import State
from tests.conformance.states import draw_state

INSTRUCTIONS, STATES = 300, 16
Compare = Callable[[str, int, Batch, "Tally"], None]
"""Counts what a group's batch of a seed comes to."""


class Oracle(Protocol):
    def run(self, batch: Batch) -> list[State]: ...


@dataclass(frozen=True, slots=True)
class Unexplained:
    group: str
    seed: int
    case: Case
    differences: list[Difference]

    def __str__(self) -> str:
        words = ", ".join(f"{d.name} {_number(d.expected)} != {_number(d.found)}" for d in self.differences)
        return f"{self.group}, seed {self.seed}: {self.case.instruction}: {words}"


@dataclass(slots=True)
class Tally:
    """Of cases of the engine's and an oracle's."""

    groups: Counter[str] = field(default_factory=Counter)
    """Cases of each group."""
    left_out: int = 0
    """Cases that the oracle could not run."""
    agreed: int = 0
    """Cases of which both left the same."""
    known: Counter[str] = field(default_factory=Counter)
    """Cases in which they differ, by the reason: one may have several."""
    unexplained: list[Unexplained] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return self.groups.total()

    def count(self, group: str, seed: int, case: Case, reasons: Mapping[Difference, str | None]) -> None:
        """A case with why it differs in what it does."""
        self.groups[group] += 1
        if not reasons:
            self.agreed += 1
        self.known.update({reason for reason in reasons.values() if reason is not None})
        rest = [difference for difference, reason in reasons.items() if reason is None]
        if rest:
            self.unexplained.append(Unexplained(group, seed, case, rest))


def _number(value: int | None) -> str:
    return "none" if value is None else f"{value:#x}"


def batch(group: str, seed: int) -> Batch:
    """The batch of a seed."""
    rng = random.Random(f"{group} {seed}")
    instructions = [draw(rng, group) for _ in range(INSTRUCTIONS)]
    bits = bits_of(group)
    return Batch(instructions, [draw_state(rng, bits) for _ in range(STATES)], bits)


def compare(group: str, seed: int, oracle: Oracle, engine: Oracle, tally: Tally) -> None:
    compare_batch(group, seed, batch(group, seed), tally, oracle=oracle, engine=engine)


def compare_batch(group: str, seed: int, whole: Batch, tally: Tally, *, oracle: Oracle, engine: Oracle) -> None:
    for number, (expected, found) in enumerate(zip(oracle.run(whole), engine.run(whole), strict=True)):
        instruction, state = divmod(number, len(whole.states))
        case = Case(whole.instructions[instruction], whole.states[state], expected, found, whole.bits)
        reasons = {d: explain(case, d) for d in differences(case.instruction, expected, found)}
        tally.count(group, seed, case, reasons)


def compare_seeds(
    group: str, batch_of: Callable[[int], Batch], first: int, cases: int, oracle: Oracle, engine: Oracle
) -> Tally:
    """The batches of seeds from `first` on, until there were so many cases."""
    tally, seed = Tally(), first
    while tally.cases < cases:
        compare_batch(group, seed, batch_of(seed), tally, oracle=oracle, engine=engine)
        seed += 1
    return tally
