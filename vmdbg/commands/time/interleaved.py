"""The chart of what several CPUs did between two instants, for whoever shows one."""

from __future__ import annotations

from collections.abc import Sequence

from vmdbg.commands.time.race_places import data_place, function_code, time_between
from vmdbg.document.lanes import Chart
from vmdbg.errors import UserError
from vmdbg.queries.queries import Queries
from vmdbg.queries.races.gathering import Wanted
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.interleaving_chart import interleaving_chart
from vmdbg.session.known_linux import linux_of
from vmdbg.session.processors import chosen_cpu
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session


def interleaving_between(
    session: Session,
    begin: str,
    until: str,
    *,
    address: str = "",
    size: str = "",
    function: str = "",
    cpus: Sequence[str] = (),
) -> Chart:
    """Instants, places and CPUs as users write them. The guest is then where it was. Raises UserError."""
    several = session.debugger.machine.config.cpus
    if several == 1:
        raise UserError("an interleaving is of several CPUs, and this guest has one: `query` has what it did")
    if address and function:
        raise UserError("interleaving takes --address or --function, not both")
    if size and not address:
        raise UserError("--size says how many bytes from --address on are meant: give that too")
    places = (data_place(session, address, size),) if address else ()
    instructions, code = function_code(session, function) if function else ((), None)
    chosen = {chosen_cpu(session, number) for number in cpus}
    if len(chosen) == 1:
        raise UserError("an interleaving is of two CPUs at least: name one more by --cpu")
    wanted = Wanted(places, instructions, code, time_between(session, begin, until))
    queries = Queries(
        session.debugger.timeline,
        workers=session.workers if Effect.HOST in session.allowed else 1,
        on_progress=session.progress,
        linux=lambda: linux_of(session),
    )
    with elsewhen(session):
        found = queries.interleaving(wanted, chosen)
    with elsewhen(session, session.debugger.timeline.end):
        return interleaving_chart(session, found)
