"""The PHY in an 82540EM: an 88E1011 that agrees on 1000 Mbit/s at once.

Sources: IEEE 802.3-2018, 22.2.4 (registers 0 to 15); the software developer's manual, 8 (PHY) and 13.4.7 (MDIC).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

ADDRESS: Final = 1
DATA: Final = 0xFFFF
OP_WRITE, OP_READ = 1, 2
READY, INTERRUPT, ERROR = 1 << 28, 1 << 29, 1 << 30
CONTROL, STATUS, ID_1, ID_2, ADVERTISEMENT, PARTNER, EXPANSION = range(7)
GIGABIT_CONTROL, GIGABIT_STATUS, EXTENDED_STATUS = 9, 10, 15
SPECIFIC_CONTROL, SPECIFIC_STATUS, EXTENDED_CONTROL = 16, 17, 20
CONTROL_RESET, CONTROL_LOOPBACK, CONTROL_RESTART = 1 << 15, 1 << 14, 1 << 9
STATUS_DONE, STATUS_LINK = 1 << 5, 1 << 2
_AT_RESET: Final = {
    CONTROL: 0x1140,
    ADVERTISEMENT: 0x0DE1,
    GIGABIT_CONTROL: 0x0E00,
    SPECIFIC_CONTROL: 0x0360,
    EXTENDED_CONTROL: 0x0D60,
}
_WRITABLE: Final = frozenset({*_AT_RESET, 7, 18, 29, 30})
_CAPABLE: Final = 0x7949
"""10, 100 and extended status, negotiation, extended registers."""
_LINKED: Final = {STATUS: _CAPABLE | STATUS_DONE | STATUS_LINK, PARTNER: 0x45E1, EXPANSION: 1, GIGABIT_STATUS: 0x3C00}
_RESOLVED: Final = 2 << 14 | 1 << 13 | 1 << 11 | 1 << 10 | 1 << 7
"""1000 Mbit/s, full duplex, resolved, link, a cable of 50 to 80 m."""
_FIXED: Final = {ID_1: 0x0141, ID_2: 0x0C20, EXTENDED_STATUS: 0x3000}


@dataclass(slots=True)
class PhyState:
    registers: list[int] = field(default_factory=lambda: [_AT_RESET.get(number, 0) for number in range(32)])
    mdic: int = READY
    lost_link: bool = False
    """The link was down since the status was read (22.2.4.2.13)."""

    def __post_init__(self) -> None:
        if len(self.registers) != 32:
            raise ValueError("a PHY has 32 registers")


def reset(state: PhyState) -> None:
    state.registers = PhyState().registers


def loops(state: PhyState) -> bool:
    return bool(state.registers[CONTROL] & CONTROL_LOOPBACK)


def write_mdic(state: PhyState, value: int, link_up: bool) -> bool:
    """A management frame. Whether its end is an interrupt."""
    address, register, operation = value >> 21 & 31, value >> 16 & 31, value >> 26 & 3
    kept = value & ~(DATA | READY | ERROR)
    if address != ADDRESS or operation not in (OP_READ, OP_WRITE):
        state.mdic = kept | value & DATA | READY | ERROR
    elif operation == OP_READ:
        state.mdic = kept | _read(state, register, link_up) | READY
    else:
        _write(state, register, value & DATA)
        state.mdic = kept | value & DATA | READY
    return bool(value & INTERRUPT)


def _read(state: PhyState, register: int, link_up: bool) -> int:
    if register in _FIXED:
        return _FIXED[register]
    if register == STATUS:
        lost, state.lost_link = state.lost_link, not link_up
        return _LINKED[STATUS] if link_up and not lost else _CAPABLE
    if register in _LINKED:
        return _LINKED[register] if link_up else 0
    if register == SPECIFIC_STATUS:
        return _RESOLVED if link_up else 0
    return state.registers[register]


def _write(state: PhyState, register: int, value: int) -> None:
    if register == CONTROL and value & CONTROL_RESET:
        reset(state)
    elif register in _WRITABLE:
        state.registers[register] = value & ~CONTROL_RESTART if register == CONTROL else value
