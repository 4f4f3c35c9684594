"""What a page asks for, as JSON over a websocket: parsed into frozen values, with bounds on every part."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from vmdbg.web.errors import BadRequestError

LONGEST_REQUEST = 1 << 17
"""Bytes of one message; a notebook is the longest."""
LAST_TICK = (1 << 63) - 1

Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 31) - 1)]
"""Given by the page to a request, for its answer to bear."""
TickNumber = Annotated[int, msgspec.Meta(ge=0, le=LAST_TICK)]
Line = Annotated[str, msgspec.Meta(max_length=1 << 12)]
Place = Annotated[str, msgspec.Meta(max_length=1 << 9)]
Title = Annotated[str, msgspec.Meta(max_length=400)]
NoteText = Annotated[str, msgspec.Meta(max_length=1 << 14)]


class Move(enum.Enum):
    """How a page lets the guest run: lines of the prompt."""

    CONTINUE = "continue"
    REVERSE_CONTINUE = "reverse-continue"
    STEP = "step"
    REVERSE_STEP = "reverse-step"
    NEXT = "next"
    REVERSE_NEXT = "reverse-next"
    STEPI = "stepi"
    REVERSE_STEPI = "reverse-stepi"
    FINISH = "finish"
    REVERSE_FINISH = "reverse-finish"


class Pane(enum.Enum):
    """A part of the page that is drawn anew where the guest has moved."""

    CODE = "code"
    REGISTERS = "registers"
    BACKTRACE = "backtrace"
    STACK = "stack"
    MEMORY = "memory"
    POINTS = "points"


class _Request(msgspec.Struct, frozen=True, tag_field="ask", forbid_unknown_fields=True):
    id: Number


class Run(_Request, frozen=True, tag="run"):
    """Let the guest run."""

    move: Move


class Pause(_Request, frozen=True, tag="pause"):
    """Stop it, or give up a question to the history."""


class Go(_Request, frozen=True, tag="go"):
    """To an instant, in any of the forms of `goto`."""

    to: Place


class Command(_Request, frozen=True, tag="command"):
    """A line of the prompt."""

    line: Line


class Look(_Request, frozen=True, tag="look"):
    """What a pane shows. `place` is where memory is looked at, `frame` which one's code."""

    pane: Pane
    place: Place = ""
    frame: Annotated[int, msgspec.Meta(ge=0, le=1 << 16)] = 0


class Type(_Request, frozen=True, tag="type"):
    """Keys for the guest's console, as the terminal encodes them."""

    text: Line


class ConsoleText(_Request, frozen=True, tag="console"):
    """What the guest has written to its console up to where it stands."""


class Strip(_Request, frozen=True, tag="strip"):
    """A part of the timeline, in about so many stretches."""

    start: TickNumber
    end: TickNumber
    stretches: Annotated[int, msgspec.Meta(ge=1, le=2048)]


class Log(_Request, frozen=True, tag="log"):
    """The lines of the guest's console, with the ticks at which they begin."""


class Screen(_Request, frozen=True, tag="screen"):
    """What a monitor at the machine shows."""


class Press(_Request, frozen=True, tag="press"):
    """Keys of the PC's keyboard, as `send-keys` has them, one chord after the other."""

    chords: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=32)]


class Draw(_Request, frozen=True, tag="draw"):
    """The interleaving of CPUs between two instants, as a picture; of what lies at an address, or of all."""

    begin: Place
    until: Place
    address: Place = ""


class Notes(_Request, frozen=True, tag="notes"):
    """The notebook."""


class AddNote(_Request, frozen=True, tag="add note"):
    """Of where the guest stands."""

    title: Title
    text: NoteText = ""


class ChangeNote(_Request, frozen=True, tag="change note"):
    note: Number
    title: Title
    text: NoteText


class DeleteNote(_Request, frozen=True, tag="delete note"):
    note: Number


class Markdown(_Request, frozen=True, tag="markdown"):
    """The notebook as text."""


class Lines(_Request, frozen=True, tag="lines"):
    """Which lines have run in the call in which the guest stands: told once that is known."""


OfNotes = Notes | AddNote | ChangeNote | DeleteNote | Markdown
OfTime = Strip | Log | Lines
Request = OfNotes | OfTime | Screen | Press | Draw | Run | Pause | Go | Command | Look | Type | ConsoleText
_DECODER = msgspec.json.Decoder(Request)


def parse(data: bytes | str) -> Request:
    """Raises BadRequestError for anything else."""
    if len(data) > LONGEST_REQUEST:
        raise BadRequestError(f"a message of {len(data)} bytes is too long (at most {LONGEST_REQUEST})")
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadRequestError(f"that is no request: {error}") from error
