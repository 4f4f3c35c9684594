"""Registers of an RTL8139C+ beyond those of an RTL8139C, by the names that Realtek gives them.

Source: RTL8169 data sheet 1.21 (registers), and Linux' 8139cp: the C+'s own data sheet was not to be had.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from devices.network.rtl8139 import registers as reg

DTCCR: Final = 0x10
"""Where the tallies are dumped to; TSD0 and TSD1 of an RTL8139C."""
TNPDS: Final = 0x20
"""Of the normal ring of transmit descriptors: 64 bits, as the next two."""
THPDS: Final = 0x28
TX_DMA_OK: Final = 0x82
"""The low bits of the address of the last transmit descriptor that was done."""
TPPOLL: Final = 0xD9
CPCR: Final = 0xE0
MITIGATION: Final = 0xE2
RDSAR: Final = 0xE4
ETTHR: Final = 0xEC

REVISION: Final = 0x20
VERSION: Final = 0x7480_0000
DTCCR_DUMP: Final = 1 << 3
DTCCR_ADDRESS: Final = ~0x3F
RING_ADDRESS: Final = ~0xFF
POLL_HIGH, POLL_NORMAL, SOFTWARE_INTERRUPT = 1 << 7, 1 << 6, 1 << 0
CPCR_TRANSMIT, CPCR_RECEIVE, CPCR_CHECKSUM, CPCR_VLAN = 1 << 0, 1 << 1, 1 << 5, 1 << 6
CPCR_BITS: Final = {0: "TxEnb", 1: "RxEnb", 3: "MulRW", 4: "DAC", 5: "RxChkSum", 6: "RxVLAN"}
RDU, TDU, SWINT = 1 << 4, 1 << 7, 1 << 8
"""Causes of interrupts: a frame came and had no descriptor; no more to be sent; by TPPoll."""
INTERRUPT_BITS: Final = {**reg.INTERRUPT_BITS, 4: "RDU", 7: "TDU", 8: "SWInt"}

WRITABLE: Final[Mapping[int, tuple[int, int]]] = {
    **reg.WRITABLE,
    reg.IMR: (2, 0xE1FF), TPPOLL: (1, 0), CPCR: (2, 0x007B), MITIGATION: (2, 0xFFFF), RDSAR: (4, 0xFFFF_FF00),
    RDSAR + 4: (4, 0xFFFF_FFFF), ETTHR: (1, 0x3F),
}  # fmt: skip
"""As devices.network.rtl8139.registers.WRITABLE."""
