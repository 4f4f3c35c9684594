"""The ACPI tables, read back as an OS finds them; judged by ACPICA's compiler and by a Linux kernel where
there is one.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from devices.board.isa import CHIPS
from tests.linux_assets import AssetsMissingError, busybox_initrd, cloud_kernel
from vmdbg.boot.acpi import ALIGNMENT, DEFAULT_BASE, AcpiConfig, acpi_segment
from vmdbg.boot.image import Segment
from vmdbg.boot.layout import HIGH_MEMORY
from vmdbg.machine.config import Chipset, MachineConfig, io_apic_id
from vmdbg.units import Physical
from vmdbg.x86.topology import Topology


class Tables:
    """What an OS reads, starting from the RSDP."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.rsdp = segment.data[:36]
        self.rsdt_address, _, self.xsdt_address = struct.unpack_from("<IIQ", self.rsdp, 16)

    def at(self, address: int) -> bytes:
        start = address - self.segment.address
        (length,) = struct.unpack_from("<I", self.segment.data, start + 4)
        assert start + length <= len(self.segment.data)
        return self.segment.data[start : start + length]

    def listed(self) -> dict[bytes, bytes]:
        xsdt = self.at(self.xsdt_address)
        addresses = struct.unpack(f"<{(len(xsdt) - 36) // 8}Q", xsdt[36:])
        rsdt = self.at(self.rsdt_address)
        assert struct.unpack(f"<{(len(rsdt) - 36) // 4}I", rsdt[36:]) == addresses
        return {self.at(address)[:4]: self.at(address) for address in addresses}


@pytest.fixture
def tables() -> Tables:
    return Tables(acpi_segment(AcpiConfig()))


def test_root_pointer_is_where_a_bios_scan_finds_it(tables: Tables) -> None:
    assert tables.rsdp[:8] == b"RSD PTR "
    assert tables.segment.address == DEFAULT_BASE
    assert DEFAULT_BASE >= 0xE0000
    assert DEFAULT_BASE % 16 == 0
    assert tables.segment.end <= HIGH_MEMORY
    assert sum(tables.rsdp[:20]) & 0xFF == 0
    assert sum(tables.rsdp) & 0xFF == 0


def test_every_table_sums_to_zero(tables: Tables) -> None:
    listed = tables.listed()
    assert set(listed) == {b"FACP", b"APIC"}
    (dsdt,) = struct.unpack_from("<I", listed[b"FACP"], 40)
    for table in (
        *listed.values(),
        tables.at(dsdt),
        tables.at(tables.xsdt_address),
        tables.at(tables.rsdt_address),
    ):
        assert sum(table) & 0xFF == 0, table[:4]


def test_fadt_leads_to_the_hardware(tables: Tables) -> None:
    fadt = tables.listed()[b"FACP"]
    assert len(fadt) == 244
    assert fadt[8] >= 3
    facs, dsdt = struct.unpack_from("<II", fadt, 36)
    assert tables.at(facs)[:4] == b"FACS"
    assert facs % 64 == 0
    assert tables.at(dsdt)[:4] == b"DSDT"
    assert struct.unpack_from("<H", fadt, 46) == (9,)
    assert struct.unpack_from("<IBB", fadt, 48) == (0xB2, 0xF1, 0xF0)
    assert struct.unpack_from("<8I", fadt, 56) == (0x600, 0, 0x604, 0, 0, 0x608, 0x60C, 0)
    assert fadt[108] == 0x32
    assert struct.unpack_from("<BBBBQB", fadt, 116) == (1, 8, 0, 1, 0xCF9, 0x06)
    assert struct.unpack_from("<Q", fadt, 140) == (dsdt,)
    extended = [struct.unpack_from("<BBBBQ", fadt, at)[4] for at in range(148, 244, 12)]
    assert extended == [0x600, 0, 0x604, 0, 0, 0x608, 0x60C, 0]


def test_madt_names_the_interrupt_controllers(tables: Tables) -> None:
    madt = tables.listed()[b"APIC"]
    assert struct.unpack_from("<II", madt, 36) == (0xFEE00000, 1)
    entries, at = [], 44
    while at < len(madt):
        entries.append(madt[at : at + madt[at + 1]])
        at += madt[at + 1]
    assert [entry[0] for entry in entries] == [0, 1, 2, 2, 4]
    assert struct.unpack("<I", entries[1][4:8]) == (0xFEC00000,)
    assert struct.unpack("<BBIH", entries[2][2:]) == (0, 0, 2, 0)
    assert struct.unpack("<BBIH", entries[3][2:]) == (0, 9, 9, 0x000D)


def test_several_processors_are_in_madt_and_dsdt_under_the_same_numbers(tmp_path: Path) -> None:
    several = Tables(acpi_segment(AcpiConfig(topology=Topology(sockets=2, cores=3))))
    madt = several.listed()[b"APIC"]
    processors = [struct.unpack_from("<BBBBI", madt, 44 + 8 * number) for number in range(6)]
    assert processors == [(0, 8, uid, apic_id, 1) for uid, apic_id in enumerate((0, 1, 2, 4, 5, 6))]
    assert struct.unpack_from("<BBB", madt, 44 + 8 * 6) == (1, 12, 7), "an APIC ID that no CPU has"
    if shutil.which("iasl") is None:
        pytest.skip("iasl is not installed (package acpica-tools)")
    (dsdt,) = struct.unpack_from("<I", several.listed()[b"FACP"], 40)
    (tmp_path / "dsdt.dat").write_bytes(several.at(dsdt))
    iasl(tmp_path, "-d", "dsdt.dat")
    assert "0 Errors, 0 Warnings" in iasl(tmp_path, "dsdt.dsl")
    source = (tmp_path / "dsdt.dsl").read_text()
    uids = re.findall(r'Device \(CP..\)\s*{\s*Name \(_HID, "ACPI0007".*?_UID, (\w+)', source, re.DOTALL)
    assert uids == ["Zero", "One", "0x02", "0x03", "0x04", "0x05"]


def test_without_apic_there_is_no_madt() -> None:
    assert set(Tables(acpi_segment(AcpiConfig(apic=False))).listed()) == {b"FACP"}


def test_only_the_serial_ports_that_exist_are_described() -> None:
    data = acpi_segment(AcpiConfig(chips=CHIPS[:-2])).data
    assert b"COM2" in data
    assert b"COM3" not in data


def test_addresses_follow_the_base() -> None:
    moved = Tables(acpi_segment(AcpiConfig(), Physical(0xF0000)))
    assert set(moved.listed()) == {b"FACP", b"APIC"}
    with pytest.raises(ValueError, match=f"multiple of {ALIGNMENT}"):
        acpi_segment(AcpiConfig(), Physical(0xF0010))


@pytest.mark.skipif(shutil.which("iasl") is None, reason="iasl is not installed (package acpica-tools)")
def test_acpica_reads_the_tables_and_compiles_the_dsdt_again(tables: Tables, tmp_path: Path) -> None:
    fadt = tables.listed()[b"FACP"]
    (dsdt,) = struct.unpack_from("<I", fadt, 40)
    for name, table in (("facp", fadt), ("apic", tables.listed()[b"APIC"]), ("dsdt", tables.at(dsdt))):
        (tmp_path / f"{name}.dat").write_bytes(table)
        output = iasl(tmp_path, "-d", f"{name}.dat")
        assert not re.search(r"error|warning|invalid", output, re.IGNORECASE), output
    assert "0 Errors, 0 Warnings, 0 Remarks" in iasl(tmp_path, "dsdt.dsl")
    source = (tmp_path / "dsdt.dsl").read_text()
    assert 'EisaId ("PNP0A03")' in source
    assert source.count('EisaId ("PNP0501")') == 4


def iasl(directory: Path, *arguments: str) -> str:
    done = subprocess.run(["iasl", *arguments], cwd=directory, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed")
def test_linux_in_qemu_takes_our_tables_and_powers_off_by_them(tmp_path: Path) -> None:
    """QEMU's PIIX4 has its registers where ours are, so a kernel given our tables there can use them."""
    try:
        kernel = cloud_kernel()
        initrd = busybox_initrd({"autorun": b"#!/bin/sh\ndmesg | grep -E 'ACPI|PNP'\npoweroff -f\n"})
    except AssetsMissingError as missing:
        pytest.skip(str(missing))
    at = 0xC000000
    blob = tmp_path / "tables"
    blob.write_bytes(acpi_segment(AcpiConfig(), Physical(at)).data)
    serial = tmp_path / "serial"
    done = subprocess.run(
        [
            *("qemu-system-x86_64", "-m", "256", "-display", "none", "-monitor", "none", "-nic", "none"),
            *("-no-reboot", "-kernel", kernel, "-initrd", initrd, "-serial", f"file:{serial}"),
            *("-append", f"console=ttyS0 panic=-1 acpi_rsdp={at:#x} memmap=64K${at:#x}"),
            *("-device", f"loader,file={blob},addr={at:#x},force-raw=on"),
        ],
        timeout=110,
        check=False,
    )
    log = serial.read_text(errors="replace")
    assert done.returncode == 0
    assert re.search(r"ACPI: DSDT 0x\w+ \w+ \(v02 VMDBG", log), log[-4000:]
    assert "ACPI: PM: (supports S0 S5)" in log
    assert "PNP: PS/2 Controller [PNP0303:KBD]" in log
    assert "reboot: Power down" in log
    assert not re.search(r"ACPI (BIOS )?(Error|Warning)", log)


@pytest.mark.parametrize(("chipset", "expected"), [(Chipset.I440FX, 0), (Chipset.PLAIN, 4)])
def test_the_io_apic_has_the_id_that_the_tables_say(chipset: Chipset, expected: int) -> None:
    """With firmware, SeaBIOS's MP table, which has 0 whatever the CPUs are."""
    topology = Topology(cores=4)
    tables = acpi_segment(AcpiConfig(topology=topology, pci_links=chipset is Chipset.I440FX)).data
    at = bytes(tables).index(struct.pack("<BB", 1, 12) + bytes([expected, 0]) + struct.pack("<I", 0xFEC0_0000))
    assert at > 0
    assert io_apic_id(MachineConfig(topology=topology, chipset=chipset)) == expected
