"""Port 92h, the debug console, the test exit, the DMA controllers and page registers, and shared lines."""

from __future__ import annotations

import pytest

from devices.board.coprocessor import CoprocessorError
from devices.board.dma import MASTER_PORTS, SLAVE_PORTS, Dma8237A
from devices.board.dma_page import DMA_PAGE_PORTS, DmaPage
from devices.board.port92 import Port92
from devices.board.test_exit import TEST_EXIT_PORT, TEST_EXIT_SIZE, TestExit
from devices.serial.debugcon import BOCHS_PORT, SEABIOS_PORT, DebugConsole
from devices.wiring.bus import PortBus
from devices.wiring.wired_or import WiredOr
from tests.devices.conformance import RecordingLine


def test_port92_gates_a20_and_resets_on_the_rising_bit() -> None:
    a20, reset = RecordingLine(), RecordingLine()
    port = Port92(a20, reset)
    port.write(0, 1, 0xFE, 0)
    assert a20.level
    assert port.read(0, 1, 0) == 0x02
    port.write(0, 1, 0x01, 0)
    assert not a20.level
    port.write(0, 1, 0x01, 0)
    assert reset.history == [True, False]


def test_port_f0h_ends_what_ferr_began_and_drives_ignne() -> None:
    irq, ignne = RecordingLine(), RecordingLine()
    chip = CoprocessorError(irq, ignne)
    chip.ferr.set(True)
    chip.ferr.set(False)
    assert irq.level
    assert not ignne.level
    chip.write(0, 1, 0, 0)
    assert (irq.level, ignne.level) == (False, True)


def test_a20_is_on_while_either_source_is() -> None:
    out = RecordingLine(level=True)
    a20 = WiredOr("a20", "gate of A20", out)
    keyboard, fast = a20.input(level=True), a20.input()
    fast.set(True)
    keyboard.set(False)
    assert out.level
    fast.set(False)
    assert not out.level
    assert a20.describe(0) == [("level", "low"), ("inputs", "00")]


def test_wired_or_refuses_a_state_of_another_shape() -> None:
    line = WiredOr("a20", "gate of A20", RecordingLine())
    line.input()
    other = WiredOr("a20", "gate of A20", RecordingLine())
    with pytest.raises(ValueError, match="1 inputs, the saved state 0"):
        line.restore(other.save())


class Wire:
    def __init__(self) -> None:
        self.sent: list[tuple[int, int]] = []

    def transmit(self, data: int, now: int) -> None:
        self.sent.append((data, now))


@pytest.mark.parametrize("port", [BOCHS_PORT, SEABIOS_PORT])
def test_debug_console_passes_characters_on_and_says_it_is_there(port: int) -> None:
    wire, bus = Wire(), PortBus()
    bus.claim(range(port, port + 1), DebugConsole("debugcon", wire), "debugcon")
    bus.write(port, 1, ord("!"), 7)
    assert wire.sent == [(ord("!"), 7)]
    assert bus.read(port, 1, 7) == 0xE9


@pytest.mark.parametrize(("size", "value", "code"), [(1, 0, 1), (1, 0x10, 0x21), (4, 0x2A, 0x55)])
def test_test_exit_ends_the_run_with_an_odd_code(size: int, value: int, code: int) -> None:
    codes: list[int] = []
    bus = PortBus()
    bus.claim(
        range(TEST_EXIT_PORT, TEST_EXIT_PORT + TEST_EXIT_SIZE),
        TestExit("test-exit", TEST_EXIT_PORT, codes.append),
        "test-exit",
        wide=True,
    )
    bus.write(TEST_EXIT_PORT, size, value, 0)
    assert codes == [code]
    assert bus.read(TEST_EXIT_PORT, 1, 0) == 0


def test_port_80_keeps_the_post_code() -> None:
    pages, bus = DmaPage(), PortBus()
    bus.claim(DMA_PAGE_PORTS, pages, "dma-page")
    bus.write(0x80, 1, 0x3D, 0)
    bus.write(0x87, 1, 0x12, 0)
    assert bus.read(0x80, 1, 0) == 0x3D
    assert dict(pages.describe(0))["POST code"] == "3d"
    assert dict(pages.describe(0))["channel 0 page"] == "12"


@pytest.mark.parametrize(("ports", "stride"), [(MASTER_PORTS, 1), (SLAVE_PORTS, 2)])
def test_dma_registers_go_low_byte_first(ports: range, stride: int) -> None:
    bus, chip = PortBus(), Dma8237A("dma", stride)
    bus.claim(ports, chip, "dma")

    def port(register: int) -> int:
        return ports.start + register * stride

    bus.write(port(0x3), 1, 0x34, 0)
    bus.write(port(0x3), 1, 0x12, 0)
    assert [bus.read(port(0x3), 1, 0) for _ in range(2)] == [0x34, 0x12]
    bus.write(port(0x3), 1, 0xFF, 0)
    bus.write(port(0xC), 1, 0, 0)
    assert bus.read(port(0x3), 1, 0) == 0xFF
    bus.write(port(0xB), 1, 0x59, 0)
    assert dict(chip.describe(0))["channel 1"] == "single read, address 0000, count 12ff"


def test_dma_masks_and_master_clear() -> None:
    chip = Dma8237A("dma", 1)
    chip.write(0xE, 1, 0, 0)
    chip.write(0xA, 1, 0x06, 0)
    assert chip.read(0xF, 1, 0) == 0xF4
    chip.write(0x9, 1, 0x05, 0)
    assert chip.read(0x8, 1, 0) == 0x20
    chip.write(0xD, 1, 0, 0)
    assert (chip.read(0x8, 1, 0), chip.read(0xF, 1, 0)) == (0, 0xFF)
