"""QEMU's user mode as another oracle, and the CPU of this machine as judge between it and the engine."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.conformance.batch import Batch
from tests.conformance.compare import Difference, differences
from tests.conformance.host import HostCpu
from tests.conformance.instructions import Instruction
from tests.conformance.known import Case, explain
from tests.conformance.layout import CR2_AT, OF_SIGNAL, VECTOR_AT, State
from tests.conformance.session import Oracle, Unexplained

QEMU = "qemu-x86_64"
"""Of Debian's qemu-user."""
SIGNALS = {signal.SIGSEGV: (12, 13, 14), signal.SIGBUS: (12, 17), signal.SIGILL: (6,), signal.SIGFPE: (0, 16, 19)}
"""Vectors that Linux makes them of."""


def is_there() -> bool:
    return shutil.which(QEMU) is not None


class QemuCpu(HostCpu):
    """The same program as on the host, translated by QEMU."""

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch, through=(QEMU, "-cpu", "max"))


@dataclass(slots=True)
class Votes:
    """Of cases in which the engine and QEMU differ."""

    cases: int = 0
    agreed: int = 0
    """The engine and QEMU left the same."""
    alone: Counter[tuple[str, str]] = field(default_factory=Counter)
    """This machine's CPU does as the engine does: by kind of instruction, and what differs."""
    known: Counter[str] = field(default_factory=Counter)
    unexplained: list[Unexplained] = field(default_factory=list)


def vote(group: str, seed: int, batch: Batch, host: Oracle, qemu: Oracle, engine: Oracle, votes: Votes) -> None:
    results = zip(host.run(batch), qemu.run(batch), engine.run(batch), strict=True)
    for number, (real, other, found) in enumerate(results):
        index, state = divmod(number, len(batch.states))
        instruction = batch.instructions[index]
        votes.cases += 1
        apart = differences(instruction, _with_vector(other, found), found)
        if not apart:
            votes.agreed += 1
            continue
        case = Case(instruction, batch.states[state], real, found)
        rest = [difference for difference in apart if not _is_explained(case, difference, votes)]
        if rest:
            votes.unexplained.append(Unexplained(group, seed, case, rest))


def _with_vector(state: State, found: State) -> State:
    """QEMU says which signal, not which exception and address: those of the engine's, if they may be."""
    number = state.vector
    if number is None or number < OF_SIGNAL or found.vector not in SIGNALS.get(signal.Signals(number - OF_SIGNAL), ()):
        return state
    raw = bytearray(state.raw)
    raw[VECTOR_AT : CR2_AT + 8] = found.raw[VECTOR_AT : CR2_AT + 8]
    return State(bytes(raw))


def _is_explained(case: Case, apart: Difference, votes: Votes) -> bool:
    """Whether a real CPU has what the engine has, or why it has not is known."""
    real = next(
        (one for one in differences(case.instruction, case.expected, case.found) if one.name == apart.name), None
    )
    if real is None:
        votes.alone[_kind(case.instruction), _part(apart)] += 1
        return True
    reason = explain(case, real)
    if reason is not None:
        votes.known[reason] += 1
    return reason is not None


def _kind(instruction: Instruction) -> str:
    """Instructions of one family fail together."""
    name = instruction.mnemonic.split()[-1]
    if name.startswith("f") and name != "femms":
        return "x87"
    if "xmm" in instruction.operands:
        return "SSE"
    return "MMX" if "mm" in instruction.operands or name.endswith("mms") else "general"


def _part(apart: Difference) -> str:
    if apart.name == "vector":
        return f"exception {_vector(apart.expected)} for {_vector(apart.found)}"
    if apart.name in ("rip", "error code", "cr2", "rflags", "mxcsr", "fcw", "fsw", "ftw"):
        return apart.name
    parts = {"[": "memory", "x": "xmm", "y": "ymm", "s": "st"}
    return parts.get(apart.name[0], "registers")


def _vector(number: int | None) -> str:
    if number is None:
        return "none"
    return str(number) if number < OF_SIGNAL else signal.Signals(number - OF_SIGNAL).name
