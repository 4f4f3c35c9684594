"""Keys go down and up in guest time, nothing of a text is lost, and what is held repeats."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.keyboard.hands import typematic_delay, typematic_period
from devices.keyboard.key_codes import make_codes
from devices.keyboard.key_table import BY_NAME, BY_SET_3, KEYS
from devices.keyboard.keyboard import BUFFER_SIZE
from devices.keyboard.keys import PAUSE_NS, RELEASE, KeyEvents, held, strokes
from devices.keyboard.layout_us import parse_chord, typed_chords
from tests.devices.keyboard.bench import OBF, Bench

MS = 1_000_000
_SHIFT = BY_NAME["shift_l"].number
SIGNS = {chord: sign for sign in map(chr, range(0x20, 0x7F)) for chord in typed_chords(sign)}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def read_as_set_1(codes: list[int]) -> str:
    """As a driver without extended keys reads what the controller gives it, translated."""
    by_code = {make_codes(key, 1, (), 0)[0]: key.number for key in KEYS if not key.extended}
    text, shifted = "", False
    for code in codes:
        number = by_code[code & 0x7F]
        if number == _SHIFT:
            shifted = code < 0x80
        elif code < 0x80:
            text += SIGNS[(_SHIFT, number) if shifted else (number,)]
    return text


def test_a_key_goes_down_now_and_up_after_the_pause(bench: Bench) -> None:
    bench.chip.take(strokes([parse_chord("a")]), bench.now)
    bench.wait(0)
    assert bench.get() == 0x1E
    bench.wait(PAUSE_NS - 1)
    assert not bench.status() & OBF
    bench.wait(1)
    assert bench.get() == 0x9E
    assert bench.irq1.rises() == 2


def test_the_next_key_waits_until_the_last_was_taken(bench: Bench) -> None:
    bench.chip.take(strokes(typed_chords("ab")), bench.now)
    bench.wait(1000 * MS)
    assert bench.drain() == [0x1E, 0x9E]
    bench.wait(PAUSE_NS * 2)
    assert bench.drain() == [0x30, 0xB0]


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30),
    st.lists(st.tuples(st.sampled_from([0, 1, 3 * MS, 10 * MS, 700 * MS]), st.integers(0, 5)), max_size=30),
    st.integers(0, 20 * MS),
)
def test_text_comes_through_whole_however_the_guest_reads(text: str, reads: list[tuple[int, int]], pause: int) -> None:
    bench = Bench()
    bench.chip.take(strokes(typed_chords(text), pause), bench.now)
    got = []
    for nanoseconds, count in [*reads, *[(20 * MS, 9)] * (4 * len(text) + 1)]:
        bench.wait(nanoseconds)
        got += [bench.get() for _ in range(count) if bench.status() & OBF]
        assert len(bench.chip.save().keyboard.output) <= BUFFER_SIZE
    assert read_as_set_1(got) == text


def test_keys_wait_for_a_keyboard_that_does_not_scan(bench: Bench) -> None:
    bench.send(0xF5)
    bench.drain()
    bench.chip.take(strokes(typed_chords("a")), bench.now)
    bench.wait(1000 * MS)
    assert not bench.status() & OBF
    bench.send(0xF4)
    assert bench.drain() == [0xFA]
    bench.wait(PAUSE_NS)
    assert bench.drain() == [0x1E, 0x9E]


@pytest.mark.parametrize(("typematic", "delay", "period"), [(0x2B, 500, 91.7), (0x00, 250, 33.4), (0x7F, 1000, 500.4)])
def test_a_held_key_repeats_as_the_system_says(bench: Bench, typematic: int, delay: int, period: float) -> None:
    bench.send(0xF3)
    bench.send(typematic)
    bench.drain()
    assert typematic_delay(typematic) == delay * MS
    assert typematic_period(typematic) == pytest.approx(period * MS, rel=0.01)
    for event in held(parse_chord("a"), typematic_delay(typematic) + 3 * typematic_period(typematic) + MS):
        bench.chip.take(event, bench.now)
    got = []
    for _ in range(3000):
        bench.wait(MS)
        got += bench.drain()
    assert got == [0x1E] * 5 + [0x9E]


def test_the_last_key_that_went_down_is_the_one_that_repeats(bench: Bench) -> None:
    a, b = BY_NAME["a"].number, BY_NAME["b"].number
    bench.chip.take(KeyEvents(bytes((a, b, a | RELEASE)), 200 * MS), bench.now)
    got = []
    for _ in range(8000):
        bench.wait(MS // 10)
        got += bench.drain()
    assert got[:3] == [0x1E, 0x30, 0x9E]
    assert set(got[3:]) == {0x30}


def test_a_reset_of_the_keyboard_ends_its_repeating_and_takes_its_rate_back(bench: Bench) -> None:
    bench.chip.take(KeyEvents(bytes((BY_NAME["pause"].number, BY_NAME["a"].number))), bench.now)
    bench.wait(20 * MS)
    bench.drain()
    bench.wait(20 * MS)
    bench.drain()
    bench.send(0xF5)
    bench.drain()
    bench.wait(2000 * MS)
    bench.send(0xF4)
    assert bench.drain() == [0xFA]
    bench.wait(2000 * MS)
    assert bench.drain() == []


def test_what_repeats_stops_where_nobody_reads(bench: Bench) -> None:
    bench.chip.take(KeyEvents(bytes((BY_NAME["a"].number,))), bench.now)
    bench.wait(60_000 * MS)
    assert bench.drain() == [0x1E] * (BUFFER_SIZE + 1)


def test_set_3_and_the_types_of_its_keys(bench: Bench) -> None:
    bench.command(0x60, 0x25)  # no translation
    for byte in (0xF0, 0x03):
        bench.send(byte)
    bench.drain()

    def codes_of(name: str) -> list[int]:
        bench.chip.take(strokes([parse_chord(name)]), bench.now)
        got = []
        for _ in range(4):
            bench.wait(PAUSE_NS)
            got += bench.drain()
        return got

    assert codes_of("a") == [0x1C]
    assert codes_of("shift") == [0x12, 0xF0, 0x12]
    for byte in (0xFC, 0x1C, 0x1B, 0xF4):  # make/break for A and S
        bench.send(byte)
        assert bench.drain() == [0xFA]
    assert codes_of("a") == [0x1C, 0xF0, 0x1C]
    assert codes_of("s") == [0x1B, 0xF0, 0x1B]
    assert codes_of("d") == [0x23]
    bench.send(0xFA)
    bench.drain()
    assert codes_of("esc") == [0x08, 0xF0, 0x08]
    bench.send(0xF6)
    bench.drain()
    assert codes_of("esc") == [0x76, 0xF0, 0x76]
    assert BY_SET_3[0x08].name == "esc"


def test_a_keyboard_that_nobody_typed_at_is_saved_as_it_was_before_there_were_keys(bench: Bench) -> None:
    assert type(bench.chip.save()) is not type(bench.chip).State
    bench.chip.take(strokes(typed_chords("a")), bench.now)
    assert type(bench.chip.save()) is type(bench.chip).State


def test_states_that_no_keyboard_has_are_refused() -> None:
    kind = Bench().chip.State
    for wrong in ({"hands": {"down": [200]}}, {"hands": {"repeating": 500}}, {"key_types": [[1, 9]]}):
        with pytest.raises(Exception, match=r"a key (is down|has a type)"):
            decode(kind, wrong)


def decode(kind: type, fields: dict[str, object]) -> object:
    import msgspec

    return msgspec.json.decode(msgspec.json.encode(fields), type=kind)
