"""Which chipset a machine has where nobody says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from devices.catalog import FITTINGS
from devices.fitting import Fitting
from vmdbg.machine.config import Chipset, Display, HpetMode, MachineConfig

AUTOMATIC = "auto"


def with_chipset(config: MachineConfig, wanted: str, *, firmware: bool = False) -> MachineConfig:
    """`wanted` is a Chipset or AUTOMATIC: i440fx for firmware, drives, shares, networks and what else is on PCI.

    What depends on the rest of the machine stays as it was.
    """
    return replace(config, chipset=_fitting(config, firmware) if wanted == AUTOMATIC else Chipset(wanted))


def _fitting(config: MachineConfig, firmware: bool) -> Chipset:
    on_pci = config.display is Display.STD or any(fitting.pci for fitting in _fittings_of(config.devices))
    others = (config.drives, config.shares, config.nets, config.hvc, config.hpet is HpetMode.LEGACY)
    return Chipset.I440FX if firmware or on_pci or any(others) else Chipset.PLAIN


def has_guests_of_qemu(devices: Sequence[str]) -> bool:
    """Whether one of the devices asked for has guests that were made for QEMU (devices.fitting.Fitting)."""
    return any(fitting.for_qemu for fitting in _fittings_of(devices))


def _fittings_of(devices: Sequence[str]) -> list[Fitting]:
    """Of those that there are."""
    return [FITTINGS[kind] for kind in (text.partition(",")[0] for text in devices) if kind in FITTINGS]
