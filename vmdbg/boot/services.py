"""The few BIOS services that a boot sector cannot do without, and the interrupt vectors that lead to them.

Source: Ralf Brown's Interrupt List. What there is: 10h/0Eh (a character to COM1), 11h, 12h, 15h/88h,
15h/E820h, 15h/24xxh, 16h (from COM1). Disks (13h) and all else fail as with a BIOS that lacks them. Divide
errors and invalid opcodes halt.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from vmdbg.boot.image import E820Entry, Segment
from vmdbg.boot.layout import HIGH_MEMORY, KIB
from vmdbg.units import Physical

CODE_ADDRESS = Physical(0xFF000)
_SEGMENT = 0xF000
_VECTORS = 256
_FIRST_SERVICE = 0x10
_SERVICES = 7
_HALTING = (0x00, 0x06, 0x18, 0x19)
_FAILING = (0x1A,)
_MOST_EXTENDED = 63 * KIB

CODE = bytes.fromhex("""
    16f017f01ef027f02bf041f048f04cf050f064f0c1f0cf50b020e62058cf50b020e6a0e62058cffaf4ebfc80fc0e75e6
    5250bafd03eca82074fb58baf803ee5acfb80002cf31c0cfb87f02cfb401eb02b4865589e5804e06015dcf5589e58066
    06fe5dcf80fc88744d80fc24744e3d20e875dd6681fa50414d5375d42e663b1e1bf173cc5657531e0e1f6bf31481c61f
    f1b91400fcf3a41f5b5f5e66432e663b1e1bf172036631db66b850414d5366b914000000eba52ea119f1eb9fb80100eb
    9af6c4020f857dff1e526a401ff6c401750de8200074fbc6061e00005a1fcfe813005a1f5589e57406806606bf5dcf80
    4e06405dcfa01e0084c07515bafd03ecfec07412fec8a801740cbaf803eca21e00b40084c0c331c0c3000000000000
""")
"""services.asm, assembled. It begins with its table of entry points; its last 6 bytes are filled in here."""


def service_code(e820: Sequence[E820Entry], memory: int) -> Segment:
    """The services for a guest with this memory map."""
    extended = min((memory - HIGH_MEMORY) // KIB, _MOST_EXTENDED)
    table = b"".join(struct.pack("<QQI", entry.address, entry.size, entry.type) for entry in e820)
    return Segment(CODE_ADDRESS, CODE[:-6] + struct.pack("<HI", extended, len(e820)) + table, "BIOS services")


def interrupt_vectors() -> bytes:
    """The real-mode interrupt vector table, which belongs at address 0 (SDM 3A 21.1.4)."""
    ignore, irq, irq_slave, halt, *services = struct.unpack_from(f"<{4 + _SERVICES}H", CODE)
    handlers = [ignore] * _VECTORS
    handlers[0x08:0x10] = [irq] * 8
    handlers[0x70:0x78] = [irq_slave] * 8
    handlers[_FIRST_SERVICE : _FIRST_SERVICE + _SERVICES] = services
    for vector in _HALTING:
        handlers[vector] = halt
    for vector in _FAILING:
        handlers[vector] = services[0x14 - _FIRST_SERVICE]
    return b"".join(struct.pack("<HH", handler, _SEGMENT) for handler in handlers)
