"""Turns that somebody has written down: a run can write its own, and a user change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmdbg.errors import UserError
from vmdbg.machine.schedule import (
    DEFAULT_QUANTUM,
    LEAST_QUANTUM,
    LISTED,
    MOST_QUANTUM,
    ScheduleState,
    Turn,
)
from vmdbg.units import CpuId, Tick
from vmdbg.x86.topology import MOST_CPUS

MOST_TURNS = 1 << 20
TITLE = "# vmdbg schedule: a turn a line, CPU and ticks"


@dataclass(frozen=True, slots=True)
class ListedTurns:
    """One after the other, each to its exact end; where such a CPU cannot run the next that can takes its place. Then
    it is round robin.
    """

    turns: tuple[Turn, ...]

    def __str__(self) -> str:
        return f"{LISTED}:" + " ".join(f"{turn.cpu}*{turn.quantum}" for turn in self.turns)

    def start(self, cpus: int) -> ScheduleState:
        return ScheduleState((0,))

    def is_state(self, state: ScheduleState, cpus: int) -> bool:
        return len(state.numbers) == 1 and 0 <= state.numbers[0] <= len(self.turns)

    def next_turn(
        self, state: ScheduleState, last: CpuId, runnable: Sequence[CpuId], tick: Tick
    ) -> tuple[Turn, ScheduleState]:
        (number,) = state.numbers
        if number < len(self.turns):
            turn = self.turns[number]
            cpu = next((cpu for cpu in runnable if cpu >= turn.cpu), runnable[0])
            return Turn(cpu, turn.quantum, exact=True), ScheduleState((number + 1,))
        cpu = next((cpu for cpu in runnable if cpu > last), runnable[0])
        return Turn(cpu, DEFAULT_QUANTUM), state


def file_text(turns: Sequence[Turn]) -> str:
    """As parse_file() reads it. Raises UserError for what it would not."""
    if not turns:
        raise UserError("no turn has been had yet: there is nothing to write")
    if len(turns) > MOST_TURNS:
        raise UserError(
            f"these are {len(turns):,} turns, and a schedule has at most {MOST_TURNS:,}: "
            "write those up to an earlier tick, or take a schedule of longer turns"
        )
    return "\n".join([TITLE, *(f"{turn.cpu} {turn.quantum}" for turn in turns)]) + "\n"


def parse_file(text: str, name: str) -> ListedTurns:
    """Lines of CPU and ticks; # begins a comment. Raises ValueError that names file and line."""
    turns = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            turns.append(_turn(words, f"{name}, line {number}"))
    return _checked(turns, name)


def parse_listed(text: str) -> ListedTurns:
    """What str() of them gives, after its name."""
    return _checked([_turn(word.split("*"), f"turn {word[:40]!r}") for word in text.split()], f"{LISTED}:")


def _checked(turns: list[Turn], where: str) -> ListedTurns:
    if not turns or len(turns) > MOST_TURNS:
        raise ValueError(f"{where} has {len(turns)} turns: a schedule has 1 to {MOST_TURNS}")
    return ListedTurns(tuple(turns))


def _turn(words: Sequence[str], where: str) -> Turn:
    numbers = [int(word) for word in words if word.isdecimal() and word.isascii() and len(word) < 20]
    if len(numbers) != 2 or len(words) != 2:
        raise ValueError(f"{where}: a turn is two numbers, a CPU and its ticks")
    cpu, quantum = numbers
    if cpu >= MOST_CPUS or not LEAST_QUANTUM <= quantum <= MOST_QUANTUM:
        raise ValueError(f"{where}: CPUs are 0 to {MOST_CPUS - 1}, ticks {LEAST_QUANTUM} to {MOST_QUANTUM}")
    return Turn(CpuId(cpu), quantum)
