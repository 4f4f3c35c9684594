"""Segment descriptors, system descriptors and gates: decoding and encoding (SDM 3A 3.4.5, 3.5, 5.8.3, 6.11).

Attribute words are the high dword of a descriptor with base and limit masked out, bits where QEMU's segment
cache has them: type 11:8, S 12, DPL 14:13, P 15, AVL 20, L 21, D/B 22, G 23.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

ATTRIBUTES = 0x00F0_FF00
ACCESSED = 1 << 8
READABLE_OR_WRITABLE = 1 << 9
CONFORMING_OR_EXPAND_DOWN = 1 << 10
CODE = 1 << 11
NOT_SYSTEM = 1 << 12
PRESENT = 1 << 15
LONG = 1 << 21
DEFAULT_BIG = 1 << 22
GRANULARITY = 1 << 23


@dataclass(frozen=True, slots=True)
class Selector:
    """A segment selector taken apart."""

    value: int

    @property
    def index(self) -> int:
        return self.value >> 3 & 0x1FFF

    @property
    def is_local(self) -> bool:
        """Whether it refers to the LDT."""
        return bool(self.value & 4)

    @property
    def rpl(self) -> int:
        return self.value & 3

    @property
    def is_null(self) -> bool:
        return not self.value & 0xFFFC

    def __str__(self) -> str:
        table = "LDT" if self.is_local else "GDT"
        return "null" if self.is_null else f"{table}[{self.index}] rpl {self.rpl}"


class SystemType(Enum):
    """Types of descriptors with S clear, by type field. 64-bit kinds share those of the 32-bit ones."""

    TSS16 = 1
    LDT = 2
    TSS16_BUSY = 3
    CALL_GATE16 = 4
    TASK_GATE = 5
    INTERRUPT_GATE16 = 6
    TRAP_GATE16 = 7
    TSS = 9
    TSS_BUSY = 11
    CALL_GATE = 12
    INTERRUPT_GATE = 14
    TRAP_GATE = 15

    @property
    def is_gate(self) -> bool:
        return self in _GATES

    @property
    def is_tss(self) -> bool:
        return self in (SystemType.TSS16, SystemType.TSS16_BUSY, SystemType.TSS, SystemType.TSS_BUSY)

    @property
    def label(self) -> str:
        """In words: `16-bit interrupt gate`, `TSS, busy`, `LDT`."""
        return _LABELS[self]


_LABELS = {
    SystemType.TSS16: "16-bit TSS, available",
    SystemType.LDT: "LDT",
    SystemType.TSS16_BUSY: "16-bit TSS, busy",
    SystemType.CALL_GATE16: "16-bit call gate",
    SystemType.TASK_GATE: "task gate",
    SystemType.INTERRUPT_GATE16: "16-bit interrupt gate",
    SystemType.TRAP_GATE16: "16-bit trap gate",
    SystemType.TSS: "TSS, available",
    SystemType.TSS_BUSY: "TSS, busy",
    SystemType.CALL_GATE: "call gate",
    SystemType.INTERRUPT_GATE: "interrupt gate",
    SystemType.TRAP_GATE: "trap gate",
}
_GATES = frozenset(
    (
        SystemType.CALL_GATE16,
        SystemType.TASK_GATE,
        SystemType.INTERRUPT_GATE16,
        SystemType.TRAP_GATE16,
        SystemType.CALL_GATE,
        SystemType.INTERRUPT_GATE,
        SystemType.TRAP_GATE,
    )
)
_LONG_TYPES = frozenset(
    (
        SystemType.LDT,
        SystemType.TSS,
        SystemType.TSS_BUSY,
        SystemType.CALL_GATE,
        SystemType.INTERRUPT_GATE,
        SystemType.TRAP_GATE,
    )
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A code, data, LDT or TSS descriptor, or what a segment register caches.

    `limit` is in bytes, the last offset that is inside. `attributes` is masked with `ATTRIBUTES`.
    """

    base: int
    limit: int
    attributes: int

    @property
    def is_system(self) -> bool:
        return not self.attributes & NOT_SYSTEM

    @property
    def system_type(self) -> SystemType | None:
        """None for code and data and for the reserved types 0, 8, 10 and 13."""
        return _system_type(self.attributes >> 8 & 15) if self.is_system else None

    @property
    def is_code(self) -> bool:
        return not self.is_system and bool(self.attributes & CODE)

    @property
    def dpl(self) -> int:
        return self.attributes >> 13 & 3

    @property
    def present(self) -> bool:
        return bool(self.attributes & PRESENT)

    @property
    def is_long_code(self) -> bool:
        return self.is_code and bool(self.attributes & LONG)

    @property
    def default_big(self) -> bool:
        return bool(self.attributes & DEFAULT_BIG)

    @property
    def kind(self) -> str:
        """In words: `64-bit code, execute/read`, `32-bit data, read/write, expand-down`, `TSS, busy`."""
        if self.is_system:
            system_type = self.system_type
            return "reserved type" if system_type is None else system_type.label
        return _code_kind(self.attributes) if self.is_code else _data_kind(self.attributes)

    def encode(self) -> bytes:
        """The descriptor: 8 bytes. A limit over 1 MiB needs G set and loses its low 12 bits."""
        granular = self.attributes & GRANULARITY
        limit = self.limit >> 12 if granular else self.limit
        if limit >> 20 or self.base >> 32:
            raise ValueError(f"base {self.base:#x} or limit {self.limit:#x} does not fit an 8-byte descriptor")
        low = limit & 0xFFFF | (self.base & 0xFFFF) << 16
        high = self.base >> 16 & 0xFF | self.base & 0xFF00_0000 | limit & 0xF_0000 | self.attributes & ATTRIBUTES
        return (low | high << 32).to_bytes(8, "little")

    def encode_long(self) -> bytes:
        """The 16-byte form that LDT and TSS descriptors have in long mode."""
        low_half = Segment(self.base & 0xFFFF_FFFF, self.limit, self.attributes).encode()
        return low_half + (self.base >> 32).to_bytes(8, "little")


@dataclass(frozen=True, slots=True)
class Gate:
    """A call, interrupt, trap or task gate.

    `ist` is 0 but in long mode, `parameters` 0 but in call gates outside it.
    """

    type: SystemType
    selector: Selector
    offset: int
    dpl: int
    present: bool
    ist: int = 0
    parameters: int = 0

    def encode(self, long: bool) -> bytes:
        """8 bytes, or 16 in long mode."""
        low = self.offset & 0xFFFF | self.selector.value << 16
        low |= (self.ist | self.parameters) << 32 | self.type.value << 40 | self.dpl << 45 | self.present << 47
        low |= (self.offset >> 16 & 0xFFFF) << 48
        if not long:
            return low.to_bytes(8, "little")
        return (low | self.offset >> 32 << 64).to_bytes(16, "little")


@dataclass(frozen=True, slots=True)
class UnusedDescriptor:
    """An all-zero entry, or one of a reserved type, whose bytes are kept."""

    raw: bytes

    @property
    def is_zero(self) -> bool:
        return not any(self.raw)


Descriptor = Segment | Gate | UnusedDescriptor


def descriptor_length(raw: bytes, long: bool) -> int:
    """8 or 16: in long mode a system descriptor takes two slots, a null one or one of a reserved type one."""
    attributes = int.from_bytes(raw[4:8], "little")
    is_long_system = long and not attributes & NOT_SYSTEM and _system_type(attributes >> 8 & 15) in _LONG_TYPES
    return 16 if is_long_system else 8


def decode_descriptor(raw: bytes, long: bool) -> Descriptor:
    """A descriptor from 8 bytes, or 16 for a system one in long mode (EFER.LMA). ValueError if too short."""
    length = descriptor_length(raw, long) if len(raw) >= 8 else 8
    if len(raw) < length:
        raise ValueError(f"a descriptor of {length} bytes was cut to {len(raw)}")
    high = int.from_bytes(raw[4:8], "little")
    if high & NOT_SYSTEM:
        return _decode_segment(raw, long=False)
    system_type = _system_type(high >> 8 & 15)
    if system_type is None or (long and system_type not in _LONG_TYPES):
        return UnusedDescriptor(raw[:8])
    return decode_gate(raw, long) if system_type.is_gate else _decode_segment(raw, long)


def decode_gate(raw: bytes, long: bool) -> Gate | UnusedDescriptor:
    """An entry of an IDT, 8 bytes or 16 in long mode, or a call or task gate of a GDT or LDT."""
    low = int.from_bytes(raw[:8], "little")
    system_type = _system_type(low >> 40 & 15)
    if system_type is None or not system_type.is_gate or low >> 44 & 1:
        return UnusedDescriptor(raw)
    offset = low & 0xFFFF | low >> 48 << 16
    if system_type in (SystemType.CALL_GATE16, SystemType.INTERRUPT_GATE16, SystemType.TRAP_GATE16):
        offset &= 0xFFFF
    if long:
        offset |= int.from_bytes(raw[8:12], "little") << 32
    is_call = system_type in (SystemType.CALL_GATE, SystemType.CALL_GATE16)
    return Gate(
        system_type,
        Selector(low >> 16 & 0xFFFF),
        offset,
        low >> 45 & 3,
        bool(low >> 47 & 1),
        ist=low >> 32 & 7 if long and not is_call else 0,
        parameters=low >> 32 & 31 if is_call and not long else 0,
    )


def segment_from_cache(base: int, limit: int, flags: int) -> Segment:
    """What a segment register holds, from QEMU's cache, whose flags also contain pieces of base and limit."""
    return Segment(base, limit, flags & ATTRIBUTES)


def _decode_segment(raw: bytes, long: bool) -> Segment:
    low, high = int.from_bytes(raw[:4], "little"), int.from_bytes(raw[4:8], "little")
    limit = low & 0xFFFF | high & 0xF_0000
    if high & GRANULARITY:
        limit = limit << 12 | 0xFFF
    base = low >> 16 | (high & 0xFF) << 16 | high & 0xFF00_0000
    if long:
        base |= int.from_bytes(raw[8:12], "little") << 32
    return Segment(base, limit, high & ATTRIBUTES)


def _system_type(number: int) -> SystemType | None:
    return _SYSTEM_TYPES.get(number)


_SYSTEM_TYPES = {member.value: member for member in SystemType}


def _code_kind(attributes: int) -> str:
    bits = 64 if attributes & LONG else 32 if attributes & DEFAULT_BIG else 16
    access = "execute/read" if attributes & READABLE_OR_WRITABLE else "execute only"
    return f"{bits}-bit code, {access}" + (", conforming" if attributes & CONFORMING_OR_EXPAND_DOWN else "")


def _data_kind(attributes: int) -> str:
    bits = 32 if attributes & DEFAULT_BIG else 16
    access = "read/write" if attributes & READABLE_OR_WRITABLE else "read only"
    return f"{bits}-bit data, {access}" + (", expand-down" if attributes & CONFORMING_OR_EXPAND_DOWN else "")
