"""What single events cost: ring 3 speed, a page fault, a system call, a timer interrupt, a port access, a single step.

    python bench/micro.py [--rounds 5] [--json FILE]

A small guest (micro.asm) runs a loop in ring 3 with and without the event, alternating; the difference in CPU time,
median over the rounds, is the price of one event, there and back. QEMU's plain TCG runs the same guests. The timers
are priced whole, with their chips, and the interrupt alone as the engine delivers it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.guests.build import assemble  # noqa: E402 - found through the path above
from vmdbg.boot.detect import boot_image  # noqa: E402
from vmdbg.boot.image import BootOptions, InputFile  # noqa: E402
from vmdbg.engine.unicorn import UnicornEngine  # noqa: E402
from vmdbg.engine.unicorn.bare import CODE64, HANDLERS, IDT, BareCpu  # noqa: E402
from vmdbg.machine.config import MachineConfig  # noqa: E402
from vmdbg.machine.machine import Machine  # noqa: E402
from vmdbg.machine.power_on import power_on  # noqa: E402
from vmdbg.units import Tick  # noqa: E402

MEMORY = 16 << 20
NONE, FAULT, SYSTEM_CALL, TIMER, PORT, APIC_TIMER, DEVICE_PORT = range(7)
NAMES = {
    FAULT: "page fault",
    SYSTEM_CALL: "system call",
    APIC_TIMER: "APIC timer",
    TIMER: "8254 and 8259",
    PORT: "plain port",
    DEVICE_PORT: "port in Python",
}
TIMERS = (APIC_TIMER, TIMER)
BARS = {
    "page fault": 3.0,
    "system call": 3.0,
    "APIC timer": 3.0,
    "8254 and 8259": 3.0,
    "interrupt": 3.0,
    "plain port": 0.1,
    "port in Python": 2.0,
}
INTERRUPTS, SLICE = 20_000, 10_000
COUNT, WORK = 300_000, 20
TIMER_COUNT, TIMER_WORK, PERIOD = 300, 10_000, 12
"""A timer interrupt each 12 cycles of the 8254, 10 microseconds of guest time."""
STEPS = 50_000
TIMEOUT = 60.0
QEMU = (
    "qemu-system-x86_64", "-accel", "tcg", "-display", "none", "-no-reboot", "-m", "16", "-net", "none",
    "-monitor", "none", "-serial", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """CPU seconds, ticks and interrupts of one run to the guest's end."""

    seconds: float
    ticks: int
    interrupts: int


def image(event: int, count: int = COUNT, work: int = WORK) -> bytes:
    defines = {"EVENT": event, "COUNT": count, "WORK": work, "PERIOD": PERIOD}
    return assemble((ROOT / "bench" / "micro.asm").read_text(), defines=defines)


def machine(guest: bytes) -> Machine:
    made = Machine(MachineConfig(memory=MEMORY), UnicornEngine)
    power_on(made, boot_image(BootOptions(memory=MEMORY, kernel=InputFile("micro", memoryview(guest)))))
    return made


def run(guest: bytes) -> Run:
    it = machine(guest)
    began = time.process_time()
    while it.ending is None:
        it.run(Tick(it.clock + 50_000_000))
    taken = Run(time.process_time() - began, it.clock, it.engine.statistics().interrupts)
    it.close()
    return taken


def run_qemu(guest: bytes) -> float:
    with tempfile.NamedTemporaryFile() as file:
        file.write(guest)
        file.flush()
        process = subprocess.Popen([*QEMU, "-kernel", file.name], stdin=subprocess.DEVNULL)
        alarm = threading.Timer(TIMEOUT, process.kill)
        alarm.start()
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
        alarm.cancel()
    return usage.ru_utime + usage.ru_stime


def cost(event: int, rounds: int) -> float:
    """Microseconds of one event."""
    count, work = (TIMER_COUNT, TIMER_WORK) if event in TIMERS else (COUNT, WORK)
    with_it, without = image(event, count, work), image(NONE, count, work)
    differences = []
    for _ in range(rounds):
        base, loaded = run(without), run(with_it)
        events = loaded.interrupts if event in TIMERS else count
        differences.append((loaded.seconds - base.seconds) / events)
    return statistics.median(differences) * 1e6


def qemu_cost(event: int, rounds: int) -> float | None:
    """None for the timer, which is the host's there."""
    if event in TIMERS or not shutil.which("qemu-system-x86_64"):
        return None
    with_it, without = image(event), image(NONE)
    return statistics.median((run_qemu(with_it) - run_qemu(without)) / COUNT for _ in range(rounds)) * 1e6


def interrupt_cost(rounds: int) -> float:
    """Microseconds of the engine for one external interrupt and its IRET, with the bus's answer but without chips."""
    cpu = BareCpu()
    vector, handler = 8, HANDLERS + 0x800
    cpu.write(handler, assemble("iretq"))
    cpu.write(IDT + 16 * vector, (handler | CODE64 << 16 | 0x8E00 << 32).to_bytes(8, "little"))
    cpu.load(assemble("sti\nloop: add rax, rbx\nxor rbx, rax\nmov [0xa000], rax\ninc rcx\njmp loop"))

    def acknowledge(now: int) -> int:
        cpu.engine.cpus[0].set_interrupt(False)
        return vector

    cpu.engine.acknowledge = acknowledge
    times = []
    for _ in range(rounds):
        pair = []
        for level in (False, True):
            began = time.process_time()
            for _ in range(INTERRUPTS):
                cpu.engine.cpus[0].set_interrupt(level)
                cpu.engine.run(Tick(cpu.engine.clock + SLICE))
            pair.append(time.process_time() - began)
        times.append((pair[1] - pair[0]) / INTERRUPTS)
    cpu.close()
    return statistics.median(times) * 1e6


def ring3_speed(rounds: int) -> float:
    """Ticks a second."""
    guest = image(NONE, TIMER_COUNT * 5, TIMER_WORK)
    return statistics.median(taken.ticks / taken.seconds for taken in (run(guest) for _ in range(rounds)))


def step_speed(rounds: int) -> float:
    """Single steps a second, of the machine, devices and all."""
    speeds = []
    for _ in range(rounds):
        it = machine(image(NONE))
        it.run(Tick(1_000_000))
        began = time.process_time()
        for _ in range(STEPS):
            it.step()
        speeds.append(STEPS / (time.process_time() - began))
        it.close()
    return statistics.median(speeds)


@dataclass(frozen=True, slots=True)
class Cost:
    name: str
    microseconds: float
    bar: float | None
    qemu: float | None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    costs = [Cost(name, cost(event, rounds), BARS.get(name), qemu_cost(event, rounds)) for event, name in NAMES.items()]
    costs.append(Cost("interrupt", interrupt_cost(rounds), BARS["interrupt"], None))
    speed, steps = ring3_speed(rounds), step_speed(rounds)
    print(f"{'':18}{'vmdbg us':>9}{'bar us':>8}{'QEMU us':>9}")
    for row in costs:
        bar, qemu = (f"{value:.2f}" if value is not None else "-" for value in (row.bar, row.qemu))
        print(f"{row.name:18}{row.microseconds:9.2f}{bar:>8}{qemu:>9}")
    print(f"ring 3 with NX: {speed / 1e9:.2f} G ticks/s; single steps: {steps / 1e3:.0f} thousand/s")
    if arguments.json:
        rows = {"costs": [asdict(row) for row in costs], "ring3_ticks_per_second": speed, "steps_per_second": steps}
        Path(arguments.json).write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
