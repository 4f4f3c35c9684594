"""virtio-console: nothing is lost either way, whatever buffers the driver has."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from devices.virtio.console import RECEIVE, TRANSMIT, ConsoleInput, VirtioConsole
from tests.devices.virtio.driver import Driver

BUFFERS = 0x40000


class Screen:
    def __init__(self) -> None:
        self.text = bytearray()

    def transmit(self, data: int, now: int) -> None:
        self.text.append(data)


def begun(event_index: bool = True) -> tuple[Driver, Screen]:
    screen = Screen()
    return Driver(lambda slot: VirtioConsole(slot, screen), event_index=event_index).begin(queues=2), screen


def offer(driver: Driver, sizes: list[int]) -> int:
    queue = driver.queues[RECEIVE]
    at = BUFFERS + 0x400 * (queue.added % 32)
    queue.add([(at + sum(sizes[:n]), size, True) for n, size in enumerate(sizes)])
    if queue.wants_kick:
        queue.kick()
    return at


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.one_of(st.binary(min_size=1, max_size=40), st.lists(st.integers(1, 20), min_size=1, max_size=3)), max_size=20
    ),
    event_index=st.booleans(),
)
def test_what_is_typed_arrives_in_order(steps, event_index):
    driver, _ = begun(event_index)
    typed, arrived, places = b"", b"", []
    for step in [*steps, *[[60]] * 16]:
        if isinstance(step, bytes):
            typed += step
            driver.device.take(ConsoleInput("virtio", step), driver.now)
        else:
            places.append(offer(driver, step))
        driver.run()
        for _, written in driver.queues[RECEIVE].done():
            at = places.pop(0)
            arrived += driver.ram.data[at : at + written]
    assert arrived == typed


def test_what_the_guest_sends_is_shown_in_order_and_each_chain_comes_back():
    driver, screen = begun()
    queue = driver.queues[TRANSMIT]
    for number, words in enumerate((b"first ", b"second ", b"third")):
        at = BUFFERS + 0x100 * number
        driver.ram.data[at : at + len(words)] = words
        queue.add([(at, 2, False), (at + 2, len(words) - 2, False)], indirect=number == 1)
    queue.kick()
    driver.run()
    assert screen.text == b"first second third"
    assert [written for _, written in queue.done()] == [0, 0, 0]


def test_four_gigabytes_to_be_shown_are_cut():
    driver, screen = begun()
    driver.queues[TRANSMIT].add([(0, 0xFFFF_FFFF, False), (0, 0xFFFF_FFFF, False)])
    driver.queues[TRANSMIT].kick()
    driver.run()
    assert len(screen.text) == 1 << 16
