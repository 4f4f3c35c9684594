"""Which device answers at which physical address."""

from __future__ import annotations

from collections import Counter

from devices.seam import AddressedDevice
from devices.wiring.bus import Access, BusError, Claim, Direction, Tracer, ones
from devices.wiring.unanswered import Unanswered

PAGE_SIZE = 0x1000


def crosses_page(address: int, size: int) -> bool:
    return address % PAGE_SIZE + size > PAGE_SIZE


class MemoryBus:
    """Windows of memory-mapped devices, in whole 4 KiB pages of physical address space.

    An access that leaves its window becomes byte accesses. Pages nobody claims float high and are counted.
    """

    def __init__(self) -> None:
        self.tracer: Tracer | None = None
        self.unanswered = Unanswered()
        self._pages: dict[int, Claim] = {}

    def claim(self, addresses: range, device: AddressedDevice, name: str) -> None:
        """Give whole pages of physical addresses to `device`.

        Raises BusError if they are not whole pages, or overlap another device.
        """
        start, stop = addresses.start, addresses.stop
        if addresses.step != 1 or start < 0 or start >= stop or start % PAGE_SIZE or stop % PAGE_SIZE:
            raise BusError(f"{name}: {start:x}-{stop - 1:x} is not made of whole 4 KiB pages")
        pages = range(start // PAGE_SIZE, stop // PAGE_SIZE)
        for page in pages:
            if page in self._pages:
                other = self._pages[page].name
                raise BusError(f"page {page * PAGE_SIZE:x} is claimed by both {other} and {name}")
        claim = Claim(name, addresses, device, wide=True)
        self._pages.update(dict.fromkeys(pages, claim))

    @property
    def unclaimed(self) -> Counter[tuple[Direction, int]]:
        """How often each address was accessed while nobody answered there."""
        reads = {(Direction.READ, address): count for address, count in self.unanswered.reads.items()}
        writes = {(Direction.WRITE, address): count for address, count in self.unanswered.writes.items()}
        return Counter(reads | writes)

    def claims(self) -> list[Claim]:
        """All claims by rising address."""
        pages = sorted(self._pages.items())
        return [claim for page, claim in pages if page * PAGE_SIZE == claim.addresses.start]

    def read(self, address: int, size: int, now: int) -> int:
        """Load `size` bytes (1, 2, 4 or 8) at a physical address; unsigned, little-endian."""
        claim = self._pages.get(address // PAGE_SIZE)
        if claim is not None and address + size <= claim.addresses.stop:
            value = claim.device.read(address - claim.addresses.start, size, now)
        elif crosses_page(address, size):
            value = sum(self._read_byte(address + lane, now) << 8 * lane for lane in range(size))
        else:
            self.unanswered.read(address)
            value = ones(size)
        if self.tracer is not None:
            self._trace(Direction.READ, address, size, value, now)
        return value

    def write(self, address: int, size: int, value: int, now: int) -> None:
        """Store `size` bytes (1, 2, 4 or 8) at a physical address."""
        if self.tracer is not None:
            self._trace(Direction.WRITE, address, size, value, now)
        claim = self._pages.get(address // PAGE_SIZE)
        if claim is not None and address + size <= claim.addresses.stop:
            claim.device.write(address - claim.addresses.start, size, value, now)
        elif crosses_page(address, size):
            for lane in range(size):
                self._write_byte(address + lane, value >> 8 * lane & 0xFF, now)
        else:
            self.unanswered.write(address)

    def _read_byte(self, address: int, now: int) -> int:
        claim = self._pages.get(address // PAGE_SIZE)
        if claim is None:
            self.unanswered.read(address)
            return 0xFF
        return claim.device.read(address - claim.addresses.start, 1, now)

    def _write_byte(self, address: int, value: int, now: int) -> None:
        claim = self._pages.get(address // PAGE_SIZE)
        if claim is None:
            self.unanswered.write(address)
        else:
            claim.device.write(address - claim.addresses.start, 1, value, now)

    def _trace(self, direction: Direction, address: int, size: int, value: int, now: int) -> None:
        claim = self._pages.get(address // PAGE_SIZE)
        assert self.tracer is not None
        self.tracer(Access(direction, address, size, value, now, None if claim is None else claim.name))
