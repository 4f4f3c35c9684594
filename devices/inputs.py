"""What devices take from outside: the classes of all that a recording may hold."""

from __future__ import annotations

import functools

from devices.board.acpi_pm import PowerButton
from devices.catalog import FITTINGS
from devices.disk.cd_unit import EjectDisc, InsertDisc
from devices.keyboard.keys import KeyEvents, KeyInput
from devices.keyboard.mouse_input import MouseInput
from devices.network.inputs import FaultsInput, FrameInput, FramesInput, LinkInput
from devices.seam import DeviceInput
from devices.serial.feed import SerialInput


@functools.cache
def input_types() -> tuple[type[DeviceInput], ...]:
    """All that devices of the board, or added to it, take from outside."""
    added = (taken for fitting in FITTINGS.values() for taken in fitting.inputs)
    keys = (KeyInput, KeyEvents, MouseInput)
    board = (SerialInput, PowerButton, *keys, EjectDisc, InsertDisc, FrameInput, FramesInput, LinkInput, FaultsInput)
    return (*board, *added)
