"""Acknowledgements of TCP that need not come: a later one of the same connection says the same and more.

libslirp acknowledges each segment by itself, where others do so every second time, or for many at once (RFC 9293
3.8.6.3): a guest that sends fast spends as much on those as on what it sends.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from devices.network.quiet.packets import TCP, Flag

_PLAIN: Final = 54
"""Bytes of a frame without data or options."""
_PADDED: Final = 60
_HEADERS = struct.Struct("!12s4sHHHBB2x12sLLBB")
"""Addresses of Ethernet; EtherType, version, length of the header and TOS; length, identification, fragments, TTL,
protocol; addresses and ports; sequence and acknowledgement; length of the header, flags."""
_IP4, _TCP_HEADER, _DO_NOT_FRAGMENT = b"\x08\x00\x45\x00", 0x50, 0x4000
_AHEAD = 1 << 31


def without_idle(frames: Sequence[bytes]) -> Sequence[bytes]:
    """Of frames that come one right after the other, all but acknowledgements that have nothing else to say, where the
    next frame of the same connection is another such that acknowledges more.

    Whatever is no plain one stays: with data, with options, with other flags, a duplicate, which tells of a loss.
    """
    if sum(len(frame) <= _PADDED for frame in frames) < 2:
        return frames
    kept, following = list[bytes](), dict[bytes, tuple[int, int] | None]()
    for frame in reversed(frames):
        if len(frame) < _PLAIN:
            kept.append(frame)
            continue
        stations, kind, size, _, fragment, _, protocol, ends, sequence, acknowledged, header, flags = (
            _HEADERS.unpack_from(frame)
        )
        connection = stations + ends
        is_plain = (
            len(frame) <= _PADDED
            and (kind, size, protocol, header, flags) == (_IP4, 40, TCP, _TCP_HEADER, Flag.ACK)
            and not fragment & ~_DO_NOT_FRAGMENT
        )
        later = following.get(connection) if is_plain else None
        following[connection] = (sequence, acknowledged) if is_plain else None
        if later is None or later[0] != sequence or not 0 < (later[1] - acknowledged) % (1 << 32) < _AHEAD:
            kept.append(frame)
    kept.reverse()
    return kept
