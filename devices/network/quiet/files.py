"""Questions of those who serve files to the folder: one after the other, each in a deadline of its own.

What the folder answers is read there before anything changes (MediumError), and comes after a time that the question
alone decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devices.ninep.folder import Answer, Folder, Question

LOOKUP = 50_000
"""Nanoseconds of any answer; a byte that is read takes one more."""
MOST_ASKED = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """Who waits for an answer, and to what."""

    who: str
    question: Question


class Files:
    """`give` takes an answer for whoever asked; `schedule` has take() called then. `asked` counts answers."""

    def __init__(
        self, folder: Folder | None, give: Callable[[str, Answer, int], None], schedule: Callable[[int], None]
    ) -> None:
        self._folder = folder
        self._give = give
        self._schedule = schedule
        self.waiting: list[Asked] = []
        self.asked = 0

    @property
    def is_there(self) -> bool:
        return self._folder is not None

    def ask(self, who: str, question: Question, now: int) -> None:
        """Who waits has one question at a time."""
        self.forget(who, now)
        self.waiting.append(Asked(who, question))
        if len(self.waiting) == 1:
            self._expect(now)

    def forget(self, who: str, now: int) -> None:
        """Nobody waits for that any more."""
        was_first = bool(self.waiting) and self.waiting[0].who == who
        self.waiting = [one for one in self.waiting if one.who != who]
        if was_first and self.waiting:
            self._expect(now)

    def _expect(self, now: int) -> None:
        self._schedule(now + LOOKUP + self.waiting[0].question.size)

    def take(self, now: int) -> None:
        """The first question is answered. Raises MediumError, and nothing has changed."""
        if not self.waiting or self._folder is None:
            return
        first = self.waiting[0]
        answer = self._folder.ask(self.asked, first.question)
        self.asked += 1
        self.waiting.pop(0)
        if self.waiting:
            self._expect(now)
        self._give(first.who, answer, now)

    def restore(self, waiting: list[Asked], asked: int) -> None:
        """Raises ValueError."""
        if len(waiting) > MOST_ASKED or asked < 0:
            raise ValueError("questions that cannot have been asked")
        self.waiting, self.asked = list(waiting), asked
