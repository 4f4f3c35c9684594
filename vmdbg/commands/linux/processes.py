"""ps, current, dmesg, modules, mounts, files, vmas, kernel-irqs, timers, system: what Linux knows."""

from __future__ import annotations

from collections.abc import Sequence

from vmdbg.commands.code.bt import find_task
from vmdbg.commands.declare import command
from vmdbg.document.document import (
    Document,
    Style,
    Text,
    address,
    count,
    document,
    hexadecimal,
    joined,
    pairs,
    table,
    text,
)
from vmdbg.os.seam import Task
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.units import TICKS_PER_SECOND


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / TICKS_PER_SECOND:.6f}"


def declare_ps(parser: Parser) -> None:
    parser.add_argument("pattern", nargs="?", default="", metavar="PROCESS", help="only those with this in PID or name")


@command(
    "ps",
    Group.SYSTEM,
    declare_ps,
    aliases=("tasks", "process", "info threads", "lx-ps", "ktask"),
    examples=("ps", "ps init", "ps --json"),
)
def ps(session: Session, arguments: Arguments) -> Document:
    """List the guest's threads as a tree: state, CPU time, name; the running one is marked."""
    tasks = session.system.need().tasks()
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
        text(_seconds(task.cpu_time), Style.NUMBER, task.cpu_time),
        address(task.address),
        text("  " * task.depth + name + (f"  {task.command_line}" if task.command_line else "")),
    )


@command("current", Group.SYSTEM, aliases=("kcurrent", "lx-current"), examples=("current",))
def current(session: Session, arguments: Arguments) -> Document:
    """Show the task that the CPU runs."""
    task = session.system.need().current()
    rows = [
        ("name", text(task.name)),
        ("pid", count(task.pid)),
        ("process", count(task.process)),
        ("parent", count(task.parent)),
        ("state", text(task.state)),
        ("cpu time", text(f"{_seconds(task.cpu_time)} s")),
        ("task_struct", address(task.address)),
        ("command line", command_line(task)),
    ]
    return document(pairs(rows))


def command_line(task: Task) -> Text:
    words = "" if task.command_line or not task.is_kernel else "none: it is a thread of the kernel"
    return text(task.command_line) if not words else text(words, Style.DIM, "")


def declare_dmesg(parser: Parser) -> None:
    parser.add_argument("number", nargs="?", type=int, default=0, metavar="NUMBER", help="the last so many; none: all")
    parser.add_argument(
        "--level", type=int, default=7, metavar="NUMBER", help="this severe at least: 0 emergency to 7 debug"
    )


@command("dmesg", Group.SYSTEM, declare_dmesg, aliases=("lx-dmesg", "kdmesg"), examples=("dmesg 10", "dmesg --level 4"))
def dmesg(session: Session, arguments: Arguments) -> Document:
    """Show the kernel's log from its ring buffer, also what never reached a console."""
    records = [one for one in session.system.need().dmesg() if one.level <= arguments.level]
    shown = records[-arguments.number :] if arguments.number > 0 else records
    return document(
        *(
            joined(
                (
                    text(f"[{one.timestamp / TICKS_PER_SECOND:12.6f}] ", Style.DIM),
                    text(line, Style.BAD if one.level <= 3 else Style.PLAIN),
                ),
                {"time": one.timestamp, "level": one.level, "text": line},
            )
            for one in shown
            for line in one.text.split("\n")
        )
    )


@command("modules", Group.SYSTEM, aliases=("lsmod", "lm", "kmod", "lx-lsmod"), examples=("modules",))
def modules(session: Session, arguments: Arguments) -> Document:
    """List the kernel's loaded modules."""
    rows = [
        (text(one.name, Style.LABEL), address(one.base), count(one.size), count(one.references), text(one.state))
        for one in session.system.need().modules()
    ]
    return listed(("module", "base", ">size", ">used", "state"), rows, "no modules are loaded")


def declare_process(parser: Parser) -> None:
    parser.add_argument("process", nargs="?", default="", metavar="PROCESS", help="PID or name; none: the current one")


def _task(session: Session, words: str) -> Task:
    return find_task(session, words) if words else session.system.need().current()


def listed(columns: Sequence[str], rows: Sequence[Sequence[Text]], otherwise: str) -> Document:
    """A table, or in words that there is nothing."""
    return document(table(columns, rows)) if rows else document(text(otherwise, Style.DIM), value=[])


def _has_no(task: Task, what: str) -> str:
    """Why a list of a process's is empty."""
    kind = "a thread of the kernel" if task.is_kernel or not task.pid else "a process"
    return f"{task.name} ({task.pid}) is {kind} and has no {what}"


@command("mounts", Group.SYSTEM, declare_process, aliases=("lx-mounts",), examples=("mounts",))
def mounts(session: Session, arguments: Arguments) -> Document:
    """List what is mounted where, as a process sees it."""
    pid = _task(session, arguments.process).pid if arguments.process else 1
    rows = [
        (text(one.source), text(one.target, Style.LABEL), text(one.type), text(",".join(one.options)))
        for one in session.system.need().mounts(pid)
    ]
    return document(table(("source", "target", "type", "options"), rows))


@command("files", Group.SYSTEM, declare_process, aliases=("lsof", "fds"), examples=("files", "files 1"))
def files(session: Session, arguments: Arguments) -> Document:
    """List the files that a process has open."""
    task = _task(session, arguments.process)
    rows = [
        (
            count(one.descriptor),
            text(one.access),
            count(one.position),
            address(one.address),
            text(one.path, Style.LABEL),
        )
        for one in session.system.need().files(task.pid)
    ]
    return listed((">fd", "access", ">position", "struct file", "path"), rows, _has_no(task, "open files"))


@command("vmas", Group.SYSTEM, declare_process, aliases=("process-maps",), examples=("vmas", "vmas 1"))
def vmas(session: Session, arguments: Arguments) -> Document:
    """Show a process's memory areas as the kernel has them; `maps` shows what the page tables say."""
    task = _task(session, arguments.process)
    rows = [
        (address(one.start, 12), address(one.end, 12), text(one.permissions), hexadecimal(one.offset), text(one.path))
        for one in session.system.need().maps(task.pid)
    ]
    return listed(("start", "end", "may", ">offset", "path"), rows, _has_no(task, "memory of its own"))


@command("kernel-irqs", Group.SYSTEM, aliases=("irqs", "lx-interruptlist"), examples=("kernel-irqs",))
def kernel_irqs(session: Session, arguments: Arguments) -> Document:
    """List the kernel's interrupt lines: how often each came, and who handles it."""
    rows = [
        (
            count(one.line),
            count(sum(one.counts)),
            text(one.chip),
            text(", ".join(one.actions)),
            text(", ".join(one.handlers), Style.SYMBOL),
        )
        for one in session.system.need().interrupts()
    ]
    return document(table((">line", ">count", "chip", "name", "handler"), rows))


@command("timers", Group.SYSTEM, aliases=("lx-timerlist",), examples=("timers",))
def timers(session: Session, arguments: Arguments) -> Document:
    """List the kernel's timers in the order that they expire."""
    rows = [
        (
            count(one.cpu),
            text(one.clock),
            text(str(one.expires), Style.NUMBER, one.expires),
            text(one.function, Style.SYMBOL),
            text(one.purpose),
            address(one.address),
        )
        for one in session.system.need().timers()
    ]
    return document(table((">cpu", "clock", ">expires", "function", "for", "timer"), rows))


@command(
    "system", Group.SYSTEM, aliases=("kversion", "kbase", "lx-version", "uname"), examples=("system", "system --json")
)
def system(session: Session, arguments: Arguments) -> Document:
    """Show which kernel the guest runs, where, with what command line, for how long, and its taint."""
    found = session.system.need().info()
    rows = [
        ("kernel", text(found.banner)),
        ("host name", text(found.host_name)),
        ("base", address(found.base)),
        ("command line", text(found.command_line)),
        ("uptime", text(f"{_seconds(found.uptime)} s")),
        ("taint", text("; ".join((found.taint_letters or "none", *found.taint_reasons)))),
    ]
    return document(pairs(rows))
