"""In which order firmware is to look on drives, as paths that it knows them by.

Source: SeaBIOS, Runtime_config (`bootorder`) and src/boot.c; OVMF, QemuBootOrderLib; IEEE 1275 for the form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from devices.disk.drive import Drive, DriveBus
from devices.network.net import Net
from devices.pci.config_space import ConfigSpace, Place
from devices.seam import Device
from vmdbg.errors import UserError
from vmdbg.machine.config import BootKind, BootOrder, kind_of, meant_kind

if TYPE_CHECKING:
    from devices.disk.ide import Ide

_ROOT = "/pci@i0cf8"
_AHCI_NODE, _NVME_NODE = "pci8086,2922", "pci8086,5845"
"""What OVMF takes such controllers by, whatever their identifiers."""


class Bus(Protocol):
    """devices.pci.host.PciHost."""

    def placed(self) -> list[tuple[Place, str, ConfigSpace]]: ...


def boot_drives(drives: Sequence[Drive], order: BootOrder) -> list[Drive]:
    """Those that the user has put in an order, best first; the others come after them as firmware has it.

    Raises UserError for names of no drive, and for two drives of one index.
    """
    by_name = {drive.name: drive for drive in drives}
    indexed = [drive for drive in drives if drive.boot_index is not None]
    indexed.sort(key=lambda drive: drive.boot_index or 0)
    for one, other in pairwise(indexed):
        if one.boot_index == other.boot_index:
            raise UserError(f"{one.name} and {other.name} both have bootindex={one.boot_index}: give each its own")
    found = list(indexed)
    for word in order.names:
        found += _meant(word, by_name)
    return list(dict.fromkeys(found))


def _meant(word: str, drives: Mapping[str, Drive]) -> Iterable[Drive]:
    if kind_of(word) is None:
        return [drive for drive in drives.values() if kind_of(drive.name) is meant_kind(word)]
    if word not in drives:
        there = ", ".join(drives) or "none"
        raise UserError(f"--boot names {word}, and there is no such drive; there are: {there}")
    return [drives[word]]


def boot_paths(
    drives: Sequence[Drive], order: BootOrder, bus: Bus, devices: Mapping[str, Device], nets: Sequence[Net] = ()
) -> tuple[str, ...]:
    """Of boot_drives(), on a machine that has them; and of its network devices, where the user names the network:
    before all drives if that comes first, else behind them. Raises UserError.
    """
    paths = [_path(drive, drives, bus, devices) for drive in boot_drives(drives, order)]
    kinds = [meant_kind(word) for word in order.names]
    if BootKind.NETWORK in kinds:
        wires = [_node("ethernet", net.name, bus) for net in nets]
        paths = [*wires, *paths] if kinds[0] is BootKind.NETWORK else [*paths, *wires]
    return tuple(paths)


def _path(drive: Drive, drives: Sequence[Drive], bus: Bus, devices: Mapping[str, Device]) -> str:
    match drive.bus:
        case DriveBus.FLOPPY:
            return f"{_ROOT}/isa@1/fdc@03f0/floppy@{_same(drive, drives).index(drive)}"
        case DriveBus.VIRTIO:
            return f"{_node('scsi', f'virtio-{drive.name}', bus)}/disk@0,0"
        case DriveBus.NVME:
            return f"{_node(_NVME_NODE, f'nvme-{drive.name}', bus)}/namespace@1,0"
        case DriveBus.AHCI:
            return f"{_node(_AHCI_NODE, 'ahci', bus)}/drive@{_same(drive, drives).index(drive):x}/disk@0"
        case DriveBus.IDE:
            channel, number = _at_ide(drive, devices)
            return f"{_node('ide', 'ide', bus)}/drive@{channel}/disk@{number}"


def _same(drive: Drive, drives: Sequence[Drive]) -> list[Drive]:
    """All at the same controller, in its order."""
    return [other for other in drives if other.bus is drive.bus]


def _node(name: str, device: str, bus: Bus) -> str:
    place = next(place for place, owner, _ in bus.placed() if owner == device)
    function = f",{place.function:x}" if place.function else ""
    return f"{_ROOT}/{name}@{place.device:x}{function}"


def _at_ide(drive: Drive, devices: Mapping[str, Device]) -> tuple[int, int]:
    """Channel, and device of the cable."""
    from devices.disk.ide import Ide

    controller = devices[Ide.name]
    assert isinstance(controller, Ide)
    return next(_places(controller, drive.name))


def _places(controller: Ide, name: str) -> Iterator[tuple[int, int]]:
    for channel in controller.channels:
        for there in channel.drives:
            if there is not None and there.name == name:
                yield channel.number, there.number
