"""The devices that a user may add to the board. A new one is one line here."""

from __future__ import annotations

import functools
import importlib

from devices.board.acpi_pm import PowerButton
from devices.disk.cd_unit import EjectDisc, InsertDisc
from devices.fitting import Fitting
from devices.keyboard.keys import KeyEvents, KeyInput
from devices.keyboard.mouse_input import MouseInput
from devices.network.inputs import FaultsInput, FrameInput, FramesInput, LinkInput
from devices.seam import DeviceInput
from devices.serial.feed import SerialInput

MODULES = (
    "devices.serial.debugcon",
    "devices.board.test_exit",
    "devices.board.test_device",
    "devices.virtio.entropy",
    "devices.virtio.console",
)
"""Each has a FITTING."""


@functools.cache
def input_types() -> tuple[type[DeviceInput], ...]:
    """All that devices of the board, or added to it, take from outside."""
    added = (taken for fitting in fittings().values() for taken in fitting.inputs)
    keys = (KeyInput, KeyEvents, MouseInput)
    board = (SerialInput, PowerButton, *keys, EjectDisc, InsertDisc, FrameInput, FramesInput, LinkInput, FaultsInput)
    return (*board, *added)


@functools.cache
def fittings() -> dict[str, Fitting]:
    """By kind, in the order of the list."""
    found = [importlib.import_module(module).FITTING for module in MODULES]
    return {fitting.kind: fitting for fitting in found}
