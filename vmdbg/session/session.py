"""One user's session on a debugger: what a typed line means and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.points import Space
from vmdbg.debugger.registers import RegisterFile
from vmdbg.debugger.stepping import Lines
from vmdbg.debugger.stops import Stop
from vmdbg.document.document import EMPTY, Document
from vmdbg.document.plain import render_json, render_plain
from vmdbg.errors import UserError, VmdbgError
from vmdbg.expressions.compiler import Expression, Getters, compile_expression
from vmdbg.expressions.place import Aim, Place, find_place
from vmdbg.expressions.scope import Scope
from vmdbg.expressions.values import whole
from vmdbg.session.debug_frames import DebugFrames
from vmdbg.session.errors import UnknownCommandError, UsageError
from vmdbg.session.execution import Execution
from vmdbg.session.habits import hint, our_spelling
from vmdbg.session.new_files import AnywhereNew, NewFiles
from vmdbg.session.numbers import fitting
from vmdbg.session.oops_watch import OopsWatch
from vmdbg.session.pending import PendingPoints
from vmdbg.session.registry import Arguments, Command, Effect, Registry, first_word
from vmdbg.session.skips import Skips
from vmdbg.session.sources import Sources, guest_symbol_file
from vmdbg.session.syscall_watch import SyscallWatch
from vmdbg.session.system import GuestSystem
from vmdbg.session.typed_names import add_typed_names
from vmdbg.session.visits import Visits
from vmdbg.session.words import Word, split_condition, split_words, unquoted
from vmdbg.symbols.symbol_set import SymbolSet
from vmdbg.units import Linear, Physical
from vmdbg.x86.disassembly import Disassembler, disassembler

MAX_LINE = 1 << 16
Part = TypeVar("Part")
MAX_ALIASES = 16
REFUSALS = {
    Effect.RUNS: "it lets the guest run, which is for this session's own front end to ask",
    Effect.CHANGES: "it changes the guest",
    Effect.FILES: "it writes a file of the host",
    Effect.HOST: "it reaches files or programs of the host",
}


class Session:
    """Commands on one debugger. `allowed` says which effects commands may have; looking is always allowed.

    `registry` is its own: scripts add commands to it. gdb's `monitor` uses `execute`: plain text, errors as text.
    """

    def __init__(
        self,
        debugger: Debugger,
        registry: Registry[Session],
        *,
        allowed: Effect = Effect.CHANGES,
        owner: str = "prompt",
    ) -> None:
        self.debugger = debugger
        self.allowed = allowed
        self.owner = owner
        self.registry = registry
        self.files: NewFiles = AnywhereNew()
        """Where commands with Effect.FILES write."""
        self.aliases: dict[str, str] = {}
        self.notices: list[str] = []
        self.columns = 100
        """How wide what is shown may be, for what can be arranged."""
        self.stops = 0
        self.generation = 0
        """Counts lines and stops: what was learnt of the guest in another may be void."""
        self.progress: Callable[[float], None] | None = None
        self.ask: Callable[[str], bool] | None = None
        """Asks the user who sits at a terminal; None where nobody does."""
        self.show: Callable[[Document], None] | None = None
        """Shows an answer before its line is done, where a line has many."""
        self.system = GuestSystem(self)
        self.symbols = SymbolSet(guest=self.system.names)
        self.sources = Sources(self)
        if (kernel := guest_symbol_file(debugger.timeline.origin)) is not None:
            self.sources.use(kernel)
        self.scope = Scope(debugger, self.symbols)
        self.scope.program = lambda name: self.frames.find(name)
        self.scope.global_variable = lambda name: self.frames.global_variable(name)
        add_typed_names(self)
        self.execution = Execution(self)
        self._parts: dict[Callable[[Session], object], object] = {}
        """Each under the class that made it."""
        debugger.stop_listeners.append(self._on_stop)

    def _on_stop(self, stop: Stop) -> None:
        self.generation += 1
        self.stops += 1
        self.part(Visits).on_stop(stop)
        self.part(OopsWatch).arm()
        self.part(PendingPoints).look()

    def close(self) -> None:
        """The front end leaves: its breakpoints go, everybody else's stay."""
        self.part(OopsWatch).stop()
        self.part(PendingPoints).stop()
        self.part(SyscallWatch).leave()
        self.debugger.stop_listeners.remove(self._on_stop)
        self.debugger.points.remove_owned(self.owner)

    def part(self, kind: Callable[[Session], Part]) -> Part:
        """This session's own object of a class, made with the session when first asked for."""
        made = self._parts.get(kind)
        if made is None:
            made = self._parts[kind] = kind(self)
        return cast("Part", made)

    @property
    def frames(self) -> DebugFrames:
        """The call stack with functions and variables of the source."""
        made: DebugFrames = self.part(DebugFrames)
        return made

    @property
    def registers(self) -> RegisterFile:
        return self.scope.registers

    @property
    def disassembler(self) -> Disassembler:
        """For the width that the CPU is in."""
        return disassembler(self.registers.mode.width)

    def execute(self, line: str) -> str:
        """The answer as plain text (JSON if the line says `--json`); what is wrong comes as text too."""
        try:
            document, as_json = self.run_line(line)
            return render_json(document) if as_json else render_plain(document)
        except VmdbgError as error:
            return f"error: {error}\n"
        except Exception as error:
            return f"error: a defect of vmdbg: {type(error).__name__}: {error} (in {line.strip()[:60]!r})\n"

    def run(self, line: str) -> Document:
        """Carry out a line. Raises VmdbgError."""
        return self.run_line(line)[0]

    def run_line(self, line: str) -> tuple[Document, bool]:
        """The result, and whether it was asked for as JSON."""
        if len(line) > MAX_LINE:
            raise UsageError(f"a line of {len(line)} characters is too long (at most {MAX_LINE})")
        line = self._without_alias(line.strip())
        if not line or line.startswith("#"):
            return EMPTY, False
        line = self._device_named(our_spelling(line))
        value = self._as_value(line)
        if value is not None:
            return value
        advice = "" if self.registry.get(first_word(line)[0]) else hint(line)
        if advice:
            raise UnknownCommandError(advice)
        command, rest = self.registry.split(line)
        refused = command.effect & ~self.allowed
        if refused:
            reason = "; ".join(text for effect, text in REFUSALS.items() if effect in refused)
            raise UserError(f"{command.name} cannot be used here: {reason}")
        self.generation += 1
        arguments, as_json = parse_arguments(command, rest)
        if arguments is None:
            return self.run(f"help {command.name}"), False
        if self.debugger.running and not command.repeats and command.name != "interrupt":
            self._must_stand(command)
        return command.function(self, arguments), as_json

    def check(self, line: str) -> None:
        """Raises UserError for a line that no command is named by and that is no expression; carries nothing out."""
        line = our_spelling(self._without_alias(line.strip()))
        try:
            self.registry.split(line)
        except UnknownCommandError:
            if not self.compiles(line):
                raise

    def compiles(self, text: str) -> bool:
        """Whether the text is an expression of names that are known."""
        try:
            return not self.compile(text).unknown
        except VmdbgError:
            return False

    def _device_named(self, line: str) -> str:
        """`info pic` as `devices pic`."""
        word, _, rest = line.partition(" ")
        return f"devices {rest}" if word == "info" and rest.strip() in self.debugger.machine.pc.devices else line

    def _as_value(self, line: str) -> tuple[Document, bool] | None:
        """What a line says that is no command but an expression: `rax + 8`, `mem[rsp]`. None for all others."""
        word, _ = first_word(line)
        if self.registry.get(word) is not None or word.startswith("info"):
            return None
        if word not in self.registers and word not in self.scope.objects and self.registry.begins(word):
            return None
        text = line.removesuffix(" --json")
        try:
            self.evaluate(text)
        except VmdbgError:
            return None
        return self.run_line(f"print {'--json ' if text != line else ''}{text}")

    def _must_stand(self, command: Command[Session]) -> None:
        if command.effect & (Effect.RUNS | Effect.CHANGES):
            raise UserError(f"{command.name}: the guest is running; stop it first")

    def _without_alias(self, line: str) -> str:
        for _ in range(MAX_ALIASES):
            word = line.split(None, 1)
            replacement = self.aliases.get(word[0]) if word else None
            if replacement is None:
                return line
            line = f"{replacement} {word[1]}" if len(word) > 1 else replacement
        raise UserError("aliases refer to one another")

    # expressions

    def compile(self, text: str, extra: Getters | None = None) -> Expression:
        return compile_expression(text, self.scope, extra)

    def evaluate(self, text: str) -> Any:
        """The value of an expression now. Raises ExpressionError."""
        return self.compile(text).evaluate()

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
        return self.sources.find_line(file, line)

    @property
    def lines(self) -> Lines:
        """Source lines as stepping needs them."""
        skips = self.part(Skips)
        return Lines(self.sources.span, self.sources.is_line_start, skips.skips)

    def describe(self, address: int) -> str:
        """`symbol+offset` or nothing."""
        return self.symbols.describe(address)


Hook = Callable[[], None]


def parse_arguments(command: Command[Session], rest: str) -> tuple[Arguments | None, bool]:
    """The arguments and whether JSON is asked for; None for a plea for help. Raises UsageError."""
    letters = ""
    if rest.startswith("/") and command.letters:
        letters, _, rest = rest[1:].partition(" ")
        rest = rest.lstrip()
    condition = ""
    if command.condition:
        rest, condition = split_condition(rest)
    parser = command.parser()
    words = split_words(rest)
    flags = [word.text for word in words]
    if "--help" in flags or flags == ["-h"]:
        return None, False
    as_json = "--json" in flags
    words = [word for word in words if word.text != "--json"]
    arguments = parser.parse_intermixed_args(_for_argparse(command, parser, words, rest))
    arguments.letters, arguments.condition = letters, condition
    return arguments, as_json


def _for_argparse(command: Command[Session], parser: Any, words: list[Word], rest: str) -> list[str]:
    """Words, or for a command whose last argument is the line's rest, its options and then that rest as one."""
    if not command.rest:
        return [unquoted(word.text) for word in words]
    taken: list[str] = []
    options = parser._option_string_actions
    position = 0
    while position < len(words):
        action = options.get(words[position].text.partition("=")[0])
        if action is None:
            break
        taken.append(words[position].text)
        position += 1
        if action.nargs is None and "=" not in taken[-1] and position < len(words):
            taken.append(unquoted(words[position].text))
            position += 1
    if position < len(words):
        end = words[-1].start + len(words[-1].text)
        taken += ["--", rest[words[position].start : end]]
    return taken
