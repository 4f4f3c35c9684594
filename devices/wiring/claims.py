"""Parts of an address space that belong to devices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from devices.seam import AddressedDevice


class BusError(ValueError):
    """Two devices claim the same address, or a window is not one the bus can have."""


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """Ports or physical addresses of one device."""

    name: str
    addresses: range
    device: AddressedDevice
    wide: bool

    def __str__(self) -> str:
        first, last = self.addresses.start, self.addresses.stop - 1
        return f"{first:04x}-{last:04x} {self.name}" if first != last else f"{first:04x} {self.name}"

    def overlaps(self, addresses: range) -> bool:
        return addresses.start < self.addresses.stop and self.addresses.start < addresses.stop


def visible(claims: Iterable[Claim]) -> list[Claim]:
    """What is left of each where those before it are in front, by rising address."""
    found: list[Claim] = []
    taken: list[range] = []
    for claim in claims:
        found += [replace(claim, addresses=part) for part in without(claim.addresses, taken)]
        taken.append(claim.addresses)
    return sorted(found, key=lambda claim: claim.addresses.start)


def without(whole: range, holes: Iterable[range]) -> list[range]:
    """The parts of a range that lie in none of the others, rising."""
    parts = []
    at = whole.start
    for hole in sorted(holes, key=lambda hole: hole.start):
        if hole.stop <= at or hole.start >= whole.stop:
            continue
        if hole.start > at:
            parts.append(range(at, hole.start))
        at = hole.stop
    if at < whole.stop:
        parts.append(range(at, whole.stop))
    return parts
