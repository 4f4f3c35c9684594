"""ps, current: what every operating system knows."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Style, Text, address, count, document, pairs, table, text
from vmdbg.os.seam import OperatingSystem, Task
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.units import TICKS_PER_SECOND


def system_here(session: Session) -> OperatingSystem:
    """Raises UserError, or what the guest's tables have wrong."""
    return session.system.need()


def seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / TICKS_PER_SECOND:.6f}"


def declare_ps(parser: Parser) -> None:
    parser.add_argument("pattern", nargs="?", default="", metavar="PROCESS", help="only those with this in PID or name")


@command(
    "ps",
    Group.SYSTEM,
    declare_ps,
    aliases=("tasks", "process", "info threads", "lx-ps", "ktask"),
    examples=("ps", "ps init", "ps --json"),
    requires=system_here,
)
def ps(session: Session, arguments: Arguments) -> Document:
    """List the guest's threads as a tree: state, CPU time, name; the running one is marked.

    Of several CPUs `=>` marks what the one that is looked at runs, and `->` what the others do; `cpu` is where each is
    or was last.
    """
    system = system_here(session)
    wanted = [task for task in system.tasks() if arguments.pattern in str(task.pid) or arguments.pattern in task.name]
    columns = ("", ">pid", ">parent", "state", ">cpu", ">cpu s", "task", "name")
    several = len(system.running()) > 1
    shown = [index for index, column in enumerate(columns) if several or column != ">cpu"]
    rows = [[row[index] for index in shown] for row in map(_task_row, wanted)]
    return document(table([columns[index] for index in shown], rows))


def _task_row(task: Task) -> tuple[Text, ...]:
    name = f"[{task.name}]" if task.is_kernel else task.name
    mark = "=>" if task.is_current else "->" if task.is_running else ""
    return (
        text(mark, Style.CURRENT, task.is_running),
        count(task.pid),
        count(task.parent),
        text(task.state),
        count(task.cpu),
        text(seconds(task.cpu_time), Style.NUMBER, task.cpu_time),
        address(task.address),
        text("  " * task.depth + name + (f"  {task.command_line}" if task.command_line else "")),
    )


def declare_current(parser: Parser) -> None:
    parser.add_argument("--all", action="store_true", help="of every CPU")


@command(
    "current",
    Group.SYSTEM,
    declare_current,
    aliases=("kcurrent", "lx-current"),
    examples=("current", "current --all"),
    requires=system_here,
)
def current(session: Session, arguments: Arguments) -> Document:
    """Show the task that the CPU runs, of several CPUs the one that is looked at; --all: one line for each CPU."""
    system = system_here(session)
    running = system.running()
    if arguments.all:
        columns = ("", ">cpu", ">pid", "state", ">cpu s", "task", "name")
        return document(table(columns, map(_running_row, running)))
    task = system.current()
    on = [("cpu", count(task.cpu))] if len(running) > 1 else []
    rows = [
        *on,
        ("name", text(task.name)),
        ("pid", count(task.pid)),
        ("process", count(task.process)),
        ("parent", count(task.parent)),
        ("state", text(task.state)),
        ("cpu time", text(f"{seconds(task.cpu_time)} s")),
        ("task", address(task.address)),
        ("command line", command_line(task)),
    ]
    return document(pairs(rows))


def _running_row(task: Task) -> tuple[Text, ...]:
    mark, _, _, state, cpu, time, place, _ = _task_row(task)
    name = f"{task.name}{f'  {task.command_line}' if task.command_line else ''}"
    return mark, cpu, count(task.pid), state, time, place, text(name)


def command_line(task: Task) -> Text:
    words = "" if task.command_line or not task.is_kernel else "none: it is a thread of the kernel"
    return text(task.command_line) if not words else text(words, Style.DIM, "")
