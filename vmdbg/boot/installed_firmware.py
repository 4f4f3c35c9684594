"""Firmware that the system has installed: where distributions put it, and which package has it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

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
PACKAGES = {
    "debian": "apt install seabios",
    "fedora": "dnf install seabios-bin",
    "arch": "pacman -S seabios",
    "suse": "zypper install qemu-seabios",
    "alpine": "apk add qemu-system-x86_64",
}


def installed_seabios(places: Sequence[str] = SEABIOS) -> str:
    """The path of SeaBIOS. Raises UserError that names the package to install."""
    for place in places:
        if Path(place).is_file():
            return place
    raise UserError(f"no SeaBIOS is installed to boot the disk with: {_advice()}, or name firmware with --bios FILE")


def _advice() -> str:
    if sys.platform == "darwin":
        return "brew install qemu"
    kin = _os_release()
    return next((command for name, command in PACKAGES.items() if name in kin), "install the package seabios")


def _os_release() -> str:
    """ID and ID_LIKE of the system, in one line."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return " ".join(line.partition("=")[2].strip('"') for line in lines if line.startswith(("ID=", "ID_LIKE=")))
