"""dmesg, modules, mounts, files, vmas, kernel-irqs, timers, system: what Linux knows."""

from __future__ import annotations

from collections.abc import Sequence

from vmdbg.commands.declare import command
from vmdbg.commands.linux.known import linux_here
from vmdbg.commands.system.tasks import seconds
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


def declare_dmesg(parser: Parser) -> None:
    parser.add_argument("number", nargs="?", type=int, default=0, metavar="NUMBER", help="the last so many; none: all")
    parser.add_argument(
        "--level", type=int, default=7, metavar="NUMBER", help="this severe at least: 0 emergency to 7 debug"
    )


@command(
    "dmesg",
    Group.SYSTEM,
    declare_dmesg,
    aliases=("lx-dmesg", "kdmesg"),
    examples=("dmesg 10", "dmesg --level 4"),
    requires=linux_here,
)
def dmesg(session: Session, arguments: Arguments) -> Document:
    """Show the kernel's log from its ring buffer, also what never reached a console."""
    records = [one for one in linux_here(session).dmesg() if one.level <= arguments.level]
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


@command(
    "modules",
    Group.SYSTEM,
    aliases=("lsmod", "lm", "kmod", "lx-lsmod"),
    examples=("modules",),
    requires=linux_here,
)
def modules(session: Session, arguments: Arguments) -> Document:
    """List the kernel's loaded modules."""
    rows = [
        (text(one.name, Style.LABEL), address(one.base), count(one.size), count(one.references), text(one.state))
        for one in linux_here(session).modules()
    ]
    return listed(("module", "base", ">size", ">used", "state"), rows, "no modules are loaded")


def declare_process(parser: Parser) -> None:
    parser.add_argument("process", nargs="?", default="", metavar="PROCESS", help="PID or name; none: the current one")


def _task(session: Session, words: str) -> Task:
    return session.system.named(words) if words else linux_here(session).current()


def listed(columns: Sequence[str], rows: Sequence[Sequence[Text]], otherwise: str) -> Document:
    """A table, or in words that there is nothing."""
    return document(table(columns, rows)) if rows else document(text(otherwise, Style.DIM), value=[])


def _has_no(task: Task, what: str) -> str:
    """Why a list of a process's is empty."""
    kind = "a thread of the kernel" if task.is_kernel or not task.pid else "a process"
    return f"{task.name} ({task.pid}) is {kind} and has no {what}"


@command("mounts", Group.SYSTEM, declare_process, aliases=("lx-mounts",), examples=("mounts",), requires=linux_here)
def mounts(session: Session, arguments: Arguments) -> Document:
    """List what is mounted where, as a process sees it."""
    pid = _task(session, arguments.process).pid if arguments.process else 1
    rows = [
        (text(one.source), text(one.target, Style.LABEL), text(one.type), text(",".join(one.options)))
        for one in linux_here(session).mounts(pid)
    ]
    return document(table(("source", "target", "type", "options"), rows))


@command(
    "files",
    Group.SYSTEM,
    declare_process,
    aliases=("lsof", "fds"),
    examples=("files", "files 1"),
    requires=linux_here,
)
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
        for one in linux_here(session).files(task.pid)
    ]
    return listed((">fd", "access", ">position", "struct file", "path"), rows, _has_no(task, "open files"))


@command(
    "vmas",
    Group.SYSTEM,
    declare_process,
    aliases=("process-maps",),
    examples=("vmas", "vmas 1"),
    requires=linux_here,
)
def vmas(session: Session, arguments: Arguments) -> Document:
    """Show a process's memory areas as the kernel has them; `maps` shows what the page tables say."""
    task = _task(session, arguments.process)
    rows = [
        (address(one.start, 12), address(one.end, 12), text(one.permissions), hexadecimal(one.offset), text(one.path))
        for one in linux_here(session).maps(task.pid)
    ]
    return listed(("start", "end", "may", ">offset", "path"), rows, _has_no(task, "memory of its own"))


@command(
    "kernel-irqs",
    Group.SYSTEM,
    aliases=("irqs", "lx-interruptlist"),
    examples=("kernel-irqs",),
    requires=linux_here,
)
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
        for one in linux_here(session).interrupts()
    ]
    return document(table((">line", ">count", "chip", "name", "handler"), rows))


@command("timers", Group.SYSTEM, aliases=("lx-timerlist",), examples=("timers",), requires=linux_here)
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
        for one in linux_here(session).timers()
    ]
    return document(table((">cpu", "clock", ">expires", "function", "for", "timer"), rows))


@command(
    "system",
    Group.SYSTEM,
    aliases=("kversion", "kbase", "lx-version", "uname"),
    examples=("system", "system --json"),
    requires=linux_here,
)
def system(session: Session, arguments: Arguments) -> Document:
    """Show which kernel the guest runs, where, with what command line, for how long, and its taint."""
    found = linux_here(session).info()
    rows = [
        ("kernel", text(found.banner)),
        ("host name", text(found.host_name)),
        ("base", address(found.base)),
        ("command line", text(found.command_line)),
        ("uptime", text(f"{seconds(found.uptime)} s")),
        ("taint", text("; ".join((found.taint_letters or "none", *found.taint_reasons)))),
    ]
    return document(pairs(rows))
