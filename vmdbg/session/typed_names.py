"""Names that an operating system adds to expressions: tasks, objects by C type, lists and trees, per-CPU variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vmdbg.c.types import AGGREGATES, CType
from vmdbg.c.values import Value
from vmdbg.expressions.basic_types import POINTER, basic_cast, basic_type
from vmdbg.expressions.characters import character
from vmdbg.expressions.errors import ExpressionError
from vmdbg.expressions.scope import Scope
from vmdbg.expressions.values import ExpressionValue, Placed, TypedValue, describe, whole
from vmdbg.os.seam import CurrentTask, NotThereYetError
from vmdbg.session.debug_frames import DebugFrames
from vmdbg.session.known_guest import KnownGuest
from vmdbg.session.linux import need_linux
from vmdbg.session.system import GuestSystem

if TYPE_CHECKING:
    from vmdbg.os.linux.namespace import Namespace

BY_NAME = ("current", "threads", "xarray", "maple", "variable")
"""Functions of vmdbg.os.linux.namespace that expressions have as they are."""
WITH_MEMBER = ("offsetof", "container_of", "entries", "hash_entries", "tree_entries")
"""Those whose last argument is a member, which C has without quotes."""
WITH_VARIABLE = ("per_cpu", "lx_per_cpu", "variable")
"""Those whose first argument is the name of a variable."""

RUNNING: dict[str, Callable[[CurrentTask], int]] = {
    "lx_pid": lambda task: task.process,
    "lx_tid": lambda task: task.pid,
    "lx_task": lambda task: task.address,
}
"""As gdb has them as registers."""


def add_typed_names(scope: Scope, guest: KnownGuest, frames: DebugFrames) -> None:
    """`task` is the current one; the functions raise UserError where no operating system is known.

    C's own integer types can be cast to anywhere.
    """

    def names() -> Namespace:
        return need_linux(guest.system).names

    def named(function: str) -> Callable[..., ExpressionValue]:
        return lambda *arguments: getattr(names(), function)(*arguments)

    def type_(spelling: ExpressionValue) -> CType:
        """Of the program that runs, else of the kernel."""
        found = frames.type(str(spelling))
        return found if found is not None else names().type_of(str(spelling))

    def object_(spelling: ExpressionValue, where: ExpressionValue) -> Value:
        address = guest.symbols.address_of(where) if isinstance(where, str) else whole(where)
        found = frames.type(str(spelling))
        return Value(frames.space, found, address) if found is not None else names().typed(str(spelling), address)

    def sizeof(what: ExpressionValue) -> int:
        return _size_of(what, type_, plain=guest.system.find() is None)

    def container_of(member: ExpressionValue, spelling: ExpressionValue, path: ExpressionValue) -> Value:
        found = frames.type(str(spelling))
        if found is None:
            return names().container_of(_typed_or_number(member), str(spelling), str(path))
        if isinstance(member, Value):
            return member.container_of_(found, str(path))
        return Value(frames.space, found, whole(member) - found.offset_of(str(path)))

    def cast(spelling: ExpressionValue, value: ExpressionValue) -> ExpressionValue:
        value = character(value)
        basic = basic_type(str(spelling))
        if basic is not None and guest.system.find() is None:
            return basic_cast(scope.mem, basic, value)
        found = frames.type(str(spelling))
        if found is not None:
            return value.cast_(found) if isinstance(value, Value) else _cast(frames, found, value)
        return names().cast(str(spelling), _typed_or_number(value))

    def per_cpu(name: ExpressionValue, cpu: ExpressionValue = None) -> Value:
        """Of the CPU that is looked at, if none is named."""
        return names().per_cpu(str(name), None if cpu is None else whole(cpu))

    scope.objects["task"] = lambda: names().current()
    for name, read in RUNNING.items():
        scope.objects[name] = _of_running(guest.system, read)
    scope.functions |= {name: named(name) for name in (*BY_NAME, *WITH_MEMBER)}
    scope.functions |= {
        "cast": cast,
        "object": object_,
        "sizeof": sizeof,
        "offsetof": lambda spelling, path: type_(spelling).offset_of(str(path)),
        "container_of": container_of,
        "pointer": lambda spelling, address: cast(f"{spelling} *", whole(address)),
        "per_cpu": per_cpu,
        "lx_per_cpu": per_cpu,
        "task": lambda pid: names().task(whole(pid)),
        "deref": lambda value: _dereferenced(scope, value),
        "address_of": _address_of,
    }
    scope.named_arguments |= dict.fromkeys(WITH_MEMBER, -1) | dict.fromkeys(WITH_VARIABLE, 0)


def _size_of(what: ExpressionValue, type_: Callable[[ExpressionValue], CType], *, plain: bool) -> int:
    """Of a value or of a type by its name; `plain`: C's own integers are known without anybody's telling."""
    if isinstance(what, Value):
        return what.type_.size
    if isinstance(what, Placed):
        return what.extent_().size
    if not isinstance(what, str):
        raise ExpressionError(f"no type is known of {describe(what)} whose size is asked for")
    basic = basic_type(what) if plain else None
    return (POINTER if basic.levels else basic.size) if basic is not None else type_(what).size


def _typed_or_number(value: ExpressionValue) -> Value | int:
    return value if isinstance(value, Value) else whole(value)


def _cast(frames: DebugFrames, type_: CType, value: ExpressionValue) -> Value:
    if type_.strip().kind in AGGREGATES:
        raise ExpressionError(f"a number cannot be cast to {type_}: write *({type_} *)")
    return Value(frames.space, type_, number=value if isinstance(value, float) else whole(value))


def _of_running(system: GuestSystem, read: Callable[[CurrentTask], int]) -> Callable[[], int]:
    """Raises UserError, or what the guest's tables have wrong, where it cannot be told."""

    def value() -> int:
        task = system.running()
        if task is None:
            system.need()
            raise NotThereYetError("current task")
        return read(task)

    return value


def _dereferenced(scope: Scope, value: ExpressionValue) -> ExpressionValue:
    """What a pointer points to; the word at a plain address."""
    if isinstance(value, TypedValue):
        return value.dereference_()
    return scope.mem[whole(value)]


def _address_of(value: ExpressionValue) -> ExpressionValue:
    if isinstance(value, TypedValue):
        return value.pointer_()
    if isinstance(value, int):
        return value  # a symbol's value is its address
    raise ExpressionError(f"{describe(value)} has no address")
