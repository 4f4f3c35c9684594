"""set, edit, fill and undo."""

from __future__ import annotations

import re

from vmdbg.c.extent import Sort
from vmdbg.c.values import Value
from vmdbg.commands.declare import command
from vmdbg.commands.points.conditions import untyped_notes
from vmdbg.debugger.points import Space
from vmdbg.document.document import Document, document
from vmdbg.errors import UserError
from vmdbg.expressions.lvalue import memory_form
from vmdbg.expressions.place import Aim, Place
from vmdbg.expressions.values import MAX_READ, ExpressionValue, whole
from vmdbg.session.assigning import assigned, merged, register_of, typed
from vmdbg.session.changes import Changes
from vmdbg.session.errors import UsageError
from vmdbg.session.habits import HINTS
from vmdbg.session.numbers import how_many
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session
from vmdbg.x86.msr import find_msr

_MSR = re.compile(r"msr\s*[\[(](?P<name>.*)[\])]", re.DOTALL)
_BRACED = re.compile(r"\{(?P<type>[^{}]*)\}(?P<address>.+)", re.DOTALL)


def declare_set(parser: Parser) -> None:
    parser.add_argument(
        "assignment", metavar="ASSIGNMENT", help="REGISTER = EXPRESSION, mem[ADDRESS, SIZE] = EXPRESSION"
    )


@command(
    "set",
    Group.CHANGE,
    declare_set,
    aliases=("set var", "set variable"),
    examples=(
        "set rax = 5",
        "set eax = rbx + 1",
        "set mem[rsp, 4] = 0x1234",
        "set u8(rsp) = 0",
        "set rflags = rflags | 0x200",
        "set msr[0xc0000082] = 0",
    ),
    rest="assignment",
    effect=Effect.CHANGES,
)
def set_(session: Session, arguments: Arguments) -> Document:
    """Change a register or memory. It is an input of the guest like any other: recorded, replayed, and to be undone.

    In the past nothing can be changed, unless `fork` starts another future there.
    """
    left, equals, right = arguments.assignment.partition("=")
    target, source = left.strip(), right.strip()
    if not equals or not target or not source:
        raise UsageError(f"set needs a target, = and a value; {HINTS['set']}", "set REGISTER = EXPRESSION")
    changes = session.part(Changes)
    expression = session.compile(source)
    notes = untyped_notes(session, expression.valued)
    is_variable = target.startswith("$")
    target = _BRACED.sub(r"*(\g<type> *)(\g<address>)", target.lstrip("$"))
    if (msr := _MSR.fullmatch(target)) is not None:
        changes.write_register(_msr(msr["name"]), whole(expression.evaluate()))
    elif target in session.registers:
        changes.write_register(target, whole(expression.evaluate()))
    elif is_variable and target.isidentifier():
        session.scope.variables[target] = _kept(expression.evaluate())
        return document(f"{target} is kept: print {target} shows it", *notes)
    elif (found := typed(session, target)) is not None:
        _set_object(session, found, source)
    else:
        place, size = _memory_target(session, target)
        changes.write_memory(place, _fitting(expression.evaluate(), size))
    return document(changes.made[-1].words, *notes)


def _kept(value: ExpressionValue) -> ExpressionValue:
    """What a number or a pointer of the guest is now: the guest goes on, and the user's variable stays."""
    if isinstance(value, Value) and value.extent_().sort is not Sort.OBJECT:
        return value.cast_(value.type_)
    return value


def _set_object(session: Session, found: Value, source: str) -> None:
    """A variable, a member, an element: as assigning to it in C does."""
    changes, register, extent = session.part(Changes), register_of(session, found), found.extent_()
    if extent.bits:
        where = f"{extent.size} bytes at {extent.address:#x}"
        raise UserError(f"it is a bit-field of {extent.bits} bits: set the {where}")
    data = assigned(session, found, source)
    if register is not None:
        changes.write_register(register, merged(session, register, data))
    else:
        changes.write_memory(Place(Space.LINEAR, whole(found.pointer_())), data)


def _fitting(value: ExpressionValue, size: int) -> bytes:
    data = value_bytes(value, size)
    if len(data) > size:
        raise UserError(f"{len(data)} bytes do not fit {size}: `edit ADDRESS TEXT` writes as many as there are")
    return data


def _msr(name: str) -> str:
    found = find_msr(name)
    if found is None:
        raise UserError(f"there is no MSR {name!r} that is known; msr --all lists them")
    return found.name


def _memory_target(session: Session, target: str) -> tuple[Place, int]:
    """Where the memory lies that the expression is, and its bytes. Raises UserError for what is no memory."""
    place = session.place(target, aim=Aim.OBJECT)
    if place.bits:
        where = f"{place.size} bytes at {place.address:#x}"
        raise UserError(f"{target} is a bit-field of {place.bits} bits: set the {where}")
    if place.size is None and memory_form(target) is None:
        raise UserError(f"{target!r} is no register and no memory; for a symbol: set u32({target}) = ...")
    return place, place.size or session.registers.mode.width // 8


def value_bytes(value: ExpressionValue, size: int) -> bytes:
    """An integer as `size` little-endian bytes; text and bytes as they are. Raises UserError if it does not fit."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    number = whole(value)
    if not 1 <= size <= 64 or not -(1 << 8 * size - 1) <= number < 1 << 8 * size:
        raise UserError(f"{number:#x} does not fit {size} bytes")
    return (number & (1 << 8 * size) - 1).to_bytes(size, "little")


def declare_edit(parser: Parser) -> None:
    parser.add_argument("place", metavar="ADDRESS", help="where; phys:... for physical memory")
    parser.add_argument(
        "values", nargs="+", metavar="EXPRESSION", help='values one after the other; "text" and b"..." too'
    )
    parser.add_argument(
        "--size", "-s", type=int, default=1, choices=(1, 2, 4, 8), metavar="BYTES", help="of each number (1)"
    )


@command(
    "edit",
    Group.CHANGE,
    declare_edit,
    aliases=("poke", "eb", "write", "patch"),
    examples=("edit rsp 0x90 0x90", "edit rsp 1 2 3 --size 4", 'edit rsp "text"'),
    effect=Effect.CHANGES,
)
def edit(session: Session, arguments: Arguments) -> Document:
    """Write numbers or text to memory, one after the other."""
    place = session.place(arguments.place)
    data = b"".join(_piece(session, word, arguments.size) for word in arguments.values)
    changes = session.part(Changes)
    changes.write_memory(place, data)
    return document(changes.made[-1].words)


def _piece(session: Session, word: str, size: int) -> bytes:
    try:
        return value_bytes(session.value(word), size)
    except UserError:
        if word and not word[0].isdigit() and " " not in word and not word.isidentifier():
            raise
        if not word.replace(" ", "").isalpha():
            raise
        return word.encode()


def declare_fill(parser: Parser) -> None:
    parser.add_argument("place", metavar="ADDRESS", help="where")
    parser.add_argument("size", metavar="EXPRESSION", help="bytes")
    parser.add_argument("value", nargs="?", default="0", metavar="EXPRESSION", help="the byte (0)")


@command("fill", Group.CHANGE, declare_fill, aliases=("memset",), examples=("fill rsp 16 0xcc",), effect=Effect.CHANGES)
def fill(session: Session, arguments: Arguments) -> Document:
    """Fill memory with a byte."""
    size, value = session.integer(arguments.size), session.integer(arguments.value)
    if not 0 < size <= MAX_READ or not 0 <= value <= 255:
        raise UserError(f"fill takes 1 to {MAX_READ} bytes of a value from 0 to 255")
    changes = session.part(Changes)
    changes.write_memory(session.place(arguments.place), bytes([value]) * size)
    return document(changes.made[-1].words)


def declare_undo(parser: Parser) -> None:
    parser.add_argument("number", nargs="?", type=how_many, default=1, metavar="NUMBER", help="how many changes (1)")
    parser.add_argument("--list", action="store_true", help="only list what could be undone")


@command("undo", Group.CHANGE, declare_undo, examples=("undo --list", "undo"), effect=Effect.CHANGES)
def undo(session: Session, arguments: Arguments) -> Document:
    """Take back the last changes to registers and memory."""
    changes = session.part(Changes)
    if arguments.list or not changes.made:
        words = [change.words for change in reversed(changes.made)]
        return document(*words, value=list(words)) if words else document("nothing was changed", value=[])
    undone = []
    for _ in range(min(max(1, arguments.number), len(changes.made))):
        change = changes.made[-1]
        change.undo()
        changes.made.pop()
        undone.append(f"undone: {change.words}")
    return document(*undone)
