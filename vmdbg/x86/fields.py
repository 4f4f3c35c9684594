"""Bit fields: how the tables of registers, MSRs and error codes describe themselves and are decoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

RESERVED = "reserved"


@dataclass(frozen=True, slots=True)
class BitField:
    """One field of a register as the manual lays it out. `values` names the values that have a name."""

    name: str
    low: int
    width: int = 1
    meaning: str = ""
    values: Mapping[int, str] = field(default_factory=dict)

    @property
    def mask(self) -> int:
        return ((1 << self.width) - 1) << self.low

    def extract(self, value: int) -> int:
        return value >> self.low & (1 << self.width) - 1


@dataclass(frozen=True, slots=True)
class Field:
    """A field with the value it has. `value_name` is empty where the manual gives the value no name."""

    name: str
    low: int
    width: int
    value: int
    meaning: str
    value_name: str = ""

    @property
    def bits(self) -> str:
        """The position as manuals write it: `5` or `13:12`."""
        return str(self.low) if self.width == 1 else f"{self.low + self.width - 1}:{self.low}"


def flag_words(fields: Iterable[Field]) -> str:
    """The names of the one-bit fields that are set, highest first, with wider fields as `IOPL=3`.

    Bits that are always one are left out.
    """
    words = []
    for item in reversed(tuple(fields)):
        if item.name.isdigit():
            continue
        if item.width > 1:
            words += [f"{item.name}={item.value_name or format(item.value, 'x')}"] if item.value else []
        elif item.value:
            words.append(item.name)
    return " ".join(words)


def changed_words(before: Iterable[Field], after: Iterable[Field]) -> str:
    """Which fields differ, highest first: `PG on, IOPL 0 becomes 3`."""
    old, new = ({field.low: field for field in fields} for fields in (before, after))
    words = []
    for low in sorted(old.keys() | new.keys(), reverse=True):
        field = new.get(low) or old[low]
        was, is_ = (fields[low].value if low in fields else 0 for fields in (old, new))
        if was != is_:
            change = f"{was:x} becomes {is_:x}" if field.width > 1 else "on" if is_ else "off"
            words.append(f"{field.name} {change}")
    return ", ".join(words)


def decode_fields(layout: Iterable[BitField], value: int) -> tuple[Field, ...]:
    """Every field of the layout in its order, then one `reserved` field for each other bit that is set."""
    fields = []
    known = 0
    for spec in layout:
        known |= spec.mask
        number = spec.extract(value)
        fields.append(Field(spec.name, spec.low, spec.width, number, spec.meaning, spec.values.get(number, "")))
    left = value & ~known
    while left > 0:
        low = (left & -left).bit_length() - 1
        fields.append(Field(RESERVED, low, 1, 1, "a reserved bit is set"))
        left &= left - 1
    return tuple(fields)
