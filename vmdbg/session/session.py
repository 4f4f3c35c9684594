"""One user's session on a debugger: what a typed line means and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar, cast

from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Stop
from vmdbg.document.document import EMPTY, Document
from vmdbg.document.plain import render_json, render_plain
from vmdbg.errors import ReaderGoneError, UserError, VmdbgError
from vmdbg.session.arguments import Parsers, parse_arguments
from vmdbg.session.errors import UnknownCommandError, UsageError
from vmdbg.session.execution import Execution
from vmdbg.session.new_files import AnywhereNew, NewFiles
from vmdbg.session.oops_watch import OopsWatch
from vmdbg.session.pending import PendingPoints
from vmdbg.session.registry import Command, Effect, Registry, first_word
from vmdbg.session.syscall_watch import SyscallWatch
from vmdbg.session.view import View
from vmdbg.session.visits import Visits

MAX_LINE = 1 << 16
Part = TypeVar("Part")
MAX_ALIASES = 16
REFUSALS = {
    Effect.RUNS: "it lets the guest run, which is for this session's own front end to ask",
    Effect.CHANGES: "it changes the guest",
    Effect.FILES: "it writes a file of the host",
    Effect.HOST: "it reaches files or programs of the host",
}


class Session(View):
    """Commands on one debugger. `allowed` says which effects commands may have; looking is always allowed.

    `registry` is its own: scripts add commands to it. What makes one is called at the first line: a hundred modules of
    commands are nothing for who has none. gdb's `monitor` uses `execute`: plain text, errors as text.
    """

    def __init__(
        self,
        debugger: Debugger,
        registry: Registry[Session] | Callable[[], Registry[Session]],
        *,
        allowed: Effect = Effect.CHANGES,
        owner: str = "prompt",
    ) -> None:
        super().__init__(debugger, owner=owner, may_read=Effect.HOST in allowed)
        self.allowed = allowed
        self._commands = registry
        self.files: NewFiles = AnywhereNew()
        """Where commands with Effect.FILES write."""
        self.aliases: dict[str, str] = {}
        self.notices: list[str] = []
        """What is to be said beside the answers, once a line is done."""
        self.tell: Callable[[str], None] = self.notices.append
        """Says something before a line is done, where somebody sees it; else with its answer."""
        self.columns = 100
        """How wide what is shown may be, for what can be arranged."""
        self.workers: int | None = None
        """How many processes search a history; None: one a core."""
        self.ask: Callable[[str], bool] | None = None
        """Asks the user who sits at a terminal; None where nobody does."""
        self.show: Callable[[Document], None] | None = None
        """Shows an answer before its line is done, where a line has many."""
        self.execution = Execution(self, self.run)
        self._parsers = Parsers[Session]()
        self._parts: dict[Callable[[Session], object], object] = {}
        """Each under the class that made it."""
        debugger.stop_listeners.append(self._on_stop)

    @cached_property
    def registry(self) -> Registry[Session]:
        return self._commands if isinstance(self._commands, Registry) else self._commands()

    def _on_stop(self, stop: Stop) -> None:
        self.moments.stop()
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

    def execute(self, line: str) -> str:
        """The answer as plain text (JSON if the line says `--json`); what is wrong comes as text too."""
        try:
            document, as_json = self.run_line(line)
            return render_json(document) if as_json else render_plain(document)
        except VmdbgError as error:
            return f"error: {error}\n"
        except ReaderGoneError:
            raise
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
        from vmdbg.session.habits import hint, our_spelling

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
        self.moments.line()
        arguments, as_json = parse_arguments(command, rest, self._parsers.of(command))
        if arguments is None:
            return self.run(f"help {command.name}"), False
        if self.debugger.running and not command.repeats and command.name != "interrupt":
            self._must_stand(command)
        if command.requires is not None:
            command.requires(self)
        return command.function(self, arguments), as_json

    def check(self, line: str) -> None:
        """Raises UserError for a line that no command is named by and that is no expression; carries nothing out."""
        from vmdbg.session.habits import our_spelling

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
