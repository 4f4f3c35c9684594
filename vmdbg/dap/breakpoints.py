"""Breakpoints of the client (dapstub.target.Points). What it sets of a kind replaces what it had set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from dapstub import requests, values
from dapstub.errors import TargetError
from vmdbg.dap.catches import FILTERS, Catches
from vmdbg.dap.conditions import condition_of, condition_words
from vmdbg.dap.data_breakpoints import data_info, watched
from vmdbg.dap.errors import refusals
from vmdbg.dap.logging import log_writer
from vmdbg.dap.memory import address_of
from vmdbg.dap.references import References
from vmdbg.dap.source_files import SourceFiles
from vmdbg.debugger.points import Breakpoint, Point
from vmdbg.errors import UserError, VmdbgError
from vmdbg.expressions.place import Aim
from vmdbg.session.pending import PendingPoints
from vmdbg.session.session import Session
from vmdbg.units import Linear

FUNCTIONS, INSTRUCTIONS, DATA = "functions", "instructions", "data"
"""Kinds of which there is one list; those of lines are a source each."""


@dataclass(slots=True)
class Known:
    """One of the client's, and the points of ours that it is: a line may have code in several places."""

    shown: values.Breakpoint
    points: list[Point]
    reason: values.StopReason

    @property
    def is_pending(self) -> bool:
        return any(isinstance(point, Breakpoint) and point.is_pending for point in self.points)


class GuestBreakpoints:
    filters = FILTERS

    def __init__(
        self, session: Session, references: References, sources: SourceFiles, log: Callable[[str], None]
    ) -> None:
        """`log` shows what a log point writes."""
        self._session = session
        self._references = references
        self._sources = sources
        self._log = log
        self._sets: dict[str, list[Known]] = {}
        self._next = 1
        self._catches = Catches(session)

    # setting

    def set_lines(self, request: requests.SetBreakpoints) -> Sequence[values.Breakpoint]:
        key = f"lines of {request.source.reference or request.source.path or request.source.name}"
        return self._replace(key, [partial(self._line, request.source, one) for one in request.breakpoints])

    def set_functions(self, request: requests.SetFunctionBreakpoints) -> Sequence[values.Breakpoint]:
        return self._replace(FUNCTIONS, [partial(self._function, one) for one in request.breakpoints])

    def set_instructions(self, request: requests.SetInstructionBreakpoints) -> Sequence[values.Breakpoint]:
        return self._replace(INSTRUCTIONS, [partial(self._instruction, one) for one in request.breakpoints])

    def set_data(self, request: requests.SetDataBreakpoints) -> Sequence[values.Breakpoint]:
        return self._replace(DATA, [partial(self._data, one) for one in request.breakpoints])

    def set_exceptions(self, request: requests.SetExceptionBreakpoints) -> Sequence[values.Breakpoint]:
        return self._catches.set(request.filters)

    def _replace(self, key: str, wanted: Iterable[Callable[[], Known]]) -> list[values.Breakpoint]:
        """A breakpoint that cannot be says why; the others are set."""
        for known in self._sets.pop(key, []):
            for point in known.points:
                self._session.debugger.points.remove(point)
        made: list[Known] = []
        shown: list[values.Breakpoint] = []
        for make in wanted:
            number, self._next = self._next, self._next + 1
            try:
                known = make()
            except (VmdbgError, TargetError) as error:
                shown.append(values.Breakpoint(False, number, str(error), reason="failed"))
                continue
            known.shown = replace(known.shown, id=number)
            made.append(known)
            shown.append(known.shown)
        self._sets[key] = made
        return shown

    def _line(self, source: requests.SourceName, wanted: requests.LineBreakpoint) -> Known:
        found = self._sources.line(source, wanted.line)
        if found is None:
            name = (source.path or source.name).rpartition("/")[2]
            return self._pending(f"{name}:{wanted.line}", wanted.when, values.StopReason.BREAKPOINT, wanted.line)
        copies = self._session.sources.copies_of_line(found.code) if found.code is not None else []
        points: list[Point] = [self._add(one, wanted.when) for one in (copies or [found.address])]
        # VS Code takes a source without a path, named again, for another than that in which it was asked.
        named = found.source if found.code is not None else None
        reference = f"{found.address:#x}"
        shown = values.Breakpoint(True, source=named, line=found.line, instruction_reference=reference)
        return Known(shown, points, values.StopReason.BREAKPOINT)

    def _function(self, wanted: requests.NamedBreakpoint) -> Known:
        """Anything that `break` takes: a symbol, an address, `file:line`."""
        reason = values.StopReason.FUNCTION_BREAKPOINT
        try:
            place = self._session.code_place(wanted.name)
        except UserError:
            return self._pending(wanted.name, wanted.when, reason, None)
        point = self._add(place.address, wanted.when)
        point.space = place.space
        return Known(self._at(place.address), [point], reason)

    def _at(self, address: int) -> values.Breakpoint:
        line = self._session.sources.line_at(address)
        source = self._sources.shown(line.file) if line is not None else None
        number = line.line if line is not None and source is not None else None
        return values.Breakpoint(True, source=source, line=number, instruction_reference=f"{address:#x}")

    def _instruction(self, wanted: requests.InstructionBreakpoint) -> Known:
        address = address_of(self._session, wanted.reference, aim=Aim.CODE) + wanted.offset
        return Known(self._at(address), [self._add(address, wanted.when)], values.StopReason.INSTRUCTION_BREAKPOINT)

    def _data(self, wanted: requests.DataBreakpoint) -> Known:
        place, size, accesses = watched(wanted)
        point = self._session.debugger.points.add_watchpoint(
            place,
            size,
            accesses,
            owner=self._session.owner,
            condition=condition_of(self._session, wanted.when),
            text=condition_words(wanted.when),
        )
        return Known(values.Breakpoint(True), [point], values.StopReason.DATA_BREAKPOINT)

    def _add(self, address: int, when: requests.Conditions) -> Breakpoint:
        action = log_writer(self._session, when.log, self._log) if when.log else None
        return self._session.debugger.points.add_breakpoint(
            Linear(address),
            owner=self._session.owner,
            condition=condition_of(self._session, when),
            text=condition_words(when),
            action=action,
        )

    def _pending(self, name: str, when: requests.Conditions, reason: values.StopReason, line: int | None) -> Known:
        """Until a module or a program has it, or the kernel is known."""
        waits: PendingPoints = self._session.part(PendingPoints)
        point = waits.add(name, condition_of(self._session, when), condition_words(when), temporary=False)
        if when.log:
            point.action = log_writer(self._session, when.log, self._log)
        why = f"{self._why_not(name)}: it is waited for"
        return Known(values.Breakpoint(False, message=why, line=line, reason="pending"), [point], reason)

    def _why_not(self, name: str) -> str:
        """Why no code is known by that name."""
        try:
            self._session.code_place(name)
        except UserError as error:
            return str(error)
        return f"nothing is called {name} yet"

    # what came of them

    def settled(self) -> list[values.Breakpoint]:
        """Those whose place has come to be there since the last time."""
        found = []
        for known in self._every():
            if not known.shown.verified and known.points and not known.is_pending:
                known.shown = replace(self._at(known.points[0].address), id=known.shown.id)
                found.append(known.shown)
        return found

    def hit(self, points: Iterable[Point]) -> tuple[values.StopReason, list[int]]:
        """Why a stop at these points is one, and the numbers of the client's among them."""
        chosen = set(map(id, points))
        hits = [known for known in self._every() if any(id(point) in chosen for point in known.points)]
        numbers = [known.shown.id for known in hits if known.shown.id is not None]
        return (hits[0].reason if hits else values.StopReason.BREAKPOINT), numbers

    def _every(self) -> list[Known]:
        return [known for made in self._sets.values() for known in made]

    # what can be set

    def data_info(self, request: requests.DataBreakpointInfo) -> values.DataInfo:
        with refusals():
            return data_info(self._session, self._references, request)

    def locations(self, request: requests.BreakpointLocations) -> Sequence[values.BreakpointPlace]:
        lines: list[int] = []
        line = request.line
        while line <= request.end_line:
            found = self._sources.line(request.source, line)
            if found is None or not line <= found.line <= request.end_line:
                break
            lines.append(found.line)
            line = found.line + 1
        return [values.BreakpointPlace(line) for line in lines]

    def clear(self) -> None:
        """The client leaves."""
        self._catches.set(())
        for key in list(self._sets):
            self._replace(key, [])
