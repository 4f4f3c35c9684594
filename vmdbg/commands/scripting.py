"""python, source, alias, echo, and commands that users write themselves."""

from __future__ import annotations

import contextlib
import io
import os
import traceback
from collections.abc import Callable
from os.path import isfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmdbg.commands.declare import Function, command
from vmdbg.document.document import Document, Style, document, table, text
from vmdbg.errors import ReaderGoneError, UserError, VmdbgError
from vmdbg.expressions.template import compile_template
from vmdbg.files import read_at_most
from vmdbg.interruption import INTERRUPTION
from vmdbg.session.host_path import host_path
from vmdbg.session.registry import Arguments, Effect, Group, Parser

if TYPE_CHECKING:
    from vmdbg.session.session import Session

LONGEST_FILE = 16 << 20
MAX_DEPTH = 16


class Scripting:
    """The namespace of `python`, and how deep `source` is."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.depth = 0
        self.namespace: dict[str, object] = {"__name__": "__vmdbg__", "session": session}

    def bind(self) -> dict[str, object]:
        """The namespace with the session's objects as they are now."""
        session = self._session
        debugger = session.debugger
        self.namespace |= {
            "debugger": debugger,
            "machine": debugger.machine,
            "timeline": debugger.timeline,
            "points": debugger.points,
            "reg": session.registers.read,
            "mem": session.scope.mem,
            "phys": session.scope.phys,
            "symbols": session.symbols,
            "evaluate": session.evaluate,
            "run": session.run,
            "execute": session.execute,
            "linux": session.system.find(),
            "command": self.user_command,
            "document": document,
            "table": table,
            "text": text,
        }
        return self.namespace

    def user_command(self, name: str, **details: Any) -> Callable[[Function], Function]:
        """The decorator for commands of the user: `@command("hello")`, then a function of session and arguments.

        `Any` is what command() takes by name.
        """
        details.setdefault("declare", _any_words)
        return command(name, Group.SESSION, registry=self._session.registry, **details)

    def execute(self, source: str, name: str) -> str:
        """Run Python source; what it prints. Raises UserError with the place of what went wrong."""
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out):
                self._run(source, name)
        except (VmdbgError, ReaderGoneError):
            raise
        except (Exception, SystemExit) as error:
            place = _place(error, name)
            raise UserError(f"{name}{place}: {type(error).__name__}: {error}") from error
        return out.getvalue()

    def _run(self, source: str, name: str) -> None:
        namespace = self.bind()
        try:
            code = compile(source, name, "eval")
        except SyntaxError:
            exec(compile(source, name, "exec"), namespace)
            return
        value = eval(code, namespace)
        if value is not None:
            print(hex(value) if isinstance(value, int) and not isinstance(value, bool) and value > 9 else value)


def _any_words(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORD", help="whatever the command makes of them")


def _place(error: BaseException, name: str) -> str:
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == name:
            return f", line {frame.lineno}"
    return ""


def declare_python(parser: Parser) -> None:
    parser.add_argument("code", nargs="?", default="", metavar="PYTHON", help="a line or a block")


@command(
    "python",
    Group.SESSION,
    declare_python,
    aliases=("py", "pi"),
    examples=("python hex(reg('rip'))", "python print(machine.clock)", "py execute('tick')"),
    rest="code",
    effect=Effect.HOST | Effect.RUNS | Effect.CHANGES,
)
def python(session: Session, arguments: Arguments) -> Document:
    """Run Python with the session's objects: session, debugger, machine, timeline, reg(), mem[], linux, run().

    At the prompt, `python` alone starts a block that an empty line ends.
    """
    scripting = session.part(Scripting)
    if not arguments.code:
        raise UserError("python what? a line of Python; at the prompt a block may follow")
    shown = scripting.execute(arguments.code, "<python>")
    return document(*shown.splitlines())


def declare_source(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="commands, a line each; or Python if it ends in .py")


@command(
    "source",
    Group.SESSION,
    declare_source,
    aliases=(".",),
    examples=(),
    effect=Effect.HOST | Effect.RUNS | Effect.CHANGES,
)
def source(session: Session, arguments: Arguments) -> Document:
    """Execute the commands of a file, up to the first that fails; a .py file is run as Python."""
    path = host_path(arguments.file)
    content = _text(path)
    scripting = session.part(Scripting)
    if path.suffix == ".py":
        return document(*scripting.execute(content, str(path)).splitlines())
    if scripting.depth >= MAX_DEPTH:
        raise UserError(f"{path}: files that source one another, {MAX_DEPTH} deep")
    scripting.depth += 1
    try:
        return run_lines(session, content, str(path))
    finally:
        scripting.depth -= 1


def _text(path: Path) -> str:
    """Raises UserError."""
    try:
        with path.open("rb") as file:
            content = read_at_most(file, LONGEST_FILE + 1)
        if len(content) > LONGEST_FILE:
            raise UserError(f"{path} is too large for a file of commands")
        return content.decode("utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text in UTF-8: {error}") from error


def run_lines(session: Session, content: str, name: str) -> Document:
    """Execute lines; what is wrong names the line. What is answered is shown at once, or else returned. UserError."""
    result = Document()
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        INTERRUPTION.check()
        try:
            found = session.run(line)
        except VmdbgError as error:
            raise UserError(f"{name}, line {number}: {error}") from error
        if session.show is not None:
            session.show(found)
        else:
            result = result + found
    return result


def declare_alias(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="the new word; none: list them")
    parser.add_argument("meaning", nargs="*", metavar="LINE", help="what it stands for; none: forget it")


@command("alias", Group.SESSION, declare_alias, examples=("alias", "alias regs2 registers rax rbx"))
def alias(session: Session, arguments: Arguments) -> Document:
    """Give a command with arguments a short name."""
    name, meaning = arguments.name, " ".join(arguments.meaning)
    if name and not meaning and session.aliases.pop(name, None) is None:
        raise UserError(f"there is no alias {name!r}")
    if meaning:
        session.registry.split(meaning)
        session.aliases[name] = meaning
    rows = [(text(one, Style.LABEL), text(words)) for one, words in sorted(session.aliases.items())]
    return document(table(("alias", "stands for"), rows)) if rows else document("no aliases", value=[])


def declare_echo(parser: Parser) -> None:
    parser.add_argument("words", nargs="?", default="", metavar="TEMPLATE", help="text with {expression} in it")


@command("echo", Group.SESSION, declare_echo, examples=("echo rax is {rax:x}",), rest="words")
def echo(session: Session, arguments: Arguments) -> Document:
    """Write text, with the values of the expressions in braces."""
    return document(compile_template(arguments.words, session.scope).render())


def config_file() -> Path:
    """The file of the user's own commands (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "vmdbg" / "init.py"


def load_config(session: Session) -> str:
    """Run the user's own file, if there is one; what it printed. Raises UserError."""
    path = config_file()
    if not isfile(path):
        return ""
    scripting = session.part(Scripting)
    return scripting.execute(_text(path), str(path))
