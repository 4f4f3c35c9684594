"""Flash memory as its drivers use it, and against a model that knows what programming and erasing do to bytes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from devices.board.flash import BLOCK, Flash

SIZE = 4 * BLOCK


def flash(fill: int = 0xFF) -> Flash:
    made = Flash(SIZE)
    made.load(bytes([fill]) * SIZE)
    return made


def test_ovmf_takes_it_for_flash() -> None:
    """QemuFlashDetected() of OVMF: neither RAM nor ROM."""
    chip = flash(0x12)
    chip.write(0x100, 1, 0x50, 0)
    assert chip.read(0x100, 1, 0) == 0x12
    chip.write(0x100, 1, 0x70, 0)
    assert chip.read(0x100, 1, 0) == 0x00
    chip.write(0x100, 1, 0xFF, 0)
    assert chip.read(0x100, 1, 0) == 0x12


def test_it_says_what_it_is() -> None:
    chip = flash()
    chip.write(0, 1, 0x98, 0)
    assert bytes(chip.read(at, 1, 0) for at in (0x10, 0x11, 0x12)) == b"QRY"
    assert 1 << chip.read(0x27, 1, 0) == SIZE
    blocks = chip.read(0x2D, 1, 0) | chip.read(0x2E, 1, 0) << 8
    size = (chip.read(0x2F, 1, 0) | chip.read(0x30, 1, 0) << 8) * 256
    assert (blocks + 1, size) == (SIZE // BLOCK, BLOCK)
    chip.write(0, 1, 0x90, 0)
    assert (chip.read(0, 1, 0), chip.read(1, 1, 0)) == (0x89, 0x18)


offsets = st.one_of(st.integers(0, SIZE - 1), st.sampled_from([0, BLOCK - 1, BLOCK, SIZE - 1]))
operations = st.lists(
    st.one_of(
        st.tuples(st.just("program"), offsets, st.integers(0, 255)),
        st.tuples(st.just("erase"), offsets, st.just(0xD0)),
        st.tuples(st.just("erase"), offsets, st.just(0x00)),
        st.tuples(st.just("buffer"), st.integers(0, SIZE - 64), st.integers(1, 64)),
        st.tuples(st.just("save"), st.just(0), st.just(0)),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(operations)
def test_bits_are_cleared_by_programming_and_set_by_erasing(operations: list[tuple[str, int, int]]) -> None:
    chip, model = flash(), bytearray(b"\xff" * SIZE)
    for action, offset, value in operations:
        if action == "program":
            chip.write(offset, 1, 0x40, 0)
            chip.write(offset, 1, value, 0)
            model[offset] &= value
        elif action == "erase":
            chip.write(offset, 1, 0x20, 0)
            chip.write(offset, 1, value, 0)
            if value == 0xD0:
                start = offset // BLOCK * BLOCK
                model[start : start + BLOCK] = b"\xff" * BLOCK
            assert bool(chip.read(offset, 1, 0) & 0x20) == (value != 0xD0)
            chip.write(offset, 1, 0x50, 0)
        elif action == "buffer":
            chip.write(offset, 1, 0xE8, 0)
            chip.write(offset, 1, value - 1, 0)
            for at in range(offset, offset + value):
                chip.write(at, 1, at & 0xFF, 0)
                model[at] &= at & 0xFF
            chip.write(offset, 1, 0xD0, 0)
        else:
            saved, chip = chip.save(), flash()
            chip.restore(saved)
        assert chip.contents == model
    chip.write(0, 1, 0xFF, 0)
    assert bytes(chip.read(at, 1, 0) for at in range(0, SIZE, 97)) == bytes(model[::97])
