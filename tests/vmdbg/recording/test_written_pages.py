"""A guest that is being recorded goes back to pages that only the file has, whatever became of that meanwhile."""

from __future__ import annotations

import random
import resource
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.guests.build import assemble
from vmdbg.api import Guest, launch, open_recording
from vmdbg.errors import RecordingError
from vmdbg.machine.snapshot import Position
from vmdbg.recording.blocks import PAGE_KINDS, Block, scan
from vmdbg.recording.save import save_recording
from vmdbg.timeline.pages import read_together
from vmdbg.timeline.state_digest import StateDigest

FIRST, PAGES, PAGE = 0x400000, 600, 4096
GUEST = f"""
bits 32
org 100000h
round:                              ; most pages get a few words, some become others', some are new
    inc ebx
    mov edi, {FIRST}
.page:
    imul ebp, ebp, 1664525
    add ebp, 1013904223
    mov eax, ebp
    shr eax, 29
    jnz .few
    mov ecx, 1024
.all:
    imul ebp, ebp, 1664525
    add ebp, 1013904223
    mov [edi + 4 * ecx - 4], ebp
    loop .all
.few:
    cmp eax, 1
    jne .here
    lea esi, [edi + 2 * {PAGE}]
    push edi
    mov ecx, 1024
    rep movsd
    pop edi
.here:
    mov [edi + 8 * ebx], ebx
    add edi, {PAGE}
    cmp edi, {FIRST + PAGES * PAGE}
    jb .page
    jmp round
"""
ROUND, ROUNDS, BUDGET = 1_200_000, 24, 6 << 20


@dataclass
class Recorded:
    guest: Guest
    path: Path
    instants: dict[Position, StateDigest] = field(default_factory=dict)

    def run(self, rounds: int) -> None:
        timeline = self.guest.timeline
        for _ in range(rounds):
            self.guest.run(ticks=ROUND)
            timeline.take_checkpoint()
            self.instants[self.guest.position] = timeline.digest_here()

    @property
    def away(self) -> int:
        return sum(page.is_away for page in self.guest.timeline.store.pages())

    def goes_everywhere(self, seed: int) -> None:
        timeline, positions = self.guest.timeline, list(self.instants)
        random.Random(seed).shuffle(positions)
        for position in positions:
            timeline.seek(position)
            assert timeline.digest_here() == self.instants[position]


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    path = tmp_path / "r.vmdbg"
    with launch(assemble(GUEST), load_address=0x100000, mode="protected", memory=16 << 20, record=path) as guest:
        guest.timeline.checkpoints.budget = BUDGET
        found = Recorded(guest, path)
        found.run(ROUNDS)
        yield found


def test_while_it_is_recorded_and_recorded_on(recorded: Recorded) -> None:
    timeline = recorded.guest.timeline
    assert recorded.away > 2 * PAGES
    for seed in range(3):
        recorded.goes_everywhere(seed)
        timeline.seek(timeline.end)
        recorded.run(3)
    recorded.guest.close()
    with open_recording(recorded.path) as replayed:
        for position, state in recorded.instants.items():
            replayed.timeline.seek(position)
            assert replayed.timeline.digest_here() == state


def test_what_is_read_of_the_file_is_what_memory_would_have_kept(recorded: Recorded, tmp_path: Path) -> None:
    """Nothing else of the timeline differs: the same checkpoints, the same pages."""
    options = {"load_address": 0x100000, "mode": "protected", "memory": 16 << 20}
    with launch(assemble(GUEST), **options) as guest:  # type: ignore[arg-type]
        other = Recorded(guest, tmp_path)
        other.run(ROUNDS)
        assert other.instants == recorded.instants
        ours, theirs = (one.guest.timeline for one in (recorded, other))
        images = {checkpoint.position: checkpoint.ram for checkpoint in theirs.checkpoints}
        common = [one for one in ours.checkpoints if one.position in images]
        assert len(common) > ROUNDS // 2
        for checkpoint in common:
            numbers, pages = checkpoint.ram.besides(ours.store.zero)
            expected = images[checkpoint.position]
            assert [page.data for page in pages] == [page.data for page in expected.pages(numbers)]


def test_what_is_saved_meanwhile_is_whole(recorded: Recorded, tmp_path: Path) -> None:
    """It is read of the one file and written to the other."""
    timeline = recorded.guest.timeline
    assert recorded.away > 2 * PAGES
    save_recording(timeline, tmp_path / "saved")
    with open_recording(tmp_path / "saved") as saved:
        assert saved.timeline.end == timeline.end
        assert [one.position for one in saved.timeline.checkpoints] == [one.position for one in timeline.checkpoints]
        for position in list(recorded.instants)[::3]:
            saved.timeline.seek(position)
            assert saved.timeline.digest_here() == recorded.instants[position]


def test_pages_are_read_together_as_one_by_one(recorded: Recorded) -> None:
    pages = list(recorded.guest.timeline.store.pages())
    random.Random(1).shuffle(pages)
    found = read_together([*pages, *pages[:50]])
    assert found.keys() == {page.key for page in pages if page.is_away}
    assert all(found[page.key] == page.data for page in pages if page.is_away)


@pytest.mark.parametrize("removed", [False, True])
def test_once_the_recording_has_ended(removed: bool, recorded: Recorded) -> None:
    timeline = recorded.guest.timeline
    assert timeline.recorder is not None
    timeline.seek(list(recorded.instants)[-2])
    timeline.fork()
    assert timeline.recorder is None
    recorded.instants.popitem()
    if removed:
        recorded.path.unlink()
    assert recorded.away > PAGES
    recorded.goes_everywhere(7)
    recorded.run(4)
    recorded.goes_everywhere(8)


def test_after_the_disk_was_full(recorded: Recorded) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (recorded.path.stat().st_size + 100_000, limits[1]))
        recorded.run(12)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert recorded.guest.timeline.recorder is None or recorded.guest.timeline.recorder.failure is not None
    assert recorded.away
    recorded.goes_everywhere(9)
    recorded.run(4)
    recorded.goes_everywhere(10)


def test_what_somebody_damages_is_an_error_and_gone_through_again(recorded: Recorded) -> None:
    """The first checkpoint is in memory: all can be come to from there."""
    timeline, end = recorded.guest.timeline, recorded.guest.position
    with recorded.path.open("r+b") as file:
        blocks = [one for one in scan(file, recorded.path.stat().st_size) if isinstance(one, Block)]
        for block in blocks:
            if block.kind in PAGE_KINDS:
                file.seek(block.offset + block.length // 2 + 40)
                file.write(b"damaged!")
    failed = 0
    for position in sorted(recorded.instants, reverse=True):
        for _ in range(ROUNDS + 1):
            with suppress(RecordingError):
                timeline.seek(position)
                break
            failed += 1
        assert timeline.digest_here() == recorded.instants[position]
    assert failed
    timeline.seek(end)
    recorded.run(2)


def test_pages_that_nobody_refers_to_leave_the_file_closed(recorded: Recorded) -> None:
    store = recorded.guest.timeline.store
    sources = {id(page.source): page.source for page in store.pages() if page.source is not None}
    (source,) = sources.values()
    file = source._file  # type: ignore[attr-defined]
    recorded.guest.close()
    del source, sources
    assert file.closed
