"""Memory and registers of the standing guest as debug information asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vmdbg.errors import UserError
from vmdbg.session.known_guest import KnownGuest
from vmdbg.units import Linear


class GuestSpace:
    """vmdbg.c.space.Space of what the CPU addresses now."""

    def __init__(self, guest: KnownGuest) -> None:
        self._guest = guest

    def read(self, address: int, size: int) -> bytes:
        return self._guest.debugger.linear().read(Linear(address & (1 << 64) - 1), size)

    def string(self, address: int, limit: int = 4096) -> str:
        data = self._guest.debugger.linear().read_prefix(Linear(address & (1 << 64) - 1), limit)
        if not data:
            self.read(address, 1)
        return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")

    def describe(self, address: int) -> str:
        return self._guest.describe(address)


class CpuRegisters(Mapping[str, int]):
    """The CPU's registers, each read when it is asked for."""

    def __init__(self, guest: KnownGuest) -> None:
        self._guest = guest

    def __getitem__(self, name: str) -> int:
        try:
            return self._guest.registers.read(name)
        except UserError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._guest.debugger.cpu.names)

    def __len__(self) -> int:
        return len(self._guest.debugger.cpu.names)
