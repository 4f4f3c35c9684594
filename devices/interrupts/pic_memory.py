"""The registers of the 8259A pair while it works: memory that faster code than Python's can share."""

from __future__ import annotations

import enum
from ctypes import LittleEndianStructure, c_bool, c_uint8
from dataclasses import dataclass, fields


class Expecting(enum.IntEnum):
    """The next initialization command word that the chip waits for."""

    NONE = 0
    ICW2 = 2
    ICW3 = 3
    ICW4 = 4


@dataclass(slots=True)
class PicChipState:
    """`lines` are the levels at IR0 to IR7, `edge` the latched rising edges; both bit n for IRn."""

    lines: int = 0
    edge: int = 0
    imr: int = 0
    isr: int = 0
    elcr: int = 0
    icw1: int = 0
    icw2: int = 0
    icw3: int = 0
    icw4: int = 0
    expecting: Expecting = Expecting.NONE
    lowest_priority: int = 7
    rotate_in_aeoi: bool = False
    special_mask_mode: bool = False
    read_isr: bool = False
    poll: bool = False
    int_output: bool = False


BYTES = ("lines", "edge", "imr", "isr", "elcr", "icw1", "icw2", "icw3", "icw4", "expecting", "lowest_priority")
FLAGS = ("rotate_in_aeoi", "special_mask_mode", "read_isr", "poll", "int_output")
NAMES = tuple(field.name for field in fields(PicChipState))


class PicChipMemory(LittleEndianStructure):
    """PicChipState, field by field; `vmdbg/engine/native/chips.h` has the same layout."""

    _fields_ = (*((name, c_uint8) for name in BYTES), *((name, c_bool) for name in FLAGS))
    lines: int
    edge: int
    imr: int
    isr: int
    elcr: int
    icw1: int
    icw2: int
    icw3: int
    icw4: int
    expecting: int
    lowest_priority: int
    rotate_in_aeoi: bool
    special_mask_mode: bool
    read_isr: bool
    poll: bool
    int_output: bool

    def load(self, state: PicChipState) -> None:
        for name in NAMES:
            setattr(self, name, getattr(state, name))

    def saved(self) -> PicChipState:
        state = PicChipState(*(getattr(self, name) for name in NAMES))
        state.expecting = Expecting(state.expecting)
        return state


class PicMemory(LittleEndianStructure):
    """Both chips."""

    _fields_ = (("master", PicChipMemory), ("slave", PicChipMemory))
    master: PicChipMemory
    slave: PicChipMemory
