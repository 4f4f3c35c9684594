"""The registers of a VGA while it works, and what decides on accesses to its memory, where C can share them."""

from __future__ import annotations

from ctypes import Array, LittleEndianStructure, c_bool, c_uint8, c_uint32, c_uint64
from dataclasses import dataclass, field, fields

from devices.display.vga_ports import (
    ADDRESS_ENABLE,
    ATTRIBUTE_REGISTERS,
    CRTC_REGISTERS,
    DAC_SIZE,
    GRAPHICS_REGISTERS,
    MODE_3_ATTRIBUTES,
    MODE_3_CRTC,
    MODE_3_GRAPHICS,
    MODE_3_MISC,
    MODE_3_SEQUENCER,
    SEQUENCER_REGISTERS,
)


@dataclass(slots=True)
class VgaRegistersState:
    """Register files by index; `attribute_data` says that the next write to 3C0h is data, not an index. `dac_part` is
    the component of a colour that comes next, `dac_held` those that wait for the third.
    """

    misc: int = MODE_3_MISC
    crtc: list[int] = field(default_factory=lambda: list(MODE_3_CRTC))
    sequencer: list[int] = field(default_factory=lambda: list(MODE_3_SEQUENCER))
    graphics: list[int] = field(default_factory=lambda: list(MODE_3_GRAPHICS))
    attributes: list[int] = field(default_factory=lambda: list(MODE_3_ATTRIBUTES))
    crtc_index: int = 0
    sequencer_index: int = 0
    graphics_index: int = 0
    attribute_index: int = ADDRESS_ENABLE
    attribute_data: bool = False
    dac: list[int] = field(default_factory=lambda: [0] * DAC_SIZE)
    dac_mask: int = 0xFF
    dac_read: int = 0
    dac_write: int = 0
    dac_part: int = 0
    dac_held: list[int] = field(default_factory=lambda: [0, 0, 0])
    dac_state: int = 0


_NAMES = tuple(field.name for field in fields(VgaRegistersState))
_FILES = {
    "crtc": CRTC_REGISTERS,
    "sequencer": SEQUENCER_REGISTERS,
    "graphics": GRAPHICS_REGISTERS,
    "attributes": ATTRIBUTE_REGISTERS,
    "dac": DAC_SIZE,
    "dac_held": 3,
}
_FLAG = "attribute_data"


class SharedVga(LittleEndianStructure):
    """VgaRegistersState, field by field, and what is beside it: `latch` is VgaState's.

    Where the guest finds all of an aperture, with nothing in front of it, are the physical addresses from `start` up to
    `end`, none if they are equal. Its first byte is that at `bank` of what the planes have. `linear` says that
    addresses are chained as whole bytes and that all planes are written, whatever the sequencer says: VBE's modes have
    it so. `wide_dac`: colours have 8 bits, not 6. `vmdbg/engine/native/chips.h` has the same layout.
    """

    _fields_ = (
        ("start", c_uint64),
        ("end", c_uint64),
        ("bank", c_uint32),
        ("latch", c_uint32),
        *((name, c_uint8 * _FILES.get(name, 0) if name in _FILES else c_uint8) for name in _NAMES if name != _FLAG),
        *((name, c_bool) for name in (_FLAG, "linear", "wide_dac")),
    )
    start: int
    end: int
    bank: int
    latch: int
    misc: int
    crtc: Array[c_uint8]
    sequencer: Array[c_uint8]
    graphics: Array[c_uint8]
    attributes: Array[c_uint8]
    crtc_index: int
    sequencer_index: int
    graphics_index: int
    attribute_index: int
    dac: Array[c_uint8]
    dac_mask: int
    dac_read: int
    dac_write: int
    dac_part: int
    dac_held: Array[c_uint8]
    dac_state: int
    attribute_data: bool
    linear: bool
    wide_dac: bool

    def load(self, state: VgaRegistersState) -> None:
        """Registers that are as a VGA has them."""
        for name in _NAMES:
            if name in _FILES:
                getattr(self, name)[:] = getattr(state, name)
            else:
                setattr(self, name, getattr(state, name))

    def saved(self) -> VgaRegistersState:
        """A copy of the registers."""
        found = {name: getattr(self, name) for name in _NAMES}
        return VgaRegistersState(**found | {name: list(found[name]) for name in _FILES})
