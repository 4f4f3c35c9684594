"""--trace-io: ports and addresses that nobody answers at, and every access in a file if asked."""

from __future__ import annotations

from collections.abc import Iterator
from io import TextIOWrapper

from devices.wiring.bus import Access, Direction
from vmdbg.errors import UserError
from vmdbg.machine.machine import Machine
from vmdbg.machine.snapshot import Position


def unclaimed_accesses(machine: Machine) -> Iterator[str]:
    """A line for each port and physical address that was accessed though no device is there."""
    for kind, bus in (("port", machine.pc.ports), ("memory", machine.pc.memory)):
        counts = bus.unclaimed
        for address in sorted({address for _, address in counts}):
            reads, writes = (counts[direction, address] for direction in (Direction.READ, Direction.WRITE))
            yield f"{kind} {address:#06x}: {reads} reads, {writes} writes, no device"


class IoLog:
    """Writes every access to a device to a file, one a line, and once, also where the guest goes back and on again."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._before = self._last = -1
        """Ticks of the access before, and of the last that was written."""
        self._again = False
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

    def forked(self, position: Position) -> None:
        """What comes next has not been written, whatever has."""
        if position.tick < self._last:
            self._file.write(f"{position.tick:>14} fork\n")
        self._before = self._last = position.tick
        self._again = False

    def _is_new(self, now: int) -> bool:
        if now < self._before:
            self._again = True
        self._before = now
        if self._again and now <= self._last:
            return False
        self._again, self._last = False, now
        return True

    def _write(self, verb: str, access: Access) -> None:
        if not self._is_new(access.now):
            return
        digits = 2 * access.size
        line = f"{access.now:>14} {verb:<5} {access.address:#06x} {access.value:0{digits}x} {access.name or '-'}\n"
        try:
            self._file.write(line)
        except OSError as error:
            raise self._cannot_write(error) from None

    def close(self) -> None:
        """Raises UserError when not all could be written."""
        try:
            self._file.close()
        except OSError as error:
            raise self._cannot_write(error) from None

    def _cannot_write(self, error: OSError) -> UserError:
        return UserError(f"cannot write the I/O log {self._path}: {error.strerror}")
