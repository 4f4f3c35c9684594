"""What the quiet network is: addresses, names and what it has to give."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_HOSTS = 256
LONGEST_NAME = 253
LONGEST_BOOT_FILE = 127
"""Of BOOTP's field with its zero (RFC 951)."""
GATEWAY, NAME_SERVER, GUEST = 2, 3, 15
"""The last byte of their addresses, as people know them of QEMU."""

_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*")


def is_host_name(text: str) -> bool:
    """Letters, digits and hyphens, with dots between (RFC 1123, 2.1), and _ as many have it."""
    return len(text) <= LONGEST_NAME and bool(_NAME.fullmatch(text))


@dataclass(frozen=True, slots=True)
class QuietHost:
    """One that the network has besides: it answers pings, and has what the folder has. The address is as 192.0.2.1."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Quiet:
    """`network` are the first three bytes of its addresses, as 10.0.2. With a `folder` there is something to be had by
    TFTP and HTTP; `boot` is what of it a guest without a system loads.
    """

    network: str = "10.0.2"
    folder: bool = False
    boot: str = ""
    hosts: tuple[QuietHost, ...] = ()
