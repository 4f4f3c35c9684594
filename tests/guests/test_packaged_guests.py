"""Systems that Debian has packages of, as far as QEMU runs them: a memory tester, iPXE, Xen, GNU Mach, a game."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import vmdbg
from tests.guests.build import require
from tests.linux_assets import busybox_initrd, cloud_kernel, generic_kernel, packaged
from vmdbg.api.guest import Guest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TEXT, COLUMNS, ROWS = 0xB8000, 80, 25
SECOND = 1_000_000_000
STEP, FOREVER = SECOND // 4, 120 * SECOND
GRUB = """serial --unit=0 --speed=115200
terminal_output serial
set timeout=0
menuentry xen {
  multiboot2 /xen - console=com1 com1=115200,8n1 dom0_mem=300M
  module2 /vmlinuz - console=hvc0
  module2 /initrd
}
"""
SCRIPT = """#!ipxe
kernel sample.elf autostop
boot
"""


def text(guest: Guest) -> str:
    """What is on the screen in text mode."""
    cells = guest.physical.read(TEXT, 2 * COLUMNS * ROWS)[::2].replace(b"\0", b" ").decode("cp437")
    return "\n".join(cells[at : at + COLUMNS].rstrip() for at in range(0, len(cells), COLUMNS))


def run_until(guest: Guest, holds: Callable[[str], bool], longest: int = FOREVER) -> str:
    """Lets it run, a quarter of a second at a time, until its screen is as wished."""
    for _ in range(longest // STEP):
        guest.run(STEP)
        if holds(text(guest)):
            return text(guest)
    raise AssertionError(f"the screen never was as wished:\n{text(guest)}")


def _tests_memory(screen: str) -> bool:
    return "Test #3" in screen or "Pass  1%" in screen


@pytest.mark.parametrize("program", ["memtest86+x64.bin", "memtest86+ia32.bin"])
def test_memtest86_finds_no_error(program: str) -> None:
    with vmdbg.launch(packaged("memtest86+", f"boot/{program}"), memory="64M") as guest:
        screen = run_until(guest, _tests_memory)
    assert "Memtest86+ v" in screen
    assert "64MB" in screen
    assert "Errors: 0" in screen


def test_memtest86_starts_from_its_cd() -> None:
    with vmdbg.launch(cdroms=[packaged("memtest86+", "usr/lib/memtest86+/memtest86+x64.iso")], memory="64M") as guest:
        screen = run_until(guest, _tests_memory)
    assert "Errors: 0" in screen


def test_ipxe_finds_a_network_device_by_the_pci_bios_and_boots_by_its_script(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "boot.ipxe").write_text(SCRIPT)
    (tmp_path / "sample.elf").write_bytes(sample.read_bytes())
    net = f"quiet,folder={tmp_path},boot=boot.ipxe"
    with vmdbg.launch(packaged("ipxe", "boot/ipxe.lkrn"), machine="i440fx", nets=[net], memory="128M") as guest:
        guest.expect("demo: done", patience=FOREVER)


def test_ipxe_starts_from_its_cd() -> None:
    iso = packaged("ipxe", "usr/lib/ipxe/ipxe.iso")
    with vmdbg.launch(cdroms=[iso], nets=["quiet"], memory="128M") as guest:
        guest.expect("Nothing to boot", patience=FOREVER)
        assert "10.0.2.15/255.255.255.0" in guest.console


def _xen() -> bytes:
    return gzip.decompress(packaged("xen-hypervisor-4.17-amd64", "boot/xen-4.17-amd64.gz").read_bytes())


@pytest.mark.parametrize("protocol", ["multiboot", "multiboot2"])
def test_xen_starts_linux_in_its_first_domain(protocol: str) -> None:
    options = "- console=com1 com1=115200,8n1 dom0_mem=300M -- console=hvc0 earlyprintk=xen"
    with vmdbg.launch(
        _xen(),
        initrd=cloud_kernel(),
        append=options,
        protocol=protocol,
        real_mode=True,
        machine="i440fx",
        memory="512M",
    ) as guest:
        guest.expect("Unable to mount root fs", patience=FOREVER)


def test_xens_first_domain_has_an_initrd_that_is_the_second_module() -> None:
    options = "- console=com1 com1=115200,8n1 dom0_mem=400M -- console=hvc0"
    with vmdbg.launch(
        _xen(),
        initrd=generic_kernel(),
        modules=[busybox_initrd()],
        append=options,
        cpu="base,+mca",
        real_mode=True,
        machine="i440fx",
        memory="512M",
    ) as guest:
        guest.expect("~ # ", patience=FOREVER)


def test_linux_in_xens_first_domain_runs_programs(tmp_path: Path) -> None:
    """By GRUB, which has modules for as many files as one likes."""
    tree, iso = tmp_path / "tree", tmp_path / "xen.iso"
    files = {"boot/grub/grub.cfg": GRUB.encode(), "xen": _xen(), "vmlinuz": generic_kernel().read_bytes()}
    for name, data in {**files, "initrd": busybox_initrd().read_bytes()}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(data)
    command = [require("grub-mkrescue"), "-o", str(iso), str(tree)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with vmdbg.launch(cdroms=[iso], cpu="base,+mca", memory="512M") as guest:
        guest.expect("~ # ", patience=FOREVER)
        guest.send("cat /sys/hypervisor/type; poweroff -f\n")
        assert "\nxen" in guest.expect("Power down", patience=FOREVER).replace("\r", "")


def test_gnu_mach_looks_for_its_servers() -> None:
    kernel = gzip.decompress(packaged("gnumach-image-1.8-486", "boot/gnumach-1.8-486.gz").read_bytes())
    with vmdbg.launch(kernel, append="console=com0", real_mode=True, machine="i440fx", memory="128M") as guest:
        guest.expect("No bootstrap code loaded with the kernel", patience=FOREVER)
        assert "GNU Mach 1.8" in guest.console


def test_invaders_are_on_the_screen() -> None:
    with vmdbg.launch(packaged("grub-invaders", "boot/invaders.exec"), memory="16M") as guest:
        guest.run(SECOND // 100)
        rows = text(guest).splitlines()
    assert sum(row.count("-*-") == 8 for row in rows) == 5
    assert rows[-1].strip() == "/ \\"
