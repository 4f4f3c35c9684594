"""The recording of a lab: a folder with an ordinary recording of each machine, and an index of what was between them.

A folder, since each machine's recording is then a file as any other, which every command takes, and which the process
that runs the machine writes. `lab.json` has the plan; `index.jsonl` a line for each thing that was put on a link, each
time that somebody did something, and each machine that was switched on.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import TextIO

import msgspec

from vmdbg.errors import NotKeptError, RecordingError, UserError
from vmdbg.lab.actions import parse_action
from vmdbg.lab.fabric import Hop, Loss
from vmdbg.lab.plan import (
    FILE_OPTIONS,
    End,
    Happening,
    Instant,
    LinkSpec,
    MachineSpec,
    Plan,
    SwitchKind,
    SwitchSpec,
)
from vmdbg.recording.records import InputRecord

PLAN, INDEX, SUFFIX = "lab.json", "index.jsonl", ".vmdbg"
FORMAT = 2
HEAD = 96
"""Bytes of each frame that the index has: its headers. What came through is whole in its receiver's recording."""
MOST_LINE = 1 << 16
LARGEST_PLAN = 1 << 20
_FILE = re.compile(rf"(-[1-9][0-9]{{0,8}})?{re.escape(SUFFIX)}")
"""Behind a machine's name."""


class Life(msgspec.Struct, frozen=True, tag="life"):
    """A machine was switched on at `born`; `file` has what it did."""

    machine: str
    born: int
    file: str


class Deed(msgspec.Struct, frozen=True, tag="deed"):
    """Somebody did something."""

    at: int
    line: str


class Pushed(msgspec.Struct, frozen=True, tag="push"):
    """Something reached a machine from outside at an instant of the lab; its part of the recording has when it came."""

    at: int
    machine: str
    input: InputRecord


class Passage(msgspec.Struct, frozen=True, tag="hop"):
    """A fabric.Hop with the first HEAD bytes in hex."""

    link: str
    number: int
    source: str
    target: str
    sent: int
    due: int
    size: int
    head: str
    lost: str = ""


class Gone(msgspec.Struct, frozen=True, tag="loss"):
    """A fabric.Loss: one of the passages before it did not come."""

    link: str
    source: str
    number: int
    why: str


class _PlannedMachine(msgspec.Struct, frozen=True):
    """`options` is None where a file cannot have them; `starts` in nanoseconds."""

    name: str
    options: dict[str, bool | int | str | list[str]] | None
    starts: int = 0


class _PlannedLink(msgspec.Struct, frozen=True):
    name: str
    ends: tuple[str, str]
    latency: int
    loss: int = 0
    seed: int = 0


class _Planned(msgspec.Struct, frozen=True):
    format: int
    machines: list[_PlannedMachine]
    switches: dict[str, SwitchKind]
    links: list[_PlannedLink]
    happenings: list[tuple[int, str]] = []


Row = Life | Deed | Pushed | Passage | Gone
_ENCODE = msgspec.json.Encoder()
_ROW = msgspec.json.Decoder(Row)
_PLAN = msgspec.json.Decoder(_Planned)


class LabWriter:
    """Writes the index as things happen."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        """Makes the folder. Raises UserError."""
        self.folder = folder
        try:
            folder.mkdir(parents=False)
        except FileExistsError:
            raise UserError(f"{folder} exists already: remove it, or give another name for the recording") from None
        except OSError as error:
            raise UserError(f"cannot make the folder {folder}: {error.strerror}") from None
        planned = _planned(plan)
        try:
            (folder / PLAN).write_bytes(_ENCODE.encode(planned))
            self._file: TextIO = open(folder / INDEX, "x", encoding="ascii")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise NotKeptError(f"{folder} cannot be written: {error.strerror}") from None
        self._machines = {machine.name for machine in plan.machines}
        self._lives: dict[str, int] = {}
        self.failure = ""
        """Why the index has no more, in words."""

    def place(self, machine: str) -> Path:
        """Where the recording of what it lives through next goes. `left-2` may be another machine's name."""
        count = self._lives.get(machine, 0) + 1
        while count > 1 and f"{machine}-{count}" in self._machines:
            count += 1
        self._lives[machine] = count
        return self.folder / (f"{machine}{SUFFIX}" if count == 1 else f"{machine}-{count}{SUFFIX}")

    def life(self, life: Life) -> None:
        """Its recording is there, which without this line is nobody's: at once, for a kill may come."""
        self._write(life)
        self.flush()

    def note(self, row: Deed | Pushed) -> None:
        """What somebody did."""
        self._write(row)

    def copy(self, life: Life, source: Path) -> Life:
        """One that has ended, of another recording."""
        path = self.place(life.machine)
        try:
            shutil.copyfile(source, path)
        except OSError as error:
            raise NotKeptError(f"{path} cannot be written: {error.strerror}", useless=False) from None
        copied = Life(life.machine, life.born, path.name)
        self.life(copied)
        return copied

    def hop(self, hop: Hop) -> None:
        head = hop.data[:HEAD].hex()
        row = Passage(hop.link, hop.number, hop.source, hop.target, hop.sent, hop.due, len(hop.data), head, hop.lost)
        self._write(row)

    def loss(self, loss: Loss) -> None:
        self._write(Gone(loss.link, loss.source, loss.number, loss.why))

    def _write(self, row: Row) -> None:
        line = _ENCODE.encode(row).decode("ascii") + "\n"
        self._try(lambda: self._file.write(line))

    def flush(self) -> None:
        self._try(self._file.flush)

    def close(self) -> None:
        self._try(self._file.close)

    def _try(self, call: Callable[[], object]) -> None:
        """The lab goes on where its index cannot."""
        if self.failure:
            return
        try:
            call()
        except OSError as error:
            self.failure = (
                f"{self.folder / INDEX} cannot be written any more: {error.strerror}. It has what happened between the "
                "machines until then"
            )
            with contextlib.suppress(OSError):  # it would try once more to write what is left
                self._file.close()


class LabIndex:
    """What a folder says. Hostile like any file: names in it are checked, and none leads out of the folder."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError, RecordingError."""
        self.folder = folder
        try:
            if (folder / PLAN).stat().st_size > LARGEST_PLAN:
                raise RecordingError(f"{folder / PLAN} is too large to be the plan of a lab")
            planned = _PLAN.decode((folder / PLAN).read_bytes())
        except OSError as error:
            raise UserError(f"{folder} is no recording of a lab: {PLAN}: {error.strerror}") from None
        except (msgspec.MsgspecError, RecursionError) as error:
            raise RecordingError(f"{folder / PLAN} is damaged: {error}") from None
        if planned.format != FORMAT:
            raise RecordingError(f"{folder} has format {planned.format}, and this vmdbg reads {FORMAT}")
        self.plan = _plan(planned, folder)
        self.damaged = 0
        """Lines that could not be read."""
        self.lives: list[Life] = []
        self.rows: list[Life | Deed | Pushed] = []
        """Who was switched on and what somebody did, as it happened."""
        self.passages: list[Passage] = []
        places: dict[tuple[str, str, int], int] = {}
        for row in self._rows():
            match row:
                case Life():
                    self.lives.append(row)
                    self.rows.append(row)
                case Deed() | Pushed():
                    self.rows.append(row)
                case Passage():
                    places[row.link, row.source, row.number] = len(self.passages)
                    self.passages.append(row)
                case Gone(link, source, number, why):
                    at = places.get((link, source, number))
                    if at is None:
                        self.damaged += 1
                        continue
                    self.passages[at] = msgspec.structs.replace(self.passages[at], lost=why)
        self.passages.sort(key=lambda row: (row.sent, row.link, row.source, row.number))

    def _rows(self) -> Iterator[Row]:
        """The last line may have been cut off."""
        machines = {machine.name for machine in self.plan.machines}
        try:
            with open(self.folder / INDEX, "rb") as file:
                while line := file.readline(MOST_LINE):
                    try:
                        row = _ROW.decode(line)
                    except (msgspec.MsgspecError, RecursionError):
                        self.damaged += 1
                        continue
                    if not self._is_sound(row, machines):
                        self.damaged += 1
                        continue
                    yield row
        except OSError as error:
            raise RecordingError(f"{self.folder / INDEX} cannot be read: {error.strerror}") from None

    def _is_sound(self, row: Row, machines: set[str]) -> bool:
        match row:
            case Life(machine, born, file):
                return machine in machines and _is_of(machine, file) and born >= 0
            case Deed(at, line):
                return at >= 0 and _can_be_done(line, self.plan)
            case Pushed(at, machine):
                return at >= 0 and machine in machines
            case Passage():
                return self._is_passage(row)
            case Gone():
                return True

    def _is_passage(self, row: Passage) -> bool:
        ends = next((link.ends for link in self.plan.links if link.name == row.link), ())
        fits = {row.source, row.target} == {str(end) for end in ends} and row.number >= 0
        return fits and 0 <= row.sent <= row.due and len(row.head) <= 2 * min(row.size, HEAD) and _is_hex(row.head)


def _is_of(machine: str, file: str) -> bool:
    """Whether place() gives such names."""
    return _FILE.fullmatch(file.removeprefix(machine)) is not None and file.startswith(machine)


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return True


def _can_be_done(line: str, plan: Plan) -> bool:
    try:
        parse_action(line, plan)
    except UserError:
        return False
    return True


def _planned(plan: Plan) -> _Planned:
    machines = [_PlannedMachine(one.name, _options(one), one.starts) for one in plan.machines]
    links = [
        _PlannedLink(link.name, (str(link.ends[0]), str(link.ends[1])), link.latency, link.loss, link.seed)
        for link in plan.links
    ]
    switches = {switch.name: switch.kind for switch in plan.switches}
    happenings = [(int(one.at), one.line) for one in plan.happenings]
    return _Planned(FORMAT, machines, switches, links, happenings)


def _options(machine: MachineSpec) -> dict[str, bool | int | str | list[str]] | None:
    """With paths that mean the same from every folder; None where there are none that text can say."""
    found: dict[str, bool | int | str | list[str]] = {}
    for name, value in machine.options.items():
        match value:
            case bool() | int():
                found[name] = value
            case str() | PathLike():
                found[name] = _from_everywhere(name, value)
            case list() | tuple() if all(isinstance(one, str | PathLike) for one in value):
                found[name] = [_from_everywhere(name, one) for one in value]
            case _:
                return None
    return None if machine.held else found


def _from_everywhere(name: str, value: str | PathLike[str]) -> str:
    text = fspath(value)
    return os.path.abspath(text) if name in FILE_OPTIONS and text else text


def _plan(planned: _Planned, folder: Path) -> Plan:
    links = tuple(
        LinkSpec(one.name, (_end(one.ends[0]), _end(one.ends[1])), one.latency, one.loss, one.seed)
        for one in planned.links
    )
    switches = tuple(SwitchSpec(name, kind) for name, kind in planned.switches.items())
    happenings = tuple(Happening(Instant(at), line) for at, line in planned.happenings)
    machines = tuple(
        MachineSpec(one.name, one.options or {}, Instant(one.starts), _why_held(one.options))
        for one in planned.machines
    )
    try:
        plan = Plan(machines, switches, links, happenings).checked()
        for happening in happenings:
            parse_action(happening.line, plan)
    except UserError as error:
        raise RecordingError(f"{folder / PLAN} is damaged: {error}") from None
    return plan


def _why_held(options: Mapping[str, object] | None) -> str:
    """A recording may be somebody else's: what it names is read, but not written, nor run as a part of vmdbg."""
    if options is None:
        return "the recording does not have what it was switched on with"
    for name in ("devices", "shares", "nvram"):
        if options.get(name):
            return f"it has {name}, which are not taken from a recording"
    disks = options.get("disks", [])
    if any("snapshot=" in one for one in (disks if isinstance(disks, list) else [str(disks)])):
        return "its disks may be written to, which is not done for a recording"
    return ""


def _end(text: str) -> End:
    node, _, port = text.partition(".")
    return End(node, port)
