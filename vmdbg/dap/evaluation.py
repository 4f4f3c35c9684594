"""Expressions, commands and changes (dapstub.target.Data)."""

from __future__ import annotations

from collections.abc import Sequence

from dapstub import requests, values
from dapstub.errors import NotStoppedError, TargetError
from dapstub.target import Client
from vmdbg.c.values import Value
from vmdbg.dap.completion import completions
from vmdbg.dap.errors import refusals
from vmdbg.dap.looking import looking_at, looking_at_key
from vmdbg.dap.references import References
from vmdbg.dap.scopes import RegisterScope, VariablesScope
from vmdbg.dap.typed import Typed, children, short, variable
from vmdbg.dap.variables import GuestVariables
from vmdbg.document.plain import render_json, render_plain
from vmdbg.expressions.compiler import Expression
from vmdbg.expressions.values import ExpressionValue, Placed, whole
from vmdbg.session.assigning import assigned
from vmdbg.session.session import Session
from vmdbg.session.untyped import untyped_words
from vmdbg.session.value_text import value_text

RUNNING = "the guest runs: pause it first"


class GuestData(GuestVariables):
    def __init__(self, session: Session, references: References, client: Client) -> None:
        super().__init__(session, references)
        self._client = client

    def evaluate(self, request: requests.Evaluate) -> values.Evaluated:
        """In the debug console a line is a command, as at the prompt; elsewhere it is an expression."""
        if request.context is requests.Context.REPL:
            return self._command(request)
        self._must_stand()
        with refusals(), looking_at(self._session, self._references, request.frame):
            return self._value(self._session.compile(request.expression), request)

    def _must_stand(self) -> None:
        if self._session.debugger.running:
            raise NotStoppedError(RUNNING)

    def _command(self, request: requests.Evaluate) -> values.Evaluated:
        session, line = self._session, request.expression
        position, stops = session.debugger.epoch, session.moments.stops
        frame = request.frame if not session.debugger.running else None
        with refusals(), looking_at(session, self._references, frame):
            typed = self._typed_value(line)
            if typed is not None:
                return self._object(typed, request)
            with self._references.kept():
                document, as_json = session.run_line(line)
        answer = render_json(document) if as_json else render_plain(document)
        notices = "".join(f"{words}\n" for words in session.notices)
        session.notices.clear()
        if session.debugger.epoch != position:
            if session.moments.stops == stops:
                self._client.invalidated()
            else:
                self._references.forget()
        return values.Evaluated((answer + notices).rstrip("\n"))

    def _typed_value(self, line: str) -> Value | None:
        """Of a line that is no command: an object of the guest, which can be opened."""
        session = self._session
        if session.debugger.running or session.registry.begins(line.partition(" ")[0]) or not session.compiles(line):
            return None
        value = session.value(line)
        return value if isinstance(value, Value) else None

    def _object(self, value: Value, request: requests.Evaluate) -> values.Evaluated:
        shown = variable(self._references, "", Typed(value, request.expression))
        return values.Evaluated(
            str(value) if request.context is requests.Context.CLIPBOARD else shown.value,
            shown.variables_reference,
            shown.type,
            shown.memory_reference,
            shown.named_variables,
            shown.indexed_variables,
        )

    def _value(self, expression: Expression, request: requests.Evaluate) -> values.Evaluated:
        value = expression.evaluate()
        if isinstance(value, Value):
            return self._object(value, request)
        if request.hexadecimal and type(value) is int:
            return values.Evaluated(f"{value:#x}", memory_reference=_reference(value))
        doubts = untyped_words(self._session, expression.valued)
        words = "; ".join((str(value_text(self._session, value)), *doubts))
        return values.Evaluated(words, memory_reference=_reference(value))

    # changes

    def set_expression(self, request: requests.SetExpression) -> values.NewValue:
        self._must_stand()
        with refusals(), looking_at(self._session, self._references, request.frame):
            return self._set(request.expression, request.value)

    def set_variable(self, request: requests.SetVariable) -> values.NewValue:
        found = self._references.of(request.reference)
        match found:
            case RegisterScope(frame):
                if frame.number or frame.task is not None:
                    raise TargetError("a caller's registers are what it has saved: change them where it saved them")
                with refusals(), self._session.debugger.of(frame.cpu):
                    return self._set(request.name, request.value)
            case VariablesScope():
                typed = dict(self.of_function(found)).get(request.name)
                if typed is not None and typed.value.address_ is None:
                    with refusals(), looking_at_key(self._session, found.frame):
                        return self._set(request.name, request.value)
            case Typed():
                typed = dict(children(found, 0, 0)).get(request.name)
            case _:
                raise TargetError(f"{request.name} cannot be changed")
        if typed is None:
            raise TargetError(f"there is no {request.name} here")
        return self._set_object(typed, request.value)

    def _set_object(self, typed: Typed, words: str) -> values.NewValue:
        """In memory, where it is."""
        value = typed.value
        if value.address_ is None or value.extent_().bits:
            raise TargetError("it has no address of its own in memory: change what it is made of")
        with refusals():
            data = assigned(self._session, value, words)
            with self._references.kept(memory_alone=True):
                self._session.run(f"set mem[{value.address_:#x}, {len(data)}] = {data!r}")
            self._client.memory_changed(f"{value.address_:#x}", 0, len(data))
            return values.NewValue(short(value), type=str(value.type_))

    def _set(self, target: str, words: str) -> values.NewValue:
        with self._references.kept():
            self._session.run(f"set {target} = {words}")
        self._client.invalidated()  # where the CPU stands may have been set
        now = self._session.evaluate(target)
        if isinstance(now, Value):
            if now.address_ is not None:
                self._client.memory_changed(f"{now.address_:#x}", 0, now.type_.size)
            return values.NewValue(short(now), type=str(now.type_))
        return values.NewValue(str(value_text(self._session, now)))

    def completions(self, request: requests.Completions) -> Sequence[values.Completion]:
        with refusals():
            return completions(self._session, request)


def _reference(value: ExpressionValue) -> str | None:
    """Where a memory view of it begins: what lies there, or what a number points to."""
    if isinstance(value, Placed) and (where := value.extent_().address) is not None:
        return f"{where:#x}"
    return f"{whole(value):#x}" if type(value) is int and value > 0xFFF else None
