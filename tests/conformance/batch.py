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
    low,
)

_JUMP = struct.Struct("<Bi")
_STATES_AT = 32
_FAR_JUMP = struct.pack("<BIH", 0xEA, LOW_BATCH + 7, CODE_64)
_WAY_OUT = _FAR_JUMP + b"\xff\x25\0\0\0\0" + struct.pack("<Q", EXIT)
_WAY_OUT_I386 = _JUMP.pack(0xE9, low(EXIT) - LOW_BATCH - _JUMP.size)
"""Where 32-bit code goes on, at the head of its batch: to EXIT, through 64-bit code unless that is 32-bit code, too."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Every instruction is run in every state: case number `instruction * len(states) + state`."""

    instructions: Sequence[Instruction]
    states: Sequence[State]
    bits: int = 64
    left_out: frozenset[int] = frozenset()
    """Cases that are not run."""

    @property
    def count(self) -> int:
        return len(self.instructions) * len(self.states)

    def fits(self) -> bool:
        size = len(self.states) * STATE_SIZE + len(self.instructions) * CODE_SLOT + self.count * CASE.size
        return size <= BATCH_SIZE and self.count * STATE_SIZE <= RESULTS_SIZE

    def build(self, *, i386: bool = False) -> tuple[bytes, int, int]:
        """What lies at BATCH (LOW_BATCH for 32 bits), and the addresses where the cases begin and end; `i386`: for a
        program of 32 bits."""
        base = BATCH if self.bits == 64 else LOW_BATCH
        head = (_WAY_OUT_I386 if i386 else _WAY_OUT).ljust(_STATES_AT, b"\xcc")
        states = head + b"".join(state.raw for state in self.states)
        states_at, code_at = base + len(head), base + len(states)
        exit_at = LOW_BATCH if self.bits == 32 else EXIT
        code = b"".join(
            _slot(instruction.code, code_at + CODE_SLOT * number, exit_at)
            for number, instruction in enumerate(self.instructions)
        )
        cases_at, results_at = code_at + len(code), low(RESULTS) if i386 else RESULTS
        cases = bytearray()
        for number in range(self.count):
            if number in self.left_out:
                continue
            instruction, state = divmod(number, len(self.states))
            cases += CASE.pack(
                code_at + CODE_SLOT * instruction, states_at + STATE_SIZE * state, results_at + STATE_SIZE * number
            )
        return states + code + cases, cases_at, cases_at + len(cases)


def _slot(instruction: bytes, at: int, exit_at: int) -> bytes:
    end = at + len(instruction) + _JUMP.size
    return (instruction + _JUMP.pack(0xE9, exit_at - end)).ljust(CODE_SLOT, b"\xcc")


def results(raw: bytes) -> list[State]:
    return [State(raw[at : at + STATE_SIZE]) for at in range(0, len(raw), STATE_SIZE)]
