"""What one page has yet to be told: bounded, however slow it reads."""

from __future__ import annotations

from collections import deque
from typing import assert_never

from vmdbg.web.answers import Answer, Changed, ConsoleWrote, Message, Progress, RanLines, Refused, State, Surveyed

MOST_CONSOLE = 1 << 18
"""Characters of the console that wait. A page that is farther behind is told to ask for the text as a whole."""


class Outbox:
    """Answers are as many as the page has asked for. Of what comes by itself the newest counts."""

    def __init__(self) -> None:
        self._answers: deque[Answer | Refused] = deque()
        self._latest: dict[str, Message] = {}
        self._wrote: list[str] = []
        self._waiting = 0
        """Characters in `_wrote`."""
        self._lost = False
        """Whether some of the console was dropped."""

    def put(self, message: Message) -> None:
        match message:
            case Answer() | Refused():
                self._answers.append(message)
            case ConsoleWrote(text):
                self._write(text)
            case Progress(what):
                self._latest[f"progress {what}"] = message
            case State():
                self._latest["state"] = message
            case RanLines():
                self._latest["ran"] = message
            case Changed():
                self._latest["changed"] = message
            case Surveyed():
                self._latest["surveyed"] = message
            case _:
                assert_never(message)

    def _write(self, text: str) -> None:
        if self._waiting + len(text) > MOST_CONSOLE:
            self._wrote.clear()
            self._waiting, self._lost = 0, True
        self._wrote.append(text)
        self._waiting += len(text)

    def __bool__(self) -> bool:
        return bool(self._answers or self._latest or self._wrote)

    def take(self) -> Message:
        """The next message. Raises IndexError if there is none."""
        if self._latest:
            return self._latest.pop(next(iter(self._latest)))
        if self._wrote:
            text = "".join(self._wrote)
            self._wrote.clear()
            self._waiting = 0
            lost, self._lost = self._lost, False
            return ConsoleWrote(text, lost)
        return self._answers.popleft()
