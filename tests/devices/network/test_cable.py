"""What a cable carries, when it comes, and what becomes of what it does not carry."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.network.cable import BYTE, GRAIN, LATENCY, MOST_BYTES, MOST_FRAMES, CableState
from devices.network.faults import HELD_BACK
from devices.network.frame import LONGEST, SHORTEST, mac_text, parse_mac
from devices.network.inputs import MILLION, MOST_TOGETHER, FaultsInput, FrameInput, FramesInput, LinkInput, together
from devices.network.wire import Fate
from tests.devices.network.wiring import Wired, frame

CABLE = "net0-cable"
SECOND = 1_000_000_000


def whole(due: int) -> int:
    """The instant from then on at which frames come out."""
    return -(-due // GRAIN) * GRAIN


def test_a_frame_comes_after_its_bytes_have_passed_and_the_way_is_gone():
    wired = Wired(peer=True)
    wired.cable.transmit(frame(1, 100), 1000)
    wired.cable.take(FrameInput(CABLE, frame(2, 200)), 1000)
    wired.run(SECOND)
    assert wired.far.heard == [(whole(1000 + 100 * BYTE + LATENCY), frame(1, 100))]
    assert wired.nic.taken == [(whole(1000 + 200 * BYTE + LATENCY), frame(2, 200))]


def test_frames_of_one_instant_come_one_after_the_other_and_a_burst_together():
    wired = Wired()
    for number in range(30):
        wired.cable.take(FrameInput(CABLE, frame(number, 1000)), 0)
    wired.run(SECOND)
    dues = [whole((number + 1) * 1000 * BYTE + LATENCY) for number in range(30)]
    assert wired.nic.taken == [(due, frame(number, 1000)) for number, due in enumerate(dues)]
    assert len(set(dues)) == 3
    assert wired.nic.settled == sorted(set(dues)), "it may work at each burst at once"


def test_where_nobody_would_listen_nobody_is_told_and_all_else_is_the_same():
    heard, unheard = Wired(room=3), Wired(room=3)
    unheard.cable.is_heard = lambda: False
    for wired in (heard, unheard):
        wired.cable.take(FaultsInput(CABLE, loss=MILLION // 3, seed=4), 0)
        for number in range(9):
            wired.cable.transmit(frame(number), 0)
            wired.cable.take(FrameInput(CABLE, frame(number)), 0)
        wired.run(SECOND)
    assert len(heard.passages) == 18
    assert unheard.passages == []
    assert (unheard.cable.save(), unheard.nic, unheard.far) == (heard.cable.save(), heard.nic, heard.far)


def test_who_is_outside_is_told_at_once_and_by_number():
    wired = Wired()
    wired.cable.transmit(frame(1), 5)
    wired.cable.transmit(frame(2), 5)
    assert wired.far.out == [(0, frame(1), 5), (1, frame(2), 5)]
    assert wired.cable.out == 2


def test_what_the_device_has_no_room_for_is_lost_and_counted():
    wired = Wired(room=1)
    for number in range(3):
        wired.cable.take(FrameInput(CABLE, frame(number)), 0)
    wired.run(SECOND)
    assert [passage.fate for passage in wired.passages] == [Fate.CARRIED, Fate.REFUSED, Fate.REFUSED]
    assert dict(wired.cable.describe(0))["to the guest"] == "3 frames, 1 came through, 2 lost"


def test_a_cable_that_is_pulled_out_loses_what_is_on_it_and_says_so():
    wired = Wired(peer=True)
    wired.cable.transmit(frame(1), 0)
    wired.cable.take(LinkInput(CABLE, up=False), 10)
    wired.cable.take(LinkInput(CABLE, up=False), 11)
    wired.cable.transmit(frame(2), 12)
    wired.cable.take(FrameInput(CABLE, frame(3)), 13)
    wired.run(SECOND)
    wired.cable.take(LinkInput(CABLE, up=True), SECOND)
    wired.cable.transmit(frame(4), SECOND)
    wired.run(2 * SECOND)
    assert wired.nic.changes == [10, SECOND]
    assert [sent for _, sent in wired.far.heard] == [frame(4)]
    assert [passage.fate for passage in wired.passages] == [
        Fate.CARRIED, Fate.UNPLUGGED, Fate.UNPLUGGED, Fate.CARRIED
    ]  # fmt: skip


def test_no_more_is_on_its_way_than_there_is_room_for():
    wired = Wired(peer=True)
    for number in range(MOST_FRAMES + 5):
        wired.cable.transmit(frame(number), 0)
    for number in range(MOST_BYTES // LONGEST + 5):
        wired.cable.take(FrameInput(CABLE, frame(number, LONGEST)), 0)
    fates = Counter((passage.direction, passage.fate) for passage in wired.passages)
    assert fates["sent", Fate.CROWDED] == 5
    assert fates["received", Fate.CROWDED] == 5
    assert wired.cable.waiting <= MOST_BYTES
    wired.run(SECOND)
    assert wired.cable.waiting == 0


@pytest.mark.parametrize("size", [0, SHORTEST - 1, LONGEST + 1])
def test_what_is_no_frame_goes_nowhere(size):
    wired = Wired()
    wired.cable.transmit(bytes(size), 0)
    assert [passage.fate for passage in wired.passages] == [Fate.MALFORMED]
    with pytest.raises(ValueError, match="no frame"):
        FrameInput(CABLE, bytes(size))


@given(st.lists(st.integers(SHORTEST, 3000), min_size=1, max_size=MOST_TOGETHER))
def test_frames_that_come_together_come_as_those_of_one_instant(sizes):
    one, other = Wired(), Wired()
    frames = [frame(number, size)[:size] for number, size in enumerate(sizes)]
    data = together(CABLE, frames)
    assert isinstance(data, FrameInput if len(frames) == 1 else FramesInput)
    one.cable.take(data, 77)
    for each in frames:
        other.cable.take(FrameInput(CABLE, each), 77)
    one.run(SECOND)
    other.run(SECOND)
    assert one.nic.taken == other.nic.taken
    assert one.cable.save() == other.cable.save()


@given(st.binary(max_size=100))
def test_anything_else_that_says_it_is_frames_is_refused(junk):
    def made() -> list[bytes]:
        return list(FramesInput(CABLE, junk).frames())

    try:
        frames = made()
    except ValueError:
        return
    assert b"".join(len(one).to_bytes(4, "big") + one for one in frames) == junk
    assert all(len(one) >= SHORTEST for one in frames)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not 0"),
        (b"\0\0\0\1x", "no frame"),
        (b"\0\0\0\x10" + bytes(15), "not whole"),
        (b"\0\0\0", "not whole|no frame"),
        ((b"\0\0\0\x0e" + bytes(14)) * (MOST_TOGETHER + 1), f"up to {MOST_TOGETHER}"),
    ],
)
def test_why_frames_are_refused_is_said(data, says):
    with pytest.raises(ValueError, match=says):
        FramesInput(CABLE, data)


def test_faults_are_as_many_as_was_asked_for_and_the_same_for_the_same_seed():
    def run(seed: int) -> list[tuple[int, bytes]]:
        wired = Wired()
        wired.cable.take(FaultsInput(CABLE, MILLION // 10, MILLION // 20, MILLION // 50, 7_000, seed), 0)
        for number in range(1000):
            wired.run(number * 10_000)
            wired.cable.take(FrameInput(CABLE, frame(number)), wired.now)
        wired.run(SECOND)
        return wired.nic.taken

    once, again, other = run(1), run(1), run(2)
    assert once == again != other
    numbers = [int.from_bytes(taken[14:18], "big") for _, taken in once]
    counts = Counter(numbers)
    assert 60 < 1000 - len(counts) < 140, "lost"
    assert 20 < sum(count == 2 for count in counts.values()) < 80, "twice"
    late = [now - number * 10_000 for (now, _), number in zip(once, numbers, strict=True)]
    assert LATENCY + 7_060 <= min(late) < LATENCY + 7_060 + GRAIN
    assert 5 < sum(one >= HELD_BACK for one in late) < 40, "overtaken"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(
    st.tuples(st.just("send"), st.integers(14, 3000)), st.tuples(st.just("come"), st.integers(14, 3000)),
    st.tuples(st.just("wait"), st.integers(0, 30_000)), st.tuples(st.just("link"), st.integers(0, 1)),
    st.tuples(st.just("faults"), st.integers(0, 400_000)),
), max_size=40), st.integers(0, 40))  # fmt: skip
def test_a_cable_goes_on_from_what_it_saved(script, cut):
    def play(wired: Wired, steps: list[tuple[str, int]]) -> None:
        for action, value in steps:
            match action:
                case "send":
                    wired.cable.transmit(frame(value, value), wired.now)
                case "come":
                    wired.cable.take(FrameInput(CABLE, frame(value, value)), wired.now)
                case "wait":
                    wired.run(wired.now + value)
                case "link":
                    wired.cable.take(LinkInput(CABLE, up=bool(value)), wired.now)
                case "faults":
                    wired.cable.take(FaultsInput(CABLE, value, value, value, value, value), wired.now)
        wired.run(wired.now + SECOND)

    first, second = Wired(peer=True), Wired(peer=True)
    for action in script[:cut]:
        play_one = [action]
        for wired in (first,):
            play(wired, play_one)
    saved = msgspec.json.encode(first.cable.save())
    second.cable.restore(msgspec.json.decode(saved, type=CableState))
    second.scheduler.restore(first.scheduler.save())
    second.now = first.now
    before = len(first.nic.taken), len(first.far.heard), len(first.passages)
    play(first, script[cut:])
    play(second, script[cut:])
    assert msgspec.json.encode(first.cable.save()) == msgspec.json.encode(second.cable.save())
    assert first.nic.taken[before[0] :] == second.nic.taken
    assert first.far.heard[before[1] :] == second.far.heard
    assert first.passages[before[2] :] == second.passages
    assert first.scheduler.save() == second.scheduler.save()


def test_a_saved_cable_that_counts_wrong_is_refused():
    wired = Wired()
    wired.cable.take(FrameInput(CABLE, frame(1)), 0)
    saved = wired.cable.save()
    saved.to_nic.waiting = 0
    with pytest.raises(ValueError, match="counts"):
        Wired().cable.restore(saved)


def test_addresses_are_six_bytes_of_one_station():
    assert mac_text(parse_mac("52-54-00-12-34-5F")) == "52:54:00:12:34:5f"
    for text in ("", "52:54:00:12:34", "52:54:00:12:34:zz", "01:00:5e:00:00:01", "00:00:00:00:00:00", "x" * 10_000):
        with pytest.raises(ValueError, match=r"MAC|station"):
            parse_mac(text)
