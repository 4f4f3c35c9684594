"""8259A data sheet behaviour of the cascaded pair, programmed as a PC's firmware and Linux do."""

import pytest

from devices.interrupts.pic import Pic
from tests.devices.conformance import RecordingLine


class Board:
    """A pair with master vectors from 20h and slave vectors from 28h, nothing masked."""

    def __init__(self, *, icw4_master: int = 0x01, icw4_slave: int = 0x01, icw1: int = 0x11) -> None:
        self.intr = RecordingLine()
        self.pic = Pic(self.intr)
        for chip, words in (
            (self.pic.master, (0x20, 0x04, icw4_master)),
            (self.pic.slave, (0x28, 0x02, icw4_slave)),
        ):
            chip.write(0, 1, icw1, 0)
            for word in words:
                chip.write(1, 1, word, 0)

    def pulse(self, irq: int) -> None:
        self.pic.input(irq).set(False)
        self.pic.input(irq).set(True)

    def command(self, value: int, *, slave: bool = False) -> None:
        (self.pic.slave if slave else self.pic.master).write(0, 1, value, 0)

    def mask(self, value: int, *, slave: bool = False) -> None:
        (self.pic.slave if slave else self.pic.master).write(1, 1, value, 0)

    def read(self, offset: int = 0, *, slave: bool = False) -> int:
        return (self.pic.slave if slave else self.pic.master).read(offset, 1, 0)

    def isr(self, *, slave: bool = False) -> int:
        self.command(0x0B, slave=slave)
        return self.read(slave=slave)

    def irr(self, *, slave: bool = False) -> int:
        self.command(0x0A, slave=slave)
        return self.read(slave=slave)


def test_master_request_raises_intr_and_is_acknowledged_with_its_vector():
    board = Board()
    board.pulse(4)
    assert board.intr.level
    assert board.pic.pending() == 4
    assert board.pic.acknowledge() == 0x24
    assert not board.intr.level
    assert (board.irr(), board.isr()) == (0, 0x10)


def test_slave_request_goes_through_the_cascade_and_needs_both_eois():
    board = Board()
    board.pulse(12)
    assert board.pic.pending() == 12
    assert board.pic.acknowledge() == 0x2C
    assert (board.isr(), board.isr(slave=True)) == (0x04, 0x10)
    board.pulse(13)
    board.command(0x20, slave=True)
    assert not board.intr.level
    board.command(0x20)
    assert board.intr.level
    assert board.pic.acknowledge() == 0x2D


def test_lower_priority_waits_for_eoi_and_higher_priority_nests():
    board = Board()
    board.pulse(4)
    board.pic.acknowledge()
    board.pulse(6)
    assert not board.intr.level
    board.pulse(1)
    assert board.pic.acknowledge() == 0x21
    board.command(0x20)
    assert board.isr() == 0x10
    assert not board.intr.level
    board.command(0x20)
    assert board.pic.acknowledge() == 0x26


def test_masked_request_is_latched_and_delivered_when_unmasked():
    board = Board()
    board.mask(0xFF)
    board.pulse(3)
    assert not board.intr.level
    assert board.irr() == 0x08
    board.mask(0xF7)
    assert board.intr.level
    assert board.read(1) == 0xF7


def test_request_that_goes_away_before_inta_ends_as_spurious_irq7_without_going_in_service():
    board = Board()
    board.pulse(5)
    board.pic.input(5).set(False)
    assert not board.intr.level
    assert board.pic.acknowledge() == 0x27
    assert board.isr() == 0


def test_slave_request_that_goes_away_inside_the_inta_sequence_is_spurious_irq15():
    board = Board()
    board.pulse(10)
    board.pic.slave.state.edge = 0
    assert board.pic.acknowledge() == 0x2F
    assert (board.isr(), board.isr(slave=True)) == (0x04, 0)


def test_edge_triggered_line_that_stays_high_interrupts_once():
    board = Board()
    board.pulse(4)
    board.pic.acknowledge()
    board.command(0x20)
    board.pic.input(4).set(True)
    assert not board.intr.level


def test_level_triggered_line_interrupts_again_until_it_falls():
    board = Board()
    board.pic.elcr.write(1, 1, 0xFF, 0)
    assert board.pic.elcr.read(1, 1, 0) == 0xDE
    board.pic.input(11).set(True)
    assert board.pic.acknowledge() == 0x2B
    for slave in (True, False):
        board.command(0x20, slave=slave)
    assert board.pic.acknowledge() == 0x2B
    board.pic.input(11).set(False)
    for slave in (True, False):
        board.command(0x20, slave=slave)
    assert not board.intr.level


def test_elcr_cannot_make_timer_keyboard_and_cascade_level_triggered():
    board = Board()
    board.pic.elcr.write(0, 1, 0xFF, 0)
    assert board.pic.elcr.read(0, 1, 0) == 0xF8


def test_ltim_makes_all_inputs_level_triggered():
    board = Board(icw1=0x19)
    board.pic.input(1).set(True)
    board.pic.acknowledge()
    board.command(0x20)
    assert board.intr.level
    board.pic.input(1).set(False)
    assert not board.intr.level


def test_specific_eoi_ends_the_level_it_names():
    board = Board()
    board.pulse(6)
    board.pic.acknowledge()
    board.pulse(2 + 1)
    board.pic.acknowledge()
    board.command(0x66)
    assert board.isr() == 0x08


def test_rotate_on_non_specific_eoi_makes_the_ended_level_lowest():
    board = Board()
    board.pulse(4)
    board.pic.acknowledge()
    board.command(0xA0)
    board.pulse(4)
    board.pulse(5)
    assert board.pic.acknowledge() == 0x25


def test_rotate_on_specific_eoi_makes_the_named_level_lowest():
    board = Board()
    board.pulse(3)
    board.pic.acknowledge()
    board.command(0xE3)
    board.pulse(3)
    board.pulse(4)
    assert board.isr() == 0
    assert board.pic.acknowledge() == 0x24


def test_set_priority_rotates_without_an_eoi():
    board = Board()
    board.command(0xC5)
    board.pulse(0)
    board.pulse(6)
    assert board.pic.acknowledge() == 0x26
    board.command(0x20)
    assert board.pic.acknowledge() == 0x20


def test_automatic_eoi_leaves_nothing_in_service():
    board = Board(icw4_master=0x03)
    board.pulse(5)
    assert board.pic.acknowledge() == 0x25
    assert board.isr() == 0


def test_rotate_in_automatic_eoi_serves_equal_devices_in_turn():
    board = Board(icw4_master=0x03)
    board.command(0x80)
    board.pulse(3)
    board.pic.acknowledge()
    board.pulse(3)
    board.pulse(4)
    assert board.pic.acknowledge() == 0x24
    board.command(0x00)
    assert board.pic.acknowledge() == 0x23
    board.pulse(4)
    board.pulse(5)
    assert board.pic.acknowledge() == 0x25


def test_automatic_eoi_on_the_slave_gives_the_master_an_edge_for_each_request():
    board = Board(icw4_master=0x03, icw4_slave=0x03)
    board.pulse(8)
    board.pulse(9)
    assert [board.pic.acknowledge(), board.pic.acknowledge()] == [0x28, 0x29]
    assert not board.intr.level


def test_special_fully_nested_master_lets_a_higher_slave_request_through():
    plain, special = Board(), Board(icw4_master=0x11)
    for board in (plain, special):
        board.pulse(12)
        board.pic.acknowledge()
        board.pulse(8)
    assert not plain.intr.level
    assert special.intr.level
    assert special.pic.acknowledge() == 0x28


def test_special_mask_mode_lets_lower_levels_interrupt_a_masked_one_in_service():
    board = Board()
    board.pulse(3)
    board.pic.acknowledge()
    board.pulse(6)
    board.mask(0x08)
    assert not board.intr.level
    board.command(0x68)
    assert board.pic.acknowledge() == 0x26
    board.command(0x20)
    assert board.isr() == 0x08
    board.command(0x48)
    board.pulse(6)
    assert not board.intr.level


def test_poll_acknowledges_without_inta():
    board = Board()
    board.command(0x0C)
    assert board.read() == 0
    board.pulse(5)
    board.command(0x0C)
    assert board.read() == 0x85
    assert not board.intr.level
    assert board.isr() == 0x20


def test_icw1_clears_mask_and_edges_and_holds_int_down_until_initialized():
    board = Board()
    board.mask(0xFB)
    board.pulse(1)
    board.command(0x11)
    assert board.irr() == 0
    for word in (0x40, 0x04):
        board.mask(word)
        board.pulse(1)
        assert not board.intr.level
    board.mask(0x01)
    assert board.read(1) == 0
    assert board.intr.level
    assert board.pic.acknowledge() == 0x41


def test_single_mode_expects_no_icw3_and_without_ic4_no_icw4():
    board = Board()
    board.command(0x12)
    board.mask(0x60)
    board.mask(0x0F)
    assert board.read(1) == 0x0F
    board.pulse(6)
    assert board.pic.acknowledge() == 0x66


@pytest.mark.parametrize("irq", [-1, 2, 16])
def test_numbers_that_are_no_inputs_are_refused(irq):
    with pytest.raises(ValueError, match="no input of the 8259A pair"):
        Board().pic.input(irq)


def test_linux_probe_finds_the_chip():
    board = Board()
    board.mask(0xFF, slave=True)
    board.mask(0xFB)
    assert board.read(1) == 0xFB


def test_describe_names_the_registers():
    board = Board()
    board.pulse(4)
    rows = dict(board.pic.describe(0))
    assert rows["master IRR"] == "00010000"
    assert rows["master pending"] == "IR4"
    assert rows["slave vector base"] == "0x28"
