"""Random states of ring 3 for instructions to begin with: registers that point to data, edges, denormals."""

from __future__ import annotations

import random
import struct

from tests.conformance.layout import (
    ACROSS,
    ACROSS_SIZE,
    AT_END,
    AT_END_SIZE,
    DATA_AT,
    FX_AT,
    HIGH_AT,
    RFLAGS_AT,
    STATE_SIZE,
    State,
)

EDGES = (0, 1, 2, 7, 8, 15, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 1 << 31, (1 << 32) - 1)
EDGES += (1 << 32, 1 << 63, (1 << 63) - 1, (1 << 64) - 1, 0x800000000000, 0x5555555555555555)
_BOUNDARY, _END = ACROSS + ACROSS_SIZE // 2, AT_END + AT_END_SIZE
POINTERS = (_BOUNDARY - 0x80, _BOUNDARY, _BOUNDARY - 4, _BOUNDARY + 3, _BOUNDARY + 16, _BOUNDARY - 16)
POINTERS += (_END - 0x80, _END - 8, _END, _END - 0xC0)
STATUS_FLAGS = 0x8D5
DIRECTION = 0x400
SINGLES = (
    0,
    0x80000000,
    0x3F800000,
    0xBF800000,
    0x7F800000,
    0xFF800000,
    0x7FC00000,
    0x7FA00001,
    1,
    0x807FFFFF,
    0x00800000,
)
SINGLES += (0x7F7FFFFF, 0x4B000000, 0x4F000000, 0xCF000000, 0x5F000000, 0x3F000000, 0x40490FDB)
DOUBLES = (0, 1 << 63, 0x3FF0000000000000, 0xBFF0000000000000, 0x7FF0000000000000, 0xFFF0000000000000, 1)
DOUBLES += (0x7FF8000000000000, 0x7FF4000000000001, 0x000FFFFFFFFFFFFF, 0x0010000000000000, 0x7FEFFFFFFFFFFFFF)
DOUBLES += (0x41DFFFFFFFC00000, 0x43E0000000000000, 0xC3E0000000000000, 0x3FE0000000000000, 0x400921FB54442D18)
EXTENDED = (0, 0x3FFF8000000000000000, 0xBFFF8000000000000000, 0x7FFF8000000000000000, 0xFFFF8000000000000000)
EXTENDED += (0x7FFFC000000000000000, 0x7FFFA000000000000001, 1, 0x00018000000000000000, 0x7FFEFFFFFFFFFFFFFFFF)
EXTENDED += (0x4000C90FDAA22168C235, 0x403E8000000000000000, 0xC0008000000000000000, 0x3FFE8000000000000000)


def _general(rng: random.Random) -> int:
    kind = rng.random()
    if kind < 0.45:
        return rng.choice(POINTERS)
    if kind < 0.7:
        return rng.choice(EDGES)
    return rng.getrandbits(64) if kind < 0.85 else rng.getrandbits(5)


def _vector(rng: random.Random) -> bytes:
    kind = rng.randrange(5)
    if kind == 0:
        return struct.pack("<4I", *(rng.choice(SINGLES) for _ in range(4)))
    if kind == 1:
        return struct.pack("<2Q", *(rng.choice(DOUBLES) for _ in range(2)))
    if kind == 2:
        return struct.pack("<4f", *(rng.uniform(-1000, 1000) for _ in range(4)))
    if kind == 3:
        return struct.pack("<2d", *(rng.uniform(-1e5, 1e5) for _ in range(2)))
    return rng.randbytes(16)


def _x87_register(rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return rng.choice(EXTENDED).to_bytes(10, "little")
    exponent = rng.choice((16383 + rng.randrange(-40, 70), rng.getrandbits(15)))
    return (rng.getrandbits(63) | 1 << 63).to_bytes(8, "little") + (exponent | rng.getrandbits(1) << 15).to_bytes(
        2, "little"
    )


def _fx(rng: random.Random) -> bytes:
    control = rng.choice((0x37F, 0x37F, 0x27F, 0x07F, 0x37F | rng.getrandbits(2) << 10, 0x340 | rng.getrandbits(6)))
    status = rng.getrandbits(3) << 11 | rng.getrandbits(1) << 14 | rng.getrandbits(3) << 8
    if rng.random() < 0.1:
        status |= rng.getrandbits(6)  # which may be pending
    tags = rng.choice((0, 0xFF, rng.getrandbits(8)))
    mxcsr = 0x1F80 | rng.choice((0, 0, 0, rng.getrandbits(2) << 13, 0x8000, 0x40, rng.getrandbits(6)))
    if rng.random() < 0.08:
        mxcsr &= ~(rng.getrandbits(6) << 7)
    head = struct.pack("<HHBBHQQII", control, status, tags, 0, 0, 0, 0, mxcsr, 0xFFFF)
    registers = b"".join(_x87_register(rng) + bytes(6) for _ in range(8))
    return (head + registers + b"".join(_vector(rng) for _ in range(16))).ljust(512, b"\0")


def draw_state(rng: random.Random, bits: int = 64) -> State:
    raw = bytearray(STATE_SIZE)
    for number in range(16):
        struct.pack_into("<Q", raw, 8 * number, _general(rng))
    struct.pack_into("<Q", raw, 8 * 4, rng.choice(POINTERS) & ~7)
    if rng.random() < 0.8:
        struct.pack_into("<Q", raw, 8, rng.getrandbits(4))  # rcx: a string instruction is not to go on for ever
    if bits == 32:
        for number in range(16):
            raw[8 * number + 4 : 8 * number + 8] = bytes(4)
    rflags = 0x202 | rng.getrandbits(12) & STATUS_FLAGS | (DIRECTION if rng.random() < 0.2 else 0)
    struct.pack_into("<Q", raw, RFLAGS_AT, rflags)
    raw[FX_AT:DATA_AT] = _fx(rng)
    data = b"".join(_vector(rng) for _ in range((ACROSS_SIZE + AT_END_SIZE) // 16))
    raw[DATA_AT:HIGH_AT] = data
    raw[HIGH_AT:] = b"".join(_vector(rng) for _ in range(16))
    return State(bytes(raw))
