"""Paged state of a device follows the position, is in digests, recordings and snapshots, and costs by what changes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devices import notebook
from tests.devices.workbench import fitted_devices
from tests.guests.build import assemble
from vmdbg.api import Guest, launch, open_recording
from vmdbg.machine.digest import digest
from vmdbg.machine.snapshot import Position
from vmdbg.recording.save import save_snapshot
from vmdbg.units import Tick

GUEST = """
; org 7c00h
%include "boot_sector.inc"
    boot_sector
    mov ebx, 12345
next:
    imul ebx, ebx, 1664525
    add ebx, 1013904223
    mov eax, ebx
    test ebx, 1 << 31
    jz far_away
    and eax, 0ffffh                 ; again and again among 16 MiB
far_away:
    mov dx, 2d0h
    out dx, eax
    mov dx, 2d4h
    in al, dx
    add cl, al
    mov al, bh
    test ebx, 7 << 16
    jnz write
    xor al, al                      ; and back to zeros
write:
    out dx, al
    jmp next
    end_boot_sector
"""
END = 300_000


def noting(record: Path | None = None) -> Guest:
    return launch(assemble(GUEST), devices=["notebook"], memory=4 << 20, record=record)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    path = tmp_path_factory.mktemp("notes") / "notes.rec"
    with fitted_devices(notebook.__name__), noting(record=path) as guest:
        guest.run(ticks=END)
        yield guest


def straight(tick: int) -> str:
    with noting() as guest:
        guest.run(ticks=tick)
        return digest(guest.debugger.machine).devices


def test_it_follows_the_position(recorded: Guest) -> None:
    timeline, rng = recorded.debugger.timeline, random.Random(4)
    machine = timeline.machine
    (area,) = machine.pc.areas
    known: dict[Position, tuple[dict[int, bytes], str, str]] = {}
    for number in range(30):
        timeline.seek(Position(Tick(rng.randrange(END))))
        if number % 3 == 0:
            timeline.take_checkpoint()
        found = (dict(area.filled()), digest(machine).devices, timeline.digest_here().ram)
        assert known.setdefault(timeline.position, found) == found
    for position, (filled, *digests) in known.items():
        timeline.seek(position)
        assert dict(area.filled()) == filled
        assert [digest(machine).devices, timeline.digest_here().ram] == digests
    position = min(known)
    assert straight(position.tick) == known[position][1]
    timeline.seek(timeline.end)


def test_checkpoints_share_what_has_not_changed(recorded: Guest) -> None:
    timeline = recorded.debugger.timeline
    timeline.seek(timeline.end)
    before = timeline.checkpoint_here()
    timeline.seek(Position(Tick(END - 3000)))
    after = timeline.checkpoint_here()
    changed = list(before.ram.differences(after.ram))
    (area,) = timeline.machine.pc.areas
    assert 0 < len(changed) < 200 < len(list(area.filled()))
    timeline.seek(timeline.end)


def test_recordings_and_snapshots_hold_it(recorded: Guest, tmp_path: Path) -> None:
    timeline = recorded.debugger.timeline
    timeline.seek(timeline.end)
    wanted = digest(timeline.machine)
    snapshot = tmp_path / "notes.snapshot"
    save_snapshot(timeline, snapshot)
    whole = tmp_path / "whole.rec"
    recorded.execute(f"save {whole}")
    with open_recording(whole) as again:
        again.seek(timeline.end)
        assert digest(again.debugger.machine) == wanted
    with open_recording(snapshot) as there:
        assert digest(there.debugger.machine) == wanted
