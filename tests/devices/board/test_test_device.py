"""The device of guests that test hypervisors: its bytes, its memory, its lines."""

from __future__ import annotations

from devices.board.test_device import DATA_PORTS, FITTING, IRQ_PORTS, MEMORY
from tests.devices.disk.bench import Board


def test_its_ports_keep_what_is_written_in_any_size() -> None:
    board = Board("pc-testdev")
    FITTING.fit(board, FITTING.options())
    board.ports.write(DATA_PORTS.start, 4, 0x11223344, 0)
    board.ports.write(DATA_PORTS.start + 1, 1, 0xAB, 0)
    assert board.ports.read(DATA_PORTS.start, 4, 0) == 0x1122AB44
    assert board.ports.read(DATA_PORTS.start + 1, 2, 0) == 0x22AB


def test_its_memory_keeps_what_is_written_in_any_size() -> None:
    board = Board("pc-testdev")
    FITTING.fit(board, FITTING.options())
    board.memory.write(MEMORY.start + 0xFF8, 8, 0x1122334455667788, 0)
    board.memory.write(MEMORY.start + 0xFFE, 4, 0xDEADBEEF, 0)
    assert board.memory.read(MEMORY.start + 0xFFC, 4, 0) == 0xBEEF3344
    assert board.memory.read(MEMORY.start + 0x1000, 2, 0) == 0xDEAD


def test_it_drives_each_line_but_the_cascade() -> None:
    board = Board("pc-testdev")
    FITTING.fit(board, FITTING.options())
    for port in IRQ_PORTS:
        board.ports.write(port, 1, 1, 0)
    board.ports.write(IRQ_PORTS.start + 14, 1, 0, 0)
    assert sorted(board.irqs) == [irq for irq in range(16) if irq != 2]
    assert [irq for irq, line in board.irqs.items() if not line.level] == [14]
