"""Guests with more memory than fits below 4 GiB: what they find, what a debugger finds, and what it costs."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from tests.guests.build import assemble
from tests.linux_assets import busybox_initrd, cloud_kernel
from vmdbg.api import launch, open_recording
from vmdbg.engine.memory import blocks
from vmdbg.machine.digest import digest
from vmdbg.units import Physical

EIGHT_GIB = 8 << 30
GUEST = (Path(__file__).parent / "high_memory.asm").read_text()
FIRST, LAST = 0x1_0000_0000, 0x2_3FFF_F000
EXPECTED = """\
1122334455667788
1122334455667789
112233445566778a
ffffffffffffffff
ffffffffffffffff
42
41
7700210023
"""


def test_ram_from_4_gib_on_is_ram(tmp_path: Path) -> None:
    path = tmp_path / "high.rec"
    with launch(assemble(GUEST), memory=EIGHT_GIB, record=path) as guest:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        guest.run(ticks=100_000_000)
        assert guest.console == EXPECTED
        engine = guest.debugger.machine.engine
        assert [(start, len(data)) for start, data in blocks(engine)] == [(0, 3 << 30), (4 << 30, 5 << 30)]
        assert engine.read_physical(Physical(FIRST), 8) == (0x1122334455667788).to_bytes(8, "little")
        shown = guest.execute(f"phys {LAST + 0xFF8:#x} 8")
        assert "89 77 66 55" in shown
        assert "0x1122334455667788" in guest.execute(f"last-write phys:{FIRST:#x} 8")
        row = guest.queries.who_wrote(LAST + 0x1012, 1, physical=True)
        assert row is None
        row = guest.queries.who_wrote(LAST + 0x12, 1, physical=True)
        assert row is not None
        assert (row.old, row.new) == (b"\xc0", b"\xc8")
        assert f"{LAST + 0x10:x}" in guest.execute("diff start here --limit 1000")
        timeline = guest.debugger.timeline
        timeline.seek(timeline.end)
        wanted = timeline.digest_here()
        assert len(timeline.store) < 4000
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 300 << 10, f"{grown} KiB for what a small guest touches"
    with open_recording(path) as again:
        timeline = again.debugger.timeline
        timeline.seek(timeline.end)
        assert timeline.digest_here() == wanted
        assert again.debugger.machine.engine.read_physical(Physical(LAST + 0xFF8), 1) == b"\x89"


@pytest.mark.slow
def test_linux_sees_all_of_it_and_a_checkpoint_costs_what_has_changed() -> None:
    with launch(cloud_kernel(), initrd=busybox_initrd(), memory=EIGHT_GIB) as guest:
        for _ in range(40):
            guest.run(ticks=300_000_000)
            if "~ # " in guest.console:
                break
        assert "/8388216K available" in guest.console
        timeline = guest.debugger.timeline
        first = timeline.checkpoint_here()
        guest.run(ticks=3_000_000_000)
        second = timeline.checkpoint_here()
        changed = list(first.ram.differences(second.ram))
        assert 0 < len(changed) < 3000
        here = digest(guest.debugger.machine)
        timeline.restore(first)
        timeline.restore(second)
        assert digest(guest.debugger.machine) == here
