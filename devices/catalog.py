"""The devices that a user may add to the board. A new one is one line here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from devices.fitting import Fitting

MODULES = {
    "debugcon": "devices.serial.debugcon",
    "test-exit": "devices.board.test_exit",
    "pc-testdev": "devices.board.test_device",
    "virtio-rng": "devices.virtio.entropy",
    "virtio-console": "devices.virtio.console",
}
"""By the kind that users ask for, which is that of the module's FITTING."""


class Catalog(Mapping[str, Fitting]):
    """The fittings by kind, in the order of MODULES. A module is loaded when its fitting is asked for."""

    def __getitem__(self, kind: str) -> Fitting:
        fitting: Fitting = import_module(MODULES[kind]).FITTING
        return fitting

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)


FITTINGS = Catalog()
