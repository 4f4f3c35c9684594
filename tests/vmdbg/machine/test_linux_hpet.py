"""Linux has the HPET take over the interrupts of 8254 and RTC where it can, whichever controllers these lead to."""

from __future__ import annotations

from pathlib import Path

import pytest

import vmdbg
from tests.linux_assets import MARKER, busybox_initrd, cloud_kernel


def count(interrupts: str, line: int) -> int:
    return next(int(row.split()[1]) for row in interrupts.splitlines() if row.strip().startswith(f"{line}:"))


def test_a_plain_machine_has_none() -> None:
    with pytest.raises(vmdbg.UserError, match="a plain machine has no HPET"):
        vmdbg.launch(machine="plain", hpet="legacy")
    with pytest.raises(vmdbg.UserError, match="there are: plain, legacy"):
        vmdbg.launch(hpet="old")


@pytest.mark.slow
@pytest.mark.parametrize(("append", "controller"), [("nolapic_timer", "IO-APIC"), ("noapic nolapic", "XT-PIC")])
def test_linux_ticks_by_it(append: str, controller: str, tmp_path: Path) -> None:
    recording = tmp_path / "boot.vmdbg"
    options = {"initrd": busybox_initrd(), "append": append, "record": recording}
    with vmdbg.launch(cloud_kernel(), hpet="legacy", **options) as guest:
        guest.expect(MARKER)
        guest.send("cat /proc/interrupts; hwclock; echo do''ne\n")
        said = guest.expect("done\r\n")
        assert count(said, 0) > 100
        assert controller in said
        assert "timers 0 and 1 are IRQ 0 and IRQ 8" in guest.execute("devices hpet")
        end, digest = guest.position, guest.digest()
    with vmdbg.open_recording(recording) as guest:
        guest.seek(end)
        assert guest.digest() == digest
