"""The network devices of a machine's configuration, fitted to its board, each with its cable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from devices.fitting import Slot
from devices.network.cable import Cable
from devices.network.frame import parse_mac
from devices.network.models import fitter
from devices.network.net import Net, cable_name, peer_name
from devices.network.quiet.options import Quiet
from devices.network.quiet.responder import Responder
from devices.network.wire import Line, Passage, Peer
from devices.seam import Device
from vmdbg.errors import UserError
from vmdbg.machine.media import Media
from vmdbg.machine.outsides import Outside

_Fitted = TypeVar("_Fitted", bound=Device)


class Carrier(Protocol):
    """The board under them."""

    def add(self, device: _Fitted) -> _Fitted: ...

    def slot(self, name: str) -> Slot: ...


class Audience(Protocol):
    """Who is told of frames (vmdbg.machine.device_events.DeviceEvents)."""

    @property
    def hears_packets(self) -> bool: ...

    def on_passage(self, passage: Passage) -> None: ...


def fit_nets(
    carrier: Carrier, nets: Sequence[Net], outsides: Mapping[str, Outside], audience: Audience, media: Media
) -> dict[str, Cable]:
    """Their cables, by the device's name. Raises UserError for a machine that has no room for them."""
    cables = dict[str, Cable]()
    for net in nets:
        timer = carrier.slot(cable_name(net.name)).timer()
        cable = cables[net.name] = carrier.add(Cable(net.name, timer, whole_segments=net.whole_segments))
        cable.outlet = outsides.get(net.name)
        cable.listeners.append(audience.on_passage)
        cable.is_heard = lambda: audience.hears_packets
        if net.quiet is not None:
            cable.peer = _fit_quiet(carrier, net, net.quiet, cable, media)
        try:
            carrier.add(fitter(net.model)(carrier.slot(net.name), cable, parse_mac(net.mac)))
        except ValueError as error:
            raise UserError(f"{net.name}: {error}") from None
    return cables


def _fit_quiet(carrier: Carrier, net: Net, quiet: Quiet, line: Line, media: Media) -> Peer:
    name = peer_name(net.name)
    folder = media.folders[name] if quiet.folder else None
    try:
        peer = carrier.add(Responder(name, quiet, line, carrier.slot(name).timer(), folder))
    except ValueError as error:
        raise UserError(f"{net.name}: {error}") from None
    if folder is not None:
        folder.asked = lambda: peer.asked
    return peer
