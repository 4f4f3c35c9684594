"""Frames of the stopped guest as their debug information has them: functions, inlined ones too, and variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vmdbg.c.content import Content
from vmdbg.c.spelling import parse_spelling, spelled_out
from vmdbg.c.types import CType
from vmdbg.c.values import Value
from vmdbg.errors import UserError
from vmdbg.os.seam import Backtrace
from vmdbg.os.seam import Frame as CpuFrame
from vmdbg.session.guest_space import CpuRegisters, GuestSpace
from vmdbg.session.known_guest import KnownGuest
from vmdbg.session.source_frame import SourceFrame
from vmdbg.session.symbol_file import SymbolFile
from vmdbg.session.unwinding import backtrace, current_frame

if TYPE_CHECKING:
    from vmdbg.dwarf.frame import Found, Frame
    from vmdbg.dwarf.frame_variables import FrameVariables
    from vmdbg.dwarf.scopes import Scope, Variable

MAX_SCOPES = 4096
"""Addresses whose functions are remembered."""


class DebugFrames:
    """Of one session, made anew whenever the guest has moved."""

    def __init__(self, guest: KnownGuest) -> None:
        self._guest = guest
        self.space = GuestSpace(guest)
        self._stops = guest.moments.stops
        self._selected = 0
        self._known: object = None
        self._trace: Backtrace | None = None
        self._all: tuple[SourceFrame, ...] | None = None
        self._scopes: dict[int, tuple[SymbolFile | None, Scope | None]] = {}
        self._known_changes = -1
        self._first: tuple[SourceFrame, ...] | None = None

    # which

    @property
    def selected_number(self) -> int:
        """The frame looked at: the innermost again after every stop."""
        if self._stops != self._guest.moments.stops:
            self.select(0)
        return self._selected

    def select(self, number: int) -> None:
        self._selected, self._stops = number, self._guest.moments.stops

    def selected(self) -> SourceFrame:
        """Raises UserError if the stack is not that deep any more."""
        number = self.selected_number
        if number == 0:
            return self.innermost()
        frames = self.all()
        if number >= len(frames):
            raise UserError(f"there is no frame {number}; bt shows 0 to {len(frames) - 1}")
        return frames[number]

    def innermost(self) -> SourceFrame:
        """Without unwinding anything: conditions ask for it at every hit."""
        self._settle()
        if self._first is None:
            self._first = self._expanded([self._cpu_frame()])
        return self._first[0]

    def all(self) -> tuple[SourceFrame, ...]:
        """Of what the CPU executes, the innermost first."""
        self._settle()
        if self._all is None:
            self._all = self._expanded(list(self.trace().frames))
        return self._all

    def trace(self) -> Backtrace:
        """Of what the CPU executes, without what is inlined."""
        self._settle()
        if self._trace is None:
            self._trace = backtrace(self._guest)
        return self._trace

    def expanded(self, frames: Sequence[CpuFrame]) -> tuple[SourceFrame, ...]:
        """Frames of another backtrace, with what is inlined into each."""
        return self._expanded(list(frames))

    def _settle(self) -> None:
        known = self._guest.system.known
        if known != self._known:
            self._known, self._trace, self._all, self._first = known, None, None, None

    def _cpu_frame(self) -> CpuFrame:
        return current_frame(self._guest)

    def _expanded(self, physical: list[CpuFrame]) -> tuple[SourceFrame, ...]:
        made: list[SourceFrame] = []
        contexts: dict[int, Frame | None] = {}

        def context(index: int) -> Frame | None:
            if index >= len(physical):
                return self._caller_of_cpu() if len(physical) == 1 and not physical[0].number else None
            if index not in contexts:
                contexts[index] = self.frame_of(physical[index], lambda: context(index + 1))
            return contexts[index]

        for index, frame in enumerate(physical):
            made += self._rows(frame, context(index), len(made))
        return tuple(made)

    def frame_of(self, physical: CpuFrame, caller: Callable[[], Frame | None]) -> Frame | None:
        """None where no file has debug information for the code."""
        pc = physical.pc - (0 if physical.is_exact else 1)
        file = self._guest.sources.debug_file_at(pc)
        is_flat = physical.registers.get("rip") == physical.pc
        if file is None or not is_flat:
            return None
        return file.frame(self.space.read, physical.registers, exact=physical.is_exact, caller=caller)

    def _rows(self, physical: CpuFrame, debug: Frame | None, number: int) -> list[SourceFrame]:
        pc = physical.pc - (0 if physical.is_exact else 1)
        line = self._guest.sources.line_at(pc)
        file, at = (line.file, line.line) if line is not None else ("", 0)
        scopes = debug.scopes if debug is not None else ()
        if debug is None or not scopes:
            return [SourceFrame(number, physical, debug, None, file, at)]
        rows: list[SourceFrame] = []
        for scope in scopes:
            rows.append(SourceFrame(number + len(rows), physical, debug, scope, file, at))
            if scope.is_inlined:
                file = debug.program.file_name(debug.unit, scope.call_file or 0) or file
                at = scope.call_line
        return rows

    # variables

    def parameters(self, frame: SourceFrame) -> list[tuple[str, Value]]:
        """By name, in the order of the source. What cannot be told is said in the value."""
        return self._values(frame, lambda seen: seen.parameters())

    def locals(self, frame: SourceFrame) -> list[tuple[str, Value]]:
        """As parameters(), the innermost block's first."""
        return self._values(frame, lambda seen: seen.locals())

    def statics(self, frame: SourceFrame) -> list[tuple[str, Value]]:
        """Those of the function, then those that are seen in its file alone."""
        return self._values(frame, lambda seen: seen.statics())

    def file_globals(self, frame: SourceFrame) -> list[tuple[str, Value]]:
        """Variables that the frame's file defines for others too."""
        return self._values(frame, lambda seen: seen.file_globals())

    def _values(
        self, frame: SourceFrame, listed: Callable[[FrameVariables], list[Variable]]
    ) -> list[tuple[str, Value]]:
        if frame.scope is None or frame.debug is None:
            return []
        variables = listed(frame.debug.variables(frame.scope))
        return [(one.name, self.value(frame.debug.value(one))) for one in variables]

    def find(self, name: str) -> Value | None:
        """What a name is in the frame looked at, else a variable outside of functions; None if it is neither."""
        if not self._guest.sources.has_debug_information:
            return None
        if self.selected_number == 0:
            return self._find_here(name)
        frame = self.selected()
        if frame.scope is None or frame.debug is None:
            return None
        variable = frame.debug.program.variable_in(frame.scope, name)
        return self.value(frame.debug.value(variable)) if variable is not None else None

    def global_variable(self, name: str) -> Value | None:
        """A variable outside of functions, by its symbol; None where no debug information tells of it."""
        for file in self._guest.sources.files:
            address = file.find(name) if file.program is not None else None
            if file.program is None or address is None:
                continue
            raw = file.placement.to_file(address)
            located = file.table.nearest(address)
            if raw is None or located is None or located.symbol.is_code:
                continue
            die = file.program.variable_at(name, raw)
            if die is not None:
                return Value(self.space, file.program.types.type_of(die), address)
        return None

    def enumerator(self, name: str) -> Value | None:
        """Of an enum of the unit of the frame looked at, of its file, of other files; None for what is none."""
        files = [file.program for file in self._guest.sources.files if file.program is not None]
        if not files:
            return None
        try:
            here = self.selected().debug
        except UserError:
            here = None
        near = [(here.program, here.unit)] if here is not None else []
        for program, unit in [*near, *((program, None) for program in files)]:
            found = program.enumerator(name, unit)
            if found is not None:
                type_, number = found
                return Value(self.space, type_, number=number)
        return None

    def type(self, spelling: str) -> CType | None:
        """A type by its C spelling: of the unit of the frame looked at, of its file, of other files. None: unknown.

        Raises NoSuchTypeError for what is no spelling of a type.
        """
        if not self._guest.sources.has_debug_information:
            return None
        parsed = parse_spelling(spelling)
        here = self.selected().debug
        if here is not None and (found := here.program.type_spelled(parsed, here.unit)) is not None:
            return spelled_out(found, parsed)
        for file in self._guest.sources.files:
            if file.program is None or (here is not None and file.program is here.program):
                continue
            found = file.program.type_spelled(parsed)
            if found is not None:
                return spelled_out(found, parsed)
        return None

    def _find_here(self, name: str) -> Value | None:
        """Where the CPU is. Conditions ask at every hit: nothing is unwound or read that the variable does not need."""
        pc = self._guest.debugger.pc
        file, scope = self._scope_at(pc)
        if scope is None or file is None or file.program is None:
            return None
        variable = file.program.variable_in(scope, name)
        registers = CpuRegisters(self._guest)
        frame = file.frame(self.space.read, registers, exact=True, caller=self._caller_of_cpu) if variable else None
        return self.value(frame.value(variable)) if frame is not None and variable is not None else None

    def has_variable(self, address: int, name: str) -> bool:
        """Whether the name is that of a variable in the code at an address."""
        file, scope = self._scope_at(address)
        if scope is None or file is None or file.program is None:
            return False
        return file.program.variable_in(scope, name) is not None

    def _scope_at(self, pc: int) -> tuple[SymbolFile | None, Scope | None]:
        sources = self._guest.sources
        if sources.changes != self._known_changes:
            self._known_changes = sources.changes
            self._scopes.clear()
        known = self._scopes.get(pc)
        if known is None:
            file = sources.debug_file_at(pc)
            raw = file.placement.to_file(pc) if file is not None else None
            scopes = (
                file.program.scopes(raw) if file is not None and file.program is not None and raw is not None else ()
            )
            known = file, scopes[0] if scopes else None
            if not sources.has_moving_files:
                if len(self._scopes) >= MAX_SCOPES:
                    self._scopes.clear()
                self._scopes[pc] = known
        return known

    def _caller_of_cpu(self) -> Frame | None:
        frames = self.trace().frames
        return self.frame_of(frames[1], lambda: None) if len(frames) > 1 else None

    def value(self, found: Found) -> Value:
        if isinstance(found.where, Content):
            return Value(self.space, found.type, content=found.where)
        return Value(self.space, found.type, found.where)
