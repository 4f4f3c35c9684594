"""Floating point of SSE, AVX, FMA and F16C at its edges: NaNs, denormals, over- and underflow, whatever MXCSR masks."""

from __future__ import annotations

import random
import struct

import capstone

from tests.conformance.batch import Batch
from tests.conformance.instructions import LONGEST, Instruction, modrm
from tests.conformance.layout import DATA_AT, FX_AT, HIGH_AT, STATE_SIZE, State
from tests.conformance.session import INSTRUCTIONS
from tests.conformance.states import draw_state

GROUP, GROUP_32 = "floats", "32 bits: floats"
STATES = 64
_DECODERS = {
    64: capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    32: capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32),
}
_ARITHMETIC = (0x51, *range(0x58, 0x60), 0x7C, 0x7D, 0xC2, 0xD0, 0xE6, 0x2A, 0x2C, 0x2D, 0x2E, 0x2F)
_ROUNDINGS_AND_PRODUCTS = (0x08, 0x09, 0x0A, 0x0B, 0x40, 0x41)
_HALVES_TO_SINGLES, _SINGLES_TO_HALVES = 0x13, 0x1D
_FUSED = tuple(opcode for opcode in range(0x96, 0xC0) if opcode & 15 >= 6)
_MXCSR_AT, _VECTORS_AT, _MASKS = 24, 160, 0x1F80


def _legacy(rng: random.Random) -> bytes:
    if rng.random() < 0.2:
        return b"\x66\x0f\x3a" + bytes([rng.choice(_ROUNDINGS_AND_PRODUCTS)]) + modrm(rng) + rng.randbytes(1)
    prefix = rng.choice((b"", b"\x66", b"\xf2", b"\xf3"))
    return prefix + bytes([0x0F, rng.choice(_ARITHMETIC)]) + modrm(rng) + rng.randbytes(1)


def _vex(rng: random.Random, bits: int) -> bytes:
    number, prefix, opcode = rng.choice(
        (
            (1, rng.getrandbits(2), rng.choice(_ARITHMETIC)),
            (2, 1, rng.choice((*_FUSED, _HALVES_TO_SINGLES))),
            (3, 1, rng.choice((*_ROUNDINGS_AND_PRODUCTS, _SINGLES_TO_HALVES))),
        )
    )
    vvvv = 15 if opcode in (_HALVES_TO_SINGLES, _SINGLES_TO_HALVES) else rng.getrandbits(4)
    last = rng.getrandbits(1) << 7 | vvvv << 3 | rng.getrandbits(1) << 2 | prefix
    upper = rng.getrandbits(3) << 5 | (0xC0 if bits == 32 else 0)
    return bytes([0xC4, upper | number, last, opcode]) + modrm(rng) + rng.randbytes(1)


def _draw(rng: random.Random, bits: int) -> Instruction:
    while True:
        code = _legacy(rng) if rng.random() < 0.5 else _vex(rng, bits)
        found = next(_DECODERS[bits].disasm_lite(code[:LONGEST], 0, 1), None)
        if found is not None and "rip" not in found[3] and "eip" not in found[3]:
            return Instruction(code[: found[1]], found[2], found[3])


def _number(rng: random.Random, exponent_bits: int, fraction_bits: int) -> int:
    """The bits of one, of any kind."""
    top, bias = (1 << exponent_bits) - 1, (1 << exponent_bits - 1) - 1
    fraction = rng.choice((0, 1, (1 << fraction_bits) - 1, rng.getrandbits(fraction_bits)))
    if rng.random() < 0.3:
        fraction &= -1 << rng.randrange(fraction_bits)  # few bits, so that more is exact
    near = rng.choice(
        (0, 0, 1, 2, top - 1, top - 1, top, bias, bias + rng.randrange(-fraction_bits - 2, fraction_bits + 2))
    )
    exponent = rng.choice((near, near, bias // 2 + rng.randrange(-30, 30) & top, rng.getrandbits(exponent_bits)))
    return rng.getrandbits(1) << exponent_bits + fraction_bits | exponent << fraction_bits | fraction


def _vector(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.5:
        return struct.pack("<4I", *(_number(rng, 8, 23) for _ in range(4)))
    if kind < 0.9:
        return struct.pack("<2Q", *(_number(rng, 11, 52) for _ in range(2)))
    return struct.pack("<8H", *(_number(rng, 5, 10) for _ in range(8)))


def _mxcsr(rng: random.Random) -> int:
    masks = _MASKS if rng.random() < 0.4 else _MASKS & ~(rng.getrandbits(6) << 7)
    modes = rng.choice((0, 0, rng.getrandbits(2) << 13)) | rng.choice((0, 0, 0x8000, 0x40, 0x8040))
    return masks | modes | rng.choice((0, 0, rng.getrandbits(6)))


def draw_float_state(rng: random.Random, bits: int = 64) -> State:
    raw = bytearray(draw_state(rng, bits).raw)
    struct.pack_into("<I", raw, FX_AT + _MXCSR_AT, _mxcsr(rng))
    for at in (*range(FX_AT + _VECTORS_AT, FX_AT + _VECTORS_AT + 256, 16), *range(DATA_AT, HIGH_AT + 256, 16)):
        raw[at : at + 16] = _vector(rng)
    return State(bytes(raw[:STATE_SIZE]))


def float_batch(seed: int, bits: int = 64) -> Batch:
    """The batch of a seed."""
    rng = random.Random(f"{GROUP if bits == 64 else GROUP_32} {seed}")
    instructions = [_draw(rng, bits) for _ in range(INSTRUCTIONS // 4)]
    return Batch(instructions, [draw_float_state(rng, bits) for _ in range(STATES)], bits)
