"""The registers of the PC16550D by name (data sheet, table II), and what their bits say.

Plain integers: the guest reads LSR for every character that it prints, and enum arithmetic would cost more
than the rest.
"""

from __future__ import annotations

from typing import Final

RBR_THR: Final = 0
IER: Final = 1
IIR_FCR: Final = 2
LCR: Final = 3
MCR: Final = 4
LSR: Final = 5
MSR: Final = 6
SCR: Final = 7

IER_ERBFI: Final = 0x01
IER_ETBEI: Final = 0x02
IER_ELSI: Final = 0x04
IER_EDSSI: Final = 0x08

IIR_LINE_STATUS: Final = 0x06
IIR_DATA_AVAILABLE: Final = 0x04
IIR_CHARACTER_TIMEOUT: Final = 0x0C
IIR_THR_EMPTY: Final = 0x02
IIR_MODEM_STATUS: Final = 0x00
IIR_NONE: Final = 0x01
IIR_FIFOS_ENABLED: Final = 0xC0

FCR_ENABLE: Final = 0x01
FCR_RCVR_RESET: Final = 0x02
FCR_KEPT: Final = 0xC9
"""Enable, DMA mode and trigger level; the reset bits clear themselves."""

TRIGGER_LEVELS: Final = (1, 4, 8, 14)
"""Characters in the receiver FIFO that raise the interrupt, by FCR bits 6-7."""

LCR_WORD_LENGTH: Final = 0x03
LCR_STOP_BITS: Final = 0x04
LCR_PARITY_ENABLE: Final = 0x08
LCR_EVEN_PARITY: Final = 0x10
LCR_STICK_PARITY: Final = 0x20
LCR_SET_BREAK: Final = 0x40
LCR_DLAB: Final = 0x80

MCR_DTR: Final = 0x01
MCR_RTS: Final = 0x02
MCR_OUT1: Final = 0x04
MCR_OUT2: Final = 0x08
MCR_LOOP: Final = 0x10

LSR_DR: Final = 0x01
LSR_OE: Final = 0x02
LSR_PE: Final = 0x04
LSR_FE: Final = 0x08
LSR_BI: Final = 0x10
LSR_THRE: Final = 0x20
LSR_TEMT: Final = 0x40
LSR_FIFO_ERROR: Final = 0x80
LSR_CHARACTER_ERRORS: Final = LSR_PE | LSR_FE | LSR_BI

MSR_TERI: Final = 0x04
MSR_CTS: Final = 0x10
MSR_DSR: Final = 0x20
MSR_RI: Final = 0x40
MSR_DCD: Final = 0x80
MSR_INPUTS: Final = MSR_CTS | MSR_DSR | MSR_RI | MSR_DCD

IER_BITS: Final = ("ERBFI", "ETBEI", "ELSI", "EDSSI")
LCR_BITS: Final = ("WLS0", "WLS1", "STB", "PEN", "EPS", "stick parity", "set break", "DLAB")
MCR_BITS: Final = ("DTR", "RTS", "OUT1", "OUT2", "LOOP")
LSR_BITS: Final = ("DR", "OE", "PE", "FE", "BI", "THRE", "TEMT", "FIFO error")
MSR_BITS: Final = ("DCTS", "DDSR", "TERI", "DDCD", "CTS", "DSR", "RI", "DCD")
IIR_NAMES: Final = {
    IIR_LINE_STATUS: "receiver line status",
    IIR_DATA_AVAILABLE: "received data available",
    IIR_CHARACTER_TIMEOUT: "character timeout",
    IIR_THR_EMPTY: "THR empty",
    IIR_MODEM_STATUS: "modem status",
    IIR_NONE: "none pending",
}


def looped_back(mcr: int) -> int:
    """The modem inputs that loopback mode connects to the outputs: DTR to DSR, RTS to CTS, OUT1 to RI, OUT2
    to DCD.
    """
    return (
        (MSR_DSR if mcr & MCR_DTR else 0)
        | (MSR_CTS if mcr & MCR_RTS else 0)
        | (MSR_RI if mcr & MCR_OUT1 else 0)
        | (MSR_DCD if mcr & MCR_OUT2 else 0)
    )


def modem_deltas(before: int, after: int) -> int:
    """MSR bits 0-3 that a change of the modem inputs sets. TERI is for the end of a ring only."""
    deltas = ((before ^ after) & (MSR_CTS | MSR_DSR | MSR_DCD)) >> 4
    if before & ~after & MSR_RI:
        deltas |= MSR_TERI
    return deltas


def word_length(lcr: int) -> int:
    """Data bits of a character, 5 to 8."""
    return 5 + (lcr & LCR_WORD_LENGTH)


def half_bits(lcr: int) -> int:
    """Length of a whole character in half bits: start, data, parity and 1, 1.5 or 2 stop bits."""
    bits = 1 + word_length(lcr) + bool(lcr & LCR_PARITY_ENABLE)
    if not lcr & LCR_STOP_BITS:
        return 2 * bits + 2
    return 2 * bits + (3 if word_length(lcr) == 5 else 4)


def frame_format(lcr: int) -> str:
    """The line format as people write it: `8N1`; M and S for parity stuck at mark and space."""
    parity = "N"
    if lcr & LCR_PARITY_ENABLE:
        letters = "MS" if lcr & LCR_STICK_PARITY else "OE"
        parity = letters[bool(lcr & LCR_EVEN_PARITY)]
    stop = "1" if not lcr & LCR_STOP_BITS else "1.5" if word_length(lcr) == 5 else "2"
    return f"{word_length(lcr)}{parity}{stop}"
