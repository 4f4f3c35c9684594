"""What of memory and of time is looked at for races, as users say it."""

from __future__ import annotations

from vmdbg.commands.points.watch import object_size
from vmdbg.errors import UserError
from vmdbg.expressions.place import Aim
from vmdbg.machine.snapshot import Position
from vmdbg.queries.races.operands import data_instructions
from vmdbg.queries.races.scan import Place
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.positions import find_position, place_sometime
from vmdbg.session.session import Session
from vmdbg.units import Linear

LARGEST_FUNCTION = 1 << 16


def data_place(session: Session, address: str, size: str) -> Place:
    place = place_sometime(session, address, aim=Aim.OBJECT)
    return Place(place.address, object_size(session, place, size), place.is_physical)


def function_code(session: Session, name: str) -> tuple[tuple[Linear, ...], range]:
    """The instructions with operands in memory, and all of its code."""
    place = place_sometime(session, name, aim=Aim.CODE)
    if place.is_physical:
        raise UserError(f"{name} is a physical address; --function takes a name or a linear one")
    with elsewhen(session, session.debugger.timeline.end):
        found = session.symbols.nearest(place.address)
        if found is None or not found.symbol.size:
            raise UserError(f"nobody says where the function at {place.address:#x} ends; give --address for its data")
        start, size = found.symbol.address, min(found.symbol.size, LARGEST_FUNCTION)
        code = session.debugger.linear().read_prefix(start, size)
        instructions = data_instructions(code, start, session.registers.mode.width)
    if not instructions:
        raise UserError(f"{found.symbol.name} accesses no memory by itself")
    return instructions, range(start, start + size)


def time_between(session: Session, begin: str, until: str) -> tuple[Position, Position] | None:
    """ "" is the start of the history, or its end; None for both."""
    timeline = session.debugger.timeline
    if not begin and not until:
        return None
    start = find_position(session, begin) if begin else timeline.start
    end = find_position(session, until) if until else timeline.end
    if not start < end:
        raise UserError(f"{start} is not before {end}")
    return max(start, timeline.start), min(end, timeline.end)
