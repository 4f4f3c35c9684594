"""Registers of an 82540EM and their bits, by their data sheet names.

Source: Intel PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual (317453), chapter 13.
"""

from __future__ import annotations

from typing import Final

SIZE: Final = 0x20000
IO_SIZE: Final = 0x40
IOADDR: Final = 0
IODATA: Final = 4

CTRL: Final = 0x0000
STATUS: Final = 0x0008
EECD: Final = 0x0010
EERD: Final = 0x0014
CTRL_EXT: Final = 0x0018
FLA: Final = 0x001C
MDIC: Final = 0x0020
FCAL: Final = 0x0028
FCAH: Final = 0x002C
FCT: Final = 0x0030
VET: Final = 0x0038
ICR: Final = 0x00C0
ITR: Final = 0x00C4
ICS: Final = 0x00C8
IMS: Final = 0x00D0
IMC: Final = 0x00D8
RCTL: Final = 0x0100
FCTTV: Final = 0x0170
TXCW: Final = 0x0178
TCTL: Final = 0x0400
TIPG: Final = 0x0410
AIFS: Final = 0x0458
LEDCTL: Final = 0x0E00
PBA: Final = 0x1000
FCRTL: Final = 0x2160
FCRTH: Final = 0x2168
RDBAL: Final = 0x2800
RDBAH: Final = 0x2804
RDLEN: Final = 0x2808
RDH: Final = 0x2810
RDT: Final = 0x2818
RDTR: Final = 0x2820
RXDCTL: Final = 0x2828
RADV: Final = 0x282C
RSRPD: Final = 0x2C00
TDBAL: Final = 0x3800
TDBAH: Final = 0x3804
TDLEN: Final = 0x3808
TDH: Final = 0x3810
TDT: Final = 0x3818
TIDV: Final = 0x3820
TXDCTL: Final = 0x3828
TADV: Final = 0x382C
TSPMT: Final = 0x3830
RXCSUM: Final = 0x5000
MTA: Final = range(0x5200, 0x5400, 4)
RA: Final = range(0x5400, 0x5480, 4)
VFTA: Final = range(0x5600, 0x5800, 4)
WUC: Final = 0x5800
WUFC: Final = 0x5808
MANC: Final = 0x5820
STATISTICS: Final = range(0x4000, 0x4100, 4)

WRITABLE: Final[dict[int, int]] = {
    FCAL: 0xFFFFFFFF, FCAH: 0xFFFF, FCT: 0xFFFF, VET: 0xFFFF, CTRL_EXT: 0x0FFFFFFF, FLA: 0x7FFFFFFF, ITR: 0xFFFF,
    RCTL: 0x0EFFFFFF, FCTTV: 0xFFFF, TXCW: 0xC000FFFF, TCTL: 0x03FFFFFA, TIPG: 0x3FFFFFFF, AIFS: 0xFFFF,
    LEDCTL: 0xCFCFCFCF, PBA: 0xFFFF, FCRTL: 0x8000FFF8, FCRTH: 0x8000FFF8,
    RDBAL: 0xFFFFFFF0, RDBAH: 0xFFFFFFFF, RDLEN: 0xFFF80, RDH: 0xFFFF, RDT: 0xFFFF, RDTR: 0xFFFF,
    RXDCTL: 0x013F3F3F, RADV: 0xFFFF, RSRPD: 0xFFF,
    TDBAL: 0xFFFFFFF0, TDBAH: 0xFFFFFFFF, TDLEN: 0xFFF80, TDH: 0xFFFF, TDT: 0xFFFF, TIDV: 0xFFFF,
    TXDCTL: 0xFF3F3F3F, TADV: 0xFFFF, TSPMT: 0xFFFFFFFF, RXCSUM: 0x7FF, WUC: 0xF, WUFC: 0xF00FF, MANC: 0xFFFFFFFF,
    **dict.fromkeys((*MTA, *RA, *VFTA), 0xFFFFFFFF),
}  # fmt: skip
"""Registers that keep what is written to these bits."""
RESET: Final[dict[int, int]] = {
    VET: 0x8100, PBA: 0x0010_0030, LEDCTL: 0x0706_8302, TXDCTL: 0x0100_0000, RXDCTL: 0x0101_0000,
}  # fmt: skip

CTRL_FULL_DUPLEX: Final = 1 << 0
CTRL_SET_LINK_UP: Final = 1 << 6
CTRL_RESET: Final = 1 << 26
CTRL_VLAN_MODE: Final = 1 << 30
CTRL_PHY_RESET: Final = 1 << 31
CTRL_AT_RESET: Final = CTRL_FULL_DUPLEX | 2 << 8 | 1 << 20
CTRL_BITS: Final = {0: "FD", 5: "ASDE", 6: "SLU", 11: "FRCSPD", 12: "FRCDPLX", 27: "RFCE", 28: "TFCE", 30: "VME"}
STATUS_FULL_DUPLEX: Final = 1 << 0
STATUS_LINK_UP: Final = 1 << 1
STATUS_1000: Final = 2 << 6 | 2 << 8

RCTL_ENABLE: Final = 1 << 1
RCTL_UNICAST: Final = 1 << 3
RCTL_MULTICAST: Final = 1 << 4
RCTL_LONG: Final = 1 << 5
RCTL_LOOPBACK: Final = 3 << 6
RCTL_BROADCAST: Final = 1 << 15
RCTL_VLAN_FILTER: Final = 1 << 18
RCTL_BUFFER_EXTENSION: Final = 1 << 25
RCTL_STRIP_CRC: Final = 1 << 26
RCTL_BITS: Final = {1: "EN", 2: "SBP", 3: "UPE", 4: "MPE", 5: "LPE", 15: "BAM", 18: "VFE", 25: "BSEX", 26: "SECRC"}
TCTL_ENABLE: Final = 1 << 1
TCTL_PAD: Final = 1 << 3
TCTL_BITS: Final = {1: "EN", 3: "PSP", 22: "SWXOFF", 24: "RTLC"}
RA_VALID: Final = 1 << 31

TXDW: Final = 1 << 0
TXQE: Final = 1 << 1
LSC: Final = 1 << 2
RXDMT0: Final = 1 << 4
RXO: Final = 1 << 6
RXT0: Final = 1 << 7
MDAC: Final = 1 << 9
INTERRUPTS: Final = 0x1F6DF
"""Bits of ICR, ICS, IMS and IMC."""
INTERRUPT_BITS: Final = {
    0: "TXDW", 1: "TXQE", 2: "LSC", 3: "RXSEQ", 4: "RXDMT0", 6: "RXO", 7: "RXT0", 9: "MDAC", 15: "TXD_LOW",
    16: "SRPD",
}  # fmt: skip

ITR_UNIT: Final = 256
DELAY_UNIT: Final = 1024
"""Nanoseconds of ITR, and of RDTR, RADV, TIDV and TADV."""

# statistics, all of 4000h to 40FFh, which reading clears
MPC: Final = 0x4010
PRC: Final = (0x405C, 0x4060, 0x4064, 0x4068, 0x406C, 0x4070)
GPRC, BPRC, MPRC, GPTC = 0x4074, 0x4078, 0x407C, 0x4080
GORC, GOTC = 0x4088, 0x4090
RNBC, RUC, ROC = 0x40A0, 0x40A4, 0x40AC
TOR, TOT = 0x40C0, 0x40C8
TPR, TPT = 0x40D0, 0x40D4
PTC: Final = (0x40D8, 0x40DC, 0x40E0, 0x40E4, 0x40E8, 0x40EC)
MPTC, BPTC, TSCTC = 0x40F0, 0x40F4, 0x40F8
WIDE: Final = frozenset({GORC, GOTC, TOR, TOT})
"""Of 64 bits: reading the upper half clears both."""
SIZES: Final = (64, 127, 255, 511, 1023)
"""Frames with their check sequence up to this long are counted together; the rest is a class of its own."""
