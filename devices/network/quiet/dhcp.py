"""DHCP with one lease, and BOOTP in it. Sources: RFC 2131, 2132 (options), 4578 (what PXE asks for)."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from devices.network.quiet.packets import Address

SERVER_PORT, CLIENT_PORT = 67, 68
_HEAD = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s")
_COOKIE = bytes([99, 130, 83, 99])
LEASE = 86_400
"""Seconds."""
_SHORTEST = 300
"""Bytes that BOOTP's messages have at least (RFC 1542, 2.1)."""
_BROADCAST_FLAG = 0x8000
PAD, END = 0, 255


class Option(enum.IntEnum):
    SUBNET_MASK = 1
    ROUTER = 3
    NAME_SERVER = 6
    REQUESTED_ADDRESS = 50
    LEASE_TIME = 51
    MESSAGE_TYPE = 53
    SERVER = 54
    TFTP_SERVER = 66
    BOOT_FILE = 67


class Message(enum.IntEnum):
    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


@dataclass(frozen=True, slots=True)
class Lease:
    """What there is to be had."""

    address: Address
    mask: Address
    server: Address
    name_server: Address
    boot: bytes = b""


def answer(data: bytes, lease: Lease) -> bytes | None:
    """The reply to a message of a client's; None where none is due."""
    if len(data) < _HEAD.size:
        return None
    head = _HEAD.unpack_from(data)
    operation, hardware, size, transaction, client = head[0], head[1], head[2], head[4], head[7]
    if (operation, hardware, size) != (1, 1, 6):
        return None
    options = dict(_options(data[_HEAD.size :]))
    kind = int.from_bytes(options.get(Option.MESSAGE_TYPE, b"")[:1], "big")
    reply = _reply(kind, options, client, lease)
    if reply is None:
        return None
    yours = bytes(4) if reply == Message.NAK or kind == Message.INFORM else lease.address
    flags = head[6] | (_BROADCAST_FLAG if reply == Message.NAK else 0)
    fields = 2, 1, 6, 0, transaction, 0, flags, client if kind == Message.INFORM else bytes(4), yours
    body = _HEAD.pack(*fields, lease.server, bytes(4), head[11], bytes(64), lease.boot.ljust(128, b"\0")) + _COOKIE
    return (body + _given(reply, kind, lease)).ljust(_SHORTEST, b"\0")


def _reply(kind: int, options: dict[int, bytes], client: Address, lease: Lease) -> int | None:
    """The kind of message that answers; 0 for BOOTP's, which has none."""
    if kind in (0, Message.DISCOVER):
        return Message.OFFER if kind else 0
    if kind == Message.INFORM:
        return Message.ACK
    if kind != Message.REQUEST or options.get(Option.SERVER, lease.server) != lease.server:
        return None
    wanted = options.get(Option.REQUESTED_ADDRESS, client)
    return Message.ACK if wanted in (lease.address, bytes(4)) else Message.NAK


def _given(reply: int, kind: int, lease: Lease) -> bytes:
    if reply == Message.NAK:
        return _packed((Option.MESSAGE_TYPE, bytes([reply])), (Option.SERVER, lease.server))
    given = [(Option.MESSAGE_TYPE, bytes([reply])), (Option.SERVER, lease.server)] if reply else []
    given += [(Option.SUBNET_MASK, lease.mask), (Option.ROUTER, lease.server), (Option.NAME_SERVER, lease.name_server)]
    if kind != Message.INFORM:
        given.append((Option.LEASE_TIME, LEASE.to_bytes(4, "big")))
    if lease.boot:
        server = ".".join(map(str, lease.server)).encode()
        given += [(Option.TFTP_SERVER, server), (Option.BOOT_FILE, lease.boot)]
    return _packed(*given)


def _packed(*options: tuple[Option, bytes]) -> bytes:
    return b"".join(bytes([option, len(value)]) + value for option, value in options) + bytes([END])


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Those that are whole."""
    if data[:4] != _COOKIE:
        return
    at = 4
    while at + 1 < len(data) and data[at] != END:
        if data[at] == PAD:
            at += 1
            continue
        size = data[at + 1]
        value = data[at + 2 : at + 2 + size]
        if len(value) == size:
            yield data[at], value
        at += 2 + size


def is_broadcast(data: bytes) -> bool:
    """Of a reply: whether it goes to everybody, for the client asked for that, or has no address to be told at."""
    return bool(int.from_bytes(data[10:12], "big") & _BROADCAST_FLAG)
