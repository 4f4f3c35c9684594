"""Of thousands of pages that differ most are put back when they are accessed: nobody can tell, damage is an error."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.guests.build import assemble
from vmdbg.api import Guest, launch, open_recording
from vmdbg.engine.memory import PhysicalMemory
from vmdbg.errors import RecordingError
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.snapshot import Position
from vmdbg.recording.blocks import PAGE_KINDS, Block, scan
from vmdbg.timeline.ram import WORTH_OWING
from vmdbg.timeline.state_digest import StateDigest
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import PAGE_SIZE, Physical

FIRST, PAGES = 0x400000 // PAGE_SIZE, 3072
GUEST = f"""
DIRECTORY equ 300000h
TABLES equ 301000h
bits 32
org 100000h
    mov esp, 2ff000h
    xor ebx, ebx
    xor esi, esi
.directory:
    mov eax, esi
    shl eax, 10
    add eax, TABLES + 7
    mov [DIRECTORY + esi], eax
    add esi, 4
    cmp esi, 4 * 8
    jb .directory
round:                              ; other tables, and other contents and other code for all pages
    inc ebx
    mov edi, TABLES
    mov eax, ebx
    and eax, 7
    shl eax, 9
    or eax, 7
.map:
    mov [edi], eax
    add edi, 4
    add eax, {PAGE_SIZE}
    cmp edi, TABLES + 8 * {PAGE_SIZE}
    jb .map
    mov eax, DIRECTORY
    mov cr3, eax
    mov eax, cr0
    or eax, 80000000h
    mov cr0, eax
    mov edi, {FIRST * PAGE_SIZE}
.fill:
    mov [edi], ebx
    mov [edi + 8 * ebx], edi
    mov byte [edi + 100h], 0b8h     ; mov eax, imm32; ret
    mov [edi + 101h], ebx
    mov byte [edi + 105h], 0c3h
    add edi, {PAGE_SIZE}
    cmp edi, {(FIRST + PAGES) * PAGE_SIZE}
    jb .fill
    mov ecx, 1000
.pick:                              ; and then few of them
    imul ebp, ebp, 1664525
    add ebp, 1013904223
    mov esi, ebp
    shr esi, 26
    imul edx, ebx, 37
    add esi, edx
    and esi, 2047
    shl esi, 12
    add esi, {FIRST * PAGE_SIZE}
    lea edx, [esi + 100h]
    call edx
    add eax, [esi]
    add [esi + 200h], eax
    test ecx, 127
    jnz .same
    mov eax, DIRECTORY
    mov cr3, eax
.same:
    dec ecx
    jnz .pick
    jmp round
"""
ROUND, ROUNDS = 200_000, 14
WHERE = range(FIRST * PAGE_SIZE, (FIRST + PAGES) * PAGE_SIZE)


@dataclass(frozen=True)
class Known:
    """An instant as it was when it was come to first."""

    whole: Digest
    state: StateDigest
    ram: bytes


@dataclass(frozen=True)
class History:
    path: Path
    instants: dict[Position, Known]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """With a checkpoint at each second of the instants that are known."""
    path, instants = tmp_path_factory.mktemp("owed") / "owed.vmdbg", dict[Position, Known]()
    chance = random.Random(3)
    with launch(assemble(GUEST), load_address=0x100000, mode="protected", memory=32 << 20, record=path) as guest:
        for number in range(2 * ROUNDS):
            guest.run(ticks=chance.randrange(ROUND // 4, ROUND))
            if number % 2:
                guest.timeline.take_checkpoint()
            machine = guest.timeline.machine
            known = Known(digest(machine), guest.timeline.digest_here(), bytes(machine.engine.ram))
            instants[guest.position] = known
    return History(path, instants)


@pytest.fixture
def guest(history: History) -> Iterator[Guest]:
    with open_recording(history.path) as opened:
        yield opened


def owed(guest: Guest) -> int:
    return sum(guest.timeline.machine.engine.owed_pages())


def test_each_way_to_look_finds_what_was_there(history: History, guest: Guest) -> None:
    chance, timeline, engine = random.Random(5), guest.timeline, guest.timeline.machine.engine
    most = 0
    for _ in range(60):
        position, known = chance.choice(list(history.instants.items()))
        timeline.seek(position)
        most = max(most, owed(guest))
        assert timeline.digest_here() == known.state
        match chance.randrange(5):
            case 0:
                assert digest(timeline.machine) == known.whole
            case 1:
                for address in chance.choices(WHERE, k=40):
                    data = engine.read_physical(Physical(address), 64)
                    assert data == known.ram[address : address + 64]
            case 2:
                address = chance.choice(WHERE)
                assert guest.memory.read(address, 32) == known.ram[address : address + 32]
            case 3:
                timeline.take_checkpoint()
            case _:
                later = [one for one in history.instants if one > position]
                if later:
                    timeline.run(later[0].tick)
                    assert timeline.digest_here() == history.instants[later[0]].state
    assert most > WORTH_OWING // 2


def test_all_of_memory_is_there_for_whoever_asks_for_it(history: History, guest: Guest) -> None:
    positions = list(history.instants)
    guest.timeline.seek(positions[-1])
    guest.timeline.seek(positions[3])
    assert owed(guest) > WORTH_OWING // 2
    assert bytes(guest.timeline.machine.engine.ram) == history.instants[positions[3]].ram
    assert not owed(guest)


def test_what_is_written_where_something_is_owed_is_kept(history: History, guest: Guest) -> None:
    positions = list(history.instants)
    guest.timeline.seek(positions[-1])
    guest.timeline.seek(positions[5])
    guest.fork()
    expected = bytearray(history.instants[positions[5]].ram)
    for address in random.Random(7).choices(WHERE, k=30):
        guest.memory.write(address, b"written")
        expected[address : address + 7] = b"written"
    guest.timeline.take_checkpoint()
    here = guest.position
    assert owed(guest)
    guest.run(ticks=3 * ROUND)
    guest.timeline.seek(here)
    assert bytes(guest.timeline.machine.engine.ram) == expected


@pytest.mark.parametrize("worth", [1, ROUND * ROUNDS])
def test_what_a_run_is_known_to_need_is_put_back_beforehand(
    worth: int, history: History, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where it is not worth that, by and by: the guest cannot tell."""
    timeline, positions = guest.timeline, list(history.instants)
    timeline.worth_bringing = worth
    asked: list[int] = []
    contents = timeline._ram._owed_contents

    def counted(numbers: Sequence[int]) -> list[bytes]:
        asked.extend(numbers)
        return contents(numbers)

    monkeypatch.setattr(timeline._ram, "_owed_contents", counted)
    timeline.seek(positions[-1])
    timeline.seek(positions[5])
    assert owed(guest) > WORTH_OWING // 2
    for position in positions[6:12]:
        timeline.run(position.tick)
        assert timeline.digest_here() == history.instants[position].state
    assert digest(timeline.machine) == history.instants[positions[11]].whole
    late = len(set(asked))
    assert late < PAGES // 8 if worth == 1 else late > PAGES // 2


def test_a_process_of_its_own_finds_the_same(history: History, guest: Guest) -> None:
    positions = list(history.instants)
    guest.timeline.seek(positions[-1])
    guest.timeline.seek(positions[7])
    count = owed(guest)
    assert count > WORTH_OWING // 2
    child = os.fork()
    if not child:
        guest.timeline.run(positions[8].tick)
        alike = digest(guest.timeline.machine) == history.instants[positions[8]].whole
        os._exit(0 if alike else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert owed(guest) == count
    assert digest(guest.timeline.machine) == history.instants[positions[7]].whole


def damage(path: Path) -> None:
    """All blocks of pages, in a file that was opened whole."""
    with path.open("r+b") as file:
        blocks = [one for one in scan(file, path.stat().st_size) if isinstance(one, Block) and one.kind in PAGE_KINDS]
        assert blocks
        for block in blocks:
            file.seek(block.end - 8)
            file.write(b"damaged!")


@pytest.fixture
def damaged(history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guest]:
    """What is owed where it stands cannot be had any more."""
    monkeypatch.setattr("vmdbg.recording.page_file.BYTES_AT_HAND", 0)
    path = tmp_path / "damaged.vmdbg"
    path.write_bytes(history.path.read_bytes())
    positions = list(history.instants)
    with open_recording(path) as opened:
        opened.timeline.seek(positions[-1])
        opened.timeline.seek(positions[9])
        assert owed(opened) > WORTH_OWING // 2
        damage(path)
        yield opened


def found_at(engine: PhysicalMemory, address: int) -> bytes | None:
    """None: what is there is damaged."""
    try:
        return engine.read_physical(Physical(address), 16)
    except RecordingError:
        return None


def test_reading_what_is_damaged_is_an_error_and_not_what_was_there(history: History, damaged: Guest) -> None:
    engine, known = damaged.timeline.machine.engine, history.instants[damaged.position]
    failed = 0
    for address in random.Random(1).choices(WHERE, k=200):
        found = found_at(engine, address)
        assert found in (known.ram[address : address + 16], None)
        failed += found is None
    assert failed > 50
    with pytest.raises(RecordingError):
        digest(damaged.timeline.machine)
    assert damaged.timeline.digest_here() == known.state, "which nothing need be read for"


def insist(timeline: Timeline, position: Position) -> None:
    """Each checkpoint that is damaged is an error once."""
    for _ in range(len(timeline.checkpoints)):
        with contextlib.suppress(RecordingError):
            timeline.seek(position)
            return
    timeline.seek(position)


def test_a_seek_into_what_is_damaged_ends_at_a_good_instant(history: History, damaged: Guest) -> None:
    here = damaged.position
    with pytest.raises(RecordingError, match="damaged"):
        damaged.timeline.seek(list(history.instants)[12])
    is_good(damaged, history, here)


@pytest.mark.parametrize("worth", [1, ROUND * ROUNDS])
def test_from_a_run_into_what_is_damaged_one_comes_back_to_a_good_instant(
    worth: int, history: History, damaged: Guest
) -> None:
    damaged.timeline.worth_bringing = worth
    here = damaged.position
    with pytest.raises(RecordingError, match="damaged"):
        damaged.timeline.run(damaged.timeline.end.tick)
    damaged.timeline.come_back(here)
    is_good(damaged, history, here)


def is_good(guest: Guest, history: History, here: Position) -> None:
    """It stands at `here` or before, and what comes is put back at once and as it was."""
    timeline, positions = guest.timeline, list(history.instants)
    assert timeline.position <= here
    for position in (timeline.position, positions[0], positions[2]):
        insist(timeline, position)
        if position in history.instants:
            assert digest(timeline.machine) == history.instants[position].whole
    assert not owed(guest)
