"""Flat guests of random code, in every mode that flat code can start in: most of them die soon, each in its own way."""

from __future__ import annotations

import random

from tests.vmdbg.engine.hostile_code import instruction
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, CpuMode, InputFile, Protocol
from vmdbg.machine.config import MachineConfig
from vmdbg.timeline.origin import BootOrigin
from vmdbg.units import Physical

REAL_ADDRESSES = (0x1000, 0x7C00, 0x9000)
LOW_ADDRESSES = (0x1000, 0x8000, 0x10000)
MEBIBYTE = 1 << 20


def flat_origin(code: bytes, mode: CpuMode, *, address: int = MEBIBYTE, memory: int = 2 * MEBIBYTE) -> BootOrigin:
    options = BootOptions(
        memory=memory,
        kernel=InputFile("guest", memoryview(code)),
        protocol=Protocol.FLAT,
        load_address=Physical(address),
        mode=mode,
    )
    return BootOrigin(MachineConfig(memory=memory), boot_image(options), options)


def random_origin(seed: int) -> BootOrigin:
    rng = random.Random(seed)
    mode, memory = rng.choice(list(CpuMode)), rng.choice([1, 2, 4]) * MEBIBYTE
    low = REAL_ADDRESSES if mode is CpuMode.REAL else LOW_ADDRESSES
    address = rng.choice(low) if mode is CpuMode.REAL or memory == MEBIBYTE else MEBIBYTE
    return flat_origin(_code(rng), mode, address=address, memory=memory)


def _code(rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        return rng.randbytes(rng.randrange(4, 600))
    code, length = b"", rng.randrange(4, 200)
    while len(code) < length:
        code += instruction(rng)
    return code + (bytes([0xEB, (-len(code) - 2) & 0xFF]) if rng.random() < 0.3 else b"")
