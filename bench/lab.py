"""Several machines on several cores, against one: what keeping them on one clock costs.

    python bench/lab.py [--machines 2] [--seconds 1.0] [--json FILE]

Busy guests (smp.asm), each in a process of its own, at the ports of a switch 500 microseconds away. `by CPU` is the CPU
time of a machine alone in its lab, times their number, over that of all together: what of each core is left for guests.
`by wall` says how many times as much gets done in the same time as by one, which only an idle host shows: the load is
printed beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "bench")]

from tests.guests.build import assemble  # noqa: E402 - found through the path above
from vmdbg.api.lab import Lab  # noqa: E402 - the same
from vmdbg.lab.plan import USUAL_LATENCY, End, LinkSpec, MachineSpec, Plan, SwitchSpec  # noqa: E402 - the same

BAR = 0.8
WARM = 20_000_000
ROUNDS = 3


def plan_of(count: int, kernel: Path) -> Plan:
    machines = tuple(MachineSpec(f"m{n}", {"kernel": str(kernel), "memory": "16M"}) for n in range(count))
    links = tuple(LinkSpec(f"l{n}", (End(f"m{n}", "net0"), End("hub")), USUAL_LATENCY) for n in range(count))
    return Plan(machines, (SwitchSpec("hub"),), links)


def measured(plan: Plan, ticks: int) -> tuple[float, float]:
    """Wall and CPU seconds, the machines' processes and this one together."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with Lab(plan, processes=True) as lab:
        lab.run_until(WARM)
        wall, own = time.monotonic(), time.process_time()
        lab.run_until(WARM + ticks)
        wall, own = time.monotonic() - wall, time.process_time() - own
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, own + after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def start_up(plan: Plan) -> float:
    """CPU seconds of the processes, without what they run."""
    return measured(plan, 1)[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0, help="of guest time")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    ticks = int(options.seconds * 1e9)
    with tempfile.TemporaryDirectory() as scratch:
        kernel = Path(scratch) / "busy"
        kernel.write_bytes(assemble((ROOT / "bench" / "smp.asm").read_text()))
        one, several = plan_of(1, kernel), plan_of(options.machines, kernel)
        base_one, base_several = start_up(one), start_up(several)
        alone = [measured(one, ticks) for _ in range(ROUNDS)]
        together = [measured(several, ticks) for _ in range(ROUNDS)]
    wall_one, cpu_one = (min(run[at] for run in alone) for at in (0, 1))
    wall_all, cpu_all = (min(run[at] for run in together) for at in (0, 1))
    by_cpu = options.machines * (cpu_one - base_one) / (cpu_all - base_several)
    by_wall = options.machines * wall_one / wall_all
    load = os.getloadavg()[0]
    print(f"{options.machines} machines, {options.seconds:g} s of guest time each, load of the host {load:.1f}")
    print(f"by CPU: {by_cpu:.2f} of each core is the guests' (bar {BAR})")
    print(f"by wall: {by_wall:.2f} x one machine (bar {BAR * options.machines:g} on as many idle cores)")
    if options.json:
        Path(options.json).write_text(json.dumps({"cpu": by_cpu, "wall": by_wall, "load": load}))
    return 0 if by_cpu >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
