from __future__ import annotations

import pytest

from devices.pci.config_space import Place
from devices.pci.host import CONFIG_PORTS, PciHost
from devices.pci.host_bridge import HOST_BRIDGE, HostBridge
from devices.wiring.bus import PortBus
from tests.devices.conformance import RecordingLine


class Bench:
    def __init__(self) -> None:
        self.reset = RecordingLine()
        self.host = PciHost(self.reset)
        self.host.add(HOST_BRIDGE, HostBridge(), "host-bridge")
        self.bus = PortBus()
        self.bus.claim(CONFIG_PORTS, self.host, "pci", wide=True)

    def read(self, device: int, register: int, size: int = 4, bus: int = 0, function: int = 0) -> int:
        self.address(device, register, bus, function)
        return self.bus.read(0xCFC + (register & 3), size, 0)

    def write(self, device: int, register: int, size: int, value: int) -> None:
        self.address(device, register)
        self.bus.write(0xCFC + (register & 3), size, value, 0)

    def address(self, device: int, register: int, bus: int = 0, function: int = 0) -> None:
        self.bus.write(0xCF8, 4, 1 << 31 | bus << 16 | device << 11 | function << 8 | register & 0xFC, 0)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_linux_detects_mechanism_1(bench: Bench) -> None:
    bench.bus.write(0xCFB, 1, 0x01, 0)
    saved = bench.bus.read(0xCF8, 4, 0)
    bench.bus.write(0xCF8, 4, 0x8000_0000, 0)
    assert bench.bus.read(0xCF8, 4, 0) == 0x8000_0000
    assert saved == 0


def test_mechanism_2_is_not_there(bench: Bench) -> None:
    for port in (0xCFB, 0xCF8, 0xCFA):
        bench.bus.write(port, 1, 0, 0)
    assert bench.bus.read(0xCF8, 1, 0) == 0xFF
    assert bench.bus.read(0xCFA, 1, 0) == 0xFF


def test_host_bridge_is_a_440fx(bench: Bench) -> None:
    assert bench.read(0, 0) == 0x1237_8086
    assert bench.read(0, 2, 2) == 0x1237
    assert bench.read(0, 0x0B, 1) == 0x06
    assert bench.read(0, 0x0A, 2) == 0x0600
    assert bench.read(0, 0x0E, 1) == 0x00


@pytest.mark.parametrize(("device", "bus", "function"), [(1, 0, 0), (0, 1, 0), (0, 0, 1), (31, 255, 7)])
def test_nobody_home_reads_as_ones(bench: Bench, device: int, bus: int, function: int) -> None:
    assert bench.read(device, 0, bus=bus, function=function) == 0xFFFF_FFFF
    assert bench.read(device, 0, 2, bus=bus, function=function) == 0xFFFF


def test_data_without_the_enable_bit_reads_as_ones(bench: Bench) -> None:
    bench.bus.write(0xCF8, 4, 0, 0)
    assert bench.bus.read(0xCFC, 4, 0) == 0xFFFF_FFFF


def test_identity_cannot_be_written(bench: Bench) -> None:
    bench.write(0, 0, 4, 0)
    bench.write(0, 0x08, 4, 0)
    assert bench.read(0, 0) == 0x1237_8086
    assert bench.read(0, 0x08) == 0x0600_0002


def test_pam_registers_keep_bytes_and_words(bench: Bench) -> None:
    bench.write(0, 0x59, 1, 0xFF)
    bench.write(0, 0x5A, 2, 0x3311)
    assert [bench.read(0, 0x59 + n, 1) for n in range(3)] == [0x70, 0x11, 0x33]


def test_base_address_probes_find_none(bench: Bench) -> None:
    for register in range(0x10, 0x28, 4):
        bench.write(0, register, 4, 0xFFFF_FFFF)
        assert bench.read(0, register) == 0


def test_reset_control_resets_on_the_rising_bit(bench: Bench) -> None:
    bench.bus.write(0xCF9, 1, 0x02, 0)
    assert bench.reset.history == []
    assert bench.bus.read(0xCF9, 1, 0) == 0x02
    bench.bus.write(0xCF9, 1, 0x06, 0)
    assert bench.reset.history == [True, False]
    assert bench.bus.read(0xCF8, 4, 0) == 0


def test_two_functions_cannot_share_a_place(bench: Bench) -> None:
    with pytest.raises(ValueError, match=r"00\.0 is taken"):
        bench.host.add(HOST_BRIDGE, HostBridge(), "host-bridge")
    with pytest.raises(ValueError, match="20"):
        Place(32)


def test_describe_names_the_selected_function(bench: Bench) -> None:
    bench.address(3, 0x10, bus=1, function=2)
    rows = dict(bench.host.describe(0))
    assert rows["CONFIG_ADDRESS"] == "80011a10 01:03.2 register 10"
    assert rows["functions"] == "00:00.0"
