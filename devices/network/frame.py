"""Ethernet frames as bytes, from the destination address to the end of the payload, without the check sequence.

Source: IEEE 802.3-2018, 3.1.1. A network device pads what its guest sends short, and checks no sequence.
"""

from __future__ import annotations

import re
from typing import Final

SHORTEST: Final = 14
"""Bytes of a header: nothing shorter is a frame to anybody here."""
PADDED: Final = 60
"""Bytes that a network device sends at least (802.3, 4.2.3.3)."""
USUAL: Final = 1514
"""Bytes of the longest frame where nobody has agreed on more, without a VLAN tag."""
LONGEST: Final = 65_550
"""Bytes of the longest that anything here carries: a header, a VLAN tag, and a whole IP packet."""
MAC_SIZE: Final = 6
BROADCAST: Final = b"\xff" * MAC_SIZE
_MAC = re.compile(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}")


def is_frame(data: bytes) -> bool:
    """Whether a cable carries it."""
    return SHORTEST <= len(data) <= LONGEST


def is_multicast(mac: bytes) -> bool:
    """Whether it is for several, as is a broadcast (802.3, 3.2.3)."""
    return bool(mac[0] & 1)


def parse_mac(text: str) -> bytes:
    """Six bytes, of `52:54:00:12:34:56`. Raises ValueError in words; an address of one station is wanted."""
    if not _MAC.fullmatch(text):
        raise ValueError(f"a MAC address is six bytes in hex, as 52:54:00:12:34:56, not {text[:40]!r}")
    mac = bytes.fromhex(text.replace(":", "").replace("-", ""))
    if is_multicast(mac) or not any(mac):
        raise ValueError(f"{text} is no address of one station: the first byte must be even, and not all are 0")
    return mac


def mac_text(mac: bytes) -> str:
    return mac.hex(":")
