"""Which lines of a function have run since it was called. Moves the guest: for a copy."""

from __future__ import annotations

from vmdbg.commands.run.finish import back_to_call_run
from vmdbg.debugger.stops import RunFailed, StepDone
from vmdbg.errors import UserError, VmdbgError
from vmdbg.queries.ran import RanQuery
from vmdbg.queries.scan import Checked, scan
from vmdbg.session.session import Session
from vmdbg.web.work import Call, Ran

LONGEST = 1 << 14
"""Bytes of a function."""


def lines_that_ran(session: Session, call: Call, checked: Checked) -> Ran:
    """Those of the calls that it made of itself too. What `checked` raises ends it."""
    try:
        return _lines(session, call, checked)
    except VmdbgError as error:
        return Ran(call, why=str(error))


def _lines(session: Session, call: Call, checked: Checked) -> Ran:
    debugger, timeline = session.debugger, session.debugger.timeline
    timeline.seek(call.here)
    debugger.look_at(call.cpu)
    session.moments.stop()
    pc = debugger.pc
    here, known = session.sources.line_at(pc), session.symbols.nearest(pc)
    if here is None or known is None or not 0 < known.symbol.size <= LONGEST:
        raise UserError("the lines of this function are not known")
    start = known.symbol.address
    places = [at for at in range(start, start + known.symbol.size) if session.sources.is_line_start(at)]
    debugger.carry_out(lambda: back_to_call_run(session)(debugger))
    stop = debugger.wait(lambda: checked(timeline.position))
    if isinstance(stop, RunFailed):
        raise stop.error
    if not isinstance(stop, StepDone):
        raise UserError("the call of this function is not in the history")
    begin = timeline.position
    ran = scan(timeline, RanQuery(frozenset(places)), begin, call.here, checked)
    found = (session.sources.line_at(place) for place in ran)
    lines = {line.line for line in found if line is not None and line.file == here.file}
    return Ran(call, here.file, tuple(sorted(lines)), str(begin))
