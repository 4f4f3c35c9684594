"""Memory by reference (dapstub.target.Memory): linear, of the CPU that is looked at, or `phys:`."""

from __future__ import annotations

import base64

from dapstub import requests, values
from dapstub.errors import TargetError
from vmdbg.dap.errors import refusals
from vmdbg.dap.references import References
from vmdbg.expressions.place import Aim, Place
from vmdbg.session.session import Session
from vmdbg.units import Linear, Physical

END = 1 << 64


def address_of(session: Session, reference: str, *, aim: Aim = Aim.DATA) -> int:
    """A linear address: what was shown as a reference, or anything that `examine` takes. Raises UserError."""
    return session.linear(reference, aim=aim)


class GuestMemory:
    def __init__(self, session: Session, references: References) -> None:
        self._session = session
        self._references = references

    def _place(self, reference: str, offset: int, size: int) -> Place:
        place = self._session.place(reference)
        address = place.address + offset
        if not 0 <= address <= END - size:
            raise TargetError(f"{reference} and {offset} bytes on is no address")
        return Place(place.space, address)

    def read(self, request: requests.ReadMemory) -> values.MemoryRead:
        with refusals():
            place = self._place(request.reference, request.offset, 1)
            data = self._read(place, min(request.count, END - place.address))
        if not data and request.count:
            return values.MemoryRead(f"{place.address:#x}", unreadable_bytes=request.count)
        left = request.count - len(data)
        return values.MemoryRead(f"{place.address:#x}", base64.b64encode(data).decode(), left or None)

    def _read(self, place: Place, count: int) -> bytes:
        """As much as is there without a gap."""
        debugger = self._session.debugger
        if place.is_physical:
            start = Physical(place.address)
            return debugger.physical.read(start, min(count, debugger.physical.extent(start)))
        return debugger.linear().read_prefix(Linear(place.address), count)

    def write(self, request: requests.WriteMemory) -> int:
        """All or nothing, unless a part will do: an input of the guest like any other."""
        with refusals(), self._references.kept(memory_alone=True):
            data = request.data
            place = self._place(request.reference, request.offset, len(data))
            if request.allow_partial:
                data = data[: len(self._read(place, len(data)))]
            debugger = self._session.debugger
            if place.is_physical:
                debugger.write_physical(Physical(place.address), data)
            else:
                debugger.write_linear(Linear(place.address), data)
        return len(data)
