"""virtio-rng: numbers that look random and are the same in every run."""

from __future__ import annotations

from devices.virtio.entropy import VirtioRng
from tests.devices.virtio.driver import Driver

BUFFER = 0x40000


def numbers(seed: int, sizes: list[int]) -> bytes:
    driver = Driver(lambda slot: VirtioRng(slot, seed)).begin()
    found = b""
    for size in sizes:
        driver.queues[0].add([(BUFFER, size // 2, True), (BUFFER + 0x2000, size - size // 2, True)])
        driver.queues[0].kick()
        driver.run()
        ((_, written),) = driver.queues[0].done()
        data = bytes(driver.ram.data[BUFFER : BUFFER + size // 2])
        found += (data + driver.ram.data[BUFFER + 0x2000 : BUFFER + 0x2000 + size - size // 2])[:written]
    return found


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others():
    assert numbers(1, [64, 64]) == numbers(1, [64, 64])
    assert numbers(1, [64]) != numbers(2, [64])


def test_no_answer_is_the_one_before():
    first, second = numbers(3, [64, 64])[:64], numbers(3, [64, 64])[64:]
    assert first != second
    assert len(set(numbers(3, [4096]))) == 256


def test_a_request_for_more_than_there_is_gets_what_there_is():
    assert len(numbers(1, [0x3000])) == 4096
