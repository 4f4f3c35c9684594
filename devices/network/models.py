"""Which network devices there are. A new one is one line here."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

from devices.fitting import Slot
from devices.network.cable import Cable
from devices.network.net import NicModel
from devices.seam import Device

Fitter = Callable[[Slot, Cable, bytes], Device]
"""Makes the device in that slot, plugged to the cable, with a MAC address of 6 bytes. Raises ValueError."""
_MODULES: Mapping[NicModel, str] = {
    NicModel.VIRTIO: "devices.virtio.net",
    NicModel.VIRTIO_TSO: "devices.virtio.net_offload",
    NicModel.E1000: "devices.network.e1000.e1000",
    NicModel.RTL8139: "devices.network.rtl8139.rtl8139",
    NicModel.RTL8139_CPLUS: "devices.network.rtl8139.cplus",
}
"""Each has a function `fit`, a Fitter."""


def fitter(model: NicModel) -> Fitter:
    """Raises ValueError for one that there is not."""
    module = _MODULES.get(model)
    if module is None:
        raise ValueError(f"there is no network device {model} here; there are: {', '.join(_MODULES)}")
    fit: Fitter = importlib.import_module(module).fit
    return fit
