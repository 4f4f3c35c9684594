"""Ports of a VGA, how many registers it has, and what they hold in text mode.

Source: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem. Ports are offsets from 3C0h.
"""

from __future__ import annotations

VGA_PORTS = range(0x3C0, 0x3E0)
ATTRIBUTE, ATTRIBUTE_READ, MISC_WRITE, SEQUENCER, SEQUENCER_DATA = 0x0, 0x1, 0x2, 0x4, 0x5
DAC_MASK, DAC_READ_INDEX, DAC_WRITE_INDEX, DAC_DATA = 0x6, 0x7, 0x8, 0x9
FEATURE_READ, MISC_READ, GRAPHICS, GRAPHICS_DATA = 0xA, 0xC, 0xE, 0xF
CRTC, CRTC_DATA, STATUS = 0x14, 0x15, 0x1A
CURSOR_START, CURSOR_END, START_HIGH, START_LOW, CURSOR_HIGH, CURSOR_LOW = 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F
CRTC_PROTECT, PROTECTED = 0x11, 0x80
CRTC_REGISTERS, SEQUENCER_REGISTERS, GRAPHICS_REGISTERS, ATTRIBUTE_REGISTERS = 25, 5, 9, 21
DAC_SIZE = 768
DISPLAY_DISABLED, VERTICAL_RETRACE = 0x01, 0x08
"""In input status 1."""
ADDRESS_ENABLE = 0x20
"""In the index of the attribute controller: the screen shows what is in memory."""

MODE_3_CRTC = bytes.fromhex("5f4f50825581bf1f004f0d0e00000000" + "9c8e8f281f96b9a3ff")
"""80 by 25 characters of 9 by 16 dots, as every BIOS sets it."""
MODE_3_SEQUENCER = bytes.fromhex("0300030002")
MODE_3_GRAPHICS = bytes.fromhex("0000000000100e00ff")
MODE_3_ATTRIBUTES = bytes.fromhex("000102030405140738393a3b3c3d3e3f0c000f0800")
MODE_3_MISC = 0x67
