"""Transfers of an 8237A, held to a model that counts byte by byte."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from devices.board.dma_transfers import TransferringDma
from tests.devices.disk.bench import Memory

CHANNEL = 2
PAGE = 0x21


def controller() -> tuple[TransferringDma, Memory]:
    return TransferringDma("dma1", {CHANNEL: PAGE}.__getitem__), Memory()


def program(dma: TransferringDma, mode: int, address: int, count: int) -> None:
    """`count` is a byte less than will be moved."""
    for register, value in ((0xC, 0), (0xB, mode | CHANNEL), (4, address & 0xFF), (4, address >> 8)):
        dma.write(register, 1, value, 0)
    for value in (count & 0xFF, count >> 8):
        dma.write(5, 1, value, 0)
    dma.write(0xA, 1, CHANNEL, 0)


def registers(dma: TransferringDma) -> tuple[int, int]:
    """Current address and count, as software reads them."""
    dma.write(0xC, 1, 0, 0)
    bytes_ = [dma.read(register, 1, 0) for register in (4, 4, 5, 5)]
    return bytes_[0] | bytes_[1] << 8, bytes_[2] | bytes_[3] << 8


@settings(max_examples=300, deadline=None)
@given(
    address=st.integers(0, 0xFFFF) | st.integers(0xFFF0, 0xFFFF) | st.integers(0, 16),
    count=st.integers(0, 2000) | st.just(0xFFFF),
    down=st.booleans(),
    again=st.booleans(),
    kind=st.sampled_from([0, 4, 8]),
    sizes=st.lists(st.integers(1, 700), min_size=1, max_size=6),
)
def test_a_model_that_counts_byte_by_byte(address, count, down, again, kind, sizes) -> None:
    dma, memory = controller()
    mine = bytearray((value * 7 + 1) & 0xFF for value in range(1 << 16))
    memory.write(PAGE << 16, bytes(mine))
    program(dma, kind | (0x20 if down else 0) | (0x10 if again else 0), address, count)
    channel, at, left, masked, reached = dma.channel(CHANNEL, memory), address, count, False, False
    for number, size in enumerate(sizes):
        data = bytes((number + value) & 0xFF for value in range(size))
        moved, end, expected = 0, False, bytearray()
        while moved < size and not masked and not end:
            if kind == 4:
                mine[at] = data[moved]
            expected.append(mine[at] if kind == 8 else 0xFF)
            at, moved = (at - 1 if down else at + 1) & 0xFFFF, moved + 1
            left = left - 1 & 0xFFFF
            if left == 0xFFFF:
                end = reached = True
                if again:
                    at, left = address, count
                else:
                    masked = True
        if kind == 4:
            assert channel.store(data) == (moved, end)
        else:
            assert channel.load(size) == (bytes(expected), end)
        assert registers(dma) == (at, left)
    assert memory.read(PAGE << 16, 1 << 16) == bytes(mine)
    status = dma.read(8, 1, 0)
    assert status >> CHANNEL & 1 == reached
    assert not dma.read(8, 1, 0) & 0x0F, "reading it clears terminal counts"


def test_what_is_masked_disabled_or_a_cascade_moves_nothing() -> None:
    for port, value in ((0xA, 4 | CHANNEL), (0x8, 4), (0xB, 0xC4 | CHANNEL)):
        dma, memory = controller()
        program(dma, 0x44, 0x100, 9)
        dma.write(port, 1, value, 0)
        assert dma.channel(CHANNEL, memory).store(b"x" * 10) == (0, False)
        assert registers(dma) == (0x100, 9)


def test_half_a_write_of_an_address_leaves_the_other_half_where_it_has_come_to() -> None:
    dma, memory = controller()
    program(dma, 0x44, 0x01FE, 100)
    dma.channel(CHANNEL, memory).store(b"abcd")
    dma.write(0xC, 1, 0, 0)
    dma.write(4, 1, 0x77, 0)
    assert registers(dma)[0] == 0x0277


def test_a_master_clear_forgets_terminal_counts_and_masks_all() -> None:
    dma, memory = controller()
    program(dma, 0x54, 0, 3)
    dma.channel(CHANNEL, memory).store(b"abcd")
    dma.write(0xD, 1, 0, 0)
    assert dma.read(8, 1, 0) == 0
    assert dma.channel(CHANNEL, memory).store(b"abcd") == (0, False)
