"""What firmware reads at fw_cfg: the loader's commands carried out as firmware does, and SMBIOS taken apart."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest

from devices.board.fw_cfg import FILE_DIRECTORY
from devices.timers.hpet import identity
from tests.vmdbg.boot.test_acpi import Tables, iasl
from vmdbg.boot.acpi import AcpiConfig, acpi_segment
from vmdbg.boot.firmware_config import FirmwareConfig, firmware_items, pci_window
from vmdbg.boot.image import Segment
from vmdbg.units import Physical
from vmdbg.x86.topology import Topology

MEMORY = 256 << 20
HIGH, LOW = 0x0FFE_0000, 0xF_5000


def files(pm_base: int = 0x600, memory: int = MEMORY, **more: object) -> dict[str, bytes]:
    config = FirmwareConfig(memory, True, 0x306A9, 0x1FF, lambda: pm_base, **more)  # type: ignore[arg-type]
    items = firmware_items(config)
    directory = items[FILE_DIRECTORY]()
    found = {}
    for size, key, _, name in struct.iter_unpack(">IHH56s", directory[4:]):
        data = items[key]()
        assert len(data) == size
        found[name.rstrip(b"\0").decode()] = data
    return found


def loaded(found: dict[str, bytes], high: int = HIGH) -> dict[str, tuple[int, bytearray]]:
    """Address and bytes of each file, once the commands were carried out."""
    memory: dict[str, tuple[int, bytearray]] = {}
    script = found["etc/table-loader"]
    assert len(script) % 128 == 0
    for at in range(0, len(script), 128):
        (command,) = struct.unpack_from("<I", script, at)
        names = [script[at + 4 + 56 * n : at + 60 + 56 * n].rstrip(b"\0").decode("latin-1") for n in range(2)]
        if command == 1:
            align, zone = struct.unpack_from("<IB", script, at + 60)
            address = LOW if zone == 2 else high
            assert address % align == 0
            memory[names[0]] = address, bytearray(found[names[0]])
        elif command == 2:
            offset, size = struct.unpack_from("<IB", script, at + 116)
            data = memory[names[0]][1]
            value = int.from_bytes(data[offset : offset + size], "little") + memory[names[1]][0]
            data[offset : offset + size] = value.to_bytes(size, "little")
        else:
            assert command == 3
            offset, start, length = struct.unpack_from("<III", script, at + 60)
            data = memory[names[0]][1]
            data[offset] = (data[offset] - sum(data[start : start + length])) & 0xFF
    return memory


@pytest.mark.parametrize("pm_base", [0x600, 0xB000])
def test_the_loader_makes_the_tables_that_a_segment_at_that_place_has(pm_base: int) -> None:
    memory = loaded(files(pm_base))
    address, tables = memory["etc/acpi/tables"]
    rsdp = memory["etc/acpi/rsdp"][1]
    window = pci_window(MEMORY)
    config = AcpiConfig(pm_base=pm_base, pci_window=window, pci_links=True, hpet=identity(legacy=False))
    segment = acpi_segment(config, Physical(address - 64))
    assert bytes(tables) == segment.data[64:]
    assert bytes(rsdp) == segment.data[:36]


def test_tables_name_the_place_of_power_management_and_keep_their_size() -> None:
    there, elsewhere = files(0x600), files(0xB000)
    assert {name: len(data) for name, data in there.items()} == {name: len(data) for name, data in elsewhere.items()}
    fadt = Tables(_segment(elsewhere)).listed()[b"FACP"]
    assert struct.unpack_from("<8I", fadt, 56) == (0xB000, 0, 0xB004, 0, 0, 0xB008, 0xB00C, 0)


@pytest.mark.skipif(shutil.which("iasl") is None, reason="iasl is not installed (package acpica-tools)")
def test_acpica_reads_links_and_routing(tmp_path: Path) -> None:
    tables = Tables(_segment(files()))
    (dsdt,) = struct.unpack_from("<I", tables.listed()[b"FACP"], 40)
    (tmp_path / "dsdt.dat").write_bytes(tables.at(dsdt))
    output = iasl(tmp_path, "-d", "dsdt.dat")
    assert "rror" not in output.replace("0 Errors", ""), output
    source = (tmp_path / "dsdt.dsl").read_text()
    assert "0 Errors, 0 Warnings" in iasl(tmp_path, "dsdt.dsl")
    assert source.count("PNP0C0F") == 5
    assert "Name (_PRT" in source


def _segment(found: dict[str, bytes]) -> Segment:
    memory = loaded(found)
    address, tables = memory["etc/acpi/tables"]
    return Segment(Physical(address - 64), bytes(memory["etc/acpi/rsdp"][1]).ljust(64, b"\0") + bytes(tables), "ACPI")


def test_firmware_is_told_how_many_processors_there_are_and_how_far_their_ids_go() -> None:
    def told(topology: Topology) -> list[int]:
        items = firmware_items(FirmwareConfig(MEMORY, True, 0, 0, lambda: 0x600, topology=topology))
        return [int.from_bytes(items[key](), "little") for key in (5, 15)]

    assert told(Topology()) == [1, 1]
    assert told(Topology(sockets=2, cores=3)) == [6, 7]


def test_memory_is_told_below_and_above_4_gib() -> None:
    def map_of(memory: int) -> list[tuple[int, int, int]]:
        return list(struct.iter_unpack("<QQI", files(memory=memory)["etc/e820"]))

    assert map_of(MEMORY) == [(0, MEMORY, 1), (0xFFFC_0000, 0x4_0000, 2)]
    assert map_of(5 << 30) == [(0, 3 << 30, 1), (0xFFFC_0000, 0x4_0000, 2), (4 << 30, 2 << 30, 1)]


@pytest.mark.parametrize("memory", [MEMORY, 3 << 30, 40 << 30])
def test_smbios_structures_follow_each_other_to_the_end(memory: int) -> None:
    found = files(memory=memory)
    anchor, tables = found["etc/smbios/smbios-anchor"], found["etc/smbios/smbios-tables"]
    assert anchor[:4] == b"_SM_"
    assert len(anchor) == anchor[5] == 31
    length, _, count = struct.unpack_from("<HIH", anchor, 22)
    assert length == len(tables)
    kinds, at, installed = [], 0, 0
    while at < len(tables):
        kind, size = tables[at], tables[at + 1]
        if kind == 17:
            (mib,) = struct.unpack_from("<H", tables, at + 12)
            installed += mib << 20
        kinds.append(kind)
        at = tables.index(b"\0\0", at + size) + 2
    assert len(kinds) == count
    assert kinds[-1] == 127
    assert {1, 3, 4, 16, 17, 19, 32} <= set(kinds)
    assert installed == memory
    sizes = {1: 27, 3: 22, 4: 42, 16: 23, 17: 40, 19: 31}
    assert all(tables[_start(tables, kind) + 1] == size for kind, size in sizes.items())


def _start(tables: bytes, kind: int) -> int:
    at = 0
    while tables[at] != kind:
        at = tables.index(b"\0\0", at + tables[at + 1]) + 2
    return at
