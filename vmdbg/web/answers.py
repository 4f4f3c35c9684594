"""What a page is told, as JSON over a websocket. Text of the guest is text: pages put it into text nodes alone."""

from __future__ import annotations

import json

import msgspec

Spans = list[tuple[str, str]]
"""Pieces of one line, each with its style's name (vmdbg.document.document.Style)."""


class _Value(msgspec.Struct, frozen=True):
    """Of other values here."""


class _Shown(msgspec.Struct, frozen=True, tag_field="shows"):
    """The answer to one request."""


class TextBlock(msgspec.Struct, frozen=True, tag="text", tag_field="is"):
    spans: Spans


class TableBlock(msgspec.Struct, frozen=True, tag="table", tag_field="is"):
    """`keys` and `titles` of the columns; `right` are the numbers of those whose cells are put to the right."""

    keys: list[str]
    titles: list[str]
    right: list[int]
    rows: list[list[Spans]]


class PairsBlock(msgspec.Struct, frozen=True, tag="pairs", tag_field="is"):
    rows: list[tuple[str, Spans]]


class SectionBlock(msgspec.Struct, frozen=True, tag="section", tag_field="is"):
    title: Spans
    blocks: list[Block]


class PictureBlock(msgspec.Struct, frozen=True, tag="picture", tag_field="is"):
    """A PNG file in base64."""

    png: str
    words: str


Block = TextBlock | TableBlock | PairsBlock | SectionBlock | PictureBlock


class Answered(_Shown, frozen=True, tag="document"):
    """Of a command. `notices` are what was to be said beside it."""

    blocks: list[Block]
    notices: list[str] = []
    cut: int = 0
    """Rows and lines that were too many to show."""


class Done(_Shown, frozen=True, tag="nothing"):
    """It was done, or has begun."""


class SourceLine(_Value, frozen=True):
    number: int
    text: str
    stops: int = 0
    """The number of a breakpoint there, 0 if there is none."""


class CodeRow(_Value, frozen=True):
    """One instruction. `stops` as SourceLine has it."""

    address: str
    symbol: str
    spans: Spans
    line: str
    is_current: bool
    stops: int = 0


class CodeView(_Shown, frozen=True, tag="code"):
    """Of a frame. `file` is "" where the source is not known, `lines` are empty where its text is not."""

    function: str
    file: str
    current: int
    lines: list[SourceLine]
    rows: list[CodeRow]
    why: str = ""


class Register(_Value, frozen=True):
    name: str
    value: str
    is_changed: bool
    means: str = ""


class RegistersView(_Shown, frozen=True, tag="registers"):
    groups: list[tuple[str, list[Register]]]


class FrameRow(_Value, frozen=True):
    number: int
    address: str
    function: str
    arguments: str
    position: str
    kind: str


class FramesView(_Shown, frozen=True, tag="frames"):
    frames: list[FrameRow]
    selected: int
    end: str = ""
    """Why it ends there."""


class MemoryRow(_Value, frozen=True):
    """Bytes in hexadecimal; "--" is a byte that is not mapped."""

    address: str
    bytes: list[str]
    text: str
    changed: list[int]


class MemoryView(_Shown, frozen=True, tag="memory"):
    rows: list[MemoryRow]
    symbol: str


class PointRow(_Value, frozen=True):
    """`number` is as the prompt has it; `owner` whose it is."""

    number: int
    kind: str
    place: str
    owner: str
    hits: int
    enabled: bool
    is_own: bool


class PointsView(_Shown, frozen=True, tag="points"):
    points: list[PointRow]


class ConsoleView(_Shown, frozen=True, tag="console"):
    """All that was written up to where the guest stands, or its end. `cut`: how many bytes before it are left out."""

    text: str
    cut: int


class LaneRun(_Value, frozen=True):
    """One task has a CPU for `count` stretches from number `start` on, and is on it for that share of the time."""

    start: int
    count: int
    pid: int
    name: str
    share: float


class ProcessLane(_Value, frozen=True):
    """How much of each stretch a task ran, in hundredths of one CPU."""

    pid: int
    name: str
    ticks: int
    shares: list[int]


class MomentRow(_Value, frozen=True):
    position: str
    tick: int
    kind: str
    cpu: int
    what: str


class StepRow(_Value, frozen=True):
    """An instruction that ran."""

    position: str
    tick: int
    cpu: int
    place: str


class StripView(_Shown, frozen=True, tag="strip"):
    """A part of the timeline, in stretches of `length` ticks, the first of which is number `first`.

    `until` is the tick up to which everything is counted; `coarse`: finer counts are on their way. `why` says why
    nothing is counted, "" if it is.
    """

    start: int
    end: int
    length: int
    first: int
    until: int
    coarse: bool
    counts: dict[str, list[int]]
    lanes: list[tuple[int, list[LaneRun]]]
    processes: list[ProcessLane]
    moments: list[MomentRow]
    steps: list[StepRow]
    why: str = ""


class LogLine(_Value, frozen=True):
    tick: int
    text: str


class LogView(_Shown, frozen=True, tag="log"):
    """The lines of the guest's console, the first and the last of them where there are many."""

    lines: list[LogLine]
    left_out: int


class ScreenView(_Shown, frozen=True, tag="screen"):
    """A PNG file in base64."""

    width: int
    height: int
    png: str


class Drawing(_Shown, frozen=True, tag="drawing"):
    """An SVG document, to be shown as an image: nothing in it is run."""

    svg: str


class NoteRow(_Value, frozen=True):
    id: int
    position: str
    title: str
    text: str
    place: str


class NotesView(_Shown, frozen=True, tag="notes"):
    """`path` is "" where they are kept in no file."""

    notes: list[NoteRow]
    path: str


class MarkdownView(_Shown, frozen=True, tag="markdown"):
    text: str


Looked = CodeView | RegistersView | FramesView | MemoryView | PointsView
Noted = NotesView | MarkdownView
Result = Noted | ScreenView | Drawing | Answered | Done | Looked | ConsoleView | StripView | LogView


class _Told(msgspec.Struct, frozen=True, tag_field="tell"):
    """One message."""


class Answer(_Told, frozen=True, tag="answer"):
    id: int
    result: Result


class Refused(_Told, frozen=True, tag="refused"):
    id: int
    words: str


class State(_Told, frozen=True, tag="state"):
    """Where the guest is. Positions are as the prompt has them, TICK or TICK+PHASE.

    `moved_by` is who let the guest run last, `present` who is at the machine, pages included. `stop` counts: what was
    looked at before it changed is of another instant.
    """

    running: bool
    live: bool
    closed: bool
    position: str
    tick: int
    start: int
    end: int
    seconds: float
    stop: str
    cpu: int
    cpus: list[str]
    mode: str
    task: str
    place: str
    reason: str
    moved_by: str
    present: list[str]
    bookmarks: list[tuple[str, int]]
    title: str
    ticks_per_second: int


class ConsoleWrote(_Told, frozen=True, tag="wrote"):
    """What the guest writes now. `lost`: the page was too slow for what came before it."""

    text: str
    lost: bool = False


class Progress(_Told, frozen=True, tag="progress"):
    """How far something long is, from 0 to 1; None: it is over."""

    what: str
    done: float | None


class RanLines(_Told, frozen=True, tag="ran"):
    """Lines of a file that have run from the call at `begin` to where the guest stood, `position`. `why`: as Ran."""

    position: str
    file: str
    lines: list[int]
    begin: str
    why: str


class Changed(_Told, frozen=True, tag="changed"):
    """The notebook has: by another page, or by this one."""


class Surveyed(_Told, frozen=True, tag="surveyed"):
    """More of the timeline is known; `done`, from 0 to 1, of all."""

    done: float


Message = RanLines | Changed | Surveyed | Answer | Refused | State | ConsoleWrote | Progress
_ENCODER = msgspec.json.Encoder()


def encoded(message: Message) -> bytes:
    """Names of files on this host may be of bytes that are no UTF-8 (PEP 383): JSON has an escape for these."""
    try:
        return _ENCODER.encode(message)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(message)).encode("ascii")
