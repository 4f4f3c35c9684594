"""info pci and info qtree: the functions on bus 0."""

from __future__ import annotations

from collections.abc import Iterator

from devices.pci.config_space import ConfigSpace
from vmdbg.session.session import Session

CLASSES = {0x0600: "Host bridge", 0x0601: "ISA bridge", 0x0101: "IDE controller", 0x0106: "SATA controller",
           0x0680: "Bridge", 0x0300: "VGA controller", 0x0200: "Ethernet controller"}  # fmt: skip
CLASS, SUBSYSTEM = 0x0A, 0x2C


def _identity(function: ConfigSpace) -> tuple[str, str]:
    vendor, device = function.read_config(0, 2), function.read_config(2, 2)
    return f"{vendor:04x}:{device:04x}", ":".join(f"{function.read_config(SUBSYSTEM + n, 2):04x}" for n in (0, 2))


def _functions(session: Session) -> Iterator[tuple[int, int, str, ConfigSpace]]:
    for place, name, function in session.debugger.machine.pc.pci.placed():
        yield place.device, place.function, name, function


def functions(session: Session, _words: str) -> str:
    """What each function says of itself in its configuration space."""
    lines = []
    for device, number, _, function in _functions(session):
        code = function.read_config(CLASS, 2)
        identity, subsystem = _identity(function)
        lines += [
            f"  Bus  0, device {device:3}, function {number}:\n",
            f"    {CLASSES.get(code) or f'Class {code:04x}'}: PCI device {identity}\n",
            *([f"      PCI subsystem {subsystem}\n"] if subsystem != "0000:0000" else []),
            '      id ""\n',
        ]
    return "".join(lines)


def devices(session: Session, _words: str) -> str:
    """The part of QEMU's tree that clients look names of PCI functions up in."""
    lines = ['bus: main-system-bus\n  type System\n  dev: pci-host, id ""\n    bus: pci.0\n      type PCI\n']
    for device, number, name, function in _functions(session):
        code = function.read_config(CLASS, 2)
        identity, subsystem = _identity(function)
        lines += [
            f'      dev: {name}, id ""\n',
            f"        addr = {device:02x}.{number:x}\n",
            f"        class {CLASSES.get(code) or f'Class {code:04x}'}, addr 00:{device:02x}.{number:x},"
            f" pci id {identity} (sub {subsystem})\n",
        ]
    return "".join(lines)
