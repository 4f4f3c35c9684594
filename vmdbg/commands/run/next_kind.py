"""next-call, next-ret and their reverses."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.debugger.stepping import BackwardRun, ToKindRun, back_to_kind
from vmdbg.document.document import Document
from vmdbg.session.registry import Arguments, Effect, Group
from vmdbg.session.session import Session
from vmdbg.x86.instruction import Kind

CALLS = Kind.CALL
RETURNS = Kind.RETURN | Kind.INTERRUPT_RETURN | Kind.SYSTEM_RETURN


def _to(session: Session, kinds: Kind) -> Document:
    return session.execution.carry(lambda d: ToKindRun(d, kinds))


def _back(session: Session, kinds: Kind) -> Document:
    return session.execution.carry(lambda _: BackwardRun(lambda d: back_to_kind(d, kinds)))


@command("next-call", Group.RUN, aliases=("nextcall", "pc"), examples=("next-call",), effect=Effect.RUNS, repeats=True)
def next_call(session: Session, arguments: Arguments) -> Document:
    """Run to the next call in this function, or in what it returns to."""
    return _to(session, CALLS)


@command("next-ret", Group.RUN, aliases=("nextret", "pt"), examples=("next-ret",), effect=Effect.RUNS, repeats=True)
def next_ret(session: Session, arguments: Arguments) -> Document:
    """Run to where this function is about to return, over its calls."""
    return _to(session, RETURNS)


@command("reverse-next-call", Group.RUN, examples=("reverse-next-call",), effect=Effect.RUNS, repeats=True)
def reverse_next_call(session: Session, arguments: Arguments) -> Document:
    """Go back to the last call in this function that has returned, or to the one that led here."""
    return _back(session, CALLS)


@command("reverse-next-ret", Group.RUN, examples=("reverse-next-ret",), effect=Effect.RUNS, repeats=True)
def reverse_next_ret(session: Session, arguments: Arguments) -> Document:
    """Go back to the last return, step by step, into calls."""
    return _back(session, RETURNS)
