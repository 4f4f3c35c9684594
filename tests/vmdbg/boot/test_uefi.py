"""OVMF from a file of both parts, or of two: variables in flash memory, code in ROM, up to its shell."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

import vmdbg
from tests.guests.build import assemble
from tests.guests.uefi import efi_disk, efi_program
from tests.vmdbg.machine.guest_runs import text_of
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.boot.uefi import variables_beside
from vmdbg.engine.exits import LimitReached
from vmdbg.errors import UserError
from vmdbg.host.start import GuestFiles, start
from vmdbg.machine.config import Chipset, MachineConfig
from vmdbg.machine.outcome import PoweredOff
from vmdbg.units import Tick

MEMORY = 64 << 20
GUID = bytes.fromhex("8d2bf1ff96768b4ca9852747075b4f50")
WHOLE, CODE = Path("/usr/share/ovmf/OVMF.fd"), Path("/usr/share/OVMF/OVMF_CODE_4M.fd")


def volume(size: int, guid: bytes = GUID, claimed: int | None = None) -> bytes:
    return (bytes(16) + guid + struct.pack("<Q4s", size if claimed is None else claimed, b"_FVH")).ljust(size, b"v")


def image(firmware: bytes, nvram: bytes | None = None) -> dict[str, tuple[int, int]]:
    """Address and size of each segment."""
    more = InputFile("vars", memoryview(nvram)) if nvram is not None else None
    options = BootOptions(memory=MEMORY, bios=InputFile("ovmf", memoryview(firmware)), nvram=more)
    return {segment.name: (segment.address, len(segment.data)) for segment in boot_image(options).segments}


def test_variables_are_parted_from_code() -> None:
    found = image(volume(0x2_0000) + bytes(0xE_0000))
    assert found["UEFI variables"] == (0xFFF0_0000, 0x2_0000)
    assert found["BIOS"] == (0xFFF2_0000, 0xE_0000)
    parted = image(volume(0x10_0000, guid=bytes(16)), volume(0x2_0000))
    assert parted["UEFI variables"] == (0xFFEE_0000, 0x2_0000)
    assert parted["BIOS"] == (0xFFF0_0000, 0x10_0000)


@pytest.mark.parametrize(
    ("firmware", "nvram", "words"),
    [
        (volume(0x10_0000, guid=bytes(16)), None, "without variables: name a file of them with --nvram"),
        (volume(0x10_0000, guid=bytes(16)), bytes(0x2_0000), "is no file of UEFI variables"),
        (volume(0x2_0000) + bytes(0x2_0000), volume(0x1_0000), "has room for 131072"),
        (volume(0x2_0000, claimed=0x123) + bytes(0x2_0000), None, "is damaged"),
        (volume(0x2_0000, claimed=1 << 40) + bytes(0x2_0000), None, "is damaged"),
        (bytes(0x2_0000), volume(0x1_0000), "is no UEFI firmware"),
        (volume(0x10_0000, guid=bytes(16)), volume(0x1_1000), "vars has 69632 bytes of UEFI variables and ovmf"),
        (volume(0x2_0000), None, "ovmf has UEFI variables and no firmware"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(firmware: bytes, nvram: bytes | None, words: str) -> None:
    with pytest.raises(UserError, match=words):
        image(firmware, nvram)


def test_variables_are_found_beside_the_code(tmp_path: Path) -> None:
    (tmp_path / "OVMF_VARS_4M.fd").write_bytes(b"")
    assert variables_beside(str(tmp_path / "OVMF_CODE_4M.fd")) == str(tmp_path / "OVMF_VARS_4M.fd")
    assert variables_beside(str(tmp_path / "OVMF_CODE_4M.secboot.fd")) == str(tmp_path / "OVMF_VARS_4M.fd")
    assert variables_beside(str(tmp_path / "OVMF.fd")) is None


@pytest.mark.slow
@pytest.mark.parametrize("firmware", [WHOLE, CODE])
def test_ovmf_reaches_its_shell_and_writes_variables(firmware: Path) -> None:
    if not firmware.exists():
        pytest.skip("OVMF is not installed (package ovmf)")
    config = MachineConfig(memory=128 << 20, chipset=Chipset.I440FX)
    machine = start(GuestFiles(bios=str(firmware)), config).machine
    printed: list[bytes] = []
    machine.serial[0].listeners.append(lambda _port, data, _now: printed.append(data))
    try:
        assert machine.pc.flash is not None
        before = machine.pc.flash.contents
        for _ in range(40):
            machine.run(Tick(machine.clock + 100_000_000))
            if "UEFI Interactive Shell" in text_of(printed):
                break
        assert "UEFI Interactive Shell" in text_of(printed)
        assert machine.pc.flash.contents != before
    finally:
        machine.close()


PROGRAM = """
bits 64
    mov al, 'U'
    out 0e9h, al
    mov dx, 0b004h              ; where OVMF puts power management
    mov ax, 2000h
    out dx, ax
    hlt
"""


@pytest.mark.parametrize("bus", ["virtio", *(pytest.param(bus, marks=pytest.mark.slow) for bus in ("ide", "nvme"))])
def test_ovmf_runs_a_program_from_a_gpt_disk(bus: str, tmp_path: Path) -> None:
    if not WHOLE.exists():
        pytest.skip("OVMF is not installed (package ovmf)")
    disk = tmp_path / "disk.img"
    disk.write_bytes(efi_disk(efi_program(assemble(PROGRAM))))
    with vmdbg.launch(bios=WHOLE, disks=[f"{disk},bus={bus}"], memory="128M") as guest:
        told: list[int] = []
        guest.debugger.machine.debug_console.listeners.append(lambda _port, data, _now: told.extend(data))
        outcome = guest.debugger.timeline.run(Tick(8_000_000_000))
        while not isinstance(outcome, PoweredOff | LimitReached):
            outcome = guest.debugger.timeline.run(Tick(8_000_000_000))
        assert outcome == PoweredOff()
        assert bytes(told[-1:]) == b"U"


@pytest.mark.slow
@pytest.mark.parametrize("bus", ["virtio", "ide", "nvme", "ahci"])
def test_ovmf_boots_the_drive_that_is_named(bus: str, tmp_path: Path) -> None:
    if not WHOLE.exists():
        pytest.skip("OVMF is not installed (package ovmf)")
    paths = []
    for letter in "abc":
        paths.append(tmp_path / letter)
        paths[-1].write_bytes(efi_disk(efi_program(assemble(PROGRAM.replace("'U'", f"'{letter}'")))))
    disks = [f"{path},bus={bus}" for path in paths]
    for order, first in (("disk1", "b"), ("disk2,disk0", "c")):
        with vmdbg.launch(bios=WHOLE, disks=disks, memory="128M", boot_order=order) as guest:
            told: list[int] = []
            guest.debugger.machine.debug_console.listeners.append(lambda _port, data, _now, t=told: t.extend(data))
            while not isinstance(guest.debugger.timeline.run(Tick(9_000_000_000)), PoweredOff | LimitReached):
                pass
            assert bytes(told[-1:]).decode() == first
