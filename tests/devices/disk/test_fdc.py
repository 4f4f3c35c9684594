"""The 82077AA: a driver of few words gets what is on the disc, and errors as the data sheet has them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.disk.cd_unit import EjectDisc, InsertDisc
from devices.disk.fdc_transfers import TURN
from devices.disk.floppy_discs import MOST_DISCS
from devices.disk.floppy_formats import DriveType, drive_for, format_of
from devices.disk.medium import SECTOR, MediumError
from devices.disk.requests import DiskRequest, Operation
from tests.devices.disk.bench import BytesMedium
from tests.devices.disk.floppy_bench import (
    DOR,
    FIFO,
    FORMAT,
    MSR,
    RATE,
    READ,
    READ_ID,
    SCAN_EQUAL,
    VERIFY,
    WRITE,
    FloppyBench,
    Result,
    content,
)

DISC = content()
TRACK = 18


def lba(cylinder: int, head: int, sector: int) -> int:
    return (cylinder * 2 + head) * TRACK + sector - 1


def sectors(first: int, count: int = 1) -> bytes:
    return DISC[first * SECTOR : (first + count) * SECTOR]


def read(bench: FloppyBench, place: tuple[int, int, int], count: int, last: int = TRACK, code: int = READ) -> Result:
    bench.seek(0, place[0])
    bench.prepare(0x1000, count * SECTOR, to_memory=True)
    return bench.transfer(code, place, last)


def test_sectors_come_by_dma_and_the_result_names_the_next() -> None:
    bench = FloppyBench(DISC)
    told: list[DiskRequest] = []
    bench.drives[0].listeners.append(told.append)
    assert read(bench, (40, 1, 3), 4) == Result(0x04, 0, 0, 40, 1, 7, 2)
    assert bench.memory(0x1000, 4 * SECTOR) == sectors(lba(40, 1, 3), 4)
    assert [(one.operation, one.sector, one.count) for one in told] == [(Operation.READ, lba(40, 1, 3), 4)]
    assert told[0].completed - told[0].submitted > 4 * 4096


@pytest.mark.parametrize(
    ("code", "place", "count", "after"),
    [
        (0x66, (7, 0, 17), 1, (7, 0, 18)),
        (0x66, (7, 0, 18), 1, (8, 0, 1)),
        (0x66, (7, 1, 18), 1, (8, 1, 1)),
        (READ, (7, 0, 18), 1, (7, 1, 1)),
        (READ, (7, 0, 18), 2, (7, 1, 2)),
        (READ, (7, 1, 18), 1, (8, 0, 1)),
        (READ, (7, 0, 1), 36, (8, 0, 1)),
    ],
)
def test_after_terminal_count_the_id_is_that_of_table_5_6(code, place, count, after) -> None:
    bench = FloppyBench(DISC)
    result = read(bench, place, count, code=code)
    assert (result.status0 & 0xC0, result.status1, result.place) == (0, 0, after)
    assert bench.memory(0x1000, count * SECTOR) == sectors(lba(*place), count)


def test_without_terminal_count_it_ends_at_the_end_of_the_cylinder() -> None:
    bench = FloppyBench(DISC)
    bench.seek(0, 2)
    bench.prepare(0, 20 * SECTOR, to_memory=True)
    result = bench.transfer(0x66, (2, 0, 1), TRACK)
    assert (result.status0, result.status1, result.place) == (0x40, 0x80, (3, 0, 1))
    assert bench.memory(0, TRACK * SECTOR) == sectors(lba(2, 0, 1), TRACK)


@pytest.mark.parametrize(
    ("place", "options", "status1", "status2"),
    [
        ((5, 0, 19), {}, 0x04, 0x00),
        ((5, 0, 0), {}, 0x04, 0x00),
        ((6, 0, 1), {}, 0x04, 0x10),
        ((5, 0, 1), {"rate": 2}, 0x01, 0x00),
        ((5, 0, 1), {"code": 0xA6}, 0x01, 0x00),
        ((5, 0, 1), {"motor": False}, 0x01, 0x00),
        ((5, 0, 1), {"drive": 1}, 0x01, 0x00),
        ((5, 0, 1), {"drive": 3}, 0x01, 0x00),
    ],
)
def test_what_is_not_there_is_looked_for_for_two_turns(place, options, status1, status2) -> None:
    bench = FloppyBench(DISC)
    bench.seek(0, 5)
    bench.write(RATE, options.get("rate", 0))
    if not options.get("motor", True):
        bench.write(DOR, 0x0C)
    bench.prepare(0, SECTOR, to_memory=True)
    before = bench.board.now
    result = bench.transfer(options.get("code", READ), place, TRACK, drive=options.get("drive", 0))
    assert (result.status0 & 0xC0, result.status1, result.status2) == (0x40, status1, status2)
    assert bench.board.now - before > 2 * TURN


def test_what_is_written_is_read_again_and_the_image_is_as_it_was() -> None:
    bench = FloppyBench(DISC)
    bench.seek(0, 79)
    bench.set_memory(0x2000, b"w" * (3 * SECTOR))
    bench.prepare(0x2000, 3 * SECTOR, to_memory=False)
    assert bench.transfer(WRITE, (79, 0, 17), TRACK).place == (79, 1, 2)
    bench.prepare(0x4000, 4 * SECTOR, to_memory=True)
    bench.transfer(READ, (79, 0, 17), TRACK)
    assert bench.memory(0x4000, 4 * SECTOR) == b"w" * (3 * SECTOR) + sectors(lba(79, 1, 2))
    assert bytes(bench.media["a"].data) == DISC


def test_of_the_last_sector_what_does_not_come_is_zeros() -> None:
    bench = FloppyBench(DISC)
    bench.set_memory(0, b"w" * 600)
    bench.prepare(0, 600, to_memory=False)
    bench.transfer(WRITE, (0, 0, 1), TRACK)
    overlay = bench.drives[0].overlay
    assert overlay is not None
    assert overlay.read(0, 2) == b"w" * 600 + bytes(424)


def test_a_disc_with_an_open_notch_is_not_written() -> None:
    bench = FloppyBench(DISC, read_only=True)
    bench.prepare(0, SECTOR, to_memory=False)
    for result in (bench.transfer(WRITE, (0, 0, 1), TRACK), formatted(bench, 0, 0)):
        assert (result.status0 & 0xC0, result.status1) == (0x40, 0x02)
    assert bench.command(0x04, 0) == b"\x78"
    assert not list(bench.drives[0].overlay.written())


def test_a_channel_that_takes_nothing_is_an_overrun() -> None:
    bench = FloppyBench(DISC)
    bench.board.ports.write(0x0F, 1, 0x0F, 0)
    assert bench.transfer(READ, (0, 0, 1), TRACK).status1 == 0x10
    bench.prepare(0, SECTOR, to_memory=True)
    bench.begin(READ, (0, 0, 1), TRACK)
    bench.write(DOR, 0x34)
    while bench.pass_time():
        pass
    assert not bench.interrupt, "DOR does not let it through"
    bench.write(DOR, 0x3C)
    assert bench.result().status1 == 0x10


def test_without_dma_the_host_moves_each_byte_and_the_cylinder_ends_it() -> None:
    bench = FloppyBench(DISC)
    bench.command(0x03, 0xAF, 0x03)
    bench.begin(0x66, (0, 0, 17), TRACK)
    found = bytearray()
    while len(found) < 2 * SECTOR:
        bench.wait()
        assert bench.read(MSR) == 0xF0
        found.append(bench.read(FIFO))
    assert found == sectors(16, 2)
    bench.wait()
    assert bench.result() == Result(0x40, 0x80, 0, 1, 0, 1, 2)
    bench.begin(0x45, (0, 0, 18), TRACK)
    for byte in bytes(range(256)) * 2:
        bench.wait()
        assert bench.read(MSR) == 0xB0
        bench.write(FIFO, byte)
    bench.wait()
    assert bench.result().status1 == 0x80
    assert bench.drives[0].overlay.read(17, 1) == bytes(range(256)) * 2


def formatted(bench: FloppyBench, cylinder: int, head: int, *, track: int = TRACK, size: int = 2) -> Result:
    ids = b"".join(bytes((cylinder, head, sector, size)) for sector in range(1, track + 1))
    bench.seek(0, cylinder)
    bench.set_memory(0x100, ids)
    bench.prepare(0x100, len(ids), to_memory=False)
    for byte in (FORMAT, head << 2, size, track, 0x50, 0xF6):
        bench.write(FIFO, byte)
    bench.wait()
    return bench.result()


def test_a_track_is_formatted_as_it_is_or_not_at_all() -> None:
    bench = FloppyBench(DISC)
    assert formatted(bench, 3, 1).status0 == 0x04
    overlay = bench.drives[0].overlay
    assert overlay is not None
    assert overlay.read(lba(3, 1, 1), TRACK) == b"\xf6" * (TRACK * SECTOR)
    assert overlay.read(lba(3, 1, 1) - 1, 1) == sectors(lba(3, 1, 1) - 1)
    for other in (formatted(bench, 4, 0, track=9), formatted(bench, 4, 0, size=3)):
        assert (other.status0, other.status1) == (0x40, 0x02)
    assert overlay.read(lba(4, 0, 1), 1) == sectors(lba(4, 0, 1))


def test_ids_go_by_under_the_head() -> None:
    bench = FloppyBench(DISC)
    bench.seek(0, 9)
    seen = set()
    for _ in range(60):
        for byte in (READ_ID, 4):
            bench.write(FIFO, byte)
        bench.wait()
        result = bench.result()
        assert (result.status0, result.cylinder, result.head, result.size) == (4, 9, 1, 2)
        seen.add(result.sector)
        bench.board.now += 70_000
    assert seen == set(range(1, TRACK + 1))


def test_verify_counts_or_goes_to_the_end() -> None:
    bench = FloppyBench(DISC)
    assert bench.transfer(0x76, (0, 0, 1), TRACK) == Result(0, 0, 0, 1, 0, 1, 2)
    for byte in (VERIFY, 0x80, 0, 0, 5, 2, TRACK, 0x1B, 20):
        bench.write(FIFO, byte)
    bench.wait()
    assert bench.result() == Result(0x04, 0, 0, 0, 1, 7, 2)


@pytest.mark.parametrize(
    ("code", "host", "status2"),
    [
        (0xF1, sectors(4), 0x08),
        (0xF1, b"\xff" * SECTOR, 0x08),
        (0xF1, b"x" * SECTOR, 0x04),
        (0xF9, b"\xfe" * SECTOR, 0x00),
        (0xF9, b"\x01" * SECTOR, 0x04),
        (0xFD, b"\x01" * SECTOR, 0x00),
        (0xFD, b"\xfe" * SECTOR, 0x04),
    ],
)
def test_scans_say_how_the_disc_compares(code, host, status2) -> None:
    bench = FloppyBench(DISC)
    bench.set_memory(0, host)
    bench.prepare(0, SECTOR, to_memory=False)
    result = bench.transfer(code, (0, 0, 5), 5, extra=1)
    assert (result.status0 & 0xC0, result.status2) == (0, status2)


def test_a_scan_finds_the_sector_that_is_looked_for() -> None:
    bench = FloppyBench(DISC)
    bench.set_memory(0, sectors(7) * 18)
    bench.prepare(0, 18 * SECTOR, to_memory=False)
    result = bench.transfer(SCAN_EQUAL, (0, 0, 1), TRACK, extra=1)
    assert (result.status2, result.sector) == (0x08, 8)


def test_deleted_data_is_nowhere() -> None:
    bench = FloppyBench(DISC)
    assert read(bench, (0, 0, 3), 2, code=0x4C) == Result(0, 0, 0x40, 0, 0, 3, 2)
    assert bench.memory(0x1000, SECTOR) == sectors(2)
    assert read(bench, (0, 0, 3), 2, code=0x6C).status1 == 0x80


def test_a_track_is_read_as_it_comes() -> None:
    bench = FloppyBench(DISC)
    result = read(bench, (1, 0, 1), 30, code=0x42)
    assert (result.status0, result.status1) == (0, 0)
    assert bench.memory(0x1000, TRACK * SECTOR) == sectors(lba(1, 0, 1), TRACK)
    assert read(bench, (1, 0, 5), 30, code=0x42).status1 == 0x04


def test_seeks_recalibrations_and_the_disc_change_signal() -> None:
    bench = FloppyBench(DISC)
    bench.write(DOR, 0x1C)
    assert bench.read(RATE) == 0xFF, "nobody has stepped yet"
    before = bench.board.now
    assert bench.seek(0, 10) == b"\x20\x0a"
    assert bench.board.now - before >= 10 * 60_000, "SRT is Ah: six units of a millisecond, or of a hundredth"
    assert bench.read(RATE) == 0x7F
    assert bench.command(0x04, 4) == b"\x2c"
    bench.command(0x07, 0)
    bench.wait()
    assert bench.command(0x08) == b"\x20\x00"
    assert bench.command(0x04, 0) == b"\x38"
    bench.command(0x07, 3)
    bench.wait()
    assert bench.command(0x08) == b"\x73\x00", "where no drive is there is no track 0"
    assert bench.command(0x08) == b"\x80"
    bench.command(0xCF, 0, 12)
    bench.wait()
    assert bench.command(0x08) == b"\x20\x0c"
    bench.command(0x8F, 0, 20)
    bench.wait()
    assert bench.command(0x08)[0] == 0x70, "stepped out beyond track 0"
    bench.drives[0].take(EjectDisc("floppy0"), 0)
    bench.seek(0, 3)
    assert bench.read(RATE) == 0xFF
    bench.drives[0].take(InsertDisc("floppy0", "a"), 0)
    assert bench.read(RATE) == 0xFF
    bench.seek(0, 4)
    assert bench.read(RATE) == 0x7F


def test_drives_seek_at_once_and_each_is_asked_for() -> None:
    bench = FloppyBench(DISC)
    bench.command(0x0F, 1, 2)
    bench.command(0x0F, 0, 5)
    assert bench.read(MSR) == 0x83
    while bench.pass_time():
        pass
    assert bench.read(MSR) == 0x80
    assert bench.command(0x08) == b"\x20\x05"
    assert bench.interrupt
    assert bench.command(0x08) == b"\x21\x02"
    assert not bench.interrupt


def test_commands_that_only_set_and_tell() -> None:
    bench = FloppyBench(DISC)
    assert bench.command(0x10) == b"\x90"
    assert bench.command(0x18) == b"\x80", "PART ID came with the 82078"
    assert bench.command(0x1F) == b"\x80"
    bench.command(0x13, 0, 0x5A, 0x11)
    bench.command(0x12, 0x84 | 3)
    assert bench.command(0x0E) == bytes((0, 0, 0, 0, 0xAF, 0x02, 0, 0x07, 0x5A, 0x11))
    assert bench.command(0x94) == b"\x10"
    for locked, kept in ((True, (0x84, 0x0A, 0x11)), (False, (0x04, 0x20, 0x00))):
        if not locked:
            assert bench.command(0x14) == b"\x00"
        bench.write(MSR, 0x80)
        bench.wait()
        assert [bench.command(0x08)[0] for _ in range(4)] == [0xC0, 0xC1, 0xC2, 0xC3]
        assert tuple(bench.command(0x0E)[-3:]) == kept


def test_who_turns_polling_off_in_time_hears_nothing_of_a_reset() -> None:
    bench = FloppyBench(DISC)
    bench.write(MSR, 0x80)
    bench.command(0x13, 0, 0x57, 0)
    while bench.pass_time():
        pass
    assert not bench.interrupt
    assert bench.command(0x08) == b"\x80"


def test_implied_seeks_move_the_head() -> None:
    bench = FloppyBench(DISC)
    bench.command(0x13, 0, 0x60, 0)
    bench.prepare(0x1000, SECTOR, to_memory=True)
    assert bench.transfer(READ, (33, 0, 2), TRACK) == Result(0, 0, 0, 33, 0, 3, 2)
    assert bench.memory(0x1000, SECTOR) == sectors(lba(33, 0, 2))


def test_a_reset_ends_what_goes_on() -> None:
    bench = FloppyBench(DISC)
    bench.begin(READ, (0, 0, 1), TRACK)
    bench.write(DOR, 0x18)
    assert bench.read(MSR) == 0
    assert not bench.pass_time()
    bench.write(DOR, 0x1C)
    bench.wait()
    assert [bench.command(0x08)[0] for _ in range(5)] == [0xC0, 0xC1, 0xC2, 0xC3, 0x80]


def test_discs_keep_what_was_written_to_them() -> None:
    bench = FloppyBench(DISC)
    drive = bench.drives[0]
    for name, letter in (("a", b"1"), ("b", b"2")):
        drive.take(InsertDisc(drive.name, name), 0)
        drive.overlay.write(0, letter * SECTOR)
    for name, letter in (("a", b"1"), ("b", b"2")):
        drive.take(InsertDisc(drive.name, name), 0)
        assert drive.overlay.read(0, 1) == letter * SECTOR
    drive.take(EjectDisc(drive.name), 0)
    assert drive.overlay is None
    assert drive.write_protected


def test_more_discs_than_there_is_room_for_are_as_none() -> None:
    bench = FloppyBench(DISC)
    for number in range(MOST_DISCS + 5):
        bench.media[str(number)] = BytesMedium(bytes(SECTOR))
        bench.drives[0].take(InsertDisc("floppy0", str(number)), 0)
    assert bench.drives[0].disc is None
    bench.drives[0].take(InsertDisc("floppy0", "a"), 0)
    assert bench.drives[0].disc is not None


@pytest.mark.parametrize(
    ("size", "kind", "rate"),
    [
        (160, DriveType.FIVE_360, 2),
        (360, DriveType.FIVE_360, 2),
        (360, DriveType.FIVE_1200, 1),
        (720, DriveType.THREE_1440, 2),
        (720, DriveType.THREE_2880, 2),
        (1200, DriveType.FIVE_1200, 0),
        (1440, DriveType.THREE_2880, 0),
        (1680, DriveType.THREE_1440, 0),
        (1722, DriveType.THREE_1440, 0),
        (2880, DriveType.THREE_2880, 3),
    ],
)
def test_discs_of_all_sizes_are_read_at_their_rate(size: int, kind: DriveType, rate: int) -> None:
    data = content(size << 10)
    form = format_of(len(data) // SECTOR)
    assert form is not None
    bench = FloppyBench(data, kind)
    bench.write(RATE, rate)
    last = form.cylinders - 1
    bench.seek(0, 2 * last if kind.skips(form) else last)
    bench.prepare(0, SECTOR, to_memory=True)
    result = bench.transfer(READ, (last, form.heads - 1, form.track), form.track)
    assert not result.status0 & 0xC0
    assert bench.memory(0, SECTOR) == data[-SECTOR:]


def test_what_has_the_size_of_no_disc_is_part_of_one() -> None:
    assert format_of(1).sectors == 2880
    assert format_of(2881).sectors == 5760
    assert format_of(5761) is None
    assert format_of(0) is None
    assert drive_for(format_of(2880)) is DriveType.THREE_1440
    bench = FloppyBench(DISC[: 3 * SECTOR])
    assert read(bench, (0, 0, 1), 18).status0 == 0
    assert bench.memory(0x1000, 18 * SECTOR) == DISC[: 3 * SECTOR] + bytes(15 * SECTOR)


@pytest.mark.parametrize("code", [READ, WRITE, SCAN_EQUAL, VERIFY])
def test_an_error_of_the_host_changes_nothing(code: int) -> None:
    bench = FloppyBench(DISC)
    bench.prepare(0x1000, 2 * SECTOR, to_memory=code == READ)
    bench.begin(code, (0, 0, 1), TRACK)
    bench.media["a"].fail = MediumError("gone")
    event = bench.board.scheduler.pop_due(1 << 62)
    before = bench.fdc.save(), bench.board.dma.save(), bytes(bench.board.ram.data)
    with pytest.raises(MediumError):
        bench.fdc.on_event(event.name, event.due)
    assert (bench.fdc.save(), bench.board.dma.save(), bytes(bench.board.ram.data)) == before
    bench.media["a"].fail = None
    bench.board.scheduler.put_back(event)
    bench.wait()
    bench.result()


steps = st.tuples(
    st.sampled_from(["read", "write"]),
    st.integers(0, 79),
    st.integers(0, 1),
    st.integers(1, 18),
    st.integers(1, 40),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(script=st.lists(steps, max_size=12))
def test_a_model_of_the_disc_as_an_array(script) -> None:
    bench, disc = FloppyBench(DISC), bytearray(DISC)
    for number, (what, cylinder, head, sector, count, both) in enumerate(script):
        first, options = lba(cylinder, head, sector), 0 if both else 0x80
        end = lba(cylinder, 1 if both else head, TRACK) + 1
        there = min(count, end - first)
        bench.seek(0, cylinder)
        data = bytes((number + at) & 0xFF for at in range(count * SECTOR))
        bench.set_memory(0, data)
        bench.prepare(0, count * SECTOR, to_memory=what == "read")
        code = (READ if what == "read" else WRITE) & ~options
        result = bench.transfer(code, (cylinder, head, sector), TRACK)
        at = slice(first * SECTOR, (first + there) * SECTOR)
        if what == "read":
            assert bench.memory(0, there * SECTOR) == disc[at]
        else:
            disc[at] = data[: there * SECTOR]
        assert bool(result.status1) == (there < count)
    overlay = bench.drives[0].overlay
    assert overlay is not None
    assert overlay.read(0, 2880) == disc
