"""xv6 for x86, where somebody has built it: four CPUs, and its shell takes what is typed at COM1.

VMDBG_XV6 names a directory in which `make xv6.img fs.img` was run. SeaBIOS's MP table tells of one CPU a socket.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import vmdbg

XV6 = Path(os.environ.get("VMDBG_XV6", "/nonexistent"))
PATIENCE = 30_000_000_000
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (XV6 / "xv6.img").exists(), reason="VMDBG_XV6 names no directory with xv6.img and fs.img"),
]


def test_four_cpus_start_and_the_shell_is_typed_at(tmp_path: Path) -> None:
    disks = [f"{XV6 / name},bus=ide" for name in ("xv6.img", "fs.img")]
    with vmdbg.launch(disks=disks, memory="512M", cpus="4,sockets=4", record=tmp_path / "xv6.vmdbg") as guest:
        guest.expect("$ ", patience=PATIENCE)
        for cpu in range(4):
            assert f"cpu{cpu}: starting {cpu}" in guest.console
        assert "ioapicinit" not in guest.console, "the I/O APIC's ID is the one that the MP table says"
        guest.send("echo hello > greeting; cat greeting\n")
        assert "hello" in guest.expect("$ ", patience=PATIENCE)
        end, found = guest.position, guest.digest()
    with vmdbg.open_recording(tmp_path / "xv6.vmdbg") as guest:
        guest.seek(end)
        assert guest.digest() == found
