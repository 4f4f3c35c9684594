"""Which of several known systems runs in a guest."""

from __future__ import annotations

from typing import cast

import pytest

from vmdbg.os.detect import Detection, KnownSystem
from vmdbg.os.seam import DamagedError, Detector, GuestView, NotThereYetError, OperatingSystem

VIEW = cast("GuestView", object())
FOUND = cast("OperatingSystem", object())


class Answer:
    """A detector that says the same of every guest."""

    def __init__(self, answer: OperatingSystem | Exception | None) -> None:
        self.answer = answer
        self.asked = 0

    def detect(self, view: GuestView) -> OperatingSystem | None:
        assert view is VIEW
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def known(title: str, detector: Detector, *, fits: bool = True) -> KnownSystem:
    return KnownSystem(title, lambda _: fits, lambda: detector)


def test_each_is_asked_until_one_knows_the_guest() -> None:
    no, yes, later = Answer(None), Answer(FOUND), Answer(None)
    detection = Detection([known("no", no), known("yes", yes), known("later", later)])
    assert detection.detect(VIEW) is FOUND
    assert (no.asked, yes.asked, later.asked) == (1, 1, 0)


def test_what_cannot_run_now_is_not_even_made() -> None:
    def never() -> Detector:
        raise AssertionError

    detection = Detection([KnownSystem("unfit", lambda _: False, never)])
    assert detection.detect(VIEW) is None


def test_a_detector_is_made_once_and_keeps_what_it_learnt() -> None:
    made = []

    def make() -> Detector:
        made.append(Answer(None))
        return made[-1]

    detection = Detection([KnownSystem("it", lambda _: True, make)])
    detection.detect(VIEW)
    detection.detect(VIEW)
    assert [one.asked for one in made] == [2]


def test_one_that_cannot_be_read_does_not_hide_another() -> None:
    broken = known("broken", Answer(DamagedError("a table", 0x1000)))
    assert Detection([broken, known("yes", Answer(FOUND))]).detect(VIEW) is FOUND


def test_of_several_that_cannot_be_read_the_first_is_told() -> None:
    first, second = Answer(NotThereYetError("tasks")), Answer(DamagedError("a table", 0x1000))
    with pytest.raises(NotThereYetError, match="tasks"):
        Detection([known("first", first), known("second", second), known("no", Answer(None))]).detect(VIEW)
