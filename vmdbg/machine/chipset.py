"""Which chipset a machine has where nobody says."""

from __future__ import annotations

from collections.abc import Sequence

from devices.catalog import fittings
from devices.disk.drive import Drive
from devices.fitting import Fitting
from devices.network.net import Net
from devices.ninep.share import Share
from vmdbg.machine.config import Chipset, Display, HpetMode

AUTOMATIC = "auto"


def chipset_for(
    wanted: str,
    devices: Sequence[str],
    drives: Sequence[Drive] = (),
    shares: Sequence[Share] = (),
    *,
    nets: Sequence[Net] = (),
    firmware: bool,
    hvc: bool = False,
    hpet: HpetMode = HpetMode.PLAIN,
    display: Display = Display.TEXT,
) -> Chipset:
    """`wanted` is a Chipset or AUTOMATIC: i440fx for firmware, drives, shares, networks and what else is on PCI.

    `devices` are those asked for, as MachineConfig has them. What depends on the rest of the machine stays as it was.
    """
    if wanted != AUTOMATIC:
        return Chipset(wanted)
    on_pci = display is Display.STD or any(fitting.pci for fitting in _fittings_of(devices))
    parts = (firmware, drives, shares, nets, hvc, hpet is HpetMode.LEGACY, on_pci)
    return Chipset.I440FX if any(parts) else Chipset.PLAIN


def has_guests_of_qemu(devices: Sequence[str]) -> bool:
    """Whether one of the devices asked for has guests that were made for QEMU (devices.fitting.Fitting)."""
    return any(fitting.for_qemu for fitting in _fittings_of(devices))


def _fittings_of(devices: Sequence[str]) -> list[Fitting]:
    """Of those that there are."""
    known = fittings()
    return [known[kind] for kind in (text.partition(",")[0] for text in devices) if kind in known]
