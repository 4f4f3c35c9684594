"""--trace-io: ports and addresses that nobody answers at, and every access in a file if asked."""

from __future__ import annotations

from collections.abc import Iterator
from io import TextIOWrapper

from devices.wiring.bus import Access, Direction
from vmdbg.errors import UserError
from vmdbg.machine.machine import Machine


def unclaimed_accesses(machine: Machine) -> Iterator[str]:
    """A line for each port and physical address that was accessed though no device is there."""
    for kind, bus in (("port", machine.pc.ports), ("memory", machine.pc.memory)):
        counts = bus.unclaimed
        for address in sorted({address for _, address in counts}):
            reads, writes = (counts[direction, address] for direction in (Direction.READ, Direction.WRITE))
            yield f"{kind} {address:#06x}: {reads} reads, {writes} writes, no device"


class IoLog:
    """Writes every access to a device to a file, one a line."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._file: TextIOWrapper = open(path, "w", encoding="utf-8")  # noqa: SIM115 - closed by close()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise UserError(f"cannot write the I/O log {path}: {reason}") from None

    def attach(self, machine: Machine) -> None:
        machine.pc.ports.tracer = self._port
        machine.pc.memory.tracer = self._memory

    def _port(self, access: Access) -> None:
        self._write("in" if access.direction is Direction.READ else "out", access)

    def _memory(self, access: Access) -> None:
        self._write("load" if access.direction is Direction.READ else "store", access)

    def _write(self, verb: str, access: Access) -> None:
        digits = 2 * access.size
        self._file.write(
            f"{access.now:>14} {verb:<5} {access.address:#06x} {access.value:0{digits}x} {access.name or '-'}\n"
        )

    def close(self) -> None:
        """Raises UserError when not all could be written."""
        try:
            self._file.close()
        except OSError as error:
            raise UserError(f"cannot write the I/O log {self._path}: {error.strerror}") from None
