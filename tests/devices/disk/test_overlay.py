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
