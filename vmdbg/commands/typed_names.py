"""Names that an operating system adds to expressions: tasks, objects by C type, lists and trees, per-CPU variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmdbg.expressions.basic_types import basic_cast, basic_type
from vmdbg.expressions.errors import ExpressionError
from vmdbg.expressions.values import TypedValue, describe, whole

if TYPE_CHECKING:
    from vmdbg.commands.session import Session
    from vmdbg.os.linux.namespace import Namespace

BY_NAME = ("current", "threads", "sizeof", "cast", "xarray", "maple", "variable")
"""Functions of vmdbg.os.linux.namespace that expressions have as they are."""
WITH_MEMBER = ("offsetof", "container_of", "entries", "hash_entries", "tree_entries")
"""Those whose last argument is a member, which C has without quotes."""


def add_typed_names(session: Session) -> None:
    """`task` is the current one; the functions raise UserError where no operating system is known.

    C's own integer types can be cast to anywhere.
    """

    def names() -> Namespace:
        return session.system.need().names

    def named(function: str) -> Any:
        return lambda *arguments: getattr(names(), function)(*arguments)

    def object_(spelling: Any, where: Any) -> Any:
        return names().typed(spelling, where if isinstance(where, str) else whole(where))

    def cast(spelling: Any, value: Any) -> Any:
        basic = basic_type(str(spelling))
        if basic is not None and session.system.find() is None:
            return basic_cast(session.scope.mem, basic, value)
        return names().cast(spelling, value)

    scope = session.scope
    scope.objects["task"] = lambda: names().current()
    scope.functions |= {name: named(name) for name in (*BY_NAME, *WITH_MEMBER)}
    scope.functions |= {
        "cast": cast,
        "object": object_,
        "pointer": lambda spelling, address: names().cast(f"{spelling} *", whole(address)),
        "per_cpu": lambda name, cpu=0: names().per_cpu(str(name), whole(cpu)),
        "task": lambda pid: names().task(whole(pid)),
        "deref": lambda value: _dereferenced(session, value),
        "address_of": _address_of,
    }
    scope.member_functions |= set(WITH_MEMBER)


def _dereferenced(session: Session, value: Any) -> Any:
    """What a pointer points to; the word at a plain address."""
    if isinstance(value, TypedValue):
        return value.dereference_()
    return session.scope.mem[whole(value)]


def _address_of(value: Any) -> Any:
    if isinstance(value, TypedValue):
        return value.pointer_()
    if isinstance(value, int):
        return value  # a symbol's value is its address
    raise ExpressionError(f"{describe(value)} has no address")
