"""Typing: each character as the keys that type it."""

from __future__ import annotations

import pytest

from devices.keyboard.keys import KeyInput, typed_keys


def test_keys_are_pressed_and_released_in_order() -> None:
    assert typed_keys("a") == bytes.fromhex("1c f0 1c")
    assert typed_keys("A!") == bytes.fromhex("12 1c f0 1c f0 12 12 16 f0 16 f0 12")
    assert typed_keys("\x03") == bytes.fromhex("14 21 f0 21 f0 14")
    assert typed_keys("\n") == typed_keys("\r") == bytes.fromhex("5a f0 5a")


def test_what_no_key_types_is_refused() -> None:
    with pytest.raises(ValueError, match="no key of a US keyboard types 'ä'"):
        typed_keys("ä")
    with pytest.raises(ValueError, match="are more than"):
        KeyInput(bytes(1 << 17))
