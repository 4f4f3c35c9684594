"""Names of keys, text as a US keyboard types it, and what each sends."""

from __future__ import annotations

import pytest

from devices.keyboard.key_codes import break_codes, make_codes
from devices.keyboard.key_table import BY_NAME, BY_SET_3, KEYS, KeyType
from devices.keyboard.keys import RELEASE, KeyEvents, KeyInput, held, strokes
from devices.keyboard.layout_us import key_names, parse_chord, typed_chords

NUM_LOCK = 2


def number(name: str) -> int:
    return BY_NAME[name].number


def sent(name: str, scancode_set: int, *down: str, leds: int = 0) -> tuple[str, str]:
    """Of pressing and of releasing it."""
    key, others = BY_NAME[name], [number(other) for other in down]
    pressed = make_codes(key, scancode_set, others, leds)
    return pressed.hex(" "), break_codes(key, scancode_set, others, leds, key.type).hex(" ")


def test_names_numbers_and_codes_are_of_one_key_each() -> None:
    assert [key.number for key in KEYS] == list(range(len(KEYS)))
    assert len({key.name for key in KEYS}) == len({key.set_2 for key in KEYS}) == len(BY_SET_3) == len(KEYS)
    assert len(KEYS) < RELEASE
    assert number("a") == 0
    assert number("volume_up") == 107
    assert key_names()[:2] == ["a", "b"]


def test_text_is_typed_with_shift_and_control() -> None:
    assert strokes(typed_chords("a")).events == bytes((0, 0 | RELEASE))
    shift, one = number("shift_l"), number("1")
    assert strokes(typed_chords("!")).events == bytes((shift, one, one | RELEASE, shift | RELEASE))
    assert typed_chords("\x03") == [(number("ctrl_l"), number("c"))]
    assert typed_chords("\n") == typed_chords("\r") == [(number("enter"),)]
    with pytest.raises(ValueError, match="no key of a US keyboard types 'ä'"):
        typed_chords("ä")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ctrl-alt-f2", ["ctrl_l", "alt_l", "f2"]),
        ("Ctrl-C", ["ctrl_l", "c"]),
        ("-", ["minus"]),
        ("ctrl--", ["ctrl_l", "minus"]),
        ("altgr-.", ["alt_r", "dot"]),
        ("pageup", ["pgup"]),
    ],
)
def test_chords_are_names_with_hyphens_between(text: str, names: list[str]) -> None:
    assert [KEYS[key].name for key in parse_chord(text)] == names


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ctrl-entre", "there is no key 'entre' in 'ctrl-entre'; near it: enter"),
        ("f13", "there is no key 'f13'; near it: f3, f1, f12"),
        ("qqqqqqqqq", "--list"),
        ("", "there is no key ''"),
        ("a-a", "'a-a' has a key twice"),
    ],
)
def test_keys_that_there_are_not_are_told_with_those_near_them(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_chord(text)


@pytest.mark.parametrize(
    ("name", "down", "leds", "set_1", "set_2"),
    [
        ("a", (), 0, ("1e", "9e"), ("1c", "f0 1c")),
        ("f7", (), 0, ("41", "c1"), ("83", "f0 83")),
        ("ctrl_r", (), 0, ("e0 1d", "e0 9d"), ("e0 14", "e0 f0 14")),
        ("left", (), 0, ("e0 4b", "e0 cb"), ("e0 6b", "e0 f0 6b")),
        ("left", (), NUM_LOCK, ("e0 2a e0 4b", "e0 cb e0 aa"), ("e0 12 e0 6b", "e0 f0 6b e0 f0 12")),
        ("delete", ("shift_l",), 0, ("e0 aa e0 53", "e0 d3 e0 2a"), ("e0 f0 12 e0 71", "e0 f0 71 e0 12")),
        ("kp_divide", ("shift_r",), 0, ("e0 b6 e0 35", "e0 b5 e0 36"), ("e0 f0 59 e0 4a", "e0 f0 4a e0 59")),
        ("print", (), 0, ("e0 2a e0 37", "e0 b7 e0 aa"), ("e0 12 e0 7c", "e0 f0 7c e0 f0 12")),
        ("print", ("alt_l",), 0, ("54", "d4"), ("84", "f0 84")),
        ("print", ("ctrl_l",), 0, ("e0 37", "e0 b7"), ("e0 7c", "e0 f0 7c")),
        ("pause", (), 0, ("e1 1d 45 e1 9d c5", ""), ("e1 14 77 e1 f0 14 f0 77", "")),
        ("pause", ("ctrl_l",), 0, ("e0 46 e0 c6", ""), ("e0 7e e0 f0 7e", "")),
    ],
)
def test_codes_of_sets_1_and_2(
    name: str, down: tuple[str, ...], leds: int, set_1: tuple[str, str], set_2: tuple[str, str]
) -> None:
    assert sent(name, 1, *down, leds=leds) == set_1
    assert sent(name, 2, *down, leds=leds) == set_2


def test_set_3_has_one_code_a_key_and_breaks_where_the_type_says_so() -> None:
    assert sent("a", 3) == ("1c", "")
    assert sent("ctrl_l", 3) == ("11", "f0 11")
    assert break_codes(BY_NAME["a"], 3, (), 0, KeyType.TYPEMATIC_MAKE_BREAK).hex() == "f01c"
    assert all(len(make_codes(key, 3, (), 0)) == 1 for key in KEYS)


def test_inputs_of_keys_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="are more than"):
        KeyInput(bytes(1 << 17))
    with pytest.raises(ValueError, match="are more than"):
        KeyEvents(bytes(1 << 18))
    with pytest.raises(ValueError, match="no key 127"):
        KeyEvents(b"\xff")
    with pytest.raises(ValueError, match="a pause of -1"):
        KeyEvents(b"", -1)


def test_the_last_key_of_a_chord_is_held() -> None:
    shift, a = number("shift_l"), number("a")
    assert held((shift, a), 500) == (
        KeyEvents(bytes((shift,))),
        KeyEvents(bytes((a,)), 500),
        KeyEvents(bytes((a | RELEASE, shift | RELEASE))),
    )
