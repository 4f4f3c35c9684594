"""A PS/2 mouse: its commands, its packets, and what drivers find it by."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.keyboard.i8042_aux import I8042WithMouse
from devices.keyboard.mouse import MOST_WAITING
from devices.keyboard.mouse_input import MouseInput
from tests.devices.keyboard.bench import AUX_OBF, OBF, Bench

MS = 1_000_000
WHEEL, FIVE_BUTTONS = (200, 100, 80), (200, 200, 80)


class MouseBench(Bench):
    kind = I8042WithMouse

    def tell(self, *values: int) -> list[int]:
        """What the mouse answers, all of it by the second port."""
        answer: list[int] = []
        for value in values:
            self.command(0xD4, value)
            while self.status() & OBF:
                assert self.status() & AUX_OBF
                answer.append(self.get())
        return answer

    def become(self, rates: tuple[int, ...]) -> None:
        for rate in rates:
            assert self.tell(0xF3, rate) == [0xFA, 0xFA]

    def move(self, *inputs: MouseInput) -> None:
        for data in inputs:
            self.chip.take(data, self.now)

    def packets(self, size: int = 3) -> list[list[int]]:
        got = []
        for _ in range(300):
            self.wait(5 * MS)
            got += self.drain()
        assert len(got) % size == 0
        return [got[at : at + size] for at in range(0, len(got), size)]


@pytest.fixture
def bench() -> MouseBench:
    made = MouseBench()
    made.command(0x60, 0x47)
    made.tell(0xFF)
    return made


def test_a_driver_finds_the_second_port(bench: MouseBench) -> None:
    bench.command(0xD3, 0x5A)
    assert bench.status() & (OBF | AUX_OBF) == OBF | AUX_OBF
    assert bench.get() == 0x5A
    bench.command(0xA9)
    assert bench.get() == 0x00
    bench.command(0xA7)
    assert bench.command_byte() & 0x20
    bench.command(0xA8)
    assert not bench.command_byte() & 0x20


def test_reset_identity_and_status(bench: MouseBench) -> None:
    assert bench.tell(0xFF) == [0xFA, 0xAA, 0x00]
    assert bench.tell(0xF2) == [0xFA, 0x00]
    assert bench.tell(0xE9) == [0xFA, 0x00, 2, 100]
    assert bench.tell(0xF4, 0xE7, 0xE8, 3, 0xF3, 40, 0xE9) == [0xFA] * 6 + [0xFA, 0x30, 3, 40]
    assert bench.tell(0xF6, 0xE9) == [0xFA, 0xFA, 0x00, 2, 100]
    assert bench.tell(0xF0, 0xE9, 0xEA) == [0xFA, 0xFA, 0x40, 2, 100, 0xFA]


def test_the_magic_rates_switch_wheel_and_buttons_on(bench: MouseBench) -> None:
    bench.become(WHEEL)
    assert bench.tell(0xF2) == [0xFA, 3]
    bench.become(FIVE_BUTTONS)
    assert bench.tell(0xF2) == [0xFA, 4]
    assert bench.tell(0xFF, 0xF2) == [0xFA, 0xAA, 0x00, 0xFA, 0]


@pytest.mark.parametrize("sent", [[0xE8, 4], [0xF3, 0], [0xF3, 99], [0xE5], [0x00], [0xF8]])
def test_what_it_does_not_know_it_asks_to_be_sent_again(bench: MouseBench, sent: list[int]) -> None:
    assert bench.tell(*sent)[-1] == 0xFE


def test_movements_are_packets_by_interrupt_12(bench: MouseBench) -> None:
    bench.tell(0xF4)
    rises = bench.irq12.rises()
    bench.move(MouseInput(5, 3))
    assert bench.packets() == [[0x28, 5, 0xFD]]  # down is negative
    assert bench.irq12.rises() == rises + 3
    bench.move(MouseInput(-2, -1, press=1))
    assert bench.packets() == [[0x19, 0xFE, 1]]


def test_a_click_is_two_packets_and_a_far_movement_several(bench: MouseBench) -> None:
    bench.tell(0xF4)
    bench.move(MouseInput(press=2), MouseInput(release=2))
    assert bench.packets() == [[0x0A, 0, 0], [0x08, 0, 0]]
    bench.move(MouseInput(600, 0))
    assert [packet[1] for packet in bench.packets()] == [255, 255, 90]


def test_wheel_and_five_buttons(bench: MouseBench) -> None:
    bench.become(WHEEL)
    bench.tell(0xF4)
    bench.move(MouseInput(wheel=-2))
    assert bench.packets(4) == [[0x08, 0, 0, 2]]
    bench.become(FIVE_BUTTONS)
    bench.move(MouseInput(wheel=1, press=0x18))
    assert bench.packets(4) == [[0x08, 0, 0, 0x3F]]


def test_samples_come_no_faster_than_the_rate(bench: MouseBench) -> None:
    bench.tell(0xF3, 10, 0xF4)
    bench.move(MouseInput(1), MouseInput(1))
    bench.wait(0)
    assert len(bench.drain()) == 3
    bench.wait(99 * MS)
    assert bench.drain() == []
    bench.wait(1 * MS)
    assert len(bench.drain()) == 3


def test_remote_mode_answers_when_it_is_asked(bench: MouseBench) -> None:
    bench.tell(0xF0)
    bench.move(MouseInput(5, -3), MouseInput(1, 0, press=4))
    assert bench.packets() == []
    assert bench.tell(0xEB) == [0xFA, 0x0C, 6, 3]
    assert bench.tell(0xEB) == [0xFA, 0x0C, 0, 0]


def test_wrap_mode_echoes_all_but_its_end_and_a_reset(bench: MouseBench) -> None:
    assert bench.tell(0xEE, 0xF4, 0x12) == [0xFA, 0xF4, 0x12]
    assert bench.tell(0xEC, 0xE9) == [0xFA, 0xFA, 0x00, 2, 100]
    assert bench.tell(0xEE, 0xFF, 0xE9) == [0xFA, 0xFA, 0xAA, 0x00, 0xFA, 0x00, 2, 100]


def test_scaling_by_two(bench: MouseBench) -> None:
    bench.tell(0xE7, 0xF4)
    bench.move(MouseInput(3), MouseInput(-10))
    assert [packet[1] for packet in bench.packets()] == [3, 0xEC]


def test_resend_repeats_the_last_packet(bench: MouseBench) -> None:
    bench.tell(0xF4)
    bench.move(MouseInput(7))
    (packet,) = bench.packets()
    assert bench.tell(0xFE) == packet


def test_a_mouse_that_does_not_report_is_moved_in_vain(bench: MouseBench) -> None:
    bench.move(MouseInput(50), MouseInput(press=1))
    assert bench.packets() == []
    bench.tell(0xF4)
    assert bench.packets() == []
    bench.move(MouseInput(1))
    assert bench.packets() == [[0x09, 1, 0]]


def test_the_keyboard_goes_before_the_mouse(bench: MouseBench) -> None:
    bench.tell(0xF4)
    bench.command(0xAD)
    bench.chip.write_command(0xA7, bench.now)
    bench.move(MouseInput(1))
    bench.wait(50 * MS)
    assert not bench.status() & OBF
    bench.send(0xEE)
    bench.command(0xA8)
    assert bench.drain() == [0xEE, 0x08, 1, 0]


def test_inputs_that_wait_are_bounded(bench: MouseBench) -> None:
    bench.tell(0xF4)
    bench.move(*[MouseInput(1)] * (MOST_WAITING + 100))
    assert len(bench.chip.save().mouse.waiting) <= MOST_WAITING


@pytest.mark.parametrize("wrong", [{"dx": 1 << 20}, {"wheel": -5000}, {"press": 32}, {"release": -1}])
def test_movements_that_no_mouse_makes(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"mouse|wheel"):
        MouseInput(**wrong)


counts = st.integers(-600, 600)
moves = st.builds(MouseInput, counts, counts, st.integers(-20, 20), st.integers(0, 31), st.integers(0, 31))


@settings(max_examples=50, deadline=None)
@given(st.lists(moves, max_size=8), st.lists(st.integers(0, 40), max_size=40))
def test_nothing_of_what_a_hand_does_is_lost_or_out_of_order(inputs: list[MouseInput], reads: list[int]) -> None:
    """Counters add up to where the hand went, and the buttons go through every state that they had."""
    bench = MouseBench()
    bench.command(0x60, 0x47)
    bench.become(WHEEL)
    bench.become(FIVE_BUTTONS)
    bench.tell(0xF4)
    bench.move(*inputs)
    got: list[int] = []
    for wait in [*reads, *[20] * 400]:
        bench.wait(wait * MS)
        if bench.status() & OBF:
            got.append(bench.get())
            if wait == 20:
                got += bench.drain()
    packets = [got[at : at + 4] for at in range(0, len(got), 4)]
    x = sum(dx - 256 * (first >> 4 & 1) for first, dx, _, _ in packets)
    y = sum(dy - 256 * (first >> 5 & 1) for first, _, dy, _ in packets)
    z = sum((last & 15) - 16 * (last >> 3 & 1) for _, _, _, last in packets)
    assert (x, -y, -z) == tuple(sum(getattr(data, name) for data in inputs) for name in ("dx", "dy", "wheel"))
    states, buttons = [], 0
    for data in inputs:
        buttons = buttons & ~data.release | data.press
        states.append(buttons)
    told = [first & 7 | (last & 0x30) >> 1 for first, _, _, last in packets]
    assert [state for state, before in zip(told, [None, *told], strict=False) if state != before] == [
        state for state, before in zip(states, [None, *states], strict=False) if state != before
    ]
