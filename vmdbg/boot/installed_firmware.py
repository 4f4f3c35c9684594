"""Firmware that the system has installed: where distributions put it, and which package has it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from os.path import isfile
from pathlib import Path

from vmdbg.boot.source import read_input
from vmdbg.errors import UserError

SEABIOS = (
    "/usr/share/seabios/bios-256k.bin",  # Debian, Fedora
    "/usr/share/qemu/bios-256k.bin",  # Arch (seabios), openSUSE, Alpine
    "/usr/share/qemu-kvm/bios-256k.bin",
    "/opt/homebrew/share/qemu/bios-256k.bin",  # Homebrew on Apple silicon
    "/usr/local/share/qemu/bios-256k.bin",  # Homebrew on Intel, and QEMU built by hand
    "/home/linuxbrew/.linuxbrew/share/qemu/bios-256k.bin",
)
"""SeaBIOS for QEMU's i440FX machine, in the order in which it is looked for."""
VGABIOS = tuple(
    f"{directory}/vgabios-stdvga.bin"
    for directory in (
        "/usr/share/seabios",  # Debian
        "/usr/share/seavgabios",  # Fedora
        "/usr/share/qemu",  # Arch, openSUSE, Alpine
        "/usr/share/qemu-kvm",
        "/opt/homebrew/share/qemu",
        "/usr/local/share/qemu",
        "/home/linuxbrew/.linuxbrew/share/qemu",
    )
)
"""The option ROM of QEMU's standard VGA, in the order in which it is looked for."""
PACKAGES = {
    "debian": "apt install seabios",
    "fedora": "dnf install seabios-bin",
    "arch": "pacman -S seabios",
    "suse": "zypper install qemu-seabios",
    "alpine": "apk add qemu-system-x86_64",
}


VGA_PACKAGES = {**PACKAGES, "fedora": "dnf install seavgabios-bin", "suse": "zypper install qemu-vgabios"}


IPXE = (
    "/usr/lib/ipxe/qemu",  # Debian
    "/usr/share/ipxe/qemu",  # Fedora
    "/usr/share/qemu",  # Arch, openSUSE, Alpine
    "/usr/share/qemu-kvm",
    "/opt/homebrew/share/qemu",
    "/usr/local/share/qemu",
    "/home/linuxbrew/.linuxbrew/share/qemu",
)
"""Where iPXE's option ROMs for QEMU's network devices are."""
IPXE_PACKAGES = {**PACKAGES, "debian": "apt install ipxe-qemu", "fedora": "dnf install ipxe-roms-qemu",
                 "arch": "pacman -S qemu-common", "suse": "zypper install qemu-ipxe"}  # fmt: skip


def network_rom(model: str, places: Sequence[str] = IPXE) -> bytes:
    """iPXE's option ROM for BIOSes, of a network device: virtio, e1000 or rtl8139. Raises UserError."""
    model = model.partition("-")[0]
    for place in places:
        path = Path(place) / f"pxe-{model}.rom"
        if isfile(path):
            return bytes(read_input(str(path), "option ROM").data)
    raise UserError(f"booting from the network needs pxe-{model}.rom, which is not installed: {_advice(IPXE_PACKAGES)}")


def installed_seabios(places: Sequence[str] = SEABIOS) -> str:
    """The path of SeaBIOS. Raises UserError that names the package to install."""
    for place in places:
        if isfile(place):
            return place
    raise UserError(f"no SeaBIOS is installed to boot the disk with: {_advice()}, or name firmware with --bios FILE")


def installed_vgabios(places: Sequence[str] = VGABIOS) -> str | None:
    """The path of the option ROM; None if there is none."""
    return next((place for place in places if isfile(place)), None)


def vgabios(places: Sequence[str] = VGABIOS) -> bytes:
    """The option ROM. Raises UserError that names the package to install."""
    place = installed_vgabios(places)
    if place is None:
        raise UserError(f"--vga std needs vgabios-stdvga.bin, which is not installed: {_advice(VGA_PACKAGES)}")
    return bytes(read_input(place, "option ROM").data)


def _advice(packages: Mapping[str, str] = PACKAGES) -> str:
    if sys.platform == "darwin":
        return "brew install qemu"
    kin = _os_release()
    return next((command for name, command in packages.items() if name in kin), "install the package seabios")


def _os_release() -> str:
    """ID and ID_LIKE of the system, in one line."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return " ".join(line.partition("=")[2].strip('"') for line in lines if line.startswith(("ID=", "ID_LIKE=")))
