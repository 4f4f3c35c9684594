"""The Linux guest of the benchmarks about time: a boot to the shell, and commands typed until enough has happened."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import vmdbg  # noqa: E402 - the same
from tests import linux_assets  # noqa: E402 - found through the path above

TICKS = 4_500_000_000
BUSY = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); cat /proc/meminfo /proc/stat > /dev/null; done; echo DO''NE\n"


def launch(**options: object) -> vmdbg.Guest:
    """The guest at its first instruction."""
    kernel, initrd = linux_assets.cloud_kernel(), linux_assets.busybox_initrd()
    return vmdbg.launch(kernel, initrd=initrd, **options)  # type: ignore[arg-type]  # what launch() takes


def run(guest: vmdbg.Guest, ticks: int = TICKS) -> None:
    """Boot, and type commands until `ticks` have passed."""
    guest.expect(linux_assets.PROMPT)
    while guest.tick < ticks:
        guest.send(BUSY)
        guest.expect("DONE\r\n")
        guest.expect(linux_assets.PROMPT)


def recorded(path: Path, ticks: int = TICKS) -> None:
    """Make a recording at `path`, unless there is one."""
    if not path.exists():
        with launch(record=path) as guest:
            run(guest, ticks)
