"""What a user sees of the standing guest: expressions, places, frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vmdbg.c.values import Value
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.points import Space
from vmdbg.debugger.stepping import Lines
from vmdbg.errors import UserError, VmdbgError
from vmdbg.expressions.compiler import Expression, Getters, compile_expression
from vmdbg.expressions.place import Aim, Place, find_place
from vmdbg.expressions.scope import Scope
from vmdbg.expressions.spelling import split_colon
from vmdbg.expressions.values import ExpressionValue, whole
from vmdbg.expressions.wanted import Wanted
from vmdbg.session.debug_frames import DebugFrames
from vmdbg.session.known_guest import KnownGuest
from vmdbg.session.linux import find_linux, need_linux
from vmdbg.session.numbers import fitting
from vmdbg.session.skips import Skips
from vmdbg.session.typed_names import add_typed_names
from vmdbg.units import Linear, Physical

if TYPE_CHECKING:
    from vmdbg.symbols.lines import LineRange


class View(KnownGuest):
    """The guest through one user's eyes: a session without its commands, which is what most of its parts need."""

    def __init__(self, debugger: Debugger, *, owner: str, may_read: bool) -> None:
        super().__init__(debugger, may_read=may_read)
        self.owner = owner
        """Whose breakpoints are set here: front ends name themselves."""
        self.progress: Callable[[float], None] | None = None
        """Told now and then how far something long is; raises to end it."""
        self.scope = Scope(debugger, self.symbols)
        self.frames = DebugFrames(self)
        """The call stack with functions and variables of the source."""
        self.scope.program = self.frames.find
        self.scope.global_variable = self._global_variable
        self.scope.constant = self._enumerator
        self.scope.generation = self._generation
        self.scope.of_each_cpu = self._of_each_cpu
        add_typed_names(self.scope, self, self.frames)
        self.skips = Skips(self.symbols)

    def _global_variable(self, name: str) -> Value | None:
        """By debug information, or by what is known of the operating system; None where neither tells of its type."""
        found, linux = self.frames.global_variable(name), find_linux(self.system)
        address = self.symbols.find(name)
        if linux is None or address is None:
            return found
        try:
            own = linux.names.per_cpu_address(name) if linux.names.is_per_cpu(name, address) else address
            if found is not None:
                return found if own == address else Value(self.frames.space, found.type_, own)
            known = linux.names.variable(name)
        except VmdbgError:
            return None
        return Value(self.frames.space, known.type_, own) if known.address_ == own else None

    def _of_each_cpu(self, name: str, address: int) -> Callable[[], int] | None:
        """Linux's per-CPU variables, by the table of the kernel."""
        linux = find_linux(self.system)
        if linux is None or not linux.names.is_per_cpu(name, address):
            return None
        return lambda: need_linux(self.system).names.per_cpu_address(name)

    def _enumerator(self, name: str) -> Value | None:
        """Of the programs' enums, else of the kernel's."""
        found = self.frames.enumerator(name)
        if found is not None or (linux := find_linux(self.system)) is None:
            return found
        try:
            return linux.names.enumerator(name)
        except VmdbgError:
            return None

    def _generation(self) -> int | None:
        return None if self.sources.has_moving_files else self.sources.changes << 1 | self.system.was_found

    def compile(self, text: str, extra: Getters | None = None, *, wanted: Wanted = Wanted.VALUE) -> Expression:
        """Whose value is wanted as C has it, as of conditions, unless told: a variable's name is what it holds."""
        return compile_expression(text, self.scope, extra, wanted=wanted)

    def value(self, text: str) -> ExpressionValue:
        """As C has it, now. Raises ExpressionError."""
        return self.compile(text).evaluate()

    def evaluate(self, text: str) -> ExpressionValue:
        """As a place has it: the name of a variable outside of functions is its address. Raises ExpressionError."""
        return compile_expression(text, self.scope).evaluate()

    def integer(self, text: str) -> int:
        return whole(self.evaluate(text))

    def place(self, text: str, *, physical: bool = False, aim: Aim = Aim.DATA) -> Place:
        """Linear, physical, segment:offset, symbol, file:line or typed value; with `physical` a physical address."""
        return find_place(text, self.scope, self.find_line, Aim.PHYSICAL if physical else aim)

    def code_place(self, text: str, *, physical: bool = False) -> Place:
        """As place(), but a bare decimal number is a line of the source of the frame looked at, if that has one."""
        file = self.frames.selected().file if text.isdecimal() and not physical else ""
        if not file:
            return self.place(text, physical=physical, aim=Aim.CODE)
        found = self.find_line(file, int(text))
        if found is None:
            raise UserError(f"no code is known for line {text} of {file}; an address is written as {int(text):#x}")
        return Place(Space.LINEAR, found)

    def linear(self, text: str, *, aim: Aim = Aim.DATA, code: bool = False) -> Linear:
        """A linear address; with `code`, as code_place() has it. Raises UserError for a physical one."""
        found = self.code_place(text) if code else self.place(text, aim=aim)
        if found.is_physical:
            raise UserError(f"{text} is a physical address; a linear one is needed")
        return Linear(found.address)

    def physical(self, text: str) -> Physical:
        """A physical address. Raises UserError for a linear one."""
        return Physical(self.place(text, physical=True).address)

    def cr3(self, text: str) -> int | None:
        """A value of CR3; None without text. Raises UserError for what is a linear address."""
        if not text:
            return None
        value = self.evaluate(text)
        return fitting(value, 64, "CR3") if type(value) is int else self.physical(text)

    def find_line(self, file: str, line: int) -> int | None:
        """The address of a source line; None without line information."""
        found = self.sources.find_line(file, line)
        return found.start if found is not None else None

    def line_named(self, text: str) -> LineRange | None:
        """What `FILE:LINE` names, or `LINE` of the file of the frame looked at; None for all else."""
        file, line = split_colon(text) or ("", text.strip())
        if not line.isdecimal():
            return None
        return self.sources.find_line(file or self.frames.selected().file, int(line))

    @property
    def lines(self) -> Lines:
        """Source lines as stepping needs them."""
        return Lines(self.sources.span, self.sources.is_line_start, self.skips.skips)
