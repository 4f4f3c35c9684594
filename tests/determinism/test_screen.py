"""A guest that draws is the same however it is run, looked at, recorded and gone back in."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.vmdbg.boot.builders import assemble
from vmdbg.api.boot import launch, open_recording, resume
from vmdbg.api.guest import Guest
from vmdbg.engine.exits import Access
from vmdbg.engine.stops import Watchpoint
from vmdbg.machine.screen import appearance_of, text_of
from vmdbg.units import Tick

GUEST = Path(__file__).parent / "screens.asm"
END = 150_000_000
MODES = {(640, 400), (640, 480), (720, 400)}


@pytest.fixture(scope="module")
def floppy(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("screens") / "floppy.img"
    path.write_bytes(assemble(GUEST.read_text()).ljust(1440 << 10, b"\0"))
    return str(path)


def started(floppy: str) -> Guest:
    return launch(floppies=[floppy], vga="std", memory="16M")


def run_to(guest: Guest, tick: int) -> None:
    """Which has not come."""
    if guest.tick < tick:
        guest.run(tick - guest.tick)


@pytest.fixture(scope="module")
def straight(floppy: str) -> str:
    """The digest of a run in one go."""
    with started(floppy) as guest:
        run_to(guest, END)
        return str(guest.digest())


def test_pictures_taken_on_the_way_change_nothing(floppy: str, straight: str) -> None:
    sizes, chance = set(), random.Random(1)
    with started(floppy) as guest:
        while guest.tick < END:
            guest.run(min(chance.randrange(1, 9_000_000), END - guest.tick))
            frame = guest.screen()
            sizes.add((frame.width, frame.height))
            appearance_of(guest.debugger.machine), text_of(guest.debugger.machine)
        assert sizes >= MODES
        assert str(guest.digest()) == straight


def test_the_past_shows_what_was_seen_there(floppy: str, straight: str) -> None:
    chance = random.Random(2)
    with started(floppy) as guest:
        seen = {}
        while guest.tick < END:
            guest.run(min(7_654_321, END - guest.tick))
            seen[guest.position] = guest.screen(), str(guest.digest())
        for position in chance.sample(sorted(seen), 12):
            guest.seek(position)
            assert (guest.screen(), str(guest.digest())) == seen[position]
        guest.seek(guest.end)
        assert str(guest.digest()) == straight


def test_a_recording_and_a_snapshot_have_the_screen(floppy: str, straight: str, tmp_path: Path) -> None:
    recording, snapshot = tmp_path / "screens.vmdbg", tmp_path / "middle"
    with started(floppy) as guest:
        guest.record(recording)
        run_to(guest, END // 2)
        middle = guest.screen()
        guest.save_snapshot(snapshot)
        run_to(guest, END)
        last = guest.screen()
    with open_recording(recording) as replayed:
        replayed.seek(replayed.end)
        assert (replayed.screen(), str(replayed.digest())) == (last, straight)
        replayed.seek(END // 2)
        assert replayed.screen() == middle
        rows = replayed.queries.screens(5_000_000)
        assert len({row.mode for row in rows}) == len(MODES) + 1
        assert replayed.queries.using(workers=2).screens(5_000_000) == rows
    with resume(snapshot) as resumed:
        assert resumed.screen() == middle
        run_to(resumed, END)
        assert (resumed.screen(), str(resumed.digest())) == (last, straight)


def test_who_wrote_to_the_window_is_found_in_every_mode(floppy: str) -> None:
    """Mode 13h has it directly, the planes and text by the display's logic."""
    wanted, end = (0xB8000, 0xA0010), END // 2
    with started(floppy) as guest:
        machine = guest.debugger.machine
        hits: dict[int, list[int]] = {at: [] for at in wanted}
        places = [Watchpoint(number, at, 2, frozenset({Access.WRITE})) for number, at in enumerate(wanted)]
        machine.engine.set_watchpoints(places)
        while machine.clock < end:
            machine.run(Tick(end), over_breakpoint=True)
            for hit in machine.engine.watch_hits:
                hits[wanted[hit.number]].append(machine.clock)
    with started(floppy) as guest:
        run_to(guest, end)
        for at, ticks in hits.items():
            assert ticks
            assert [row.position.tick for row in guest.queries.writes(at, 2)] == ticks
            last = guest.queries.who_wrote(at, 2)
            assert last is not None
            assert last.position.tick == ticks[-1]
