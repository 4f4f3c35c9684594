"""What an assistant has before it: a recording, and the prompt's commands on it, with answers of bounded length."""

from __future__ import annotations

from pathlib import Path

from vmdbg.api.boot import open_recording
from vmdbg.api.guest import Guest
from vmdbg.commands import catalog
from vmdbg.document.plain import render_json, render_plain
from vmdbg.document.printable import printable
from vmdbg.document.terminal_graphics import png
from vmdbg.errors import UserError
from vmdbg.session.registry import Effect
from vmdbg.session.screen import frame_of
from vmdbg.session.session import Session

OWNER = "assistant"
LONGEST = 32_000
"""Characters of an answer: what a model reads at once with profit."""
LINES = 60
"""Of the console, where nobody says how many."""


class Desk:
    """One recording at a time. Without `changes` nothing of it can be changed, nor anything of the host reached."""

    def __init__(self, *, changes: bool = False) -> None:
        self._allowed = Effect.RUNS | (Effect.CHANGES if changes else Effect.NONE)
        self._guest: Guest | None = None
        self._session: Session | None = None

    def open(self, path: str) -> str:
        """Instead of the one that is open. Raises UserError, RecordingError, EngineError."""
        guest = open_recording(Path(path))
        self.close()
        self._guest = guest
        self._session = Session(guest.debugger, catalog.commands(), allowed=self._allowed, owner=OWNER)
        guest.seek("end")
        return f"the recording ends at tick {guest.end.tick}, and the guest stands there now\n{self.where()}"

    @property
    def session(self) -> Session:
        if self._session is None:
            raise UserError("no recording is open: open one first")
        return self._session

    def command(self, line: str) -> str:
        """A line of the prompt. Raises VmdbgError."""
        document, as_json = self.session.run_line(line)
        answer = render_json(document) if as_json else render_plain(document)
        notices = "".join(f"{words}\n" for words in self.session.notices)
        self.session.notices.clear()
        return bounded((answer + notices).rstrip("\n") or "done")

    def where(self) -> str:
        """Where the guest stands."""
        debugger = self.session.debugger
        place = self.session.describe(debugger.pc)
        return f"at tick {debugger.position}, pc {debugger.pc:#x}{f' <{place}>' if place else ''}"

    def go(self, position: str) -> str:
        self.command(f"goto {position}")
        return self.where()

    def console(self, lines: int) -> str:
        """The last lines that the guest has written up to where it stands, each with its tick."""
        if lines < 1:
            raise UserError(f"{lines} lines cannot be shown: give 1 or more")
        log = self.session.debugger.timeline.console
        now = self.session.debugger.position.tick
        written = [(tick, words) for tick, words in log.port(log.talking).lines() if tick <= now]
        return bounded("\n".join(f"{tick}  {printable(words)}" for tick, words in written[-lines:]) or "nothing yet")

    def screenshot(self) -> bytes:
        """A PNG file. Raises UserError."""
        return png(frame_of(self.session.debugger.machine))

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
        if self._guest is not None:
            self._guest.close()
        self._guest = self._session = None


def bounded(words: str) -> str:
    """Cut, where it is too long, with a word on what to do."""
    if len(words) <= LONGEST:
        return words
    return f"{words[:LONGEST]}\n... {len(words) - LONGEST:,} more characters: ask for less"
