from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.keyboard.keyboard import BUFFER_SIZE
from tests.devices.keyboard.bench import AUX_OBF, OBF, TIMEOUT, Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_starts_as_firmware_leaves_it(bench: Bench) -> None:
    assert bench.status() == 0x1C  # unlocked, last write a command, system flag
    assert bench.command_byte() == 0x65


def test_self_test_and_keyboard_interface_test(bench: Bench) -> None:
    bench.command(0xAA)
    assert bench.get() == 0x55
    bench.command(0xAB)
    assert bench.get() == 0x00


def test_command_byte_is_written_and_read(bench: Bench) -> None:
    bench.command(0x60, 0x34)
    assert bench.command_byte() == 0x34
    assert bench.status() & 0x04
    bench.command(0x60, 0x30)
    assert not bench.status() & 0x04
    bench.command(0xAE)
    assert bench.command_byte() == 0x20
    bench.command(0xAD)
    bench.command(0xA8)
    assert bench.command_byte() == 0x10
    bench.command(0xA7)
    assert bench.command_byte() == 0x30


def test_controller_memory(bench: Bench) -> None:
    bench.command(0x7F, 0xC3)
    bench.command(0x3F)
    assert bench.get() == 0xC3


def test_status_tells_commands_from_data(bench: Bench) -> None:
    bench.command(0x60, 0x45)
    assert not bench.status() & 0x08
    bench.command(0xAE)
    assert bench.status() & 0x08


def test_linux_finds_no_auxiliary_port_without_waiting(bench: Bench) -> None:
    """i8042_check_aux: loop and interface test fail at once, not by an auxiliary device's answer."""
    bench.command(0x60, 0x75)
    bench.command(0xD3, 0x5A)
    assert bench.status() & OBF
    assert not bench.status() & AUX_OBF
    bench.get()
    bench.command(0xA9)
    assert bench.get() not in (0x00, 0xFA, 0xFF)
    assert not bench.status() & OBF


def test_a_byte_for_the_missing_auxiliary_device_times_out(bench: Bench) -> None:
    bench.command(0x60, 0x47)
    bench.command(0xD4, 0xF2)
    assert bench.status() & (OBF | AUX_OBF | TIMEOUT) == OBF | AUX_OBF | TIMEOUT
    assert bench.irq12.level
    assert not bench.irq1.level
    assert bench.get() == 0xFE
    assert not bench.irq12.level


def test_keyboard_reset(bench: Bench) -> None:
    bench.send(0xFF)
    assert bench.drain() == [0xFA, 0xAA]


@pytest.mark.parametrize(("command_byte", "identity"), [(0x25, [0xFA, 0xAB, 0x83]), (0x65, [0xFA, 0xAB, 0x41])])
def test_keyboard_identity_is_translated_with_the_rest(bench: Bench, command_byte: int, identity: list[int]) -> None:
    bench.command(0x60, command_byte)
    bench.send(0xF2)
    assert bench.drain() == identity


def test_each_keyboard_byte_is_an_edge_of_irq1(bench: Bench) -> None:
    bench.send(0xF2)
    assert bench.drain() == [0xFA, 0xAB, 0x41]
    assert bench.irq1.rises() == 3
    assert not bench.irq1.level


def test_irq1_follows_its_enable(bench: Bench) -> None:
    bench.command(0x60, 0x64)
    bench.send(0xEE)
    assert bench.status() & OBF
    assert not bench.irq1.level
    bench.command(0x60, 0x65)
    assert bench.irq1.level


def test_a_disabled_keyboard_holds_its_bytes(bench: Bench) -> None:
    bench.send(0xF2)
    bench.command(0xAD)
    assert bench.get() == 0xFA
    assert not bench.status() & OBF
    bench.command(0xAE)
    assert bench.drain() == [0xAB, 0x41]


def test_sending_to_the_keyboard_enables_it(bench: Bench) -> None:
    bench.command(0xAD)
    bench.send(0xEE)
    assert bench.get() == 0xEE
    assert bench.command_byte() & 0x10 == 0


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ([0xED, 0x07], [0xFA, 0xFA]),
        ([0xF3, 0x20], [0xFA, 0xFA]),
        ([0xF0, 0x00], [0xFA, 0xFA, 0x02]),
        ([0xF0, 0x03, 0xF0, 0x00], [0xFA, 0xFA, 0xFA, 0xFA, 0x03]),
        ([0xF0, 0x04], [0xFA, 0xFE]),
        ([0xF4], [0xFA]),
        ([0xF5], [0xFA]),
        ([0xF6], [0xFA]),
        ([0xF8], [0xFA]),
        ([0x05], [0xFE]),
        ([0xED, 0xEE], [0xFA, 0xEE]),
    ],
)
def test_keyboard_commands(bench: Bench, sent: list[int], answer: list[int]) -> None:
    bench.command(0x60, 0x25)
    got = []
    for byte in sent:
        bench.send(byte)
        got += bench.drain()
    assert got == answer


def test_keyboard_repeats_its_last_byte_on_resend(bench: Bench) -> None:
    bench.send(0xEE)
    assert bench.drain() == [0xEE]
    bench.send(0xFE)
    assert bench.drain() == [0xEE]


def test_keyboard_state_is_described(bench: Bench) -> None:
    bench.send(0xED)
    bench.send(0x02)
    bench.drain()
    bench.send(0xF5)
    rows = dict(bench.chip.describe(0))
    assert rows["keyboard LEDs"] == "num lock"
    assert rows["keyboard"] == "scanning disabled, scan code set 2"


def test_keyboard_output_is_bounded_and_marks_the_overrun(bench: Bench) -> None:
    bench.command(0xAD)
    state = bench.chip.save()
    for _ in range(40):
        bench.send(0xEE)
        bench.command(0xAD)
    state = bench.chip.save()
    assert len(state.keyboard.output) == BUFFER_SIZE
    assert state.keyboard.output[-1] == 0x00


def test_translation_turns_set_2_breaks_into_bit_7(bench: Bench) -> None:
    state = bench.chip.save()
    state.keyboard.output = [0x1C, 0xF0, 0x1C, 0xE0, 0xF0, 0x75]
    bench.chip.restore(state)
    bench.command(0xAE)
    assert bench.drain() == [0x1E, 0x9E, 0xE0, 0xC8]


def test_a20_through_the_output_port_and_the_fast_commands(bench: Bench) -> None:
    bench.command(0xD1, 0xDD)
    assert not bench.a20.level
    bench.command(0xD0)
    assert bench.get() & 0x02 == 0
    bench.command(0xDF)
    assert bench.a20.level
    bench.command(0xDD)
    assert not bench.a20.level
    bench.command(0xD1, 0xDF)
    assert bench.a20.level
    assert bench.reset.history == []


def test_pulsing_bit_0_resets_the_processor(bench: Bench) -> None:
    bench.command(0xFF)
    assert bench.reset.history == []
    bench.command(0xFE)
    assert bench.reset.history == [True, False]
    bench.command(0xD1, 0x02)
    assert bench.reset.rises() == 2


def test_unknown_commands_do_nothing(bench: Bench) -> None:
    before = bench.chip.save()
    bench.command(0xB7)
    assert bench.chip.save() == before


def test_reading_an_empty_buffer_gives_the_last_byte_again(bench: Bench) -> None:
    bench.command(0xAA)
    assert bench.get() == 0x55
    assert bench.chip.data.read(0, 1, 0) == 0x55


@given(st.lists(st.tuples(st.sampled_from(["command", "data", "read"]), st.integers(0, 255)), max_size=80))
def test_no_sequence_of_accesses_breaks_it(accesses: list[tuple[str, int]]) -> None:
    bench = Bench()
    for kind, value in accesses:
        if kind == "command":
            bench.command(value)
        elif kind == "data":
            bench.send(value)
        else:
            assert 0 <= bench.chip.data.read(0, 1, 0) <= 0xFF
        assert 0 <= bench.status() <= 0xFF
        state = bench.chip.save()
        assert len(state.keyboard.output) <= BUFFER_SIZE
        assert bench.irq1.level <= bool(state.output_full)
    assert dict(bench.chip.describe(0))
