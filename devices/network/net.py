"""The network devices that a machine has, as its configuration says."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from devices.network.quiet.options import Quiet


class NicModel(enum.StrEnum):
    """What the guest finds."""

    VIRTIO = "virtio"
    VIRTIO_TSO = "virtio-tso"
    """The same with offloads: checksums, and segmentation of TCP."""
    E1000 = "e1000"
    RTL8139 = "rtl8139"
    RTL8139_CPLUS = "rtl8139-cplus"
    """The RTL8139C+, which has rings of descriptors besides."""


class FarEnd(enum.StrEnum):
    """Who is at the other end of the cable."""

    NOBODY = "none"
    QUIET = "quiet"
    """The responder inside the machine, which is a part of it."""
    OUTSIDE = "outside"
    """The host, or another machine: what comes from there comes as inputs."""


@dataclass(frozen=True, slots=True)
class Net:
    """One that a machine has: `name` is the device's, as net0, and `mac` its address, as parse_mac() takes it.

    `quiet` says what is at the far end if that is FarEnd.QUIET.
    """

    name: str
    model: NicModel
    mac: str
    far: FarEnd
    quiet: Quiet | None = None
    rom: bytes = b""
    """Its option ROM, by which firmware boots from the network."""
    whole_segments: bool = False
    """The far end takes what a driver of TCP hands over uncut, and sends such."""


def cable_name(net: str) -> str:
    """Of the cable at the network device of that name; its inputs go there."""
    return f"{net}-cable"


def peer_name(net: str) -> str:
    """Of the responder at the other end, and of its folder."""
    return f"{net}-peer"
