"""Several chains at once are what each is alone, whatever the guest's tables hold."""

from __future__ import annotations

import random

import pytest

from devices.virtio.chain import Chain, RingError, read_all, read_chain, read_chains
from tests.devices.virtio.driver import MEMORY, Ram

TABLE, SIZE = 0x100, 8


def table(chance: random.Random) -> Ram:
    """Mostly descriptors that could be a driver's."""
    ram = Ram(bytearray(chance.randbytes(MEMORY)))
    for number in range(SIZE):
        row = chance.choice((0, 0x2000, MEMORY - 4, 1 << 40)).to_bytes(8, "little")
        row += chance.choice((0, 1, 3, 16, 64)).to_bytes(4, "little")
        row += chance.choice((0, 0, 0, 1, 2, 3, 4)).to_bytes(2, "little") + chance.randrange(SIZE + 1).to_bytes(
            2, "little"
        )
        ram.data[TABLE + 16 * number : TABLE + 16 * number + 16] = row
    return ram


def alone(ram: Ram, head: int) -> Chain | None:
    try:
        return read_chain(ram.read, TABLE, SIZE, head)
    except RingError:
        return None


@pytest.mark.parametrize("seed", range(300))
def test_several_are_read_as_each_is_alone(seed):
    chance = random.Random(seed)
    ram = table(chance)
    heads = [chance.randrange(SIZE + (seed % 4 == 0)) for _ in range(chance.randrange(6))]
    wanted = [alone(ram, head) for head in heads]
    if None in wanted:
        with pytest.raises(RingError):
            read_chains(ram, TABLE, SIZE, heads)
        return
    chains = read_chains(ram, TABLE, SIZE, heads)
    assert chains == wanted
    most = chance.choice((0, 1, 5, 64, 1000))
    assert read_all(chains, ram, most) == [chain.read(ram, 0, most) for chain in chains]


@pytest.mark.parametrize("seed", range(300))
def test_data_goes_into_the_pieces_of_a_chain_in_turn_and_no_farther(seed):
    chance = random.Random(seed)
    places = [(0x1000 * number, chance.choice((0, 1, 3, 16))) for number in range(chance.randrange(4))]
    chain = Chain(0, (), tuple(places), 0, sum(length for _, length in places))
    data, offset = chance.randbytes(chance.choice((0, 1, 5, 40))), chance.choice((0, 0, 1, 4, 30))
    ram = Ram()
    chain.write(ram, offset, data)
    room = [at for address, length in places for at in range(address, address + length)][offset:]
    wanted = bytearray(MEMORY)
    for at, byte in zip(room, data, strict=False):
        wanted[at] = byte
    assert ram.data == wanted
