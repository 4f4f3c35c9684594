"""Where a device wrote memory, it is named: by stops, last-write and queries, there and back, live and replayed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devices import copier
from tests.devices.workbench import fitted_devices
from tests.guests.build import assemble
from vmdbg.api import Guest, launch, open_recording

GUEST = """
; org 7c00h
%include "boot_sector.inc"
    boot_sector
    mov word [9000h], 1111h
    mov dx, 2b0h
    mov eax, source
    out dx, eax
    add dx, 4
    mov eax, 9000h
    out dx, eax
    add dx, 4
    mov eax, 4
    out dx, eax
    add dx, 4
    out dx, al
busy:
    in al, dx
    test al, al
    jnz busy
    mov byte [9003h], 77h
    finish 0
source dd 12345678h
    end_boot_sector
"""
ENOUGH = 1_000_000


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    recording = tmp_path / "dma.rec"
    with fitted_devices(copier.__name__), launch(assemble(GUEST), devices=["copier"], record=recording) as guest:
        yield guest


def test_a_device_that_writes_is_named(guest: Guest, tmp_path: Path) -> None:
    guest.execute("watch phys:0x9000 4")
    stops = [guest.execute("continue") for _ in range(3)]
    assert "copier" not in stops[0]
    assert "0x1111 -> 0x12345678" in stops[1]
    assert "by copier, copy of 4 bytes" in stops[1]
    assert "0x12 -> 0x77" in stops[2]
    there = guest.position
    assert "copier" not in guest.execute("reverse-continue")
    assert "by copier, copy of 4 bytes" in guest.execute("reverse-continue")
    assert "0x1111 -> 0x12345678" in guest.execute("stepi")
    guest.execute(f"goto {there}")
    guest.execute("delete all")
    guest.execute("continue")
    _check_history(guest)
    end = guest.position
    guest.close()
    with open_recording(tmp_path / "dma.rec") as again:
        again.seek(end)
        _check_history(again)


def _check_history(guest: Guest) -> None:
    said = guest.execute("last-write phys:0x9000 2")
    assert "copier, copy of 4 bytes" in said
    assert "0x12345678, 0x5678 before" not in said
    assert "copier" not in guest.execute("last-write phys:0x9003 1")
    rows = guest.queries.writes(0x9000, 4, physical=True)
    assert [(row.device, row.pc is None, row.new.hex()) for row in rows] == [
        ("", False, "1111"),
        ("copier", True, "78563412"),
        ("", False, "77"),
    ]
    shown = guest.execute("query writes phys:0x9000 4")
    assert "copier" in shown
    assert "copy of 4 bytes" in shown
    found = guest.queries.who_wrote(0x9001, 1, physical=True)
    assert found is not None
    assert (found.device, found.position, found.new.hex()) == ("copier", rows[1].position, "56")
    assert [row.device for row in guest.queries.reads(0x9000, 4, physical=True)] == []
