"""Which device answers at which physical address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from devices.seam import AddressedDevice
from devices.wiring.bus import Access, Direction, Tracer, ones
from devices.wiring.claims import BusError, Claim, visible
from devices.wiring.unanswered import Unanswered

PAGE_SIZE = 0x1000
MOST_NEAR = 4096
"""Pages of which it is remembered who answers there."""


def _ignore(claim: Claim) -> None:
    """Nobody wants to hear of it."""


class MemoryBus:
    """Windows of memory-mapped devices, of any size, anywhere in physical address space.

    An access that leaves its window becomes byte accesses. What nobody claims floats high and is counted. Who answers
    where windows overlap is settled as on the port bus: claims first, then windows in the order of their making.
    """

    def __init__(self) -> None:
        self.tracer: Tracer | None = None
        self.unanswered = Unanswered()
        self._fixed: list[Claim] = []
        self._windows: list[MemoryWindow] = []
        self._near: dict[int, tuple[Claim, ...]] = {}
        self.on_change: Callable[[Claim], None] = _ignore
        """Told of each window where it was, and where it is now."""

    def claim(self, addresses: range, device: AddressedDevice, name: str) -> None:
        """Give physical addresses to `device`.

        Raises BusError if they are none, or overlap another device's.
        """
        start, stop = addresses.start, addresses.stop
        if addresses.step != 1 or start < 0 or start >= stop:
            raise BusError(f"{name}: {addresses} is no range of physical addresses")
        claim = Claim(name, addresses, device, wide=True)
        for other in self._fixed:
            if claim.overlaps(other.addresses):
                at = max(start, other.addresses.start)
                raise BusError(f"address {at:x} is claimed by both {other.name} and {name}")
        self._fixed.append(claim)
        self._near.clear()
        self.on_change(claim)

    def window(self, size: int, device: AddressedDevice, name: str) -> MemoryWindow:
        """`size` bytes of `device` that can be moved and are off at first."""
        window = MemoryWindow(self, size, device, name)
        self._windows.append(window)
        return window

    def moved(self, *claims: Claim | None) -> None:
        """A window is elsewhere now: where it was and is."""
        self._near.clear()
        for claim in claims:
            if claim is not None:
                self.on_change(claim)

    def fixed(self) -> list[Claim]:
        """Those that do not move."""
        return list(self._fixed)

    @property
    def unclaimed(self) -> Counter[tuple[Direction, int]]:
        """How often each address was accessed while nobody answered there."""
        reads = {(Direction.READ, address): count for address, count in self.unanswered.reads.items()}
        writes = {(Direction.WRITE, address): count for address, count in self.unanswered.writes.items()}
        return Counter(reads | writes)

    def claims(self) -> list[Claim]:
        """Who answers where, by rising address: of what others are in front of, only the rest."""
        return visible(self._in_order())

    def undivided(self, device: AddressedDevice) -> range:
        """Where `device` answers if that is one window, with nobody in front of any of it; else nowhere."""
        wanted = [claim.addresses for claim in self._in_order() if claim.device is device]
        found = [claim.addresses for claim in self.claims() if claim.device is device]
        return found[0] if len(found) == 1 and found == wanted else range(0)

    def _in_order(self) -> list[Claim]:
        """Who comes before whom."""
        return [*self._fixed, *(window.claim for window in self._windows if window.claim is not None)]

    def read(self, address: int, size: int, now: int) -> int:
        """Load `size` bytes (1, 2, 4 or 8) at a physical address; unsigned, little-endian."""
        claim = self._first(address, size)
        if claim is None:
            self.unanswered.read(address)
            value = ones(size)
        elif address >= claim.addresses.start and address + size <= claim.addresses.stop:
            value = claim.device.read(address - claim.addresses.start, size, now)
        else:
            value = sum(self._read_byte(address + lane, now) << 8 * lane for lane in range(size))
        if self.tracer is not None:
            self._trace(Direction.READ, address, size, value, now)
        return value

    def write(self, address: int, size: int, value: int, now: int) -> None:
        """Store `size` bytes (1, 2, 4 or 8) at a physical address."""
        if self.tracer is not None:
            self._trace(Direction.WRITE, address, size, value, now)
        claim = self._first(address, size)
        if claim is None:
            self.unanswered.write(address)
        elif address >= claim.addresses.start and address + size <= claim.addresses.stop:
            claim.device.write(address - claim.addresses.start, size, value, now)
        else:
            for lane in range(size):
                self._write_byte(address + lane, value >> 8 * lane & 0xFF, now)

    def _first(self, address: int, size: int) -> Claim | None:
        """The first in order of those that the access touches; it has the access to itself if it covers all of it."""
        page = address // PAGE_SIZE
        candidates = self._near.get(page)
        if candidates is None:
            candidates = self._look(page)
        if address % PAGE_SIZE + size > PAGE_SIZE:
            candidates = self._touching(range(address, address + size), self._in_order())
        for claim in candidates:
            if address < claim.addresses.stop and claim.addresses.start < address + size:
                return claim
        return None

    def _look(self, page: int) -> tuple[Claim, ...]:
        if len(self._near) >= MOST_NEAR:
            self._near.clear()
        found = self._touching(range(page * PAGE_SIZE, (page + 1) * PAGE_SIZE), self._in_order())
        self._near[page] = found
        return found

    @staticmethod
    def _touching(addresses: range, claims: Iterable[Claim]) -> tuple[Claim, ...]:
        return tuple(claim for claim in claims if claim.overlaps(addresses))

    def _read_byte(self, address: int, now: int) -> int:
        claim = self._first(address, 1)
        if claim is None:
            self.unanswered.read(address)
            return 0xFF
        return claim.device.read(address - claim.addresses.start, 1, now)

    def _write_byte(self, address: int, value: int, now: int) -> None:
        claim = self._first(address, 1)
        if claim is None:
            self.unanswered.write(address)
        else:
            claim.device.write(address - claim.addresses.start, 1, value, now)

    def _trace(self, direction: Direction, address: int, size: int, value: int, now: int) -> None:
        claim = self._first(address, 1)
        assert self.tracer is not None
        self.tracer(Access(direction, address, size, value, now, None if claim is None else claim.name))


class MemoryWindow:
    """devices.seam.Window of memory."""

    def __init__(self, bus: MemoryBus, size: int, device: AddressedDevice, name: str) -> None:
        self.claim: Claim | None = None
        self._bus = bus
        self._size = size
        self._device = device
        self._name = name

    @property
    def start(self) -> int | None:
        return None if self.claim is None else self.claim.addresses.start

    def move(self, start: int | None) -> None:
        if start == self.start:
            return
        before = self.claim
        addresses = None if start is None else range(start, start + self._size)
        self.claim = None if addresses is None else Claim(self._name, addresses, self._device, wide=True)
        self._bus.moved(before, self.claim)
