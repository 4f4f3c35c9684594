"""Instructions and the states they begin with, as one piece of memory that the harness works through."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from tests.conformance.instructions import Instruction
from tests.conformance.layout import (
    BATCH,
    BATCH_SIZE,
    CASE,
    CODE_64,
    CODE_SLOT,
    EXIT,
    LOW_BATCH,
    RESULTS,
    RESULTS_SIZE,
    STATE_SIZE,
    State,
)

_JUMP, _FAR_JUMP = struct.Struct("<Bi"), struct.Struct("<BIH")
_WAY_OUT = b"\xff\x25\0\0\0\0" + struct.pack("<Q", EXIT) + b"\xcc\xcc"
"""64-bit code that 32-bit code reaches, and which jumps to EXIT."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Every instruction is run in every state: case number `instruction * len(states) + state`."""

    instructions: Sequence[Instruction]
    states: Sequence[State]
    bits: int = 64

    @property
    def count(self) -> int:
        return len(self.instructions) * len(self.states)

    def fits(self) -> bool:
        size = len(self.states) * STATE_SIZE + len(self.instructions) * CODE_SLOT + self.count * CASE.size
        return size <= BATCH_SIZE and self.count * STATE_SIZE <= RESULTS_SIZE

    def build(self) -> tuple[bytes, int, int]:
        """What lies at BATCH (LOW_BATCH for 32 bits), and the addresses where the cases begin and end."""
        base = BATCH if self.bits == 64 else LOW_BATCH
        states = _WAY_OUT + b"".join(state.raw for state in self.states)
        states_at, code_at = base + len(_WAY_OUT), base + len(states)
        code = b"".join(
            self._slot(instruction.code, code_at + CODE_SLOT * number)
            for number, instruction in enumerate(self.instructions)
        )
        cases_at = code_at + len(code)
        cases = bytearray()
        for number in range(self.count):
            instruction, state = divmod(number, len(self.states))
            cases += CASE.pack(
                code_at + CODE_SLOT * instruction, states_at + STATE_SIZE * state, RESULTS + STATE_SIZE * number
            )
        return states + code + cases, cases_at, cases_at + len(cases)

    def _slot(self, instruction: bytes, at: int) -> bytes:
        end = at + len(instruction) + _JUMP.size
        out = _JUMP.pack(0xE9, EXIT - end) if self.bits == 64 else _FAR_JUMP.pack(0xEA, LOW_BATCH, CODE_64)
        return (instruction + out).ljust(CODE_SLOT, b"\xcc")


def results(raw: bytes) -> list[State]:
    return [State(raw[at : at + STATE_SIZE]) for at in range(0, len(raw), STATE_SIZE)]
