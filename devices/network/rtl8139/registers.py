"""Registers of an RTL8139C and their bits, by their data sheet names.

Source: Realtek RTL8139C(L) data sheet, 5 (registers); RTL8139 Programming Guide 0.1.
"""

from __future__ import annotations

from typing import Final

SIZE: Final = 0x100
IDR: Final = range(6)
MAR: Final = range(8, 16)
TSD: Final = range(0x10, 0x20, 4)
TSAD: Final = range(0x20, 0x30, 4)
RBSTART: Final = 0x30
CR: Final = 0x37
CAPR: Final = 0x38
CBR: Final = 0x3A
IMR: Final = 0x3C
ISR: Final = 0x3E
TCR: Final = 0x40
RCR: Final = 0x44
TCTR: Final = 0x48
MPC: Final = 0x4C
CR9346: Final = 0x50
CONFIG0: Final = 0x51
CONFIG1: Final = 0x52
TIMER_INT: Final = 0x54
MSR: Final = 0x58
CONFIG3: Final = 0x59
CONFIG4: Final = 0x5A
MULINT: Final = 0x5C
RERID: Final = 0x5E
TSAD_SUMMARY: Final = 0x60
BMCR: Final = 0x62
BMSR: Final = 0x64
ANAR: Final = 0x66
ANLPAR: Final = 0x68
ANER: Final = 0x6A
CSCR: Final = 0x74
CONFIG5: Final = 0xD8

WRITABLE: Final[dict[int, tuple[int, int]]] = {
    **dict.fromkeys((*IDR, *MAR), (1, 255)),
    **dict.fromkeys(TSAD, (4, 4294967295)),
    RBSTART: (4, 0xFFFF_FFFC), CAPR: (2, 0xFFFF), IMR: (2, 0xE07F), TCR: (4, 0x0307_07F0), RCR: (4, 0x0F03_FFBF),
    TIMER_INT: (4, 0xFFFF_FFFF), MULINT: (2, 0x0FFF), BMCR: (2, 0x3100), ANAR: (2, 0x2DFF),
}  # fmt: skip
"""Registers that keep what is written to these bits: how many bytes, and which bits."""
CONFIGURATION: Final = {CONFIG0: 0x00, CONFIG1: 0xF1, CONFIG3: 0x7F, CONFIG4: 0xFF, CONFIG5: 0x7F}
"""Bits that can be written while 9346CR allows it."""
RESET: Final[dict[int, tuple[int, int]]] = {
    **dict.fromkeys(TSD, (4, 1 << 13)),
    CAPR: (2, 0xFFF0), CONFIG1: (1, 0x0C), RERID: (1, 0x00), BMCR: (2, 0x3100), ANAR: (2, 0x05E1), ANER: (2, 1),
}  # fmt: skip

CR_RESET, CR_RECEIVE, CR_TRANSMIT, CR_EMPTY = 1 << 4, 1 << 3, 1 << 2, 1 << 0
CR_BITS: Final = {0: "BUFE", 2: "TE", 3: "RE"}
ROK, TOK, RXOVW, LINK_CHANGED, TIMEOUT = 1 << 0, 1 << 2, 1 << 4, 1 << 5, 1 << 14
INTERRUPT_BITS: Final = {
    0: "ROK", 1: "RER", 2: "TOK", 3: "TER", 4: "RXOVW", 5: "PUN/LinkChg", 6: "FOVW", 13: "LenChg", 14: "TimeOut",
    15: "SERR",
}  # fmt: skip
TSD_SIZE, TSD_OWN, TSD_OK = 0x1FFF, 1 << 13, 1 << 15
TSD_STATUS: Final = TSD_OWN | TSD_OK | 1 << 14 | 0xFF00_0000
RCR_ALL, RCR_OWN, RCR_MULTICAST, RCR_BROADCAST, RCR_WRAP = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 7
RCR_BITS: Final = {0: "AAP", 1: "APM", 2: "AM", 3: "AB", 4: "AR", 5: "AER", 7: "WRAP"}
TCR_LOOPBACK: Final = 3 << 17
VERSIONS: Final = 0x7CC0_0000
VERSION: Final = 0x7400_0000
"""Of an RTL8139C."""
EEM, EEM_CONFIGURATION, EEM_PROGRAM = 0xC0, 0xC0, 0x80
EE_SELECT, EE_CLOCK, EE_IN, EE_OUT = 1 << 3, 1 << 2, 1 << 1, 1 << 0
MSR_NO_LINK: Final = 1 << 2
BMSR_CAPABLE, BMSR_LINKED = 0x7809, 0x782D
BMCR_RESET: Final = 1 << 15
PARTNER: Final = 0x45E1
CSCR_LINKED: Final = 0x07C8

RECEIVED_BITS: Final = {0: "ROK", 1: "FAE", 2: "CRC", 3: "LONG", 4: "RUNT", 5: "ISE", 13: "BAR", 14: "PAM", 15: "MAR"}
RECEIVED_OK, IS_BROADCAST, IS_OWN, IS_MULTICAST = 1 << 0, 1 << 13, 1 << 14, 1 << 15
"""Of the status before a frame in the receive buffer."""
