"""Both sides: the monitor and its cases in the engine, and in a QEMU that has its RAM in a file."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

from tests.conformance.system.case import Case
from tests.conformance.system.layout import (
    CASE_SIZE,
    CASES,
    DEFINES,
    DONE_PORT,
    HANGS,
    MONITOR,
    MONITOR_COPY,
    NEXT,
    NOT_RUN,
    RAM,
    RESULT_SIZE,
    RESULTS,
    TEMPLATES,
    Result,
)
from tests.conformance.system.world import Mode, fixed, template
from tests.guests.build import assemble
from vmdbg.engine.exits import LimitReached, TripleFault
from vmdbg.engine.unicorn.bare import LoggingBus
from vmdbg.engine.unicorn.engine import UnicornEngine
from vmdbg.engine.unicorn.registers import GENERAL
from vmdbg.units import Physical, Tick
from vmdbg.x86.cpu_models import find_model
from vmdbg.x86.cpuid import build_table

MOST = min((RESULTS - CASES) // CASE_SIZE, (RAM - RESULTS) // RESULT_SIZE)
"""Cases of one boot."""
MODEL = "x86-64-v3"
QEMU = "qemu-system-x86_64"
QEMU_MODEL = "qemu64,vendor=GenuineIntel,family=6,model=54,stepping=1,-vme,-svm,-apic,+fsgsbase,+smep,+smap,+umip"
QEMU_MODEL += ",+rdtscp,+pdpe1gb,+xsave,+avx,+avx2,-mce,-mca"
PATIENCE, KEEPING = 2_000_000, 100_000
"""Ticks of one case; of keeping what it left, which begins with the word that says that it is over."""
MOST_WORK, MOST_OF_BOOT, HALTED, POLL = 0.2, 2.0, 4.0, 0.005
"""Seconds of CPU time without a case that ends, after which QEMU hangs; of a boot; without computing; between
two looks."""
ROM_SIZE = 0x10000


class Cpu(Protocol):
    def run(self, cases: Sequence[Case]) -> list[Result]: ...


def is_qemu_there() -> bool:
    return shutil.which(QEMU) is not None


def qemu_version() -> str:
    """Like 7.2.22; empty where there is none."""
    if not is_qemu_there():
        return ""
    said = subprocess.run([QEMU, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    return said.split("version ")[-1].split(" ")[0]


@cache
def monitor(*, ports: bool = True) -> bytes:
    """`ports`: whether the machine has any."""
    defines = DEFINES if ports else DEFINES | {"WITHOUT_PORTS": 1}
    return assemble((Path(__file__).parent / "monitor.asm").read_text(), defines=defines)


def image(cases: Sequence[Case]) -> dict[int, bytes]:
    """Memory at the start, by address."""
    if len(cases) > MOST:
        raise ValueError(f"{len(cases)} cases are more than {MOST}")
    templates = {mode: template(mode) for mode in Mode}
    size = len(next(iter(templates.values())))
    places = {mode: TEMPLATES + size * number for number, mode in enumerate(Mode)}
    memory = fixed() | {at: monitor() for at in (MONITOR, MONITOR_COPY)}
    memory |= {NEXT: struct.pack("<4I", 0, len(cases), 0, 0)}
    memory |= {RESULTS + RESULT_SIZE * number: struct.pack("<I", NOT_RUN) for number in range(len(cases))}
    memory |= {place: templates[mode] for mode, place in places.items()}
    memory[CASES] = b"".join(case.pack(places[case.mode]) for case in cases)
    return memory


def results(memory: memoryview | mmap.mmap, count: int) -> list[Result]:
    raw = bytes(memory[RESULTS : RESULTS + RESULT_SIZE * count])
    return [Result(raw[at : at + RESULT_SIZE]) for at in range(0, len(raw), RESULT_SIZE)]


def cases_done(memory: memoryview | mmap.mmap, done: int, count: int) -> int:
    """How many cases have been run, `done` of which are known to be. The monitor's own count may be overwritten."""
    while done < count and _word(memory, RESULTS + RESULT_SIZE * done) != NOT_RUN:
        done += 1
    return done


def _word(memory: memoryview | mmap.mmap, address: int) -> int:
    return int.from_bytes(memory[address : address + 4], "little")


def hung(number: int, count: int) -> dict[int, bytes]:
    """Memory that has the case of that number ended by hand, also where it has overwritten the monitor."""
    result = struct.pack("<I", HANGS).ljust(RESULT_SIZE, b"\0")
    control = struct.pack("<4I", number + 1, count, 0, 1)
    return {RESULTS + RESULT_SIZE * number: result, NEXT: control} | {at: monitor() for at in (MONITOR, MONITOR_COPY)}


class _Ports(LoggingBus):
    """Nothing is there."""

    def port_read(self, port: int, size: int, now: int) -> int:
        return (1 << 8 * size) - 1

    def port_write(self, port: int, size: int, value: int, now: int) -> None:
        pass

    def memory_read(self, address: int, size: int, now: int) -> int:
        return 0

    def memory_write(self, address: int, size: int, value: int, now: int) -> None:
        pass


def at_reset() -> dict[str, int]:
    values = dict.fromkeys(GENERAL, 0) | {"rip": MONITOR, "rflags": 2, "cr0": 0x10, "cr3": 0, "cr4": 0, "efer": 0}
    values |= {"dr6": 0xFFFF0FF0, "dr7": 0x400, "idtr_base": 0, "idtr_limit": 0x3FF}
    values |= {"ldtr_flags": 0x8200, "tr_flags": 0x8B00, "cs_flags": 0x9B00}
    for name in ("cs", "ss", "ds", "es", "fs", "gs"):
        values |= {name: 0, f"{name}_base": 0, f"{name}_limit": 0xFFFF}
        values |= {} if name == "cs" else {f"{name}_flags": 0x9300}
    return values


class EngineCpu:
    def __init__(self) -> None:
        self.engine = UnicornEngine(RAM, _Ports(), (build_table(find_model(MODEL)),))
        self.engine.write_registers(at_reset())
        self._start = self.engine.snapshot()

    def run(self, cases: Sequence[Case]) -> list[Result]:
        self.begin(cases)
        done, resets = 0, 0
        while done < len(cases):
            ended = self.engine.run(Tick(self.engine.clock + PATIENCE))
            before, done = done, cases_done(self.engine.ram, done, len(cases))
            resets = 0 if done > before else resets + 1
            if isinstance(ended, LimitReached) and done > before:
                continue
            if isinstance(ended, TripleFault) and resets < 2:
                self._reset()
            elif done < len(cases):
                self._write(hung(done, len(cases)))
                self._reset()
                done, resets = done + 1, 0
        self.engine.run(Tick(self.engine.clock + KEEPING))
        return results(self.engine.ram, len(cases))

    def begin(self, cases: Sequence[Case]) -> None:
        """The machine is about to run the first of them."""
        self._write(image(cases))
        self._reset()

    def _write(self, image: dict[int, bytes]) -> None:
        for address, data in image.items():
            self.engine.write_ram(Physical(address), data)

    def _reset(self) -> None:
        """To the monitor's begin, in real mode; whatever a triple fault or a loop of exceptions left is gone."""
        self.engine.restore(self._start)

    def close(self) -> None:
        self.engine.close()


class QemuSystem:
    """Boots anew for each row of cases. A triple fault resets it, and RAM stays."""

    def __init__(self, scratch: Path) -> None:
        self._memory, self._rom = scratch / "memory", scratch / "rom"
        far_jump = b"\xea" + struct.pack("<HH", MONITOR, 0)
        self._rom.write_bytes(bytes(ROM_SIZE - 16) + far_jump.ljust(16, b"\0"))
        with self._memory.open("wb") as file:
            file.truncate(RAM)

    def run(self, cases: Sequence[Case]) -> list[Result]:
        count, done = len(cases), 0
        with self._memory.open("r+b") as file, mmap.mmap(file.fileno(), RAM) as memory:
            write(memory, image(cases))
            while (done := self._boot(memory, done, count)) < count:
                write(memory, hung(done, count))
                done += 1
            return results(memory, count)

    def _boot(self, memory: mmap.mmap, begin: int, count: int) -> int:
        """Runs it until it has done all cases, or one hangs: the number of those that are done."""
        command = (QEMU, "-machine", "pc,memory-backend=ram", "-accel", "tcg,thread=single", "-cpu", QEMU_MODEL)
        ram = f"memory-backend-file,id=ram,size={RAM},mem-path={self._memory},share=on"
        devices = ("-device", f"isa-debug-exit,iobase={DONE_PORT:#x},iosize=1", "-bios", str(self._rom))
        with subprocess.Popen(
            (*command, "-m", f"{RAM >> 20}M", "-object", ram, "-nodefaults", "-display", "none", *devices),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as qemu:
            try:
                done = self._wait(qemu, memory, begin, count)
                code = qemu.poll()
                if done == 0 and code is not None and code not in (1, 3) and code >= 0 and qemu.stderr is not None:
                    raise RuntimeError(qemu.stderr.read().decode(errors="replace"))
                return done
            finally:
                qemu.kill()

    def _wait(self, qemu: subprocess.Popen[bytes], memory: mmap.mmap, begin: int, count: int) -> int:
        done, since, deadline = begin, 0.0, time.monotonic() + HALTED
        while qemu.poll() is None and time.monotonic() < deadline:
            now, before = _cpu_time(qemu.pid), done
            done = cases_done(memory, done, count)
            if done > before:
                since, deadline = now, time.monotonic() + HALTED
            if now - since > (MOST_WORK if done > begin else MOST_OF_BOOT):
                break
            time.sleep(POLL)
        return cases_done(memory, done, count)


def _cpu_time(process: int) -> float:
    """Seconds that it has computed; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def write(memory: mmap.mmap, image: dict[int, bytes]) -> None:
    for address, data in image.items():
        memory[address : address + len(data)] = data
