"""What is at a location: an address, or the bits of a variable that is in registers, in pieces, or nowhere."""

from __future__ import annotations

from elftools.dwarf.die import AttributeValue

from vmdbg.c.content import OPTIMIZED_OUT, Content
from vmdbg.dwarf.location import Composed, Computed, ImplicitPointer, InMemory, InRegister, Location, Nowhere, Simple
from vmdbg.dwarf.machine import Machine
from vmdbg.dwarf.registers import register_bytes
from vmdbg.errors import VmdbgError

NO_MEMORY = "synthetic pointer"
"""A pointer to what the compiler keeps in no memory."""


def settled(machine: Machine, where: Location, size: int) -> int | Content:
    """The address of what is in memory as a whole, else its `size` bytes. Raises VmdbgError."""
    if isinstance(where, InMemory):
        return where.address
    if not isinstance(where, Composed):
        return _bits(machine, where, 8 * size)
    bits = known = at = 0
    reasons = []
    for piece in where.pieces:
        try:
            found = _bits(machine, piece.where, piece.start + piece.size).part(piece.start, piece.size)
        except VmdbgError as error:
            found = Content.nothing(str(error))
        bits |= found.bits << at
        known |= found.known << at
        if found.known != (1 << piece.size) - 1 and found.why != OPTIMIZED_OUT:
            reasons.append((at, at + piece.size, found.why))
        at += piece.size
    return Content(bits, known, reasons=tuple(reasons))


def _bits(machine: Machine, where: Simple, size: int) -> Content:
    """The lowest `size` bits of what is there."""
    match where:
        case InMemory(address):
            count = (size + 7) // 8
            return Content(int.from_bytes(machine.read(address, count), "little"), (1 << size) - 1)
        case InRegister(name):
            width = min(size, 8 * register_bytes(name, machine.address_size))
            return Content(machine.register(name) & (1 << width) - 1, (1 << width) - 1, register=name)
        case Computed(bits, bytes_):
            width = min(size, 8 * bytes_)
            return Content(bits & (1 << width) - 1, (1 << width) - 1)
        case ImplicitPointer():
            return Content.nothing(NO_MEMORY)
        case Nowhere(why):
            return Content.nothing(why)


def constant_value(found: AttributeValue | None, size: int) -> Location:
    """Of DW_AT_const_value, for an object of `size` bytes."""
    if found is None:
        return Nowhere()
    value = found.value
    if isinstance(value, int):
        return Computed(value & (1 << 8 * max(size, 1)) - 1, max(size, 1))
    data = value if isinstance(value, bytes) else bytes(value)
    if found.form.startswith(("DW_FORM_str", "DW_FORM_line_str")):
        data += b"\0"
    return Computed(int.from_bytes(data[:size], "little"), size)
