"""Boots a stock Debian kernel to its first user process, here and in QEMU, alternating, and prints the ratios.

    python bench/boot.py [--kernel cloud|generic] [--rounds 3] [--json FILE]

QEMU runs the same kernel and initrd twice: plain, and with `-icount shift=0,sleep=off`, its deterministic mode.
Times are wall seconds, and CPU seconds of user and system together; ratios are of the medians. On a machine that does
other work meanwhile, the CPU ratio is the one to believe.
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
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from tests import linux_assets  # noqa: E402 - found through the path above

MEMORY = 256
TIMEOUT = 300.0
BARS = {"qemu icount": 0.5, "qemu": 1.3}
MEMORY_BAR = MEMORY + 300


@dataclass(frozen=True, slots=True)
class Sample:
    """One boot: seconds, and the process's largest resident set in MiB."""

    wall: float
    cpu: float
    peak: float


def main() -> int:
    arguments = parse()
    kernel = linux_assets.cloud_kernel() if arguments.kernel == "cloud" else linux_assets.generic_kernel()
    initrd = linux_assets.busybox_initrd()
    commands = {"vmdbg": vmdbg(kernel, initrd)}
    if shutil.which("qemu-system-x86_64"):
        commands["qemu"] = qemu(kernel, initrd)
        commands["qemu icount"] = [*qemu(kernel, initrd), "-icount", "shift=0,sleep=off"]
    samples: dict[str, list[Sample]] = {name: [] for name in commands}
    for round_number in range(arguments.rounds):
        for name, command in commands.items():
            samples[name].append(boot(command))
            print(f"round {round_number + 1}: {name}: {samples[name][-1].wall:.2f} s", file=sys.stderr)
    report(samples)
    if arguments.json:
        rows = {name: [asdict(sample) for sample in runs] for name, runs in samples.items()}
        Path(arguments.json).write_text(json.dumps(rows, indent=1))
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", choices=("cloud", "generic"), default="cloud")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


def vmdbg(kernel: Path, initrd: Path) -> list[str]:
    command = [sys.executable, "-m", "vmdbg", "run", "--kernel", str(kernel), "--initrd", str(initrd)]
    return [*command, "--memory", f"{MEMORY}M", "--no-realtime", "--serial", "file:SERIAL"]


def qemu(kernel: Path, initrd: Path) -> list[str]:
    command = ["qemu-system-x86_64", "-m", str(MEMORY), "-kernel", str(kernel), "-initrd", str(initrd), "-accel", "tcg"]
    return [*command, "-append", "console=ttyS0 panic=-1", "-display", "none", "-no-reboot", "-serial", "file:SERIAL"]


def boot(command: list[str], awaited: str = linux_assets.MARKER, timeout: float = TIMEOUT) -> Sample:
    """Run until the guest has said so on its serial line. Raises SystemExit if it never does."""
    with tempfile.TemporaryDirectory() as directory:
        serial = Path(directory) / "serial"
        process = subprocess.Popen(
            [word.replace("SERIAL", str(serial)) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        began = time.monotonic()
        while awaited.encode() not in (serial.read_bytes() if serial.exists() else b""):
            if process.poll() is not None or time.monotonic() > began + timeout:
                process.kill()
                raise SystemExit(f"{command[0]} never came up: {process.stderr.read()[-500:]!r}")  # type: ignore[union-attr]  # PIPE
            time.sleep(0.01)
        wall = time.monotonic() - began
        process.kill()
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def report(samples: dict[str, list[Sample]]) -> None:
    def median(name: str, field: str) -> float:
        return float(statistics.median(getattr(sample, field) for sample in samples[name]))

    print(f"{'':14}{'wall s':>9}{'CPU s':>9}{'peak MiB':>10}{'vmdbg / it':>12}{'by CPU':>9}{'bar':>6}")
    for name in samples:
        row = f"{name:14}{median(name, 'wall'):9.2f}{median(name, 'cpu'):9.2f}{median(name, 'peak'):10.0f}"
        if name != "vmdbg":
            row += f"{median('vmdbg', 'wall') / median(name, 'wall'):11.2f}x"
            row += f"{median('vmdbg', 'cpu') / median(name, 'cpu'):8.2f}x{BARS[name]:6}"
        print(row)
    print(f"peak memory of vmdbg: {median('vmdbg', 'peak'):.0f} MiB, the bar is {MEMORY_BAR}")


if __name__ == "__main__":
    raise SystemExit(main())
