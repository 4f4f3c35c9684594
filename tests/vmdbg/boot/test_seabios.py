"""SeaBIOS on the i440FX machine: it finds what it looks for, and says so."""

from __future__ import annotations

import pytest

from tests.vmdbg.boot.seabios import seabios_machine
from tests.vmdbg.machine.guest_runs import text_of
from vmdbg.boot.installed_firmware import installed_seabios
from vmdbg.errors import UserError
from vmdbg.host.nvram import NvramChoice
from vmdbg.host.start import GuestFiles, start
from vmdbg.machine.config import BootOrder, MachineConfig, parse_boot_order
from vmdbg.units import Tick

END = Tick(15_000_000)


def test_seabios_finds_tables_and_buses_and_no_bootable_device() -> None:
    machine = seabios_machine()
    log: list[bytes] = []
    serial: list[bytes] = []
    machine.debug_console.listeners.append(lambda _port, data, _now: log.append(data))
    machine.serial[0].listeners.append(lambda _port, data, _now: serial.append(data))
    try:
        machine.run(END)
        said = text_of(log)
        for words in (
            "QEMU fw_cfg DMA interface supported",
            "qemu/e820: addr 0x0000000000000000 len 0x0000000002000000 [RAM]",
            "Found 3 PCI devices",
            "Using pmtimer, ioport 0x608",
            "Copying PIR",
            "Copying MPTABLE",
            "Copying SMBIOS",
            "(via xsdt)",
            "Found 4 serial ports",
            "No bootable device.",
        ):
            assert words in said, said
        assert "No bootable device" in text_of(serial), "its screen is the serial port"
        assert machine.pc.i440fx is not None
        assert [machine.pc.i440fx.isa_bridge.routed_to(pirq) for pirq in range(4)] == [10, 10, 11, 11]
        assert bytes(machine.engine.ram).count(b"RSD PTR ") >= 1
    finally:
        machine.close()


def test_a_boot_order_reaches_firmware() -> None:
    machine = seabios_machine(boot=parse_boot_order("cdrom,network,disk"))
    try:
        cmos = machine.pc.devices["rtc"].save().cmos
        assert (cmos[0x3D], cmos[0x38]) == (0x43, 0x20)
    finally:
        machine.close()


@pytest.mark.parametrize("text", ["", "disk,disk", "usb", "disk, cdrom"])
def test_an_order_that_is_none_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(ValueError, match="disk, floppy, cdrom, network, menu"):
        parse_boot_order(text)


def test_where_there_is_no_seabios_the_package_is_named() -> None:
    with pytest.raises(UserError, match=r"no SeaBIOS is installed.*--bios FILE"):
        installed_seabios(places=())


def test_firmware_runs_in_rom_until_it_has_copied_itself_to_ram() -> None:
    machine = seabios_machine()
    try:
        assert bytes(machine.engine.ram[0xE0000:0x100000]) == bytes(0x20000)
        machine.run(END)
        assert machine.pc.devices["host-bridge"].save().config[0x59] & 0x10
        assert b"SeaBIOS" in bytes(machine.engine.ram[0xE0000:0x100000])
    finally:
        machine.close()


@pytest.mark.parametrize(
    ("files", "boot", "words"),
    [
        (GuestFiles(nvram=NvramChoice("vars.fd")), "", "--nvram is for UEFI firmware"),
        (GuestFiles(), "cdrom", "--boot is for firmware"),
    ],
)
def test_what_only_firmware_heeds_is_refused_without_any(files: GuestFiles, boot: str, words: str) -> None:
    config = MachineConfig(boot=parse_boot_order(boot) if boot else BootOrder())
    with pytest.raises(UserError, match=words):
        start(files, config)
