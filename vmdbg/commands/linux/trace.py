"""task, syscalls: one process, and the system calls of all."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.commands.code.bt import frame_table
from vmdbg.commands.declare import command
from vmdbg.commands.linux.known import linux_here
from vmdbg.commands.points.logpoint import Log
from vmdbg.commands.system.tasks import command_line
from vmdbg.debugger.guest import Guest
from vmdbg.document.document import Document, Style, address, count, document, pairs, text
from vmdbg.errors import VmdbgError
from vmdbg.os.seam import is_called
from vmdbg.session.linux import find_linux
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.units import TICKS_PER_SECOND


def declare_task(parser: Parser) -> None:
    parser.add_argument("process", nargs="?", default="", metavar="PROCESS", help="PID or name; none: the current one")


@command("task", Group.SYSTEM, declare_task, aliases=("lx-task",), examples=("task", "task 1"), requires=linux_here)
def task(session: Session, arguments: Arguments) -> Document:
    """Show one thread: who it is, its times, its stack and the system call that it is in."""
    from vmdbg.os.linux.tasks import times

    linux = linux_here(session)
    found = session.system.named(arguments.process) if arguments.process else linux.current()
    value = linux.task(found.pid) if found.pid else linux.kernel.current_task()
    spent = times(value)
    rows = [
        ("name", text(found.name)),
        ("pid", count(found.pid)),
        ("process", count(found.process)),
        ("parent", count(found.parent)),
        ("state", text(found.state)),
        ("task_struct", address(found.address)),
        ("cpu time", text(f"{spent.run / TICKS_PER_SECOND:.6f} s")),
        ("user, system", text(f"{spent.user / TICKS_PER_SECOND:.3f} s, {spent.system / TICKS_PER_SECOND:.3f} s")),
        ("started at", text(f"{spent.started / TICKS_PER_SECOND:.6f} s")),
        ("command line", command_line(found)),
    ]
    trace = linux.backtrace(found)
    ending = [] if trace.complete else [text(f"(ends here: {trace.stopped})", Style.DIM)]
    return document(pairs(rows), frame_table(session, session.frames.expanded(trace.frames), found.process), *ending)


class SystemCallTrace:
    """The breakpoints that write system calls into the log, and whose calls are wanted."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._numbers: list[int] = []

    def start(self, process: str, *, live: bool) -> int:
        """Raises UserError where the kernel is not known yet."""
        points = linux_here(self._session).system_call_points
        if process and (words := self._session.system.why_nobody(process)):
            self._session.tell(words)
        self.stop()
        for place in points:
            point = self._session.debugger.points.add_breakpoint(
                place, owner=self._session.owner, text="system calls", action=lambda _: None
            )
            point.action = self._writer(point.number, process)
            self._numbers.append(point.number)
            if live:
                self._session.part(Log).live.add(point.number)
        return len(points)

    @property
    def is_set(self) -> bool:
        return bool(self._numbers)

    def stop(self) -> None:
        points = self._session.debugger.points
        for number in self._numbers:
            point = points.breakpoints.get(number)
            if point is not None:
                points.remove(point)
        self._numbers.clear()

    def _writer(self, number: int, process: str) -> Callable[[Guest], None]:
        log = self._session.part(Log)

        def write(debugger: Guest) -> None:
            linux = find_linux(self._session.system)
            try:
                event = linux.system_call_here() if linux is not None else None
            except VmdbgError:
                return
            if event is not None and (not process or str(event.pid) == process or is_called(event.task, process)):
                log.write(debugger.position, number, str(event))

        return write


def _known(session: Session) -> None:
    """What was set can be taken back at instants at which the kernel is not known."""
    if not session.part(SystemCallTrace).is_set:
        linux_here(session)


def declare_syscalls(parser: Parser) -> None:
    parser.add_argument("process", nargs="?", default="", metavar="PROCESS", help="only of this PID or name")
    parser.add_argument("--quiet", action="store_true", help="into the log alone, and not at the prompt")
    parser.add_argument("--off", action="store_true", help="write no more")


@command(
    "syscalls",
    Group.SYSTEM,
    declare_syscalls,
    aliases=("strace",),
    examples=("syscalls", "syscalls init", "syscalls --quiet", "syscalls --off"),
    requires=_known,
)
def syscalls(session: Session, arguments: Arguments) -> Document:
    """Show every system call with its arguments, and what it returns, as the guest runs, and keep it in the log."""
    trace = session.part(SystemCallTrace)
    if arguments.off:
        trace.stop()
        return document(text("system calls are not written any more; `log` shows those that were", Style.DIM))
    trace.start(arguments.process, live=not arguments.quiet)
    return document(text("system calls are shown as the guest runs, and kept: `log` shows them again", Style.DIM))
