"""Who answers at which I/O port."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from devices.seam import AddressedDevice
from devices.wiring.claims import BusError, Claim, visible
from devices.wiring.unanswered import Unanswered

PORTS = 0x1_0000


class Direction(enum.StrEnum):
    READ = "read"
    WRITE = "write"


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

    Where several answer, a claim comes before every window, and of windows the one that was made first: who answers
    depends on where windows are now, not on the order in which they came there.
    """

    def __init__(self) -> None:
        self.tracer: Tracer | None = None
        self.unanswered = Unanswered()
        self._fixed: list[Claim] = []
        self._windows: list[PortWindow] = []
        self._claims: dict[int, Claim] = {}
        self._reads: dict[int, tuple[Read, int]] = {}
        self._writes: dict[int, tuple[Write, int]] = {}
        self.on_moved: Callable[[], None] | None = None
        """Called when somebody else answers somewhere."""

    def claim(self, ports: range, device: AddressedDevice, name: str, *, wide: bool = False) -> None:
        """Give `ports` to `device`; `wide` if it takes accesses of 2 and 4 bytes itself.

        Raises BusError if the range is not one of ports, or overlaps another device.
        """
        if len(ports) == 0 or ports.step != 1 or ports.start < 0 or ports.stop > PORTS:
            raise BusError(f"{name}: {ports} is no range of I/O ports (0000-ffff)")
        claim = Claim(name, ports, device, wide)
        for other in self._fixed:
            if claim.overlaps(other.addresses):
                port = max(ports.start, other.addresses.start)
                raise BusError(f"port {port:04x} is claimed by both {other.name} and {name}")
        self._fixed.append(claim)
        self._assign(ports)

    def window(self, size: int, device: AddressedDevice, name: str, *, wide: bool = False) -> PortWindow:
        """`size` ports of `device` that can be moved and are off at first; ports above FFFFh are none."""
        window = PortWindow(self._assign, size, device, name, wide)
        self._windows.append(window)
        return window

    def _in_order(self) -> list[Claim]:
        """Who comes before whom."""
        return [*self._fixed, *(window.claim for window in self._windows if window.claim is not None)]

    def _assign(self, ports: range) -> None:
        """Something has changed there."""
        claims = [claim for claim in self._in_order() if claim.overlaps(ports)]
        for port in ports:
            claim = next((claim for claim in claims if port in claim.addresses), None)
            if claim is None:
                for table in (self._claims, self._reads, self._writes):
                    table.pop(port, None)
                continue
            offset = port - claim.addresses.start
            self._claims[port] = claim
            self._reads[port] = (claim.device.read, offset)
            self._writes[port] = (claim.device.write, offset)
        if self.on_moved is not None:
            self.on_moved()

    def port_of(self, device: AddressedDevice, offset: int, size: int) -> int | None:
        """Where an access of that size goes whole to the device, at that offset; None if nowhere."""
        for claim in self._in_order():
            port = claim.addresses.start + offset
            if claim.device is device and self._claims.get(port) is claim and self._goes_whole(port, size):
                return port
        return None

    @property
    def unclaimed(self) -> Counter[tuple[Direction, int]]:
        """How often each address was accessed while nobody answered there."""
        reads = {(Direction.READ, address): count for address, count in self.unanswered.reads.items()}
        writes = {(Direction.WRITE, address): count for address, count in self.unanswered.writes.items()}
        return Counter(reads | writes)

    def claims(self) -> list[Claim]:
        """Who answers where, by rising port: of what others are in front of, only the rest."""
        return visible(self._in_order())

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
        claim_at = self._claims.get
        claim = claim_at(port)
        if claim is None or not claim.wide or claim_at(port + size - 1) is not claim:
            return False
        return size == 2 or (claim_at(port + 1) is claim and claim_at(port + 2) is claim)

    def _any_claimed(self, port: int, size: int) -> bool:
        return any(port + lane in self._claims for lane in range(size))

    def _trace(self, direction: Direction, port: int, size: int, value: int, now: int) -> None:
        claim = self._claims.get(port)
        assert self.tracer is not None
        self.tracer(Access(direction, port, size, value, now, None if claim is None else claim.name))


class PortWindow:
    """devices.seam.Window of ports."""

    def __init__(
        self, assign: Callable[[range], None], size: int, device: AddressedDevice, name: str, wide: bool
    ) -> None:
        self.claim: Claim | None = None
        self._assign = assign
        self._size = size
        self._device = device
        self._name = name
        self._wide = wide
        self._start: int | None = None

    @property
    def start(self) -> int | None:
        return self._start

    def move(self, start: int | None) -> None:
        if start == self._start:
            return
        before, self._start, self.claim = self.claim, start, None
        if start is not None and start < PORTS:
            ports = range(start, min(start + self._size, PORTS))
            self.claim = Claim(self._name, ports, self._device, self._wide)
        for claim in (before, self.claim):
            if claim is not None:
                self._assign(claim.addresses)
