"""What of the guest can be watched, and under which name the client sets the watchpoint."""

from __future__ import annotations

import re

from dapstub import requests, values
from dapstub.errors import TargetError
from vmdbg.dap.looking import looking_at
from vmdbg.dap.memory import address_of
from vmdbg.dap.references import References
from vmdbg.dap.scopes import VariablesScope
from vmdbg.dap.typed import Typed, children
from vmdbg.dap.variables import GuestVariables
from vmdbg.engine.exits import Access
from vmdbg.errors import VmdbgError
from vmdbg.expressions.values import ExpressionValue, Placed
from vmdbg.session.session import Session
from vmdbg.units import Linear

WORD = 8
LARGEST = 1 << 30
_DATA = re.compile(r"0x(?P<address>[0-9a-f]{1,16})/(?P<size>\d{1,10})")
ACCESSES = {
    requests.AccessType.READ: frozenset({Access.READ}),
    requests.AccessType.WRITE: frozenset({Access.WRITE}),
    requests.AccessType.READ_WRITE: frozenset(Access),
}


def watched(wanted: requests.DataBreakpoint) -> tuple[Linear, int, frozenset[Access]]:
    """A linear address, how many bytes, and which accesses. Raises TargetError."""
    found = _DATA.fullmatch(wanted.data)
    if found is None or not 0 < int(found["size"]) <= LARGEST:
        raise TargetError(f"{wanted.data!r} is no name of data that was given here")
    return Linear(int(found["address"], 16)), int(found["size"]), ACCESSES[wanted.access]


def data_info(session: Session, references: References, request: requests.DataBreakpointInfo) -> values.DataInfo:
    """Raises UserError, TargetError."""
    if request.is_address:
        return _of(address_of(session, request.name), request.size or WORD, request.name)
    try:
        found = _value(session, references, request)
    except VmdbgError as error:
        return values.DataInfo(None, str(error), ())
    where = found.extent_() if isinstance(found, Placed) else None
    if where is None or where.address is None:
        return values.DataInfo(None, f"{request.name} is in no memory: it cannot be watched", ())
    return _of(where.address, request.size or where.size or WORD, request.name)


def _value(session: Session, references: References, request: requests.DataBreakpointInfo) -> ExpressionValue:
    """A variable of a scope or of a value, or an expression."""
    if not request.reference:
        with looking_at(session, references, request.frame):
            return session.evaluate(request.name)
    match references.of(request.reference):
        case VariablesScope() as scope:
            listed = dict(GuestVariables(session, references).of_function(scope))
        case Typed() as typed:
            listed = dict(children(typed, 0, 0))
        case _:
            raise TargetError(f"{request.name} is in no memory: it cannot be watched")
    if request.name not in listed:
        raise TargetError(f"there is no {request.name} here")
    return listed[request.name].value


def _of(address: int, size: int, name: str) -> values.DataInfo:
    accesses = tuple(access.value for access in requests.AccessType)
    return values.DataInfo(f"{address:#x}/{size}", f"{name}: {size} bytes at {address:#x}", accesses)
