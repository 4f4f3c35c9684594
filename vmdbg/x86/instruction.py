"""A decoded instruction as plain values: what it is, what it touches and where it may go."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, Flag, auto

from vmdbg.units import Linear
from vmdbg.x86.mode import Width

MAX_LENGTH = 15
"""The longest an instruction can be (SDM 2B 2.3.11)."""

BAD = "(bad)"


class Kind(Flag):
    """What matters about an instruction beyond its operands."""

    NONE = 0
    CALL = auto()
    JUMP = auto()
    CONDITIONAL = auto()
    INDIRECT = auto()
    FAR = auto()
    RETURN = auto()
    INTERRUPT = auto()
    INTERRUPT_RETURN = auto()
    SYSTEM_CALL = auto()
    SYSTEM_RETURN = auto()
    HALT = auto()
    PORT_IN = auto()
    PORT_OUT = auto()
    STRING = auto()
    REPEATED = auto()
    PRIVILEGED = auto()
    INTERRUPT_SHADOW = auto()
    LOADS_INTERRUPT_FLAG = auto()
    UNDEFINED = auto()
    BAD = auto()


class OperandAccess(Enum):
    """What an instruction does with a memory operand. ADDRESS only computes it, as LEA does."""

    ADDRESS = "address"
    READ = "read"
    WRITE = "write"
    READ_WRITE = "read and write"


@dataclass(frozen=True, slots=True)
class MemoryOperand:
    """`segment:[base + index * scale + displacement]`, with register names as in the tables.

    `segment` is always there, the default one included. `size` is in bytes, 0 if the instruction alone does
    not say. `address_size` is in bits; the sum is cut to it. `bits` is the register by which BT and its kin count bits
    from there, signed: the operand is the one of its size that holds the bit (SDM 2A 3.1.1.9).
    """

    segment: str
    base: str | None
    index: str | None
    scale: int
    displacement: int
    size: int
    access: OperandAccess
    address_size: int
    bits: str | None = None


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction at linear `address`, which is its `offset` in the code segment plus the segment's base.

    `operands` is text, in which branch targets are offsets in the segment. `target` is where a direct near
    branch goes, `far_target` the selector and offset of a direct far one. Accesses to the stack by PUSH, CALL
    and the like are not among `memory`, nor what is gathered from many places. `condition` is the suffix of Jcc, SETcc
    and CMOVcc.
    """

    address: Linear
    offset: int
    width: Width
    raw: bytes
    mnemonic: str
    operands: str
    kind: Kind = Kind.NONE
    memory: tuple[MemoryOperand, ...] = ()
    target: Linear | None = None
    far_target: tuple[int, int] | None = None
    condition: str | None = None
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        return len(self.raw)

    @property
    def is_bad(self) -> bool:
        return Kind.BAD in self.kind

    def __str__(self) -> str:
        return f"{self.mnemonic} {self.operands}".rstrip()
