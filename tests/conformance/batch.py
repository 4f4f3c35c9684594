"""Instructions and the states they begin with, as one piece of memory that the harness works through."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from tests.conformance.instructions import Instruction
from tests.conformance.layout import BATCH, BATCH_SIZE, CASE, CODE_SLOT, EXIT, RESULTS, RESULTS_SIZE, STATE_SIZE, State

_JUMP = struct.Struct("<Bi")


@dataclass(frozen=True, slots=True)
class Batch:
    """Every instruction is run in every state: case number `instruction * len(states) + state`."""

    instructions: Sequence[Instruction]
    states: Sequence[State]

    @property
    def count(self) -> int:
        return len(self.instructions) * len(self.states)

    def fits(self) -> bool:
        size = len(self.states) * STATE_SIZE + len(self.instructions) * CODE_SLOT + self.count * CASE.size
        return size <= BATCH_SIZE and self.count * STATE_SIZE <= RESULTS_SIZE

    def build(self) -> tuple[bytes, int, int]:
        """What lies at BATCH, and the addresses where the cases begin and end."""
        states = b"".join(state.raw for state in self.states)
        code_at = BATCH + len(states)
        code = b"".join(
            _slot(instruction.code, code_at + CODE_SLOT * number)
            for number, instruction in enumerate(self.instructions)
        )
        cases_at = code_at + len(code)
        cases = bytearray()
        for number in range(self.count):
            instruction, state = divmod(number, len(self.states))
            cases += CASE.pack(
                code_at + CODE_SLOT * instruction, BATCH + STATE_SIZE * state, RESULTS + STATE_SIZE * number
            )
        return states + code + cases, cases_at, cases_at + len(cases)


def _slot(instruction: bytes, at: int) -> bytes:
    end = at + len(instruction) + _JUMP.size
    return (instruction + _JUMP.pack(0xE9, EXIT - end)).ljust(CODE_SLOT, b"\xcc")


def results(raw: bytes) -> list[State]:
    return [State(raw[at : at + STATE_SIZE]) for at in range(0, len(raw), STATE_SIZE)]
