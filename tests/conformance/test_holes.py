"""Encodings that are no instruction raise #UD here as on the CPU of this machine, whatever would be read or written."""

from __future__ import annotations

import random
from collections.abc import Iterator

import capstone
import pytest

from tests.conformance.batch import Batch
from tests.conformance.guest import GuestCpu
from tests.conformance.host import HostCpu
from tests.conformance.instructions import Instruction
from tests.conformance.layout import ACROSS, BATCH, CODE_SLOT, LOW_BATCH, RIP_AT, STATE_SIZE, State
from tests.conformance.states import draw_state
from tests.conformance.vex import host_has_avx2

pytestmark = pytest.mark.skipif(not host_has_avx2(), reason="the oracle is a CPU with AVX2, FMA and BMI2")

UD = 6
IN_BATCH = 3000
STOP = 0xCC
"""INT3: the immediate byte, and what follows each."""
HEAD = 32
"""Bytes before the states of a batch."""
PREFIXES = ("", "66", "f3", "f2")
LEFT_OUT_0F = {0x01, 0x05, 0x07, 0x0F, 0x34, 0x35, 0x37, 0x38, 0x3A, 0x77, 0xAE, 0xC7, *range(0x80, 0x90)}
"""System calls, jumps, what privilege or the kernel decides; groups 7, 9 and 15, which have their own tests."""
LEFT_OUT_0F38 = {0x80, 0x81, 0x82, 0xF5, 0xF6}
"""INVEPT and its kin; shadow stacks, beside ADCX and ADOX."""
PRIVILEGED_0F = {
    0x00,
    0x02,
    0x03,
    0x06,
    0x08,
    0x09,
    0x0B,
    0x30,
    0x31,
    0x32,
    0x33,
    0xA0,
    0xA1,
    0xA2,
    0xA8,
    0xA9,
    0xAA,
    0xB2,
    0xB4,
    0xB5,
}
NOT_CLAIMED = ("sha", "gf2p8", "movdir", "extrq", "insertq", "movnts", "cldemote", "ud", "wrss", "enc")
"""How instructions begin that the host may have and no model here has."""
VEX_IMMEDIATES = {0x70, 0x71, 0x72, 0x73, 0xC2, 0xC4, 0xC5, 0xC6}


def modrms() -> list[int]:
    """Each /r in a register and in memory at RCX."""
    return [mode | reg << 3 | 1 for reg in range(8) for mode in (0xC0, 0)]


def legacy(prefix: str) -> Iterator[bytes]:
    for modrm in modrms():
        for opcode in range(256):
            if opcode not in LEFT_OUT_0F | PRIVILEGED_0F:
                yield bytes.fromhex(prefix) + bytes([0x0F, opcode, modrm, STOP])
            if opcode not in LEFT_OUT_0F38 and not 0xC8 <= opcode <= 0xCF:
                yield bytes.fromhex(prefix) + bytes([0x0F, 0x38, opcode, modrm])
            yield bytes.fromhex(prefix) + bytes([0x0F, 0x3A, opcode, modrm, STOP])


def vex(rng: random.Random, count: int) -> Iterator[bytes]:
    """Maps 1 to 3 with any pp, L, W and vvvv; without the stores of whole registers of states."""
    for _ in range(count):
        map_, opcode = rng.randint(1, 3), rng.randrange(256)
        if map_ == 1 and opcode in (0x77, 0xAE):
            continue
        second = rng.getrandbits(1) << 7 | rng.choice((15, 3, 15)) << 3 | rng.getrandbits(3)
        immediate = bytes([STOP]) if map_ == 3 or (map_ == 1 and opcode in VEX_IMMEDIATES) else b""
        yield bytes([0xC4, 0xE0 | map_, second, opcode, rng.choice(modrms())]) + immediate


def batched(codes: list[bytes], size: int) -> Iterator[list[bytes]]:
    for first in range(0, len(codes), size):
        yield codes[first : first + size]


def state(bits: int) -> State:
    """Every register points to data."""
    raw = bytearray(draw_state(random.Random(5), bits).raw)
    for number in range(16):
        raw[8 * number : 8 * number + 8] = (ACROSS + 64 + number % 4 * 64).to_bytes(8, "little")
    return State(bytes(raw))


def is_none(result: State, at: int) -> bool:
    """Whether it was the instruction itself, not what lies behind it, that is #UD."""
    return result.vector == UD and result.word(RIP_AT) == at


def name(code: bytes, bits: int) -> str:
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64 if bits == 64 else capstone.CS_MODE_32)
    found = next(decoder.disasm_lite(code + bytes(8), 0, 1), None)
    return found[2] if found else ""


def differing(codes: list[bytes], host: HostCpu, guest: GuestCpu, bits: int) -> tuple[list[str], list[str]]:
    """What runs here alone, and what the host alone runs that a model here might have."""
    batch = Batch([Instruction(code + bytes([STOP] * 6), "", "") for code in codes], [state(bits)], bits)
    first = (BATCH if bits == 64 else LOW_BATCH) + HEAD + STATE_SIZE
    runs, lacks = [], []
    for number, (there, here) in enumerate(zip(host.run(batch), guest.run(batch), strict=True)):
        at, code = first + CODE_SLOT * number, codes[number]
        if is_none(there, at) and not is_none(here, at):
            runs.append(code.hex())
        elif is_none(here, at) and not is_none(there, at) and (known := name(code, bits)):
            lacks += [] if known.startswith(NOT_CLAIMED) else [f"{code.hex()} {known}"]
    return runs, lacks


@pytest.mark.parametrize("prefix", PREFIXES)
def test_none_of_the_maps_of_32_bit_code_runs(prefix: str, vector_host_32: HostCpu, vector_guest_32: GuestCpu) -> None:
    for codes in batched(list(legacy(prefix)), IN_BATCH):
        assert differing(codes, vector_host_32, vector_guest_32, 32) == ([], [])


@pytest.mark.parametrize("prefix", [*PREFIXES, "48", "6648", "f348", "f248", "66f3", "66f2"])
def test_none_of_the_maps_of_64_bit_code_runs(prefix: str, vector_host: HostCpu, vector_guest: GuestCpu) -> None:
    for codes in batched(list(legacy(prefix)), IN_BATCH):
        assert differing(codes, vector_host, vector_guest, 64) == ([], [])


def test_none_of_vex_runs(vector_host: HostCpu, vector_guest: GuestCpu) -> None:
    rng = random.Random(1)
    for _ in range(20):
        assert differing(list(vex(rng, IN_BATCH)), vector_host, vector_guest, 64)[0] == []
