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
    """List the guest's threads as a tree: state, CPU time, name; the running one is marked."""
    tasks = system_here(session).tasks()
    wanted = [task for task in tasks if arguments.pattern in str(task.pid) or arguments.pattern in task.name]
    columns = ("", ">pid", ">parent", "state", ">cpu s", "task", "name")
    return document(table(columns, map(_task_row, wanted)))


def _task_row(task: Task) -> tuple[Text, ...]:
    name = f"[{task.name}]" if task.is_kernel else task.name
    return (
        text("=>" if task.is_current else "", Style.CURRENT, task.is_current),
        count(task.pid),
        count(task.parent),
        text(task.state),
        text(seconds(task.cpu_time), Style.NUMBER, task.cpu_time),
        address(task.address),
        text("  " * task.depth + name + (f"  {task.command_line}" if task.command_line else "")),
    )


@command("current", Group.SYSTEM, aliases=("kcurrent", "lx-current"), examples=("current",), requires=system_here)
def current(session: Session, arguments: Arguments) -> Document:
    """Show the task that the CPU runs."""
    task = system_here(session).current()
    rows = [
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


def command_line(task: Task) -> Text:
    words = "" if task.command_line or not task.is_kernel else "none: it is a thread of the kernel"
    return text(task.command_line) if not words else text(words, Style.DIM, "")
