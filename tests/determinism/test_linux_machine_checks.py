"""Linux finds the banks for machine checks, takes them for its own, and a replay has that again."""

from __future__ import annotations

from pathlib import Path

import vmdbg
from tests.linux_assets import PROMPT, busybox_initrd, generic_kernel
from vmdbg.api.boot import open_recording

LOOK = "cd /sys/devices/system/machinecheck/machinecheck0; echo bank*; cat bank0 bank3; dmesg | grep -c 'MCE.*error'"


def test_linux_has_four_banks_and_no_error(tmp_path: Path) -> None:
    path = tmp_path / "banks.rec"
    with vmdbg.launch(generic_kernel(), initrd=busybox_initrd({}), cpu="x86-64-v3", record=path) as guest:
        guest.expect(PROMPT)
        guest.send(f"{LOOK}; echo HE''RE\n")
        shown = guest.expect("HERE\r\n").replace("\r\n", "\n")
        end, found = guest.tick, guest.digest()
    every = "f" * 16
    assert f"bank0 bank1 bank2 bank3\n{every}\n{every}\n0\nHERE\n" in shown
    with open_recording(path) as again:
        again.run(end)
        assert again.digest() == found
