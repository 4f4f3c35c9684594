"""Who answers at which I/O port."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from devices.seam import AddressedDevice
from devices.wiring.unanswered import Unanswered

PORTS = 0x1_0000


class BusError(ValueError):
    """Two devices claim the same address, or a window is not one the bus can have."""


class Direction(enum.StrEnum):
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Claim:
    """A window of ports or physical addresses that belongs to one device."""

    name: str
    addresses: range
    device: AddressedDevice
    wide: bool

    def __str__(self) -> str:
        first, last = self.addresses[0], self.addresses[-1]
        return f"{first:04x}-{last:04x} {self.name}" if first != last else f"{first:04x} {self.name}"


@dataclass(frozen=True, slots=True)
class Access:
    """One access as the CPU made it; `name` is the device at its first address, None if nobody is there."""

    direction: Direction
    address: int
    size: int
    value: int
    now: int
    name: str | None


Tracer = Callable[[Access], None]
Read = Callable[[int, int, int], int]
Write = Callable[[int, int, int, int], None]


def ones(size: int) -> int:
    """What `size` bytes of a floating bus read as."""
    return (1 << 8 * size) - 1


class PortBus:
    """The 64 Ki I/O ports.

    An access wider than a byte goes whole to a device that takes wide accesses and has all of its ports;
    otherwise it becomes byte accesses in rising order, as the ISA bus does. Ports nobody claims float high,
    ignore writes and are counted in `unclaimed`; the counts are for people, not part of the machine's state.
    """

    def __init__(self) -> None:
        self.tracer: Tracer | None = None
        self.unanswered = Unanswered()
        self._claims: dict[int, Claim] = {}
        self._reads: dict[int, tuple[Read, int]] = {}
        self._writes: dict[int, tuple[Write, int]] = {}

    def claim(self, ports: range, device: AddressedDevice, name: str, *, wide: bool = False) -> None:
        """Give `ports` to `device`; `wide` if it takes accesses of 2 and 4 bytes itself.

        Raises BusError if the range is not one of ports, or overlaps another device.
        """
        if len(ports) == 0 or ports.step != 1 or ports.start < 0 or ports.stop > PORTS:
            raise BusError(f"{name}: {ports} is no range of I/O ports (0000-ffff)")
        claim = Claim(name, ports, device, wide)
        for port in ports:
            if port in self._claims:
                raise BusError(f"port {port:04x} is claimed by both {self._claims[port].name} and {name}")
        for offset, port in enumerate(ports):
            self._claims[port] = claim
            self._reads[port] = (device.read, offset)
            self._writes[port] = (device.write, offset)

    @property
    def unclaimed(self) -> Counter[tuple[Direction, int]]:
        """How often each address was accessed while nobody answered there."""
        reads = {(Direction.READ, address): count for address, count in self.unanswered.reads.items()}
        writes = {(Direction.WRITE, address): count for address, count in self.unanswered.writes.items()}
        return Counter(reads | writes)

    def claims(self) -> list[Claim]:
        """All claims by rising port."""
        return [claim for port, claim in sorted(self._claims.items()) if port == claim.addresses.start]

    def read(self, port: int, size: int, now: int) -> int:
        """IN: `size` is 1, 2 or 4 bytes; the value is unsigned and little-endian."""
        entry = self._reads.get(port)
        if size != 1:
            value = self._read_wide(port, size, now)
        elif entry is not None:
            value = entry[0](entry[1], 1, now)
        else:
            self.unanswered.read(port)
            value = 0xFF
        if self.tracer is not None:
            self._trace(Direction.READ, port, size, value, now)
        return value

    def write(self, port: int, size: int, value: int, now: int) -> None:
        """OUT: `size` is 1, 2 or 4 bytes."""
        if self.tracer is not None:
            self._trace(Direction.WRITE, port, size, value, now)
        entry = self._writes.get(port)
        if size != 1:
            self._write_wide(port, size, value, now)
        elif entry is not None:
            entry[0](entry[1], 1, value, now)
        else:
            self.unanswered.write(port)

    def _read_wide(self, port: int, size: int, now: int) -> int:
        if self._goes_whole(port, size):
            read, offset = self._reads[port]
            return read(offset, size, now)
        if not self._any_claimed(port, size):
            self.unanswered.read(port)
            return ones(size)
        return sum(self._read_byte(port + lane, now) << 8 * lane for lane in range(size))

    def _read_byte(self, port: int, now: int) -> int:
        entry = self._reads.get(port)
        if entry is None:
            self.unanswered.read(port)
            return 0xFF
        return entry[0](entry[1], 1, now)

    def _write_wide(self, port: int, size: int, value: int, now: int) -> None:
        if self._goes_whole(port, size):
            write, offset = self._writes[port]
            write(offset, size, value, now)
        elif not self._any_claimed(port, size):
            self.unanswered.write(port)
        else:
            for lane in range(size):
                self._write_byte(port + lane, value >> 8 * lane & 0xFF, now)

    def _write_byte(self, port: int, value: int, now: int) -> None:
        entry = self._writes.get(port)
        if entry is None:
            self.unanswered.write(port)
        else:
            entry[0](entry[1], 1, value, now)

    def _goes_whole(self, port: int, size: int) -> bool:
        claim = self._claims.get(port)
        return claim is not None and claim.wide and port + size <= claim.addresses.stop

    def _any_claimed(self, port: int, size: int) -> bool:
        return any(port + lane in self._claims for lane in range(size))

    def _trace(self, direction: Direction, port: int, size: int, value: int, now: int) -> None:
        claim = self._claims.get(port)
        assert self.tracer is not None
        self.tracer(Access(direction, port, size, value, now, None if claim is None else claim.name))
