"""gdb in the kernel's own setup: code of real mode that a loader enters, as isolinux does from a CD."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import vmdbg
from tests.guests.boot_media import config, isolinux_iso
from tests.guests.test_debian_disk_debugged import HELPER, LOOK, position, stages
from tests.linux_assets import busybox_initrd, cloud_kernel
from tests.vmdbg.gdb.guests import gdb_program

pytestmark = pytest.mark.slow

HEADER = 0x5372_6448
"""HdrS, at 202h of what setup leaves for the kernel (Documentation/arch/x86/boot.rst)."""
SETUP = "set $setup = ((long) $rsi & ~0xFFFF) + 0x200"
SCRIPT = {
    "the kernel": (HELPER, f"hbreak *0x100000 if *(int *) ($rsi + 0x202) == {HEADER}", "continue", *LOOK),
    "setup": (SETUP, "delete", "hbreak *$setup", "reverse-continue", *LOOK, "info registers cs", "monitor when"),
    "protected mode": ("delete", "monitor catch mode", "continue", *LOOK, "stepi 2", *LOOK, "monitor uncatch mode"),
    "start_kernel": ("monitor tbreak --pending start_kernel", "continue", *LOOK),
    "setup again": ("hbreak *$setup", "reverse-continue", "monitor when"),
}


@pytest.mark.parametrize("name", ["Debian's gdb", "newest gdb"])
def test_setup_is_seen_instruction_by_instruction_and_come_back_to(name: str, tmp_path: Path) -> None:
    iso, script = tmp_path / "linux.iso", tmp_path / "script"
    menu = config("/linux", "initrd=/initrd console=ttyS0")
    files = {
        "isolinux/isolinux.cfg": menu,
        "linux": cloud_kernel().read_bytes(),
        "initrd": busybox_initrd().read_bytes(),
    }
    isolinux_iso(iso, files)
    lines = [line for stage, commands in SCRIPT.items() for line in (f"echo === {stage} ===\\n", *commands)]
    first = ("set style enabled off", "set pagination off", "set confirm off")
    with vmdbg.launch(cdroms=[iso], memory="256M") as guest, guest.serve_gdb() as served:
        script.write_text("\n".join((*first, f"target remote {served.address}", *lines, "")))
        command = [*gdb_program(name), "-q", "-batch", "-nx", "-x", str(script)]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=250, check=False
        )
    assert done.returncode == 0, done.stdout
    seen = stages(done.stdout)
    assert set(seen) == set(SCRIPT), done.stdout
    assert "=> 0x100000:\tcld" in seen["the kernel"]
    assert "32-bit protected mode" in seen["the kernel"]
    entered = re.search(r"=> 0x([0-9a-f]+):\tjmp 0x([0-9a-f]+)", seen["setup"])
    assert entered is not None, seen["setup"]
    start, target = (int(part, 16) for part in entered.groups())
    assert start < target < start + 0x100, "gdb is shown where the jump goes, not its offset in the segment"
    assert re.search(rf"cs +{(start >> 4):#x} ", seen["setup"])
    assert re.findall(r'"CPU 0" \((.*?)[,)]', seen["protected mode"]) == ["real mode", "32-bit protected mode"]
    assert " in start_kernel ()" in seen["start_kernel"]
    assert position(seen["setup again"]) == position(seen["setup"])
