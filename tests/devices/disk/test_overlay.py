"""A disk over an image is an array of bytes; the image stays as it is."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from devices.disk.medium import SECTOR, MediumError
from tests.devices.disk.bench import disk

SECTORS = 8 * 20 + 3
accesses = st.lists(
    st.tuples(st.integers(0, SECTORS - 1), st.integers(1, 40), st.one_of(st.none(), st.integers(0, 255))), max_size=30
)


@settings(max_examples=60, deadline=None)
@given(accesses=accesses)
def test_it_reads_what_was_written_and_the_image_elsewhere(accesses: list[tuple[int, int, int | None]]) -> None:
    image = bytes(number % 251 for number in range(SECTORS * SECTOR))
    unit, model, touched = disk("disk0", image), bytearray(image), set[int]()
    for sector, count, value in accesses:
        count = min(count, SECTORS - sector)
        if value is None:
            assert unit.read(sector, count) == model[sector * SECTOR : (sector + count) * SECTOR]
        else:
            data = bytes([value]) * (count * SECTOR)
            unit.write(sector, data)
            model[sector * SECTOR : (sector + count) * SECTOR] = data
            touched.update(range(sector // 8, (sector + count - 1) // 8 + 1))
    assert unit.read(0, SECTORS) == model
    assert bytes(unit.overlay.base.data) == image
    assert list(unit.overlay.written()) == sorted(touched)


def test_nothing_is_written_where_the_image_cannot_be_read() -> None:
    unit = disk("disk0", bytes(SECTORS * SECTOR))
    unit.overlay.base.fail = MediumError("gone")
    for sector, count in ((1, 2), (8, 9), (4, 16)):
        try:
            unit.write(sector, b"x" * (count * SECTOR))
        except MediumError:
            assert list(unit.overlay.written()) == []
        else:
            raise AssertionError("it cannot know what is beside")
    unit.write(8, b"x" * 8 * SECTOR)
    assert list(unit.overlay.written()) == [1]


@settings(max_examples=60, deadline=None)
@given(
    script=st.lists(
        st.tuples(st.booleans(), st.integers(0, SECTORS - 1), st.integers(1, SECTORS), st.integers(1, 255)), max_size=20
    )
)
def test_what_is_discarded_is_given_back(script: list[tuple[bool, int, int, int]]) -> None:
    unit, model, written = disk("disk0", b"i" * (SECTORS * SECTOR)), bytearray(b"i" * (SECTORS * SECTOR)), set[int]()
    full = set[int]()
    for writes, sector, count, value in script:
        count = min(count, SECTORS - sector)
        if writes:
            model[sector * SECTOR : (sector + count) * SECTOR] = data = bytes([value]) * (count * SECTOR)
            unit.write(sector, data)
            pages = range(sector // 8, (sector + count - 1) // 8 + 1)
            written.update(pages)
            full.update(pages)
            continue
        unit.discard(sector, count)
        for page in written.intersection(range(-(-sector // 8), (sector + count) // 8)):
            model[page * 4096 : (page + 1) * 4096] = bytes(4096)
            full.discard(page)
    assert unit.read(0, SECTORS) == model
    assert list(unit.overlay.written()) == sorted(written)
    assert {number for number, _ in unit.overlay._data.filled()} == full


def test_who_follows_a_disk_has_the_zeros_too() -> None:
    unit, told = disk("disk0", b"i" * (SECTORS * SECTOR)), list[tuple[int, bytes]]()

    class Follower:
        def write(self, sector: int, data: bytes) -> None:
            told.append((sector, data))

        def flush(self) -> None:
            """Nothing is kept."""

    unit.write(8, b"w" * (16 * SECTOR))
    unit.overlay.follower = Follower()
    unit.discard(0, 20)
    assert told == [(8, bytes(8 * SECTOR))]
    unit.discard(0, 20)
    assert len(told) == 1, "there is nothing left to give back"
