"""Monitor commands for programs that run inside gdb: see inside_gdb."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

from vmdbg.commands.time.goto import declare as declare_goto
from vmdbg.commands.time.goto import journey_to
from vmdbg.debugger.runs import Run
from vmdbg.document.document import Document, document
from vmdbg.dwarf.registers import PRESERVED_64
from vmdbg.errors import UserError
from vmdbg.os.seam import Frame
from vmdbg.session.registry import Arguments, Command, Effect, Group, Parser
from vmdbg.session.session import Session
from vmdbg.units import Linear
from vmdbg.x86.disassembly import Syntax, disassembler
from vmdbg.x86.instruction import MAX_LENGTH

_UNWOUND = ("rsp", *sorted(PRESERVED_64))
"""Of a frame's registers, those that its callers' still are."""


def show_helper(_session: Session, _arguments: Arguments) -> Document:
    """Print a Python program for gdb: disassembly in the CPU's mode, stacks, goto, follow, checkpoint, restart, gcore.

    In gdb: python exec(gdb.execute("monitor gdb-helper", to_string=True))
    """
    return document(*_program("inside_gdb.py"), *_program("inside_gdb_stacks.py"))


def show_lldb_helper(_session: Session, _arguments: Arguments) -> Document:
    """Print a Python program that gives LLDB the command guest-call FUNCTION(ARGUMENT, ...): see docs/gdb.md."""
    return document(*_program("inside_lldb.py"))


def _program(name: str) -> list[str]:
    return resources.files("vmdbg.gdb").joinpath(name).read_text().splitlines()


def _declare(parser: Parser) -> None:
    parser.add_argument("address", metavar="ADDRESS", help="linear")
    syntaxes = [syntax.value for syntax in Syntax]
    parser.add_argument("syntax", nargs="?", default="att", choices=syntaxes, help="of operands")


def disassemble(session: Session, arguments: Arguments) -> Document:
    """One instruction at a linear address: its length in bytes and its text, in which branches go to linear ones."""
    address = int(arguments.address, 0)
    debugger = session.debugger
    code = debugger.linear().read_prefix(Linear(address), MAX_LENGTH)
    if not code:
        raise UserError(f"no memory at {address:#x}")
    decoder = disassembler(debugger.cpu.width, Syntax(arguments.syntax))
    found = decoder.decode_at(code, address, debugger.cpu.code_base)
    near = found.target is not None and found.address != found.offset
    return document(f"{len(found.raw)} {f'{found.mnemonic} {found.target:#x}' if near else found}")


def show_frames(session: Session, _arguments: Arguments) -> Document:
    """The stack for a program inside gdb: a frame's registers, its function's start and name."""
    return document(*(_frame_line(session, frame) for frame in session.frames.trace().frames))


def _frame_line(session: Session, frame: Frame) -> str:
    known = {name: frame.registers[name] for name in _UNWOUND if name in frame.registers}
    symbol = frame.location.symbol if frame.location is not None else None
    known |= {"rip": frame.pc, "start": symbol.address if symbol is not None else 0}
    words = " ".join(f"{name}={value:#x}" for name, value in ({"rsp": frame.sp} | known).items())
    return f"{words} ={symbol.name if symbol is not None else ''}"


class NextRun:
    """What a client's next step is to be instead."""

    def __init__(self, _session: Session) -> None:
        self._begin: Callable[[], Run] | None = None

    def put(self, begin: Callable[[], Run]) -> None:
        """`begin` is called when that step comes, with the CPU looked at that is to be stepped."""
        self._begin = begin

    def take(self) -> Callable[[], Run] | None:
        begin, self._begin = self._begin, None
        return begin


def goto(session: Session, arguments: Arguments) -> Document:
    """Have the next stepi go to an instant, so that gdb sees it come to a stop there.

    gdb-helper has a command that does both.
    """
    next_run = session.part(NextRun)
    journey = journey_to(session, arguments)
    if journey is not None:
        next_run.put(lambda: journey)
    return document("stepi goes there")


def _declare_follow(parser: Parser) -> None:
    parser.add_argument("line", metavar="COMMAND", help="next, step, finish, until, or one of their reverses")


def follow(session: Session, arguments: Arguments) -> Document:
    """Have the next stepi be one of vmdbg's own steps, which follow their task to whatever CPU it goes to.

    gdb-helper has a command that does both: follow next.
    """
    line = arguments.line.strip()
    command, _ = session.registry.split(line)
    if command.effect != Effect.RUNS:
        raise UserError(f"{command.name} lets nothing run")

    def begin() -> Run:
        allowed = session.allowed
        session.allowed = allowed | Effect.RUNS
        try:
            return session.execution.plan(line)
        finally:
            session.allowed = allowed

    session.part(NextRun).put(begin)
    return document(f"stepi does {line}")


COMMANDS = (
    Command(
        "goto",
        goto,
        Group.TIME,
        declare_goto,
        aliases=("run-to", "seek", "ugo", "tt", "skip-to"),
        examples=("goto 50%", 'goto "login:"', "goto hit:schedule#3"),
        rest="where",
    ),
    Command("follow", follow, Group.RUN, _declare_follow, examples=("follow next", "follow finish"), rest="line"),
    Command("gdb-helper", show_helper, Group.SESSION, examples=("gdb-helper",)),
    Command("lldb-helper", show_lldb_helper, Group.SESSION, examples=("lldb-helper",)),
    Command("gdb-frames", show_frames, Group.LOOK, examples=("gdb-frames",)),
    Command("gdb-disassemble", disassemble, Group.LOOK, _declare, examples=("gdb-disassemble 0x7c00",)),
)
