"""Types found by their C spelling."""

from __future__ import annotations

from vmdbg.c.spelling import Spelling, integer_key, parse_spelling
from vmdbg.c.types import AGGREGATES, ENUMERATIONS, Kind, NoSuchTypeError
from vmdbg.os.linux.btf import Btf
from vmdbg.os.linux.types import Type

_TAGS = {
    "struct": frozenset({Kind.STRUCT}),
    "union": frozenset({Kind.UNION}),
    "enum": frozenset(ENUMERATIONS),
}
_NAMED = frozenset({Kind.TYPEDEF, Kind.INT, Kind.FLOAT})


class Types:
    """All types of a kernel, by their C spelling."""

    def __init__(self, btf: Btf) -> None:
        self.btf = btf
        self._ints: dict[str, int] = {}

    def find(self, spelling: str) -> Type:
        """`struct file`, `unsigned long`, `u64 *`, `char [16]`. Raises `NoSuchTypeError`."""
        parsed = parse_spelling(spelling)
        found = self._base(parsed)
        if found is None:
            raise NoSuchTypeError(f"this kernel has no type {parsed.base}")
        for _ in range(parsed.pointers):
            found = found.pointer()
        for bound in reversed(parsed.bounds):
            found = found.array(bound)
        return found

    def has(self, spelling: str) -> bool:
        """Whether this kernel has that type."""
        try:
            self.find(spelling)
        except NoSuchTypeError:
            return False
        return True

    def _base(self, parsed: Spelling) -> Type | None:
        tag, name = parsed.tag, parsed.name
        if not tag and name == "void":
            return Type(self.btf, 0)
        if parsed.is_integer:
            type_id = self._int_ids().get(integer_key(name))
        else:
            type_id = self.btf.find(name, _TAGS[tag] if tag else _NAMED)
        if type_id is None and not tag:
            type_id = self.btf.find(name, AGGREGATES | ENUMERATIONS)
        return None if type_id is None else Type(self.btf, type_id)

    def _int_ids(self) -> dict[str, int]:
        if not self._ints:
            root = self.btf
            while root.base:
                root = root.base
            for type_id in root.ids_of_kind(Kind.INT):
                self._ints.setdefault(integer_key(root.record(type_id).name), type_id)
        return self._ints

    def function(self, name: str) -> Type | None:
        """The function of that name, with its prototype, if the kernel says."""
        type_id = self.btf.find(name, frozenset({Kind.FUNCTION}))
        return None if type_id is None else Type(self.btf, type_id)

    def variable(self, name: str) -> Type | None:
        """The type of a variable that BTF lists: per-CPU ones, and others from 6.14 on."""
        type_id = self.btf.find(name, frozenset({Kind.VARIABLE}))
        return None if type_id is None else Type(self.btf, self.btf.record(type_id).size_or_type)

    def enumerator(self, name: str) -> tuple[Type, int] | None:
        """The enum that has an enumerator of that name, and its number."""
        found = self.btf.enumerator(name)
        return None if found is None else (Type(self.btf, found[0]), found[1])
