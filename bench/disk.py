"""Boots a Debian disk from SeaBIOS through GRUB to its login, here and in QEMU, alternating, and prints the ratios.

    python bench/disk.py [--bus virtio|ide|ahci|nvme ...] [--rounds 1] [--recorded] [--json FILE]

Both read the same image, which neither writes. Figures are CPU seconds of user and system together. `--recorded` boots
ours twice more in each round, at the same time, once with a recording that has checkpoints: what others do on the
machine changes what CPU time a boot takes by more than what is measured there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from boot import Sample, boot

from tests import linux_assets  # found through the path that boot has added

MEMORY = 512
LOGIN = "login: "
TIMEOUT = 900.0
BARS = {"virtio": 0.8, "ide": 1.0, "ahci": 1.0}
RECORDED_BAR = 1.11
QEMU_DRIVES = {
    "virtio": ("-device", "virtio-blk-pci,drive=d"),
    "ide": ("-device", "ide-hd,drive=d,bus=ide.0"),
    "ahci": ("-device", "ahci,id=a", "-device", "ide-hd,drive=d,bus=a.0"),
    "nvme": ("-device", "nvme,drive=d,serial=1"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bus", action="append", choices=QEMU_DRIVES)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--recorded", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    disk = linux_assets.debian_disk()
    rows: dict[str, dict[str, list[Sample]]] = {}
    print(f"{'':8}{'vmdbg, CPU s':>14}{'QEMU, CPU s':>13}{'vmdbg / it':>12}{'bar':>6}{'peak MiB':>10}")
    for bus in arguments.bus or BARS:
        found: dict[str, list[Sample]] = {"vmdbg": [], "qemu": []}
        for _ in range(arguments.rounds):
            found["vmdbg"].append(boot(vmdbg(disk, bus), LOGIN, TIMEOUT))
            found["qemu"].append(boot(qemu(disk, bus), LOGIN, TIMEOUT))
            if arguments.recorded:
                for name, sample in zip(("beside", "recorded"), recorded_or_not(disk, bus), strict=True):
                    found.setdefault(name, []).append(sample)
        rows[bus] = found
        medians = {name: statistics.median(sample.cpu for sample in samples) for name, samples in found.items()}
        ours, theirs = medians["vmdbg"], medians["qemu"]
        peak = max(sample.peak for sample in found["vmdbg"])
        print(f"{bus:8}{ours:14.1f}{theirs:13.1f}{ours / theirs:11.2f}x{BARS.get(bus, ''):>6}{peak:10.0f}", flush=True)
        if arguments.recorded:
            cost = statistics.median(
                recorded.cpu / beside.cpu for beside, recorded in zip(found["beside"], found["recorded"], strict=True)
            )
            print(f"{bus:8}{medians['recorded']:14.1f}, recorded: {cost:.3f}x (bar {RECORDED_BAR})", flush=True)
    if arguments.json:
        kept = {bus: {who: [asdict(one) for one in many] for who, many in found.items()} for bus, found in rows.items()}
        Path(arguments.json).write_text(json.dumps(kept, indent=1))
    return 0


def recorded_or_not(disk: Path, bus: str) -> list[Sample]:
    """Without and with a recording, at the same time."""
    commands = [vmdbg(disk, bus), [*vmdbg(disk, bus), "--record", "SERIAL.vmdbg"]]
    with ThreadPoolExecutor(len(commands)) as both:
        return list(both.map(lambda command: boot(command, LOGIN, TIMEOUT), commands))


def vmdbg(disk: Path, bus: str) -> list[str]:
    command = [sys.executable, "-m", "vmdbg", "run", "--disk", f"{disk},bus={bus}", "--memory", f"{MEMORY}M"]
    return [*command, "--no-realtime", "--serial", "file:SERIAL"]


def qemu(disk: Path, bus: str) -> list[str]:
    command = ["qemu-system-x86_64", "-m", str(MEMORY), "-accel", "tcg", "-display", "none", "-serial", "file:SERIAL"]
    return [*command, "-drive", f"file={disk},format=raw,if=none,id=d,snapshot=on", *QEMU_DRIVES[bus]]


if __name__ == "__main__":
    raise SystemExit(main())
