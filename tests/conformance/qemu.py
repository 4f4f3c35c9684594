"""QEMU's user mode as another oracle: `qemu-x86_64` for 64-bit code, `qemu-i386` for 32-bit code."""

from __future__ import annotations

import shutil
import signal
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.conformance.batch import Batch
from tests.conformance.compare import PAGE_FAULT, Difference
from tests.conformance.groups import Kind
from tests.conformance.host import HERE, Runner, harness
from tests.conformance.instructions import Instruction
from tests.conformance.known import Case
from tests.conformance.known_qemu import explain_qemu
from tests.conformance.layout import (
    ACROSS,
    AT_END,
    BATCH_SIZE,
    CR2_AT,
    DEFINES,
    DEFINES_I386,
    ERROR_AT,
    FX_AT,
    HIGH_AT,
    LOW_BATCH,
    OF_SIGNAL,
    VECTOR_AT,
    State,
)
from tests.conformance.prefixes import is_mmx, prefixes
from tests.guests.build import build_program, compile_c
from vmdbg.units import PAGE_SIZE

PROGRAMS = {64: "qemu-x86_64", 32: "qemu-i386"}
"""Of Debian's qemu-user, by the bits of the code that they run."""
MODEL = ("-cpu", "max")
RUNNER_AT = 0x3C000000
REX, REX_R, REX_B = 0x40, 4, 1
SEGV_MAPERR, SEGV_ACCERR, SI_KERNEL, FPE_INTDIV = 1, 2, 0x80, 1
_FEATURES = """
#include <stdio.h>
#define SAY(name) if (__builtin_cpu_supports(name)) puts(name)
int main(void)
{
    SAY("avx"); SAY("avx2"); SAY("fma"); SAY("f16c"); SAY("bmi"); SAY("bmi2");
    return 0;
}
"""
VECTORS = {"avx", "avx2", "fma", "f16c", "bmi", "bmi2"}
"""Features that VEX-encoded instructions belong to."""


def is_there() -> bool:
    return all(shutil.which(program) for program in PROGRAMS.values())


def has_vectors() -> bool:
    """Whether the CPUID of this QEMU has all of them: QEMU 7.2 is the first."""
    program = build_program(_FEATURES, ["-static", "-no-pie", "-fno-pie"])
    command = [PROGRAMS[64], *MODEL, program]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()) >= VECTORS


class QemuCpu(Runner):
    def __init__(self, *, avx: bool = False, bits: int = 64) -> None:
        self._avx, self._bits, i386 = avx, bits, bits == 32
        super().__init__([PROGRAMS[bits], *MODEL, _runner(avx, bits)], i386=i386)
        image = harness(avx=avx, bits=bits, i386=i386)
        self.send(struct.pack("<Q", len(image)) + image)
        (size,) = struct.unpack("<Q", self.receive(8))
        self._pages = _own_pages(self.receive(size).decode())
        """Page numbers of the program that runs the cases, which are not the cases'."""

    def run(self, batch: Batch) -> list[State]:
        found = super().run(batch)
        if self._bits == 32:
            missing = _MISSING if self._avx else _MISSING[:2]
            found = [_filled(state, batch.states[n % len(batch.states)], missing) for n, state in enumerate(found)]
        return found

    def suited(self, batch: Batch, found: Sequence[State]) -> Batch:
        """But for the cases that `found`, what the engine made of them, says would reach what is not theirs, and those
        that end QEMU or write over its own state."""
        reaching = {n for n, s in enumerate(found) if s.vector == PAGE_FAULT and self._is_own(s.word(CR2_AT))}
        harmful = [ends_qemu(one) or overwrites_qemu(one) for one in batch.instructions]
        ending = {n for n in range(batch.count) if harmful[n // len(batch.states)]}
        return replace(batch, left_out=frozenset(reaching | ending))

    def _is_own(self, address: int) -> bool:
        return address // PAGE_SIZE in self._pages

    def told(self, state: State, found: State) -> State:
        return with_vector(state, found)

    def explain(self, case: Case, difference: Difference) -> str | None:
        return explain_qemu(case, difference)


def of_kind(_: Path, kind: Kind) -> QemuCpu:
    return QemuCpu(avx=kind.avx, bits=kind.bits)


def ends_qemu(instruction: Instruction) -> bool:
    """QEMU 7.2 asserts that VROUNDSS and VROUNDSD have not VEX.L, which is ignored (SDM 2C, VROUNDSS)."""
    code = instruction.code
    return instruction.mnemonic in ("vroundss", "vroundsd") and bool(code[code.index(0xC4) + 2] & 4)


def overwrites_qemu(instruction: Instruction) -> bool:
    """REX.R and REX.B do not count for registers of MMX (SDM 2A 2.2.1.2). For QEMU 7.2 they do, those before another
    prefix, too: what would be MM8 to MM15 lies beyond its MM7, where it keeps how the x87 rounds and what it does with
    results that are too large."""
    extending = REX_R if "[" in instruction.operands else REX_R | REX_B
    return is_mmx(instruction) and any(byte & 0xF0 == REX and byte & extending for byte in prefixes(instruction.code))


def _runner(avx: bool, bits: int) -> str:
    defines = DEFINES if bits == 64 else DEFINES_I386
    flags = [f"-D{name}={value:#x}ul" for name, value in defines.items()]
    flags += [*(["-DAVX"] if avx else []), *(["-m32"] if bits == 32 else [])]
    return str(compile_c((HERE / "qemu_runner.c").read_text(), text_address=RUNNER_AT, flags=flags))


def _own_pages(maps: str) -> frozenset[int]:
    """Of /proc/self/maps all but the data of cases, and the batch of 32-bit code, which both sides have there."""
    shared = {address // PAGE_SIZE for address in (ACROSS, ACROSS + PAGE_SIZE, AT_END)}
    shared |= set(range(LOW_BATCH // PAGE_SIZE, (LOW_BATCH + BATCH_SIZE) // PAGE_SIZE))
    ends = ((int(end, 16) // PAGE_SIZE for end in line.split()[0].split("-")) for line in maps.splitlines())
    return frozenset(page for start, end in ends for page in range(start, end)) - shared


_MISSING = ((64, 64), (FX_AT + 160 + 128, 128), (HIGH_AT + 128, 128))
"""R8, XMM8, the upper half of YMM8 and those after them: where they are in a state, and how long."""


def _filled(state: State, before: State, missing: Sequence[tuple[int, int]]) -> State:
    """With the registers that 32-bit code has not, which are what they were."""
    raw = bytearray(state.raw)
    for at, size in missing:
        raw[at : at + size] = before.raw[at : at + size]
    return State(bytes(raw))


def with_vector(state: State, found: State) -> State:
    """QEMU says which signal, not which exception: the engine's, if Linux makes that signal of it."""
    word = state.word(VECTOR_AT)
    if state.vector is None or not word & OF_SIGNAL:
        return state
    number, code = signal.Signals(word & OF_SIGNAL - 1), word >> 32
    possible = _possible(number, code)
    vector = found.vector if found.vector in possible else (possible or (word & 0xFFFFFFFF,))[0]
    raw = bytearray(state.raw)
    struct.pack_into("<Q", raw, VECTOR_AT, vector)
    if vector != PAGE_FAULT:
        raw[ERROR_AT : CR2_AT + 8] = found.raw[ERROR_AT : CR2_AT + 8]
    return State(bytes(raw))


def _possible(number: signal.Signals, code: int) -> tuple[int, ...]:
    """Exceptions that end in a signal: of those that look alike the likeliest first."""
    if number == signal.SIGSEGV:
        return (PAGE_FAULT,) if code in (SEGV_MAPERR, SEGV_ACCERR) else (13, 4, 5)
    if number == signal.SIGFPE:
        return (0,) if code == FPE_INTDIV else (16, 19)
    return {signal.SIGBUS: (12, 17), signal.SIGILL: (6,), signal.SIGTRAP: (3, 1)}.get(number, ())
