"""What decides on accesses to a VGA's memory: registers and latch, where faster code than Python's can share them."""

from __future__ import annotations

from ctypes import Array, LittleEndianStructure, c_bool, c_uint8, c_uint32, c_uint64

from devices.display.vga_ports import GRAPHICS_REGISTERS, SEQUENCER_REGISTERS


class SharedPlanes(LittleEndianStructure):
    """Register files and their indices are VgaRegistersState's, `latch` is VgaState's: this is where they are.

    Where the guest finds all of an aperture and nothing in front of it are the physical addresses from `start` up to
    `end`, none if they are equal. Its first byte is that at `bank` of what the planes have. `linear` is Planes'.
    `vmdbg/engine/native/chips.h` has the same layout.
    """

    _fields_ = (
        ("start", c_uint64),
        ("end", c_uint64),
        ("bank", c_uint32),
        ("latch", c_uint32),
        ("sequencer", c_uint8 * SEQUENCER_REGISTERS),
        ("graphics", c_uint8 * GRAPHICS_REGISTERS),
        ("sequencer_index", c_uint8),
        ("graphics_index", c_uint8),
        ("linear", c_bool),
    )
    start: int
    end: int
    bank: int
    latch: int
    sequencer: Array[c_uint8]
    graphics: Array[c_uint8]
    sequencer_index: int
    graphics_index: int
    linear: bool
