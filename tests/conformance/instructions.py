"""Random instructions of 64-bit mode that ring 3 may run anywhere: what they do depends on the case's state alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import capstone

LONGEST = 15
_DECODERS = {
    64: capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    32: capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32),
}
_LEGACY = (0x66, 0xF2, 0xF3, 0x67, 0x3E, 0x2E)


def names(text: str) -> frozenset[str]:
    """Of instructions, written with spaces between."""
    return frozenset(text.split())


ELSEWHERE = names(
    """
    syscall sysenter sysexit sysret int int1 int3 into iret iretd iretq popf popfq popfd retf retfq lcall ljmp
    cpuid rdtsc rdtscp rdpmc rdrand rdseed rdpid xgetbv xsetbv xsave xsavec xsaveopt xsaves xrstor xrstors
    xsave64 xsavec64 xsaveopt64 xrstor64 rdpkru wrpkru sldt str sgdt sidt smsw lsl lar verr verw rdfsbase
    rdgsbase wrfsbase wrgsbase lfs lgs lss lds les monitor mwait monitorx mwaitx clzero prefetch prefetchw ud0
    ud1 ud2 vmmcall vmcall in out insb insw insd outsb outsw outsd enclu xbegin xabort xend xtest incsspd
    incsspq rdsspd rdsspq endbr64 endbr32 umonitor umwait tpause clui stui testui uiret senduipi getsec lwpval
    lwpins llwpcb slwpcb movdiri movdir64b enqcmd serialize clflushopt clwb cldemote wbnoinvd rdpru mcommit
    """
)
"""What depends on more than the state: the kernel, time, segments, CPUID, caches, devices."""
NOT_CLAIMED = names(
    """
    lzcnt tzcnt movbe adcx adox andn bextr blsi blsmsk blsr bzhi mulx pdep pext rorx sarx shlx shrx sha1msg1
    sha1msg2 sha1nexte sha1rnds4 sha256msg1 sha256msg2 sha256rnds2 extrq insertq movntsd movntss
    gf2p8affineinvqb gf2p8affineqb gf2p8mulb stgi clgi invlpga vmrun vmload vmsave skinit invpcid xrstors64
    wrssd wrssq wrussd wrussq xsaves64 fstpnce fxsave fxsave64 fxrstor fxrstor64
    """
)
"""What the guest's CPUID does not have while the host's has: the same bytes are other instructions, or none."""
_ELSEWHERE_BEGIN = ("v", "j", "call", "ret", "loop", "bnd", "k")
"""Vectors that no model has; jumps."""


@dataclass(frozen=True, slots=True)
class Instruction:
    code: bytes
    mnemonic: str
    operands: str

    def __str__(self) -> str:
        return f"{self.code.hex(' ')}  {self.mnemonic} {self.operands}"


def _rex(rng: random.Random, *, wide: float) -> bytes:
    if rng.random() < 0.5:
        return b""
    return bytes([0x40 | (8 if rng.random() < wide else 0) | rng.getrandbits(3)])


def modrm(rng: random.Random) -> bytes:
    """A register in half of the cases, else memory through a register and a small displacement."""
    reg = rng.getrandbits(3) << 3
    if rng.random() < 0.5:
        return bytes([0xC0 | reg | rng.getrandbits(3)])
    mode, rm = rng.choice((0, 1, 1, 1, 2)), rng.getrandbits(3)
    tail = bytes([rng.getrandbits(8)]) if rm == 4 else b""
    if mode == 1:
        tail += bytes([rng.getrandbits(8)])
    elif mode == 2 or rm == 5 or (tail[:1] and tail[0] & 7 == 5):
        tail += rng.choice((0, 8, 16, 0x20000FF8, 0x20001000 - 2, 1 << 31)).to_bytes(4, "little")
    return bytes([mode << 6 | reg | rm]) + tail


def _prefixes(rng: random.Random) -> bytes:
    return bytes(rng.choice(_LEGACY) for _ in range(rng.choice((0, 0, 0, 0, 1, 1, 2))))


def _immediate(rng: random.Random) -> bytes:
    return rng.choice((rng.randbytes(8), bytes([rng.getrandbits(8)]) + bytes(7), b"\xff" * 8, bytes(8)))


def _one_byte(rng: random.Random) -> bytes:
    return _prefixes(rng) + _rex(rng, wide=0.6) + bytes([rng.getrandbits(8)]) + modrm(rng) + _immediate(rng)


def _two_bytes(rng: random.Random) -> bytes:
    return _prefixes(rng) + _rex(rng, wide=0.5) + bytes([0x0F, rng.getrandbits(8)]) + modrm(rng) + _immediate(rng)


def _three_bytes(rng: random.Random) -> bytes:
    escape = rng.choice((b"\x0f\x38", b"\x0f\x3a"))
    return _prefixes(rng) + _rex(rng, wide=0.3) + escape + bytes([rng.getrandbits(8)]) + modrm(rng) + _immediate(rng)


def _vector(rng: random.Random) -> bytes:
    prefix = rng.choice((b"", b"\x66", b"\xf2", b"\xf3"))
    opcode = rng.choice(
        (rng.randrange(0x10, 0x18), rng.randrange(0x28, 0x30), rng.randrange(0x50, 0x80), rng.randrange(0xC2, 0x100))
    )
    return prefix + _rex(rng, wide=0.2) + bytes([0x0F, opcode]) + modrm(rng) + _immediate(rng)


def _x87(rng: random.Random) -> bytes:
    return rng.choice((b"", b"", b"", b"\x66", b"\x48")) + bytes([0xD8 | rng.getrandbits(3)]) + modrm(rng)


GROUPS: dict[str, Callable[[random.Random], bytes]] = {
    "one byte": _one_byte,
    "0F": _two_bytes,
    "0F 38, 0F 3A": _three_bytes,
    "vectors": _vector,
    "x87": _x87,
}


_ESCAPES: dict[str, tuple[bytes, ...]] = {
    "32 bits: one byte": (b"",),
    "32 bits: 0F": (b"\x0f",),
    "32 bits: 0F 38, 0F 3A": (b"\x0f\x38", b"\x0f\x3a"),
}


def _of_32(escapes: tuple[bytes, ...]) -> Callable[[random.Random], bytes]:
    """Without REX."""
    return lambda rng: _prefixes(rng) + rng.choice(escapes) + bytes([rng.getrandbits(8)]) + modrm(rng) + _immediate(rng)


GROUPS_32 = {name: _of_32(escapes) for name, escapes in _ESCAPES.items()}
"""In compatibility mode, which is what a 64-bit kernel gives 32-bit programs."""


def _by_fs_or_gs(code: bytes) -> bool:
    """Whether a prefix says so, though another one after it may win."""
    for byte in code:
        if byte in (0x64, 0x65):
            return True
        if byte not in (0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x26, 0x2E, 0x36, 0x3E) and byte & 0xF0 != 0x40:
            return False
    return False


def decode(code: bytes, bits: int = 64) -> Instruction | None:
    """The first instruction, or None if it depends on more than the state or is none that is known."""
    found = next(_DECODERS[bits].disasm_lite(code[:LONGEST], 0, 1), None)
    if found is None:
        return None
    _, size, mnemonic, operands = found
    words = mnemonic.split()
    name = words[-1]
    if name in ELSEWHERE or name in NOT_CLAIMED or name.startswith(_ELSEWHERE_BEGIN):
        return None
    if "fs:" in operands or "gs:" in operands:
        return None
    if any(word in operands.replace(",", " ").split() for word in ("fs", "gs", "cs", "ds", "es", "ss")):
        return None
    if name in ("bsf", "bsr") and 0xF3 in code[:size]:
        return None  # TZCNT and LZCNT
    if _by_fs_or_gs(code):
        return None
    if "[rip" in operands or "[eip" in operands:
        return None  # the code of the cases
    if name.startswith("mov") and any(register in operands for register in ("cr", "dr", "tr")):
        return None
    return Instruction(code[:size], mnemonic, operands)


def bits_of(group: str) -> int:
    return 32 if group in GROUPS_32 else 64


def draw(rng: random.Random, group: str) -> Instruction:
    while True:
        instruction = decode((GROUPS | GROUPS_32)[group](rng), bits_of(group))
        if instruction is not None:
            return instruction
