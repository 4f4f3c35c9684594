"""The engine against another emulator, with the CPU of this machine as judge of what they differ in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from tests.conformance.batch import Batch
from tests.conformance.compare import Difference, differences
from tests.conformance.host import HostCpu
from tests.conformance.known import Case, explain
from tests.conformance.layout import State
from tests.conformance.session import Oracle, Tally


class Other(Protocol):
    """QEMU's user mode, or Bochs' core."""

    def suited(self, batch: Batch, found: list[State]) -> Batch:
        """What of it can be run, `found` being what the engine made of it."""

    def run(self, batch: Batch) -> list[State]: ...

    def told(self, state: State, found: State) -> State:
        """With what the other does not tell of it, as the engine `found` it."""

    def explain(self, case: Case, difference: Difference) -> str | None:
        """Why it differs from the engine, or None for a difference that should not be."""


@dataclass(frozen=True, slots=True)
class Bench:
    """The three that run the same cases."""

    host: HostCpu | None
    """The judge. Without one what is known of the other is what it says of itself."""
    other: Other
    engine: Oracle

    def vote(self, group: str, seed: int, batch: Batch, tally: Tally) -> None:
        found = self.engine.run(batch)
        batch = self.other.suited(batch, found)
        judged = found if self.host is None else self.host.run(batch)
        for number, (real, other, ours) in enumerate(zip(judged, self.other.run(batch), found, strict=True)):
            if number in batch.left_out:
                tally.left_out += 1
                continue
            index, state = divmod(number, len(batch.states))
            told = self.other.told(other, ours)
            case = Case(batch.instructions[index], batch.states[state], told, ours, batch.bits)
            reasons = {one: self._reason(case, real, one) for one in differences(case.instruction, told, ours)}
            tally.count(group, seed, case, reasons)

    def _reason(self, case: Case, real: State, apart: Difference) -> str | None:
        """Why they differ there. Where a CPU has not what the engine has, that must be known, too."""
        against = next((one for one in differences(case.instruction, real, case.found) if one.name == apart.name), None)
        if against is not None:
            return explain(replace(case, expected=real), against)
        return self.other.explain(case, apart)
