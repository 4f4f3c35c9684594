"""The MP table, read back as a kernel finds it; and by a kernel of Debian's that is told to use it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given

from tests.linux_assets import AssetsMissingError, busybox_initrd, generic_kernel
from tests.vmdbg.x86.test_topology import topologies
from vmdbg.api import launch
from vmdbg.boot.mp_table import MpConfig, mp_segment
from vmdbg.x86.topology import Topology

SIZES = {0: 20, 1: 8, 2: 8, 3: 8, 4: 8}


def entries(config: MpConfig) -> Iterator[bytes]:
    """As MultiProcessor Specification 1.4, chapter 4 has them found: in F0000h-FFFFFh, with both checksums."""
    segment = mp_segment(config)
    assert 0xF0000 <= segment.address <= segment.end <= 0x100000
    assert segment.address % 16 == 0
    pointer = segment.data[:16]
    assert pointer[:4] == b"_MP_"
    assert sum(pointer) & 0xFF == 0
    (address,) = struct.unpack_from("<I", pointer, 4)
    table = segment.data[address - segment.address :]
    length, count, local_apic = *struct.unpack_from("<H", table, 4), *struct.unpack_from("<HI", table, 34)
    assert table[:4] == b"PCMP"
    assert (len(table), sum(table) & 0xFF, local_apic) == (length, 0, 0xFEE0_0000)
    at = 44
    for _ in range(count):
        yield table[at : at + SIZES[table[at]]]
        at += SIZES[table[at]]
    assert at == length


def of_kind(config: MpConfig, kind: int) -> list[bytes]:
    return [entry for entry in entries(config) if entry[0] == kind]


@given(topologies)
def test_processors_have_their_apic_ids_and_the_first_boots(topology: Topology) -> None:
    found = of_kind(MpConfig(topology, 0x30661, 0x1234), 0)
    assert [entry[1] for entry in found] == list(topology.apic_ids)
    assert [entry[3] for entry in found] == [3, *[1] * (topology.cpus - 1)]
    assert {struct.unpack_from("<II", entry, 4) for entry in found} == {(0x30661, 0x1234)}


def test_entries_follow_in_the_order_of_their_kinds() -> None:
    kinds = [entry[0] for entry in entries(MpConfig(Topology(cores=4), pci_interrupts=True))]
    assert kinds == sorted(kinds)


def test_isa_interrupts_are_where_the_board_has_them() -> None:
    (io_apic,) = of_kind(MpConfig(), 2)
    isa = {
        entry[5]: (entry[1], struct.unpack_from("<H", entry, 2)[0], entry[7]) for entry in of_kind(MpConfig(), 3)[1:]
    }
    assert isa[0] == (0, 0, 2)
    assert isa[9] == (0, 0xD, 9)
    assert 2 not in isa
    assert all(isa[irq] == (0, 0, irq) for irq in (1, 3, 4, 8, 10, 15))
    assert {entry[6] for entry in of_kind(MpConfig(), 3)} == {io_apic[1]}
    assert [entry[1] for entry in of_kind(MpConfig(), 4)] == [3, 1]


def test_functions_on_the_pci_bus_have_theirs() -> None:
    config = MpConfig(pci_interrupts=True)
    buses = {entry[1]: entry[2:].rstrip() for entry in of_kind(config, 1)}
    pci = {entry[5]: entry[7] for entry in of_kind(config, 3) if buses[entry[4]] == b"PCI"}
    assert len(pci) == 31 * 4
    assert pci[1 << 2] == 9, "power management, INTA"
    assert [pci[3 << 2 | pin] for pin in range(4)] == [11, 11, 10, 10]


def test_a_kernel_without_acpi_finds_its_io_apic_by_it() -> None:
    try:
        kernel, initrd = generic_kernel(), busybox_initrd()
    except AssetsMissingError as missing:
        pytest.skip(str(missing))
    with launch(kernel, initrd=initrd, append="acpi=off") as guest:
        text = guest.expect("Bringing up secondary CPUs")
    assert "found SMP MP-table at [mem 0x000f0000-0x000f000f]" in text
    assert "IOAPIC[0]: apic_id 1, version 17, address 0xfec00000, GSI 0-23" in text
    assert "Switch to symmetric I/O mode setup" in text
