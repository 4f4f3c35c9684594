"""query: what happened in the whole history, as `vmdbg query` asks it of a recording."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document
from vmdbg.errors import UserError
from vmdbg.session.question_options import NAMES, declare
from vmdbg.session.registry import Arguments, Group, did_you_mean
from vmdbg.session.session import Session


@command(
    "query",
    Group.TIME,
    declare,
    examples=(
        "query writes rsp 8",
        "query who-wrote rsp 8",
        "query reads phys:0x1000",
        "query accesses rsp 8 --limit 3",
        "query executions rip",
        "query calls deposit 2",
        "query syscalls",
        "query exceptions #PF",
        "query interrupts 0x24",
        "query ipis",
        "query ports 0x3f8 --limit 5",
        "query disk",
        "query disk --sector 63",
        "query packets",
        "query packets tcp port 80",
        "query cr3 --json",
        "query races rsp 8",
        "query console",
        "query screens",
        "query screens --every 100ms",
        "query profile",
        "query calls deposit 2 if rdi != 0",
        "query interrupts --count-by vector",
        "query ports 0x3f8 --csv --limit 5",
        "query diff start here --json",
    ),
    condition=True,
)
def query(session: Session, arguments: Arguments) -> Document:
    """Ask what happened from the start of the history to its end: all writes, calls, exceptions, port accesses ...

    writes, reads, accesses ADDRESS SIZE; who-wrote ADDRESS SIZE --before POSITION; executions ADDRESS SIZE; calls
    FUNCTION ARGUMENTS; exceptions and interrupts VECTOR ...; ipis; ports PORT ...; disk --drive DRIVE;
    packets FILTER; cr3; console PORT;
    screens; profile; races ADDRESS SIZE or --function FUNCTION; diff POSITION POSITION. Of Linux: syscalls NAME ...;
    page-faults; switches; wakeups; allocations; frees; object ADDRESS.
    `if CONDITION` at the end is looked at where each row happened. `goto` takes the positions.
    """
    if arguments.question not in NAMES:
        close = did_you_mean(arguments.question, NAMES)
        raise UserError(f"{arguments.question!r} is no question{close}; there are: {', '.join(NAMES)}")
    from vmdbg.commands.time.asking import answer  # most sessions ask nothing of the history

    return answer(session, arguments)
