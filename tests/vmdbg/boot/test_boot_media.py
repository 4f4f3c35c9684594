"""What people boot from: an ISO image of xorriso and isolinux, a floppy disk of syslinux, in real firmware."""

from __future__ import annotations

from pathlib import Path

import pytest

import vmdbg
from tests.guests.boot_media import config, floppy_iso, isolinux_iso, syslinux_floppy
from tests.guests.build import assemble, sample_kernel
from tests.guests.uefi import efi_partition, efi_program
from tests.linux_assets import MARKER, busybox_initrd, cloud_kernel
from tests.vmdbg.boot.test_uefi import PROGRAM, WHOLE
from tests.vmdbg.cli.vmdbg_process import errors
from tests.vmdbg.cli.vmdbg_process import vmdbg as run_vmdbg
from vmdbg.boot.installed_firmware import installed_seabios
from vmdbg.errors import UserError
from vmdbg.machine.digest import digest
from vmdbg.machine.inputs import PortWrite
from vmdbg.machine.outcome import PoweredOff
from vmdbg.recording.replay import replay_file
from vmdbg.units import Tick

FOREVER = Tick(1 << 40)
MULTIBOOT = ("mboot.c32", "libcom32.c32")
GREETING = "demo: done"


@pytest.fixture(scope="module", autouse=True)
def firmware() -> None:
    try:
        installed_seabios()
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def iso(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the sample kernel."""
    path = tmp_path_factory.mktemp("iso") / "sample.iso"
    menu = config("mboot.c32", "/boot/kernel autostop")
    isolinux_iso(path, {"isolinux/isolinux.cfg": menu, "boot/kernel": sample_kernel().read_bytes()}, MULTIBOOT)
    return path


@pytest.fixture(scope="module")
def floppy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same."""
    path = tmp_path_factory.mktemp("floppy") / "sample.img"
    menu = config("mboot.c32", "kernel autostop")
    syslinux_floppy(path, {"syslinux.cfg": menu, "kernel": sample_kernel().read_bytes()}, MULTIBOOT)
    return path


def booted(record: Path | None = None, **drives: list[str]) -> None:
    """To the kernel's power-off, and to the same in a replay without the images."""
    with vmdbg.launch(memory="64M", record=record, **drives) as guest:
        guest.expect(GREETING, patience=FOREVER)
        assert isinstance(guest.debugger.timeline.run(FOREVER), PoweredOff)
        seen = digest(guest.debugger.machine)
    if record is not None:
        timeline = replay_file(record)
        timeline.run(FOREVER)
        assert digest(timeline.machine) == seen
        timeline.machine.close()


def test_an_iso_of_isolinux_boots_from_a_cd(iso: Path, tmp_path: Path) -> None:
    booted(tmp_path / "boot.rec", cdroms=[str(iso)])


def test_it_boots_at_ahci_too(iso: Path) -> None:
    booted(cdroms=[f"{iso},bus=ahci"])


def test_a_hybrid_iso_boots_as_a_disk(iso: Path) -> None:
    booted(disks=[str(iso)])


def test_a_floppy_of_syslinux_boots(floppy: Path, tmp_path: Path) -> None:
    booted(tmp_path / "boot.rec", floppies=[str(floppy)])


def test_a_cd_emulates_a_floppy(floppy: Path, tmp_path: Path) -> None:
    path = tmp_path / "floppy.iso"
    floppy_iso(path, floppy.read_bytes())
    booted(cdroms=[str(path)])


@pytest.mark.parametrize(("order", "first"), [("floppy,cdrom", "SYSLINUX"), ("cdrom,floppy", "ISOLINUX")])
def test_the_order_says_which(order: str, first: str, iso: Path, floppy: Path) -> None:
    with vmdbg.launch(memory="64M", cdroms=[iso], floppies=[floppy], boot_order=order) as guest:
        assert first in guest.expect("LINUX", patience=FOREVER)


def test_a_disk_that_was_put_in_is_the_next_to_boot(floppy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.img"
    other.write_bytes(assemble("bits 16\norg 7c00h\nmov al, 'O'\nout 0e9h, al\nhlt\ntimes 510-($-$$) db 0\ndw 0aa55h"))
    with vmdbg.launch(memory="64M", floppies=[floppy], boot_order="floppy") as guest:
        guest.expect("SYSLINUX", patience=FOREVER)
        guest.execute(f"insert floppy0 {other}")
        guest.debugger.timeline.push(PortWrite(0xCF9, 1, 6))
        guest.expect("O", port=-1, patience=FOREVER)


@pytest.mark.slow
def test_uefi_and_bios_boot_the_same_iso(tmp_path: Path) -> None:
    if not WHOLE.exists():
        pytest.skip("OVMF is not installed (package ovmf)")
    path, menu = tmp_path / "both.iso", config("mboot.c32", "/boot/kernel autostop")
    files = {"isolinux/isolinux.cfg": menu, "boot/kernel": sample_kernel().read_bytes()}
    isolinux_iso(path, files, MULTIBOOT, efi_partition(efi_program(assemble(PROGRAM))))
    booted(cdroms=[str(path)])
    with vmdbg.launch(bios=WHOLE, cdroms=[path], memory="128M") as guest:
        guest.expect("U", port=-1, patience=FOREVER)


@pytest.mark.slow
def test_linux_boots_from_an_iso(tmp_path: Path) -> None:
    path, recording = tmp_path / "linux.iso", tmp_path / "boot.rec"
    files = {
        "isolinux/isolinux.cfg": config("/boot/vmlinuz", "initrd=/boot/initrd console=ttyS0,115200"),
        "boot/vmlinuz": cloud_kernel().read_bytes(),
        "boot/initrd": busybox_initrd().read_bytes(),
    }
    isolinux_iso(path, files)
    done = run_vmdbg("record", str(recording), "--cdrom", str(path), "--until", MARKER)
    assert done.returncode == 0, errors(done)
    assert MARKER.encode() in done.stdout
    path.unlink()
    again = run_vmdbg("replay", str(recording), "--verify")
    assert "digests agree" in errors(again)
