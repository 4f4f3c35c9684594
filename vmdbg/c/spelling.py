"""How C spells types that are looked up by name: `struct file *`, `unsigned long`, `char [16]`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vmdbg.c.types import CType, NoSuchTypeError

INTEGER_WORDS = frozenset({"char", "short", "int", "long", "signed", "unsigned", "_Bool", "bool", "__int128"})
_QUALIFIER = re.compile(r"\b(const|volatile|restrict)\b")
_SPELLING = re.compile(r"\s*(?:(struct|union|enum)\s+)?(\w+(?:\s+\w+)*)\s*((?:\*|\s)*)((?:\[\d+\]\s*)*)$")


@dataclass(frozen=True, slots=True)
class Spelling:
    """`tag` is struct, union, enum or ""; `pointers` stars follow the name, then `bounds` of arrays."""

    tag: str
    name: str
    pointers: int
    bounds: tuple[int, ...]

    @property
    def is_integer(self) -> bool:
        return not self.tag and INTEGER_WORDS.issuperset(self.name.split())

    @property
    def base(self) -> str:
        return f"{self.tag} {self.name}".lstrip()


def parse_spelling(text: str) -> Spelling:
    """Raises NoSuchTypeError for what is no type by name."""
    match = _SPELLING.match(_QUALIFIER.sub("", text))
    if not match:
        raise NoSuchTypeError(f"{text!r} is not a C type that can be looked up; write it as 'struct file *'")
    tag, name, stars, bounds = match.groups()
    lengths = tuple(int(bound) for bound in re.findall(r"\d+", bounds))
    return Spelling(tag or "", " ".join(name.split()), stars.count("*"), lengths)


def spelled_out(found: CType, spelling: Spelling) -> CType:
    """The pointer to, or array of, what the name means."""
    made = found
    for _ in range(spelling.pointers):
        made = made.pointer()
    for bound in reversed(spelling.bounds):
        made = made.array(bound)
    return made


def integer_key(name: str) -> str:
    """`long unsigned int`, `unsigned long` and so on under one name."""
    words = sorted(name.split())
    if "char" not in words:
        words = [word for word in words if word not in ("signed", "int")] or ["int"]
    return " ".join("_Bool" if word == "bool" else word for word in words)
