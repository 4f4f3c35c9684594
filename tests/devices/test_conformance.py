"""What every device promises: any access is harmless and `save` holds all that decides what comes next."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.scheduler import Scheduler
from devices.seam import InputDevice
from tests.devices.conformance import DEVICES, Subject

EVENTS_ON_TIME = 30
EVENTS_LATE = 1000
WAITS = (1, 838, 15_000, 244_000, 1_000_000, 87_654_321, 1_500_000_000)

Script = list[tuple[Any, ...]]

sizes = st.sampled_from([1, 1, 2, 4, 8])
offsets = st.one_of(st.integers(0, 8), st.integers(0, 0xFF).map(lambda slot: slot * 0x10), st.integers(0, 0xFFFF))
values = st.one_of(
    st.sampled_from([0, 1, 0x20, 0x34, 0x80, 0xFF, 0x1FF, 0x200EC, 0x40044, 100_000]),
    st.integers(0, 0xFF),
    st.integers(0, (1 << 64) - 1),
)
windows = st.integers(0, 3)
scripts = st.lists(
    st.one_of(
        st.tuples(st.just("read"), windows, offsets, sizes),
        st.tuples(st.just("write"), windows, offsets, sizes, values),
        st.tuples(st.just("line"), st.integers(0, 31), st.booleans()),
        st.tuples(st.just("take"), st.integers(0, 11), st.binary(max_size=4)),
        st.tuples(st.just("wait"), st.sampled_from(WAITS)),
    ),
    max_size=20,
)


@dataclasses.dataclass
class Rig:
    """A device with its scheduler, at a time."""

    subject: Subject
    scheduler: Scheduler
    now: int = 0

    @classmethod
    def make(cls, name: str) -> Rig:
        scheduler = Scheduler()
        return cls(DEVICES[name](scheduler), scheduler)

    def run(self, script: Script) -> list[int]:
        """What the reads returned."""
        return [value for step in script if (value := self.step(*step)) is not None]

    def step(self, action: str, *arguments: Any) -> int | None:
        if action == "wait":
            self.wait(*arguments)
        elif action == "take":
            self.take(*arguments)
        elif action == "line" and self.subject.inputs:
            number, level = arguments
            self.subject.inputs[number % len(self.subject.inputs)].set(level)
        elif action in ("read", "write") and self.subject.windows:
            number, offset, size, *value = arguments
            window = self.subject.windows[number % len(self.subject.windows)]
            if window.registers and offset < 0x100:
                offset, size = window.registers[offset % len(window.registers)], 4
            offset %= max(1, window.length - size + 1)
            if action == "write":
                window.device.write(offset, size, value[0] & (1 << 8 * size) - 1, self.now)
                return None
            result = window.device.read(offset, size, self.now)
            assert 0 <= result < 1 << 8 * size
            return result
        return None

    def take(self, number: int, data: bytes) -> None:
        """An input, if the device takes any: of this number in its whole fields, and this data in the others."""
        device = self.subject.device
        if not isinstance(device, InputDevice):
            return
        kind = device.INPUTS[number % len(device.INPUTS)]
        hints = get_type_hints(kind)
        chosen = {str: device.name, int: number, bytes: data, bool: bool(number & 1)}
        with suppress(ValueError):
            device.take(kind(**{field.name: chosen[hints[field.name]] for field in dataclasses.fields(kind)}), self.now)

    def wait(self, nanoseconds: int) -> None:
        """Deliver a number of events on time and the rest late, as a long block of code would."""
        end = self.now + nanoseconds
        for count in range(EVENTS_LATE):
            due = self.scheduler.next_due()
            if due is None or due > end:
                break
            self.now = max(due, self.now) if count < EVENTS_ON_TIME else end
            event = self.scheduler.pop_due(self.now)
            assert event is not None
            if event.owner == self.subject.device.name:
                self.subject.device.on_event(event.name, self.now)
        else:
            pytest.fail("events that are late come without end")
        self.now = end

    def save(self) -> tuple[Any, Any, int, list[dict[int, bytes]]]:
        areas = [dict(area.filled()) for area in self.subject.areas]
        return self.subject.device.save(), self.scheduler.save(), self.now, areas

    def restore(self, saved: tuple[Any, Any, int, list[dict[int, bytes]]]) -> None:
        device, scheduler, self.now, areas = saved
        for area, pages in zip(self.subject.areas, areas, strict=True):
            for number in [*dict(area.filled()), *pages]:
                area.put(number, pages.get(number, bytes(4096)))
        self.subject.device.restore(device)
        self.scheduler.restore(scheduler)


every_device = pytest.mark.parametrize("name", DEVICES)
briefly = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@every_device
@briefly
@given(before=scripts, between=scripts, after=scripts)
def test_a_restored_device_goes_on_as_if_nothing_had_happened(name, before, between, after):
    rig = Rig.make(name)
    rig.run(before)
    saved = rig.save()
    kept = msgspec.json.encode(saved)
    first = rig.run(after), rig.save()
    rig.restore(saved)
    rig.run(between)
    assert msgspec.json.encode(saved) == kept, "the saved state is not an independent copy"
    rig.restore(saved)
    assert rig.save() == saved
    assert (rig.run(after), rig.save()) == first


@every_device
@briefly
@given(before=scripts, after=scripts)
def test_all_that_matters_is_in_the_state(name, before, after):
    rig, fresh = Rig.make(name), Rig.make(name)
    rig.run(before)
    fresh.restore(rig.save())
    for output in rig.subject.outputs:
        output.history.clear()
    assert (fresh.run(after), fresh.save()) == (rig.run(after), rig.save())
    driven = [[output.history for output in each.subject.outputs] for each in (rig, fresh)]
    assert driven[0] == driven[1]


@every_device
@briefly
@given(script=scripts)
def test_the_same_accesses_end_in_the_same_state_whether_or_not_somebody_looks(name, script):
    alone, watched = Rig.make(name), Rig.make(name)
    results = []
    for step in script:
        rows = watched.subject.device.describe(watched.now)
        assert rows
        assert all(isinstance(title, str) and title and isinstance(text, str) for title, text in rows)
        results += watched.run([step])
    assert (alone.run(script), alone.save()) == (results, watched.save())
    driven = [[line.history for line in rig.subject.outputs] for rig in (alone, watched)]
    assert driven[0] == driven[1]


@every_device
@briefly
@given(script=scripts)
def test_state_is_plain_and_survives_being_stored(name, script):
    rig = Rig.make(name)
    rig.run(script)
    state = rig.subject.device.save()
    assert issubclass(rig.subject.device.State, type(state))  # which leaves out what is as it is without
    assert dataclasses.is_dataclass(state)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=type(state)) == state
    json.loads(msgspec.json.encode(state, order="deterministic"))


def test_a_dictionary_of_a_state_has_texts_for_keys() -> None:
    """Others have no canonical form: such a state could not be saved once something is in it."""
    states = {rig.subject.device.State for rig in map(Rig.make, DEVICES)}
    assert not [(state.__name__, found) for state in states for found in _dictionaries(state) if found[0] is not str]


def _dictionaries(kind: Any) -> Iterator[tuple[Any, ...]]:
    if get_origin(kind) is dict:
        yield get_args(kind)
    for part in get_type_hints(kind).values() if dataclasses.is_dataclass(kind) else get_args(kind):
        yield from _dictionaries(part)


@every_device
def test_the_suite_reaches_the_state_at_all(name):
    """A device whose state never moves would pass all the above."""
    rig = Rig.make(name)
    start = rig.save()[:2]
    seen = 0
    for number in range(len(rig.subject.windows) or 1):
        for offset in range(0x20):
            for value in (0x12, 0xFF, 0x0100, 0xFEDCBA98):
                for size in (1, 4):
                    rig.run([("write", number, offset, size, value), ("line", offset, True), ("take", offset, b"ab")])
                    seen += rig.save()[:2] != start
    assert seen or dataclasses.fields(rig.subject.device.State) == ()
