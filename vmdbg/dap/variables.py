"""What is behind the references of scopes and variables (dapstub.target.Data, its reading part)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from dapstub import requests, values
from dapstub.errors import TargetError
from vmdbg.dap.errors import refusals
from vmdbg.dap.looking import frame_of
from vmdbg.dap.references import References
from vmdbg.dap.scopes import TABLE_TITLES, CpuTable, RegisterScope, TableScope, Variables, VariablesScope, names_of
from vmdbg.dap.typed import Typed, by_address, children, inside, variable
from vmdbg.document.document import Json
from vmdbg.os.seam import Frame
from vmdbg.session.session import Session
from vmdbg.units import CpuId
from vmdbg.x86.registers import BY_NAME, Group, set_flags

INDEXED = "indexed"
"""The filter of a request that wants elements, not members."""
MAX_SHOWN = 4096
"""Rows of a table."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Data of a command's answer: a table's rows, or one row's cells."""

    data: Json


@dataclass(frozen=True, slots=True)
class TableOf:
    """Asked for when it is opened: some tables are long."""

    cpu: CpuId
    table: CpuTable


class GuestVariables:
    def __init__(self, session: Session, references: References) -> None:
        self._session = session
        self._references = references

    def variables(self, request: requests.Variables) -> Sequence[values.Variable]:
        found = self._references.of(request.reference)
        with refusals():
            return list(self._inside(found, request))

    def _inside(self, found: object, request: requests.Variables) -> Iterator[values.Variable]:
        """Paged where the client asks for a part; elements and members apart where it asks for one of them."""
        start, count = request.start, request.count
        end = start + count if count else None
        match found:
            case VariablesScope():
                for name, typed in self.of_function(found)[start:end]:
                    yield variable(self._references, name, typed, hexadecimal=request.hexadecimal)
            case RegisterScope():
                yield from self._registers(found)[start:end]
            case TableScope(frame):
                for table in list(CpuTable)[start:end]:
                    reference = self._references.add(TableOf(frame.cpu, table))
                    yield values.Variable(TABLE_TITLES.get(table, table.value.upper()), "", reference)
            case TableOf(cpu, table):
                with self._session.debugger.of(cpu):
                    yield from self._rows(_table(self._session.run(table.value).data), start, count)
            case Rows(data):
                yield from self._rows(data, start, count)
            case Typed():
                _, elements = inside(found.value)
                if request.filter and (request.filter == INDEXED) != bool(elements):
                    return
                for name, typed in children(found, start, count):
                    yield variable(self._references, name, typed, hexadecimal=request.hexadecimal)
            case _:
                raise TargetError("there is nothing inside")

    def of_function(self, scope: VariablesScope) -> list[tuple[str, Typed]]:
        """Arguments or locals of a frame, by name."""
        frames = self._session.frames
        is_of_cpu = scope.frame.task is None
        with frame_of(self._session, scope.frame) as frame:
            match scope.kind:
                case Variables.ARGUMENTS:
                    found = frames.parameters(frame)
                case Variables.LOCALS:
                    found = frames.locals(frame)
                case Variables.STATICS:
                    return [(name, Typed(value, by_address(value))) for name, value in frames.statics(frame)]
                case Variables.GLOBALS:
                    return [(name, Typed(value, by_address(value))) for name, value in frames.file_globals(frame)]
                case _:
                    assert_never(scope.kind)
        return [(name, Typed(value, name if is_of_cpu else by_address(value))) for name, value in found]

    def _registers(self, scope: RegisterScope) -> list[values.Variable]:
        with frame_of(self._session, scope.frame) as frame:
            if frame.physical.number or scope.frame.task is not None:
                return self._saved(frame.physical)
            return [self._register(name) for name in names_of(self._session, scope.group)]

    def _saved(self, frame: Frame) -> list[values.Variable]:
        """What is known of a caller's registers."""
        return [
            values.Variable(name, f"{value:#x}", presentation_hint={"attributes": ["readOnly"]})
            for name, value in frame.registers.items()
            if name in BY_NAME and BY_NAME[name].group in (Group.GENERAL, Group.CONTROL)
        ]

    def _register(self, name: str) -> values.Variable:
        register = BY_NAME[name]
        value = self._session.registers.read(name)
        words = f"{value:#0{register.bits // 4 + 2}x}"
        note = set_flags(name, value) if register.layout else ""
        if not note and register.bits == 64:
            note = self._session.describe(value)
        is_address = register.group is Group.GENERAL and register.bits == 64
        return values.Variable(
            name,
            f"{words} {note}".rstrip(),
            evaluate_name=f"${name}",
            memory_reference=f"{value:#x}" if is_address else None,
        )

    def _rows(self, data: Json, start: int, count: int) -> Iterator[values.Variable]:
        """Lists by number, objects by name; what is inside is behind a reference of its own."""
        if isinstance(data, Mapping):
            named = [(str(name), one) for name, one in data.items()]
        elif isinstance(data, Sequence) and not isinstance(data, str):
            named = [(_row_name(index, one), one) for index, one in enumerate(data)]
        else:
            named = [("", data)]
        for name, one in named[start : start + min(count or MAX_SHOWN, MAX_SHOWN)]:
            yield self._cell(name, one)

    def _cell(self, name: str, data: Json) -> values.Variable:
        if isinstance(data, Mapping) or (isinstance(data, Sequence) and not isinstance(data, str)):
            return values.Variable(name, _one_line(data), self._references.add(Rows(data)))
        return values.Variable(name, "" if data is None else str(data))


def _table(data: Json) -> Json:
    """The rows of an answer that has a table; what is said besides is left to the prompt."""
    return data["rows"] if isinstance(data, Mapping) and "rows" in data else data


def _row_name(index: int, row: Json) -> str:
    """What the row begins with, where that names it."""
    if isinstance(row, Mapping) and row:
        return str(next(iter(row.values())))
    return f"[{index}]"


def _one_line(data: Json) -> str:
    if isinstance(data, Mapping):
        return "  ".join(str(value) for value in list(data.values())[1:] if isinstance(value, str | int))[:200]
    return f"[{len(data)}]" if isinstance(data, Sequence) else str(data)
