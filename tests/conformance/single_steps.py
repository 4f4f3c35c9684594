"""SingleStepTests' 80286 in real mode: instructions whose effects a real CPU was asked for, a file an opcode.

Their format is MOO: chunks of four letters, a length and contents, little-endian, some of them inside others.
"""

from __future__ import annotations

import gzip
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.conformance.undefined import AF, CF, FLAGS, OF, PF, SF, ZF
from vmdbg.engine.exits import Exit
from vmdbg.engine.unicorn.bare import LoggingBus
from vmdbg.engine.unicorn.engine import UnicornEngine
from vmdbg.units import Physical
from vmdbg.x86.cpu_models import find_model
from vmdbg.x86.cpuid import build_table

RAM = 0x1100000
REGISTERS = ("ax", "bx", "cx", "dx", "cs", "ss", "ds", "es", "sp", "bp", "si", "di", "ip", "flags")
SEGMENTS = ("cs", "ss", "ds", "es")
NAMES = {name: name if name in SEGMENTS else f"r{name}" for name in REGISTERS}
STATUS = CF | PF | AF | ZF | SF | OF | 0x700
MOST_ITERATIONS = 300
LONGEST_OF_286 = 10
HLT, LOCK = 0xF4, 0xF0
STRINGS = (*range(0x6C, 0x70), *range(0xA4, 0xA8), *range(0xAA, 0xB0))
PREFIXES = (0x26, 0x2E, 0x36, 0x3E, 0xF0, 0xF2, 0xF3)


@dataclass(frozen=True, slots=True)
class Step:
    """`after` has the registers and bytes that changed."""

    name: str
    code: bytes
    before: dict[str, int]
    ram_before: dict[int, int]
    after: dict[str, int]
    ram_after: dict[int, int]
    exception: int | None

    @property
    def opcode(self) -> bytes:
        return self.code.lstrip(bytes(PREFIXES))

    @property
    def flags_at(self) -> int | None:
        """Where an exception has pushed the flags."""
        if self.exception is None:
            return None
        registers = self.before | self.after
        return (registers["ss"] << 4) + (registers["sp"] + 4 & 0xFFFF)


@dataclass(slots=True)
class Count:
    passed: int = 0
    known: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)


def _chunks(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    while at + 8 <= len(data):
        (size,) = struct.unpack_from("<I", data, at + 4)
        yield bytes(data[at : at + 4]), data[at + 8 : at + 8 + size]
        at += 8 + size


def _state(data: memoryview) -> tuple[dict[str, int], dict[int, int]]:
    registers: dict[str, int] = {}
    ram: dict[int, int] = {}
    for tag, chunk in _chunks(data):
        if tag == b"REGS":
            (mask,) = struct.unpack_from("<H", chunk)
            listed = [name for number, name in enumerate(REGISTERS) if mask >> number & 1]
            registers = dict(zip(listed, struct.unpack_from(f"<{len(listed)}H", chunk, 2), strict=True))
        elif tag == b"RAM ":
            ram = dict(struct.iter_unpack("<IB", chunk[4:]))
    return registers, ram


def _step(data: memoryview) -> Step:
    parts = dict(_chunks(data[4:]))
    before, ram_before = _state(parts[b"INIT"])
    after, ram_after = _state(parts[b"FINA"])
    code, name = bytes(parts[b"BYTS"][4:]), bytes(parts[b"NAME"][4:]).decode()
    exception = parts[b"EXCP"][0] if b"EXCP" in parts else None
    return Step(name, code, before, ram_before, after, ram_after, exception)


def _revoked(path: Path) -> frozenset[str]:
    """Hashes of those that were found to be wrong."""
    listed = path.parent.parent / "revocation_list.txt"
    return frozenset(listed.read_text().split()) if listed.exists() else frozenset()


def steps(path: Path, most: int) -> Iterator[Step]:
    """So many of the file's, spread over it."""
    found = [chunk for tag, chunk in _chunks(memoryview(gzip.decompress(path.read_bytes()))) if tag == b"TEST"]
    revoked = _revoked(path)
    for chunk in found[:: max(1, len(found) // most)][:most]:
        if bytes(dict(_chunks(chunk[4:])).get(b"HASH", b"")).hex() not in revoked:
            yield _step(chunk)


class _Ports(LoggingBus):
    def port_read(self, port: int, size: int, now: int) -> int:
        return (1 << 8 * size) - 1


class RealMode:
    """A CPU in real mode, which runs one after the other."""

    def __init__(self) -> None:
        self.engine = UnicornEngine(RAM, _Ports(), (build_table(find_model("i586")),))
        start = {"cr0": 0x10, "cr4": 0, "efer": 0, "idtr_base": 0, "idtr_limit": 0x3FF}
        for name in (*SEGMENTS, "fs", "gs"):
            start |= {f"{name}_limit": 0xFFFF, f"{name}_flags": 0x9300}
        self._start = start

    def close(self) -> None:
        self.engine.close()

    def run(self, step: Step) -> None:
        engine = self.engine
        for address, byte in step.ram_before.items():
            engine.write_ram(Physical(address), bytes([byte]))
        values = dict(self._start)
        for name, value in step.before.items():
            values[NAMES[name]] = value
            if name in SEGMENTS:
                values[f"{name}_base"] = value << 4
        values["rflags"] = step.before["flags"] & STATUS & ~0x100 | 2
        engine.write_registers(values)
        count = engine.delivery_count
        for _ in range(MOST_ITERATIONS):
            self.ended: Exit = engine.step()
            if engine.read_register("rip") != step.before["ip"] or engine.delivery_count != count:
                break
        self.vector = engine.delivery().vector if engine.delivery_count != count else None


def _undefined(step: Step) -> int:
    words = step.name.replace(",", " ").split()
    names = [word for word in words if word in FLAGS]
    return FLAGS[names[0]] if names else 0


def differences(step: Step, cpu: RealMode) -> list[str]:
    """What is otherwise than on the 286."""
    expected = step.before | step.after
    defined, flags_at = STATUS & ~0x100 & ~_undefined(step), step.flags_at
    found = cpu.engine.read_registers([NAMES[name] for name in REGISTERS])
    words = []
    if step.exception != cpu.vector:
        words.append(f"exception {step.exception} != {cpu.vector}")
    for name, value in zip(REGISTERS, found.values() if isinstance(found, dict) else found, strict=True):
        wanted, mask = expected[name], 0xFFFF
        if name == "ip":
            wanted = (wanted - (step.opcode[0] != HLT)) & 0xFFFF
        elif name == "flags":
            mask = defined
        if (wanted ^ value) & mask:
            words.append(f"{name} {wanted:#x} != {value:#x}")
    for address, byte in step.ram_after.items():
        mask = 0xFF
        if flags_at is not None and address - flags_at in (0, 1):
            mask = defined >> 8 * (address - flags_at) & 0xFF
        if (cpu.engine.ram[address] ^ byte) & mask:
            words.append(f"[{address:#x}] {byte:#x} != {cpu.engine.ram[address]:#x}")
    return words


def known(step: Step, cpu: RealMode) -> str | None:
    """Why a CPU of today does otherwise than a 286."""
    opcode = step.opcode
    if (len(step.code) - 1 > LONGEST_OF_286 or step.name == "(bad)") and step.exception is not None:
        return "more than 10 bytes are refused"
    if (opcode[0] in STRINGS or opcode[0] == 0x8F) and step.exception == 13 == cpu.vector:
        return "a string instruction or a POP that faults has moved its pointers"
    if LOCK in step.code[: len(step.code) - len(opcode)] and cpu.vector == 6:
        return "LOCK where none may be"
    if opcode[0] == 0xF6 and opcode[1] >> 3 & 7 == 7 and step.after.get("ax", 0) & 0xFF == 0x80 and cpu.vector == 0:
        return "IDIV of a byte, whose quotient of 80h is no overflow there"
    if opcode[0] in (0x8C, 0x8E) and opcode[1] >> 3 & 7 in (4, 5):
        return "FS and GS are the 386's"
    if opcode[0] in (0xCA, 0xCB) and step.before["sp"] in (0xFFFE, 0xFFFF):
        return "a far return whose stack wraps between two words"
    two_words = opcode[0] in (0x62, 0xC4, 0xC5) or (opcode[0] == 0xFF and opcode[1] >> 3 & 7 in (3, 5))
    if cpu.vector in (12, 13) and two_words:
        return "an operand of two words that wraps between them"
    if {step.exception, cpu.vector} == {12, 13}:
        return "a stack's end raises 13"
    if opcode[:1] in (b"\x9c", b"\x9d", b"\xcf") or step.name.startswith(("pushf", "popf", "iret")):
        return "flags of real mode"
    if 0xD8 <= opcode[0] <= 0xDF or opcode[0] == 0x9B:
        return "no x87"
    return None


def compare(path: Path, most: int, cpu: RealMode, count: Count) -> None:
    for step in steps(path, most):
        cpu.run(step)
        words = differences(step, cpu)
        reason = known(step, cpu) if words else None
        if not words:
            count.passed += 1
        elif reason is not None:
            count.known[reason] += 1
        else:
            count.unexplained.append(f"{path.name}: {step.code.hex(' ')}  {step.name}: {', '.join(words)}")
