"""until-user, next-syscall and their reverses."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.commands.points.conditions import process_test
from vmdbg.debugger.context import page_tables
from vmdbg.debugger.debuggee import Debuggee
from vmdbg.debugger.rings import (
    USER,
    ToSystemCallRun,
    ToUserRun,
    Wanted,
    always,
    back_to_system_call,
    back_to_user,
)
from vmdbg.debugger.stepping import BackwardRun
from vmdbg.document.document import Document
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session


def declare(parser: Parser) -> None:
    parser.add_argument("process", nargs="?", default="", metavar="PROCESS", help="only of this PID or name")


def _wanted(session: Session, process: str) -> Wanted:
    """Raises UserError where processes are not known."""
    if not process:
        return always
    test = process_test(session, process)
    return lambda _: test()


@command("until-user", Group.RUN, declare, aliases=("uu",), examples=("until-user",), effect=Effect.RUNS)
def until_user(session: Session, arguments: Arguments) -> Document:
    """Run until the kernel has returned to user space: out of a system call, or to a program's first instruction."""
    wanted = _wanted(session, arguments.process)
    return session.execution.carry(lambda d: ToUserRun(d, wanted))


@command("reverse-until-user", Group.RUN, aliases=("ruu",), examples=("reverse-until-user",), effect=Effect.RUNS)
def reverse_until_user(session: Session, arguments: Arguments) -> Document:
    """Go back to the last instruction in user space, which made the system call or was interrupted."""
    return session.execution.carry(lambda _: BackwardRun(back_to_user))


@command(
    "next-syscall",
    Group.RUN,
    declare,
    aliases=("nextsyscall",),
    examples=("next-syscall",),
    effect=Effect.RUNS,
    repeats=True,
)
def next_syscall(session: Session, arguments: Arguments) -> Document:
    """Run to the next system call, before it is made: of this process if the CPU is in user space, else of any."""
    wanted = _wanted(session, arguments.process) if arguments.process else _same_space(session)
    return session.execution.carry(lambda d: ToSystemCallRun(d, wanted))


def _same_space(session: Session) -> Wanted:
    """Of the address space that the CPU is in, if that is a process's."""
    if session.debugger.cpu.ring != USER:
        return always
    space = _space(session.debugger)
    return lambda debugger: _space(debugger) == space


def _space(debugger: Debuggee) -> int:
    return page_tables(debugger.engine, debugger.engine.read_register("cr3"))


@command("reverse-next-syscall", Group.RUN, examples=("reverse-next-syscall",), effect=Effect.RUNS, repeats=True)
def reverse_next_syscall(session: Session, arguments: Arguments) -> Document:
    """Go back to the last system call, before it was made."""
    return session.execution.carry(lambda _: BackwardRun(back_to_system_call))
