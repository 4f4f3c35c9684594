"""TFTP of files that are only read, as boot loaders do it. Sources: RFC 1350, 2347 (options), 2348, 2349."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from devices.network.quiet.connection import Stage
from devices.network.quiet.packets import Ends
from devices.network.quiet.paths import inside

PORT = 69
BLOCK, SMALLEST_BLOCK, LARGEST_BLOCK = 512, 8, 1432
WAIT = 1_000_000_000
MOST_TRIES = 6
MOST_TRANSFERS = 32


class Opcode(enum.IntEnum):
    READ = 1
    WRITE = 2
    DATA = 3
    ACK = 4
    ERROR = 5
    OPTIONS = 6


class Error(enum.IntEnum):
    UNDEFINED = 0
    NOT_FOUND = 1
    ACCESS = 2
    ILLEGAL = 4


_WORDS = {Error.NOT_FOUND: "file not found", Error.ACCESS: "files are only read here", Error.ILLEGAL: "no request"}


@dataclass(slots=True)
class Transfer:
    """`block` counts those that were acknowledged; `chunk` are bytes of the file from `chunk_at` on. `due` is when what
    was sent last is sent again, 0 while nothing was.
    """

    ends: Ends
    guest_port: int
    our_port: int
    path: bytes
    block_size: int
    options: tuple[str, ...]
    stage: Stage = Stage.LOOK
    size: int = 0
    block: int = 0
    chunk: bytes = b""
    chunk_at: int = 0
    due: int = 0
    tries: int = 0
    greeted: bool = field(default=False)
    """The options were answered, and that is acknowledged, or there were none."""

    @property
    def at(self) -> int:
        """Where the block that is next begins in the file."""
        return self.block * self.block_size

    @property
    def done(self) -> bool:
        """The last block, which is shorter than the others, was acknowledged."""
        return self.at > self.size


@dataclass(frozen=True, slots=True)
class ReadRequest:
    path: bytes
    block_size: int
    options: tuple[str, ...]
    """Those that are agreed on, in the client's order."""


def read_request(data: bytes) -> ReadRequest | Error:
    """What a first packet asks for, or with which error it is refused."""
    opcode = int.from_bytes(data[:2], "big")
    if opcode == Opcode.WRITE:
        return Error.ACCESS
    words = data[2:].split(b"\0")
    if opcode != Opcode.READ or len(words) < 3 or words[1].lower() not in (b"octet", b"netascii"):
        return Error.ILLEGAL
    path = inside(words[0])
    if not path:
        return Error.NOT_FOUND
    block, agreed = BLOCK, list[str]()
    for name, value in zip(words[2::2], words[3::2], strict=False):
        option = name.lower()
        if option == b"blksize" and value.isdigit() and len(value) < 8 and int(value) >= SMALLEST_BLOCK:
            block = min(int(value), LARGEST_BLOCK)
            agreed.append("blksize")
        elif option == b"tsize":
            agreed.append("tsize")
    return ReadRequest(path, block, tuple(dict.fromkeys(agreed)))


def options_packet(one: Transfer) -> bytes:
    values = {"blksize": one.block_size, "tsize": one.size}
    words = [word for option in one.options for word in (option, str(values[option]))]
    return Opcode.OPTIONS.to_bytes(2, "big") + "".join(f"{word}\0" for word in words).encode()


def data_packet(one: Transfer) -> bytes:
    """The next block, of which the chunk has all that there is."""
    start = one.at - one.chunk_at
    number = one.block + 1 & 0xFFFF
    return Opcode.DATA.to_bytes(2, "big") + number.to_bytes(2, "big") + one.chunk[start : start + one.block_size]


def error_packet(error: Error) -> bytes:
    return Opcode.ERROR.to_bytes(2, "big") + error.to_bytes(2, "big") + _WORDS[error].encode() + b"\0"


def acknowledged(data: bytes) -> int | None:
    """The number of the block; None for what is no acknowledgement."""
    return int.from_bytes(data[2:4], "big") if len(data) >= 4 and data[:2] == b"\0\4" else None
