"""What one request of a page gets. Nothing here knows of pages."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import assert_never

from vmdbg.commands.time.interleaved import interleaving_between
from vmdbg.commands.time.interleaving import MOST_DRAWN
from vmdbg.debugger.debugger import Debugger
from vmdbg.document.lanes_svg import svg
from vmdbg.document.printable import printable
from vmdbg.document.terminal_graphics import png
from vmdbg.errors import UserError
from vmdbg.machine.console import COM1, typed
from vmdbg.machine.inputs import Input
from vmdbg.session.keyboard import pressed_events
from vmdbg.session.screen import frame_of
from vmdbg.session.session import Session
from vmdbg.session.stop_report import place_text
from vmdbg.web.answers import (
    Answered,
    ConsoleView,
    Done,
    Drawing,
    MarkdownView,
    Noted,
    NoteRow,
    NotesView,
    Result,
    ScreenView,
)
from vmdbg.web.notebook import Notebook
from vmdbg.web.panes import look
from vmdbg.web.rendered import rendered
from vmdbg.web.requests import (
    AddNote,
    ChangeNote,
    Command,
    ConsoleText,
    DeleteNote,
    Draw,
    Go,
    Lines,
    Log,
    Look,
    Markdown,
    Notes,
    OfNotes,
    OfTime,
    Pause,
    Press,
    Request,
    Run,
    Screen,
    Strip,
    Type,
)
from vmdbg.web.survey import Survey

MOST_CONSOLE = 1 << 17
"""Characters that a page is given at once."""
RUNNING = "the guest is running: stop it first"
PAST = "this is the past, where nothing can be typed: fork goes on from here"


class Answering:
    """`push` has something come to the guest from outside."""

    def __init__(self, session: Session, survey: Survey, notebook: Notebook, push: Callable[[Input], None]) -> None:
        self._session = session
        self._debugger: Debugger = session.debugger
        self._survey = survey
        self._notebook = notebook
        self._push = push

    def answer(self, request: Request) -> Result:
        """Raises VmdbgError."""
        match request:
            case Run(move=move):
                return self._carry(move.value)
            case Go(to=place):
                return self._carry(f"goto {place}")
            case Command(line=line):
                return self._command(line)
            case Look():
                return look(self._session, request)
            case Type(text=text):
                return self._live(typed(self._port, text.encode()))
            case Press(chords=chords):
                return self._live(*pressed_events(chords))
            case Strip() | Log() | Lines():
                return self._of_time(request)
            case ConsoleText():
                return self._console()
            case Screen():
                frame = frame_of(self._debugger.machine)
                return ScreenView(frame.width, frame.height, base64.b64encode(png(frame)).decode())
            case Draw():
                return self._drawing(request)
            case Notes() | AddNote() | ChangeNote() | DeleteNote() | Markdown():
                return self._noted(request)
            case Pause():
                return Done()
            case _:
                assert_never(request)

    @property
    def _port(self) -> int:
        """Of the line that is typed at: where the guest talks, if it hears there."""
        return max(COM1, self._debugger.timeline.console.talking)

    def _carry(self, line: str) -> Done:
        """Begin what a line has the guest do."""
        if self._debugger.running:
            raise UserError(RUNNING)
        self._debugger.carry_out(lambda: self._session.execution.plan(line), self._session.owner)
        return Done()

    def _command(self, line: str) -> Answered:
        document = self._session.run(line)
        notices = list(self._session.notices)
        self._session.notices.clear()
        return rendered(document, notices)

    def _live(self, *inputs: Input) -> Done:
        if not self._debugger.timeline.live:
            raise UserError(PAST)
        for one in inputs:
            self._push(one)
        return Done()

    def _console(self) -> ConsoleView:
        """Of what was written up to now; while the guest runs, all."""
        timeline = self._debugger.timeline
        log = timeline.console.port(timeline.console.talking)
        text = log.between(0, timeline.position.tick).decode("utf-8", "replace")
        return ConsoleView(text[-MOST_CONSOLE:], max(0, len(text) - MOST_CONSOLE))

    def _of_time(self, request: OfTime) -> Result:
        match request:
            case Strip():
                return self._survey.strip(request)
            case Log():
                return self._survey.log()
            case Lines():
                if self._debugger.running:
                    raise UserError(RUNNING)
                self._survey.call_lines()
                return Done()
            case _:
                assert_never(request)

    def _drawing(self, request: Draw) -> Drawing:
        chart = interleaving_between(
            self._session, request.begin, request.until, address=request.address, size="", function="", cpus=[]
        )
        if not chart.entries:
            raise UserError("no CPU did anything there that another's doings depend on")
        if len(chart.entries) > MOST_DRAWN:
            raise UserError(f"{len(chart.entries):,} rows are too many to draw: take a shorter time, or an address")
        return Drawing(svg(chart, f"{request.begin} to {request.until}"))

    def _noted(self, request: OfNotes) -> Noted:
        book = self._notebook
        match request:
            case AddNote(title=title, text=text):
                if self._debugger.running:
                    raise UserError(RUNNING)
                place = printable(str(place_text(self._session, self._debugger.pc)))
                book.add(str(self._debugger.position), title, text, place[:1000])
            case ChangeNote(note=number, title=title, text=text):
                book.change(number, title, text)
            case DeleteNote(note=number):
                book.delete(number)
            case Markdown():
                return MarkdownView(book.markdown(self._title))
            case Notes():
                pass
            case _:
                assert_never(request)
        rows = [NoteRow(note.id, note.position, note.title, note.text, note.place) for note in book.notes()]
        return NotesView(rows, str(book.path or ""))

    @property
    def _title(self) -> str:
        path, origin = self._notebook.path, self._debugger.timeline.origin
        name = path.name.removesuffix(".notes.json") if path is not None else "a run"
        return f"Notes on {name}{f' ({origin.description})' if origin is not None else ''}"
