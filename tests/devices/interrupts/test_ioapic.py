import pytest

from devices.interrupts.apic_bus import DeliveryMode, InterruptMessage
from devices.interrupts.ioapic import IoApic

MASKED, LEVEL, REMOTE_IRR, ACTIVE_LOW = 1 << 16, 1 << 15, 1 << 14, 1 << 13


class Board:
    """An I/O APIC on a bus that keeps what it carries."""

    def __init__(self) -> None:
        self.messages: list[InterruptMessage] = []
        self.accepting = True
        self.ioapic = IoApic(self)

    def deliver(self, message: InterruptMessage) -> bool:
        self.messages.append(message)
        return self.accepting

    def vectors(self) -> list[int]:
        vectors = [message.vector for message in self.messages]
        self.messages.clear()
        return vectors

    def __getitem__(self, register: int) -> int:
        self.ioapic.write(0x00, 4, register, 0)
        return self.ioapic.read(0x10, 4, 0)

    def __setitem__(self, register: int, value: int) -> None:
        self.ioapic.write(0x00, 4, register, 0)
        self.ioapic.write(0x10, 4, value, 0)

    def entry(self, pin: int, low: int, high: int = 0) -> None:
        self[0x11 + 2 * pin] = high
        self[0x10 + 2 * pin] = low

    def set(self, pin: int, *levels: bool) -> None:
        for level in levels:
            self.ioapic.input(pin).set(level)


def test_version_and_id():
    board = Board()
    assert board[0x01] == 0x0017_0011
    board[0x00] = 0x0F00_0000
    assert board[0x00] == board[0x02] == 0x0F00_0000
    assert board[0x3F + 1] == 0xFFFF_FFFF


def test_entries_start_masked():
    board = Board()
    assert all(board[0x10 + 2 * pin] == MASKED for pin in range(24))


def test_edge_interrupt_is_sent_once_with_its_destination():
    board = Board()
    board.entry(2, 0x930, 0x0100_0000)
    board.set(2, True, True)
    assert board.messages == [InterruptMessage(1, True, DeliveryMode.LOWEST_PRIORITY, 0x30, False)]
    board.set(2, False, True)
    assert len(board.messages) == 2


def test_edge_on_a_masked_pin_is_lost():
    board = Board()
    board.entry(4, 0x34 | MASKED)
    board.set(4, True)
    board.entry(4, 0x34)
    assert board.vectors() == []


def test_level_that_is_high_when_unmasked_is_sent():
    board = Board()
    board.entry(4, 0x34 | LEVEL | MASKED)
    board.set(4, True)
    board.entry(4, 0x34 | LEVEL)
    assert board.vectors() == [0x34]


def test_level_interrupt_waits_for_eoi_and_repeats_while_the_line_is_active():
    board = Board()
    board.entry(9, 0x39 | LEVEL)
    board.set(9, True)
    assert board[0x10 + 18] & REMOTE_IRR
    board.set(9, False, True)
    assert board.vectors() == [0x39]
    board.ioapic.end_of_interrupt(0x38)
    assert board.vectors() == []
    board.ioapic.end_of_interrupt(0x39)
    assert board.vectors() == [0x39]
    board.set(9, False)
    board.ioapic.end_of_interrupt(0x39)
    assert board.vectors() == []
    assert not board[0x10 + 18] & REMOTE_IRR


def test_level_interrupt_that_nobody_accepts_sets_no_remote_irr():
    board = Board()
    board.accepting = False
    board.entry(9, 0x39 | LEVEL)
    board.set(9, True)
    assert not board[0x10 + 18] & REMOTE_IRR
    board.accepting = True
    board.entry(9, 0x39 | LEVEL)
    assert board[0x10 + 18] & REMOTE_IRR


def test_active_low_inverts_edges_and_levels():
    board = Board()
    board.entry(5, 0x35 | ACTIVE_LOW)
    board.set(5, True)
    assert board.vectors() == []
    board.set(5, False)
    assert board.vectors() == [0x35]
    board.entry(6, 0x36 | ACTIVE_LOW | LEVEL)
    assert board.vectors() == [0x36]


def test_linux_ends_a_level_interrupt_by_masking_and_making_it_edge_triggered():
    board = Board()
    board.entry(9, 0x39 | LEVEL)
    board.set(9, True)
    board[0x10 + 18] = 0x39 | MASKED
    assert not board[0x10 + 18] & REMOTE_IRR
    board[0x10 + 18] = 0x39 | LEVEL
    assert board.vectors() == [0x39, 0x39]


def test_read_only_bits_and_the_high_half_stay():
    board = Board()
    board[0x11] = 0xFFFF_FFFF
    board[0x10] = 0xFFFF_FFFF & ~MASKED
    assert board[0x11] == 0xFF00_0000
    assert board[0x10] == 0xAFFF


@pytest.mark.parametrize("mode", [DeliveryMode.NMI, DeliveryMode.EXTINT, DeliveryMode.SMI, DeliveryMode.INIT])
def test_modes_that_are_always_edge_triggered(mode):
    board = Board()
    board.entry(0, mode << 8 | LEVEL)
    board.set(0, True)
    assert [message.mode for message in board.messages] == [mode]
    assert not board.messages[0].level_triggered
    assert not board[0x10] & REMOTE_IRR


def test_iowin_takes_only_whole_registers():
    board = Board()
    board[0x10] = 0x31
    board.ioapic.write(0x10, 1, 0x99, 0)
    assert board[0x10] == 0x31
    assert board.ioapic.read(0x10, 1, 0) == 0x31
    assert board.ioapic.read(0x20, 4, 0) == 0xFFFF_FFFF


@pytest.mark.parametrize("pin", [-1, 24])
def test_pins_that_do_not_exist(pin):
    with pytest.raises(ValueError, match="no input of the I/O APIC"):
        Board().ioapic.input(pin)


def test_describe_reads_as_the_data_sheet():
    board = Board()
    board.entry(9, 0x39 | LEVEL | ACTIVE_LOW)
    rows = dict(board.ioapic.describe(0))
    assert rows["IOREDTBL9"] == "fixed, vector 0x39, to physical 0x00, level, active low, remote IRR"
