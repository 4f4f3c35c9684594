"""Which PCI controllers drives can be at. A new bus is one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from devices.disk.ahci import Ahci
from devices.disk.cd_unit import CdUnit
from devices.disk.drive import DriveBus
from devices.disk.ide import MOST_DRIVES, Ide
from devices.disk.nvme import Nvme
from devices.disk.unit import DiskUnit
from devices.fitting import Slot
from devices.seam import Device
from devices.virtio.block import VirtioBlock

Unit = DiskUnit | CdUnit
Fitter = Callable[[Callable[[str], Slot], Sequence[Unit]], Sequence[Device]]
"""Makes the controllers of some drives, given the board's slots by name. Raises ValueError."""
_CD_PLACES = (2, 3, 1, 0)
"""CDs are at the second channel where they can, as people know it."""


def fit_ide(slot: Callable[[str], Slot], units: Sequence[Unit]) -> Sequence[Device]:
    return [Ide(slot(Ide.name), ide_places(units))]


def ide_places(units: Sequence[Unit]) -> list[Unit | None]:
    """Which drive is where. Raises ValueError for more than there is room for."""
    if len(units) > MOST_DRIVES:
        raise ValueError(f"IDE has room for {MOST_DRIVES} drives, not for {len(units)}: give some another bus")
    places: list[Unit | None] = [None] * MOST_DRIVES
    for unit in units:
        if isinstance(unit, CdUnit):
            places[next(place for place in _CD_PLACES if places[place] is None)] = unit
    for unit in units:
        if isinstance(unit, DiskUnit):
            places[places.index(None)] = unit
    return places


def fit_virtio(slot: Callable[[str], Slot], units: Sequence[Unit]) -> Sequence[Device]:
    """A PCI function for each disk."""
    return [VirtioBlock(slot(f"virtio-{unit.name}"), _disk(unit)) for unit in units]


def fit_nvme(slot: Callable[[str], Slot], units: Sequence[Unit]) -> Sequence[Device]:
    """A controller for each disk."""
    return [Nvme(slot(f"nvme-{unit.name}"), _disk(unit)) for unit in units]


def fit_ahci(slot: Callable[[str], Slot], units: Sequence[Unit]) -> Sequence[Device]:
    """One adapter with a port for each drive."""
    return [Ahci(slot(Ahci.name), units)]


def _disk(unit: Unit) -> DiskUnit:
    if isinstance(unit, CdUnit):
        raise ValueError(f"{unit.name}: CDs are at the buses ide and ahci only")
    return unit


BUSES: Mapping[DriveBus, Fitter] = {
    DriveBus.IDE: fit_ide,
    DriveBus.VIRTIO: fit_virtio,
    DriveBus.NVME: fit_nvme,
    DriveBus.AHCI: fit_ahci,
}
"""By bus."""
