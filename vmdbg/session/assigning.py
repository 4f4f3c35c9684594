"""Objects of the guest's program are given other values, where they are: in memory or in a register."""

from __future__ import annotations

from vmdbg.c.encoding import encoded
from vmdbg.c.types import ENUMERATIONS
from vmdbg.c.values import Value
from vmdbg.errors import UserError, VmdbgError
from vmdbg.expressions.values import ExpressionValue, TypedValue, whole
from vmdbg.session.view import View

TRUTHS = {"true": True, "false": False}
"""As objects of type _Bool are shown."""


def typed(view: View, target: str) -> Value | None:
    """The object that the expression is; None for what has no type of the program's, or is not to be had."""
    try:
        found = view.value(target)
    except VmdbgError:
        return None
    return found if isinstance(found, Value) else None


def assigned(view: View, target: Value, source: str) -> bytes:
    """What the object holds once it is given the value of an expression, one of its enumerators, or true.

    Raises UserError for what it cannot hold.
    """
    stripped = target.type_.strip()
    if stripped.is_bool and source in TRUTHS:
        return encoded(TRUTHS[source], target.type_)
    if stripped.kind in ENUMERATIONS:
        for one in stripped.enumerators:
            if one.name == source:
                return encoded(one.value, target.type_)
    return encoded(_plain(view.value(source)), target.type_)


def _plain(value: ExpressionValue) -> int | float | str | bytes:
    if isinstance(value, int | float | str | bytes):
        return value
    return value.number_() if isinstance(value, TypedValue) else whole(value)


def register_of(view: View, target: Value) -> str | None:
    """The register that holds the object; None for what is in memory. Raises UserError for what is nowhere."""
    if target.address_ is not None or target.content_ is None:
        return None
    name = target.content_.register
    if name is None:
        raise UserError("it is in no memory and no register of its own: change what it is made of")
    if view.frames.selected().physical.number:
        raise UserError(f"it is in {name} of a caller's, which is in the past or saved: change it where it was saved")
    return name


def merged(view: View, register: str, data: bytes) -> int:
    """What the register holds with its lowest bytes replaced."""
    mask = (1 << 8 * len(data)) - 1
    return view.registers.read(register) & ~mask | int.from_bytes(data, "little")
