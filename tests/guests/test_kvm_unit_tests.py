"""kvm-unit-tests, where somebody has built them: what passes in QEMU's TCG passes here.

VMDBG_KVM_UNIT_TESTS names a directory in which `./configure && make` was run, for x86_64 or i386; several are joined
by colons, as in PATH. Nothing of them is kept here: QEMU says in the same run which lines are to pass.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.vmdbg.cli.vmdbg_process import COMMAND, environment

PATIENCE, PATIENCE_WITH_QEMU = 120, 60
"""Seconds for one of them; QEMU's own hang in some of the last lines of a few."""
QEMU_ENDS_WELL = 1
"""isa-debug-exit leaves with twice what is written to it, and one."""
BUILT = [Path(place) for place in os.environ.get("VMDBG_KVM_UNIT_TESTS", "").split(":") if place]
PASSED = r"^PASS(?:: (.*))?$"
FAILED = r"^FAIL: (.*)"
SILENT = ("sieve", "taskswitch", "tsc_adjust")
"""They pass nothing in words: one counts primes, one says only that it returned, one wants what no model here has."""
HELD_BACK = "a CPU of Intel's holds a code breakpoint back there, and the test says so of it"
NO_BANKS = (
    "the model has no machine-check banks, which they do not ask; where there are, ones are refused (SDM 3B 15.3.2.3)"
)
SYSCALL_32 = (
    "a CPU of Intel's has SYSCALL in 64-bit mode alone (SDM 2B, SYSCALL); the test counts on KVM's or QEMU's elsewhere"
)
VMX = "a CPU of Intel's: VMCALL is no instruction of one without VMX, and raises #UD as VMMCALL does"


@dataclass(frozen=True)
class Test:
    """One file of x86/, with what it is to be run with; `qemu_cpu` is a model of QEMU's."""

    __test__ = False
    name: str
    file: str
    cpus: int = 1
    qemu_cpu: str = "qemu64"
    cpu: str = "base"
    explained: tuple[tuple[str, str], ...] = ()
    """Lines that need not pass here, each a pattern, with the reason."""


TESTS = (
    Test("xapic", "apic", 2),
    Test("ioapic", "ioapic", 4),
    Test("cmpxchg8b", "cmpxchg8b"),
    Test("smptest", "smptest", 2),
    Test("smptest of 3", "smptest", 3),
    Test("smptest of 8", "smptest", 8),
    Test("smap", "smap", qemu_cpu="max"),
    Test("emulator", "emulator", explained=((r".*#DB occurred after (MOV|POP) SS", HELD_BACK),)),
    Test("eventinj", "eventinj"),
    Test("hypercall", "hypercall", explained=((r".*VMCALL.*", VMX),)),
    Test("idt_test", "idt_test"),
    Test("memory", "memory"),
    Test("msr", "msr", qemu_cpu="max", explained=((r"(.*\()?MSR_IA32_MC\d+_.*", NO_BANKS),)),
    Test("realmode", "realmode"),
    Test("setjmp", "setjmp"),
    Test("sieve", "sieve"),
    Test("syscall", "syscall", explained=((r"syscall TF handling", SYSCALL_32),)),
    Test("tsc", "tsc", qemu_cpu="max"),
    Test("tsc_adjust", "tsc_adjust", qemu_cpu="max"),
    Test("xsave", "xsave"),
    Test("rmap_chain", "rmap_chain"),
    Test("taskswitch", "taskswitch"),
    Test("taskswitch2", "taskswitch2"),
    Test("pcid", "pcid"),
    Test("rdpru", "rdpru", qemu_cpu="max"),
    Test("umip", "umip", qemu_cpu="qemu64,+umip", cpu="x86-64-v3"),
    Test("debug", "debug"),
)


def qemu(image: Path, test: Test) -> list[str]:
    exits = ["-device", "pc-testdev", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    machine = ["-accel", "tcg", "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-m", "128"]
    guest = ["-smp", str(test.cpus), "-cpu", test.qemu_cpu, "-kernel", str(image)]
    return ["qemu-system-x86_64", *machine, *exits, *guest]


def here(image: Path, test: Test) -> list[str]:
    machine = ["--cpus", str(test.cpus), "--cpu", test.cpu, "--memory", "128M", "--device", "pc-testdev"]
    return [*COMMAND, "run", "--kernel", str(image), *machine]


@dataclass(frozen=True)
class Said:
    """Its lines that tell an outcome, up to the end of it or of patience, and the exit code."""

    passed: Counter[str]
    failed: Counter[str]
    ended: int | None


def said(command: list[str], patience: float) -> Said:
    ended = None
    try:
        done = subprocess.run(
            command, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=patience
        )
        output, ended = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        output = late.stdout or b""
    text = output.decode(errors="replace").replace("\r", "")
    passed, failed = (Counter(re.findall(pattern, text, re.MULTILINE)) for pattern in (PASSED, FAILED))
    return Said(passed, failed, ended)


@pytest.mark.slow
@pytest.mark.skipif(not BUILT, reason="VMDBG_KVM_UNIT_TESTS names no directory where they were built")
@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
@pytest.mark.parametrize("built", BUILT, ids=lambda built: built.name)
def test_what_passes_in_qemu_passes_here(built: Path, test: Test) -> None:
    image = built / "x86" / f"{test.file}.flat"
    if not image.exists():
        pytest.skip(f"{built.name} has no {test.file}")
    peer, ours = said(qemu(image, test), PATIENCE_WITH_QEMU), said(here(image, test), PATIENCE)
    assert ours.passed or test.name in SILENT
    missing = peer.passed - ours.passed
    assert [line for line in missing if not any(re.fullmatch(known, line) for known, _ in test.explained)] == []
    failed = ours.failed - peer.failed
    assert [line for line in failed if not any(re.fullmatch(known, line) for known, _ in test.explained)] == []
    assert ours.ended == 0 or peer.ended != QEMU_ENDS_WELL or test.explained
