"""Random VEX-encoded instructions, and those of general registers that came with them."""

from __future__ import annotations

import random
from pathlib import Path

import capstone

from tests.conformance.batch import Batch
from tests.conformance.instructions import LONGEST, Instruction, modrm, names
from tests.conformance.session import INSTRUCTIONS, STATES
from tests.conformance.states import draw_state

GROUP = "VEX"
MODEL = "x86-64-v3"
GROUP_32 = "32 bits: VEX"
_DECODERS = {
    64: capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    32: capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32),
}
GENERAL = names("andn bextr blsi blsmsk blsr bzhi mulx pdep pext rorx sarx shlx shrx")
_BEYOND = ("vpdp", "vgf2p8", "vcvtne", "vbcstne", "vsha", "vsm", "vpmadd52", "k")
"""What this machine may have and no model has: AVX-VNNI, GFNI and the like."""
_MAPS = {1: range(0x10, 0x100), 2: range(0x100), 3: range(0x100)}
_OPCODES_3 = (*range(0x10), *range(0x14, 0x24), *range(0x38, 0x4D), *range(0x60, 0x64), 0xDF, 0xF0)


def _opcode(rng: random.Random, number: int) -> int:
    return rng.choice(_OPCODES_3) if number == 3 else rng.choice(_MAPS[number])


def encoded(rng: random.Random) -> bytes:
    number, vvvv, prefix = rng.choice((1, 1, 2, 2, 3)), rng.getrandbits(4), rng.choice((0, 1, 1, 1, 2, 3))
    last = (vvvv if rng.random() < 0.7 else 15) << 3 | rng.getrandbits(1) << 2 | prefix
    tail = bytes([_opcode(rng, number)]) + modrm(rng) + rng.randbytes(1)
    if number == 1 and rng.random() < 0.5:
        return bytes([0xC5, rng.getrandbits(1) << 7 | last]) + tail
    return bytes([0xC4, rng.getrandbits(3) << 5 | number, (rng.random() < 0.4) << 7 | last]) + tail


def _without_upper(code: bytes) -> bytes:
    """For 32-bit code: what says which of 16 registers makes of LES and LDS a VEX prefix where it says the lower 8."""
    return code[:1] + bytes([code[1] | 0xC0]) + code[2:]


LEGACY = names("tzcnt lzcnt popcnt movbe adcx adox")
_LEGACY_OPCODES = (b"\x0f\xbc", b"\x0f\xbd", b"\x0f\xb8", b"\x0f\x38\xf0", b"\x0f\x38\xf1", b"\x0f\x38\xf6")


def _legacy(rng: random.Random, bits: int) -> bytes:
    """Of general registers, without VEX."""
    prefix, opcode = rng.choice((b"", b"\xf3", b"\xf3", b"\x66", b"\x66\xf3")), rng.choice(_LEGACY_OPCODES)
    rex = bytes([0x40 | rng.getrandbits(4)]) if rng.random() < 0.6 and bits == 64 else b""
    return prefix + rex + opcode + modrm(rng)


def _is_claimed(name: str, operands: str) -> bool:
    if not (name.startswith("v") or name in GENERAL | LEGACY) or name.startswith(_BEYOND):
        return False
    return not (name.startswith(("vaes", "vpclmul")) and "ymm" in operands)


def _encoded_for(rng: random.Random, bits: int) -> bytes:
    return encoded(rng) if bits == 64 else _without_upper(encoded(rng))


def draw_vex(rng: random.Random, bits: int = 64) -> Instruction:
    while True:
        code = _encoded_for(rng, bits) if rng.random() < 0.95 else _legacy(rng, bits)
        found = next(_DECODERS[bits].disasm_lite(code[:LONGEST], 0, 1), None)
        if found is None:
            continue
        _, size, mnemonic, operands = found
        if "rip" not in operands and "eip" not in operands and _is_claimed(mnemonic.split()[-1], operands):
            return Instruction(code[:size], mnemonic, operands)


def vex_batch(seed: int, bits: int = 64) -> Batch:
    """The batch of a seed."""
    rng = random.Random(f"{GROUP if bits == 64 else GROUP_32} {seed}")
    instructions = [draw_vex(rng, bits) for _ in range(INSTRUCTIONS)]
    return Batch(instructions, [draw_state(rng, bits) for _ in range(STATES)], bits)


def host_has_avx2() -> bool:
    """And the rest of x86-64-v3, as far as the host's kernel says."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return {"avx2", "fma", "f16c", "bmi1", "bmi2"} <= set(text.split())
