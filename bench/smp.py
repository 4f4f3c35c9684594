"""Several CPUs: the boot to the first process with four, and what four busy ones get done, against one.

    python bench/smp.py [--rounds 3] [--json FILE]

Boots alternate: ours with one CPU, ours with four, and QEMU's with four on one thread. All ratios are of CPU seconds,
median over the rounds. The busy CPUs run a small guest (smp.asm), whose ticks a CPU second count.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "bench")]

import boot as boots  # noqa: E402 - found through the path above

from tests import linux_assets  # noqa: E402 - the same
from tests.guests.build import assemble  # noqa: E402 - the same
from vmdbg.boot.detect import boot_image  # noqa: E402 - the same
from vmdbg.boot.image import BootOptions, InputFile  # noqa: E402 - the same
from vmdbg.engine.unicorn import UnicornEngine  # noqa: E402 - the same
from vmdbg.machine.config import MachineConfig  # noqa: E402 - the same
from vmdbg.machine.machine import Machine  # noqa: E402 - the same
from vmdbg.machine.power_on import power_on  # noqa: E402 - the same
from vmdbg.units import Tick  # noqa: E402 - the same
from vmdbg.x86.topology import Topology  # noqa: E402 - the same

CPUS = 4
MEMORY = 16 << 20
WARM, TICKS = 2_000_000, 1_000_000_000
ONE = "vmdbg, 1 CPU"
BOOT_BARS = {f"vmdbg, {CPUS} CPUs": 1.1}
QEMU_BAR = 1.0
BUSY = {
    "default quantum": ("round-robin", 0.9),
    "20 k ticks": ("round-robin:20000", 0.0),
    "5 k ticks": ("round-robin:5000", 0.6),
}
"""Schedules, with the least share of one CPU's throughput."""


def busy_machine(cpus: int, schedule: str, *, own_code: bool) -> Machine:
    image = assemble((ROOT / "bench" / "smp.asm").read_text(), defines={"OWN_CODE": 1} if own_code else None)
    config = MachineConfig(memory=MEMORY, topology=Topology(cores=cpus), schedule=schedule)
    machine = Machine(config, UnicornEngine)
    power_on(machine, boot_image(BootOptions(memory=MEMORY, kernel=InputFile("smp", memoryview(image)))))
    machine.run(Tick(WARM))
    return machine


def speed(make: Callable[[], Machine]) -> float:
    """Ticks a CPU second."""
    machine = make()
    began = time.process_time()
    machine.run(Tick(WARM + TICKS))
    seconds = time.process_time() - began
    machine.close()
    return TICKS / seconds


def busy(rounds: int) -> dict[str, list[float]]:
    """Of each schedule, in shared code and in own, its share of one CPU's throughput in the same round."""
    shares: dict[str, list[float]] = {}
    for number in range(rounds):
        for own_code in (False, True):
            one = speed(lambda own=own_code: busy_machine(1, "round-robin", own_code=own))  # type: ignore[misc]  # bound now
            for name, (schedule, _) in BUSY.items():
                got = speed(lambda s=schedule, own=own_code: busy_machine(CPUS, s, own_code=own))  # type: ignore[misc]  # the same
                shares.setdefault(f"{name}, {'own' if own_code else 'shared'} code", []).append(got / one)
        print(f"round {number + 1}: busy CPUs measured", file=sys.stderr)
    return shares


def boot_commands() -> dict[str, list[str]]:
    kernel, initrd = linux_assets.cloud_kernel(), linux_assets.busybox_initrd()
    ours = boots.vmdbg(kernel, initrd)
    commands = {ONE: ours, f"vmdbg, {CPUS} CPUs": [*ours, "--cpus", str(CPUS)]}
    if shutil.which("qemu-system-x86_64"):
        one_thread = ["tcg,thread=single" if word == "tcg" else word for word in boots.qemu(kernel, initrd)]
        commands[f"qemu, {CPUS} CPUs"] = [*one_thread, "-smp", str(CPUS)]
    return commands


def boot_all(rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {}
    for number in range(rounds):
        for name, command in boot_commands().items():
            seconds.setdefault(name, []).append(boots.boot(command).cpu)
            print(f"round {number + 1}: {name}: {seconds[name][-1]:.2f} CPU s", file=sys.stderr)
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    booted, shares = boot_all(arguments.rounds), busy(arguments.rounds)
    report(booted, shares)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({"boot CPU s": booted, "busy shares": shares}, indent=1))
    return 0


def report(booted: dict[str, list[float]], shares: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(seconds) for name, seconds in booted.items()}
    ours = medians[f"vmdbg, {CPUS} CPUs"]
    print(f"{'boot':28}{'CPU s':>8}{f'ours with {CPUS} / it':>22}{'bar':>6}")
    for name, seconds in medians.items():
        bar = "" if name in BOOT_BARS else f"{BOOT_BARS[f'vmdbg, {CPUS} CPUs'] if name == ONE else QEMU_BAR:6}"
        print(f"{name:28}{seconds:8.2f}{ours / seconds:21.2f}x{bar}")
    print(f"\n{f'{CPUS} busy CPUs':28}{'of one CPU':>12}{'bar':>8}")
    for name, found in shares.items():
        busy_bar = BUSY[name.partition(",")[0]][1]
        print(f"{name:28}{statistics.median(found):11.2f}x{f'{busy_bar:8}' if busy_bar else ''}")


if __name__ == "__main__":
    raise SystemExit(main())
