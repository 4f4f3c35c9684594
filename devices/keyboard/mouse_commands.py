"""The commands of a PS/2 mouse, by their names in the IBM PS/2 Hardware Interface Technical Reference."""

from __future__ import annotations

from typing import Final

SCALING_1_1: Final = 0xE6
SCALING_2_1: Final = 0xE7
SET_RESOLUTION: Final = 0xE8
STATUS_REQUEST: Final = 0xE9
STREAM_MODE: Final = 0xEA
READ_DATA: Final = 0xEB
RESET_WRAP: Final = 0xEC
WRAP_MODE: Final = 0xEE
REMOTE_MODE: Final = 0xF0
IDENTIFY: Final = 0xF2
SET_RATE: Final = 0xF3
ENABLE: Final = 0xF4
DISABLE: Final = 0xF5
SET_DEFAULT: Final = 0xF6
RESEND: Final = 0xFE
RESET: Final = 0xFF
