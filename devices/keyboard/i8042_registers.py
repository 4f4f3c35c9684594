"""The registers and commands of the 8042 in an AT, by their data sheet names."""

from __future__ import annotations

from typing import Final

STATUS_OBF: Final = 0x01
STATUS_SYSTEM: Final = 0x04
STATUS_COMMAND: Final = 0x08
STATUS_UNLOCKED: Final = 0x10
STATUS_AUX_OBF: Final = 0x20
STATUS_TIMEOUT: Final = 0x40
STATUS_BITS: Final = (
    "OBF",
    "IBF",
    "system flag",
    "command",
    "keyboard unlocked",
    "auxiliary OBF",
    "timeout",
    "parity error",
)

COMMAND_BYTE_KEYBOARD_INTERRUPT: Final = 0x01
COMMAND_BYTE_AUX_INTERRUPT: Final = 0x02
COMMAND_BYTE_SYSTEM: Final = 0x04
COMMAND_BYTE_KEYBOARD_DISABLE: Final = 0x10
COMMAND_BYTE_AUX_DISABLE: Final = 0x20
COMMAND_BYTE_XLATE: Final = 0x40
COMMAND_BYTE_POWER_ON: Final = (
    COMMAND_BYTE_KEYBOARD_INTERRUPT | COMMAND_BYTE_SYSTEM | COMMAND_BYTE_AUX_DISABLE | COMMAND_BYTE_XLATE
)
COMMAND_BYTE_BITS: Final = (
    "keyboard IRQ",
    "auxiliary IRQ",
    "system flag",
    "",
    "keyboard off",
    "auxiliary off",
    "translate",
)

OUTPUT_PORT_NO_RESET: Final = 0x01
OUTPUT_PORT_A20: Final = 0x02
OUTPUT_PORT_KEYBOARD_IRQ: Final = 0x10
OUTPUT_PORT_AUX_IRQ: Final = 0x20
OUTPUT_PORT_BITS: Final = ("no reset", "A20")
OUTPUT_PORT_LINES: Final = 0xC0
"""Keyboard clock and data at rest: a written output port keeps bits 0-3 only."""

INPUT_PORT: Final = 0xB0
"""Keyboard not inhibited, manufacturing jumper off, 512 KiB on the system board."""

READ_RAM: Final = range(0x20, 0x40)
WRITE_RAM: Final = range(0x60, 0x80)
WRITE_COMMAND_BYTE: Final = 0x60
PASSWORD_INSTALLED_TEST: Final = 0xA4
AUX_DISABLE: Final = 0xA7
AUX_ENABLE: Final = 0xA8
AUX_TEST: Final = 0xA9
SELF_TEST: Final = 0xAA
KEYBOARD_TEST: Final = 0xAB
KEYBOARD_DISABLE: Final = 0xAD
KEYBOARD_ENABLE: Final = 0xAE
READ_INPUT_PORT: Final = 0xC0
READ_OUTPUT_PORT: Final = 0xD0
WRITE_OUTPUT_PORT: Final = 0xD1
WRITE_KEYBOARD_BUFFER: Final = 0xD2
WRITE_AUX_BUFFER: Final = 0xD3
WRITE_AUX_DEVICE: Final = 0xD4
WITH_DATA: Final = frozenset({WRITE_OUTPUT_PORT, WRITE_KEYBOARD_BUFFER, WRITE_AUX_BUFFER, WRITE_AUX_DEVICE})
A20_OFF: Final = 0xDD
A20_ON: Final = 0xDF
READ_TEST_INPUTS: Final = 0xE0
PULSE_OUTPUT: Final = range(0xF0, 0x100)

NO_PASSWORD: Final = 0xF1
SELF_TEST_PASSED: Final = 0x55
KEYBOARD_TEST_PASSED: Final = 0x00
AUX_TEST_PASSED: Final = 0x00
AUX_CLOCK_STUCK_LOW: Final = 0x01
DEVICE_TIMEOUT: Final = 0xFE
