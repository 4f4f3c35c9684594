"""Where the frames of network devices leave a machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from devices.network.net import FarEnd, Net, cable_name
from vmdbg.units import Tick

Sink = Callable[[int, bytes, Tick], None]
"""Told of a frame that leaves the machine: its number (devices.network.wire.Outlet), its bytes and the tick."""


class Outside:
    """Where the frames of one network device leave the machine. Without a `sink` nobody has them.

    Whoever sits here gives frames back by Machine.push() or InputSource.push(), as inputs of `cable`.
    """

    def __init__(self, net: str) -> None:
        self.net = net
        self.cable = cable_name(net)
        self.sink: Sink | None = None

    def transmit(self, number: int, frame: bytes, now: int) -> None:
        if self.sink is not None:
            self.sink(number, frame, Tick(now))


def outsides_of(nets: Sequence[Net]) -> dict[str, Outside]:
    """By the network device's name."""
    return {net.name: Outside(net.name) for net in nets if net.far is FarEnd.OUTSIDE}
