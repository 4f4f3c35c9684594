"""Checkpoints come out of a file as they went in, one after the other, and say so where one is missing or another."""

from __future__ import annotations

import random
from array import array
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.vmdbg.recording.conftest import Recorded
from tests.vmdbg.recording.older import make_older
from vmdbg.errors import RecordingError
from vmdbg.machine.digest import digest
from vmdbg.recording.blocks import PAGE_KINDS, Block, Kind, scan
from vmdbg.recording.checkpoint_packing import (
    CheckpointBlock,
    CheckpointPacking,
    CheckpointUnpacking,
    keys_digest,
    keys_of,
)
from vmdbg.recording.reader import Recording, check_checkpoint, open_recording
from vmdbg.recording.records import CheckpointRecord, encode
from vmdbg.recording.replay import replay

Packed = tuple[CheckpointBlock, CheckpointRecord, list[bytes]]


def packed(states: Path, seed: int) -> tuple[list[Packed], dict[int, bytes]]:
    """Some checkpoints: packed, as they were, the digests of their pages; and those by their ordinals."""
    rng = random.Random(seed)
    with open_recording(states) as recording:
        state = recording.checkpoints[0].state
    in_file = {ordinal: rng.randbytes(16) for ordinal in range(1, 60)}
    packing, found = CheckpointPacking(), list[Packed]()
    for number in range(8):
        state = replace(state, devices=state.devices | {"pit": rng.randbytes(rng.randrange(300))})
        ordinals = [rng.choice((0, rng.randrange(1, 60))) for _ in range(rng.randrange(30))]
        keys = [in_file.get(ordinal) or rng.randbytes(16) for ordinal in ordinals]
        changed = array("I", sorted(rng.sample(range(1 << 20), len(keys)))).tobytes()
        record = CheckpointRecord(number, number, 0, state, changed, b"", microseconds=rng.randrange(1000))
        found.append((packing.pack(record, keys, ordinals), record, keys))
    return found, in_file


@pytest.mark.parametrize("seed", range(6))
def test_checkpoints_come_out_as_they_went_in(seed: int, recorded: Recorded) -> None:
    some, in_file = packed(recorded.path, seed)
    unpacking = CheckpointUnpacking()
    for block, record, keys in some:
        (found,) = unpacking.unpack(block)
        check_checkpoint(found)
        names = [in_file.get(ordinal) for ordinal in array("I", found.ordinals)]
        assert keys_of(found, names) == keys
        assert msgspec.structs.replace(found, keys=b"", ordinals=b"", digest=b"") == record


def test_after_a_missing_one_none_is_read_and_that_is_said_once(recorded: Recorded) -> None:
    some, _ = packed(recorded.path, 1)
    unpacking = CheckpointUnpacking()
    assert len(unpacking.unpack(some[0][0])) == 1
    with pytest.raises(RecordingError, match="checkpoint 1 is missing"):
        unpacking.unpack(some[2][0])
    assert not any(unpacking.unpack(block) for block, _, _ in some)


def test_a_state_is_not_taken_for_another_ones_difference(recorded: Recorded) -> None:
    some, _ = packed(recorded.path, 2)
    others, _ = packed(recorded.path, 3)
    unpacking = CheckpointUnpacking()
    unpacking.unpack(some[0][0])
    with pytest.raises(RecordingError, match="a checkpoint is damaged"):
        unpacking.unpack(others[1][0])


def test_few_bytes_do_not_become_many(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    some, _ = packed(recorded.path, 2)
    monkeypatch.setattr("vmdbg.recording.checkpoint_packing.ROOM_FOR_A_BYTE", 1)
    monkeypatch.setattr("vmdbg.recording.checkpoint_packing.ROOM", 3 * len(encode(some[0][1].state)))
    unpacking = CheckpointUnpacking()
    assert all(unpacking.unpack(block) for block, _, _ in some[:2])
    with pytest.raises(RecordingError, match="state is not of at most"):
        list(map(unpacking.unpack, (block for block, _, _ in some[2:])))
    assert not any(unpacking.unpack(block) for block, _, _ in some)


@pytest.mark.parametrize("state", [b"", b"no frame", bytes(50)])
def test_what_is_no_state_is_refused(state: bytes, recorded: Recorded) -> None:
    some, _ = packed(recorded.path, 2)
    with pytest.raises(RecordingError, match="checkpoint"):
        CheckpointUnpacking().unpack(msgspec.structs.replace(some[0][0], state=state))


def test_pages_that_are_others_are_refused(recorded: Recorded) -> None:
    some, in_file = packed(recorded.path, 4)
    (record,) = CheckpointUnpacking().unpack(some[0][0])
    names = [in_file.get(ordinal) for ordinal in array("I", record.ordinals)]
    at = next(place for place, name in enumerate(names) if name is not None)
    with pytest.raises(RecordingError, match="others than its digest says"):
        keys_of(record, [*names[:at], bytes(16), *names[at + 1 :]])
    lost = keys_of(record, [*names[:at], None, *names[at + 1 :]])
    assert [key for key in lost if key is None] == [None]
    assert [*lost[:at], *lost[at + 1 :]] == [*some[0][2][:at], *some[0][2][at + 1 :]]


@pytest.mark.parametrize("field", ["changed", "ordinals", "keys"])
def test_pages_that_do_not_match_are_refused(field: str, recorded: Recorded) -> None:
    some, _ = packed(recorded.path, 5)
    (record,) = CheckpointUnpacking().unpack(some[0][0])
    for value in (b"", getattr(record, field)[:-1], getattr(record, field) + bytes(16)):
        with pytest.raises(RecordingError, match="its pages do not match"):
            check_checkpoint(msgspec.structs.replace(record, **{field: value}))


# in files


def pages_by_digest(recording: Recording) -> list[list[bytes | None]]:
    ordinals = [array("I", record.ordinals) for record in recording.checkpoints]
    return [
        keys_of(record, recording.pages.keys(some))
        for record, some in zip(recording.checkpoints, ordinals, strict=True)
    ]


def blocks_of(path: Path) -> list[Block]:
    with path.open("rb") as file:
        return [one for one in scan(file, path.stat().st_size) if isinstance(one, Block)]


def damaged(source: Path, path: Path, block: Block) -> Path:
    whole = bytearray(source.read_bytes())
    whole[block.end - 1] ^= 1
    path.write_bytes(whole)
    return path


def test_an_earlier_recording_says_the_same(recorded: Recorded, tmp_path: Path) -> None:
    path = make_older(recorded.path, tmp_path / "older")
    assert {Kind.KEYED_CHECKPOINT} == {block.kind for block in blocks_of(path)} & {7, 19}
    with open_recording(recorded.path) as new, open_recording(path) as old:
        assert not old.damage
        assert pages_by_digest(old) == pages_by_digest(new)
        assert [record.state for record in old.checkpoints] == [record.state for record in new.checkpoints]
        timeline = replay(old)
        assert len(timeline.checkpoints) == 1 + len(new.checkpoints)
        for checkpoint in timeline.checkpoints:
            timeline.seek(checkpoint.position)
            timeline.seek(timeline.end)
            assert digest(timeline.machine) == recorded.digest
        timeline.machine.close()


@pytest.mark.parametrize("older", [False, True])
def test_a_damaged_page_costs_those_checkpoints_that_have_it(older: bool, recorded: Recorded, tmp_path: Path) -> None:
    source = make_older(recorded.path, tmp_path / "older") if older else recorded.path
    with open_recording(source) as recording:
        every = pages_by_digest(recording)
        numbers = [array("I", record.changed) for record in recording.checkpoints]
        instants = [record.state.cpu.clock for record in recording.checkpoints]
    costs = set()
    for block in [block for block in blocks_of(source) if block.kind in PAGE_KINDS]:
        path = damaged(source, tmp_path / "damaged", block)
        with open_recording(path) as recording:
            memory: dict[int, bytes | None] = {}
            expected = []
            for tick, some, keys in zip(instants, numbers, every, strict=True):
                memory.update(zip(some, keys, strict=True))
                if all(key in recording.pages for key in memory.values() if key is not None):
                    expected.append(tick)
            timeline = replay(recording)
            assert [one.position.tick for one in timeline.checkpoints][1:] == expected
            costs.add(len(every) - len(expected))
            timeline.seek(timeline.end)
            assert digest(timeline.machine) == recorded.digest
            timeline.machine.close()
    assert len(costs) > 1


def test_a_damaged_checkpoint_costs_those_after_it(recorded: Recorded, tmp_path: Path) -> None:
    checkpoints = [block for block in blocks_of(recorded.path) if block.kind == Kind.CHECKPOINT]
    for number, block in enumerate(checkpoints):
        with open_recording(damaged(recorded.path, tmp_path / "damaged", block)) as recording:
            assert len(recording.checkpoints) == number
            said = [text for text in recording.damage if "checkpoint" in text]
            assert said[0].startswith(f"bytes {block.offset} to {block.end} (checkpoint)")
            assert len(said) <= 2
            timeline = replay(recording)
            assert len(timeline.checkpoints) == 1 + number
            timeline.seek(timeline.end)
            assert digest(timeline.machine) == recorded.digest
            timeline.machine.close()


def test_checkpoints_of_pages_that_are_others_are_not_used(recorded: Recorded) -> None:
    with open_recording(recorded.path) as recording:
        recording.checkpoints[1] = msgspec.structs.replace(recording.checkpoints[1], digest=keys_digest([]))
        timeline = replay(recording)
        assert len(timeline.checkpoints) == 2
        assert any("others than its digest says" in text for text in recording.damage)
        timeline.machine.close()
