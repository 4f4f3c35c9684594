"""The recording of a lab: a folder with an ordinary recording of each machine, and an index of what was between them.

A folder, since each machine's recording is then a file as any other, which every command takes, and which the process
that runs the machine writes. `lab.json` has the plan; `index.jsonl` a line for each thing that was put on a link, each
time that somebody did something, and each machine that was switched on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import msgspec

from vmdbg.errors import NotKeptError, RecordingError, UserError
from vmdbg.lab.fabric import Hop, Loss
from vmdbg.lab.plan import NAME, End, Instant, LinkSpec, MachineSpec, Plan, SwitchKind, SwitchSpec

PLAN, INDEX, SUFFIX = "lab.json", "index.jsonl", ".vmdbg"
FORMAT = 1
HEAD = 96
"""Bytes of each frame that the index has: its headers. What came through is whole in its receiver's recording."""
MOST_LINE = 1 << 16
LARGEST_PLAN = 1 << 20


class Life(msgspec.Struct, frozen=True, tag="life"):
    """A machine was switched on at `born`; `file` has what it did."""

    machine: str
    born: int
    file: str


class Deed(msgspec.Struct, frozen=True, tag="deed"):
    """Somebody did something."""

    at: int
    line: str


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


class _Planned(msgspec.Struct, frozen=True):
    format: int
    machines: list[str]
    switches: dict[str, SwitchKind]
    links: list[tuple[str, tuple[str, str], int]]


Row = Life | Deed | Passage | Gone
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
        links = [(link.name, (str(link.ends[0]), str(link.ends[1])), link.latency) for link in plan.links]
        switches = {switch.name: switch.kind for switch in plan.switches}
        planned = _Planned(FORMAT, [machine.name for machine in plan.machines], switches, links)
        try:
            (folder / PLAN).write_bytes(_ENCODE.encode(planned))
            self._file: TextIO = open(folder / INDEX, "x", encoding="ascii")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise NotKeptError(f"{folder} cannot be written: {error.strerror}") from None
        self._lives: dict[str, int] = {}

    def life(self, machine: str, born: Instant) -> Path:
        """Where its recording goes."""
        count = self._lives[machine] = self._lives.get(machine, 0) + 1
        file = f"{machine}{SUFFIX}" if count == 1 else f"{machine}-{count}{SUFFIX}"
        self._write(Life(machine, born, file))
        return self.folder / file

    def deed(self, at: Instant, line: str) -> None:
        self._write(Deed(at, line))

    def hop(self, hop: Hop) -> None:
        head = hop.data[:HEAD].hex()
        row = Passage(hop.link, hop.number, hop.source, hop.target, hop.sent, hop.due, len(hop.data), head, hop.lost)
        self._write(row)

    def loss(self, loss: Loss) -> None:
        self._write(Gone(loss.link, loss.source, loss.number, loss.why))

    def _write(self, row: Row) -> None:
        try:
            self._file.write(_ENCODE.encode(row).decode("ascii") + "\n")
        except OSError as error:
            raise NotKeptError(f"{self.folder} cannot be written: {error.strerror}", useless=False) from None

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
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
        except msgspec.MsgspecError as error:
            raise RecordingError(f"{folder / PLAN} is damaged: {error}") from None
        if planned.format != FORMAT:
            raise RecordingError(f"{folder} has format {planned.format}, and this vmdbg reads {FORMAT}")
        self.plan = _plan(planned, folder)
        self.damaged = 0
        """Lines that could not be read."""
        self.lives: list[Life] = []
        self.deeds: list[Deed] = []
        self.passages: list[Passage] = []
        places: dict[tuple[str, str, int], int] = {}
        for row in self._rows():
            match row:
                case Life():
                    self.lives.append(row)
                case Deed():
                    self.deeds.append(row)
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
                    except msgspec.MsgspecError:
                        self.damaged += 1
                        continue
                    if isinstance(row, Life) and not self._is_sound(row, machines):
                        self.damaged += 1
                        continue
                    yield row
        except OSError as error:
            raise RecordingError(f"{self.folder / INDEX} cannot be read: {error.strerror}") from None

    def _is_sound(self, row: Life, machines: set[str]) -> bool:
        return row.machine in machines and bool(NAME.fullmatch(row.file.removesuffix(SUFFIX))) and row.born >= 0


def _plan(planned: _Planned, folder: Path) -> Plan:
    links = tuple(LinkSpec(name, (_end(ends[0]), _end(ends[1])), latency) for name, ends, latency in planned.links)
    switches = tuple(SwitchSpec(name, kind) for name, kind in planned.switches.items())
    try:
        return Plan(tuple(MachineSpec(name) for name in planned.machines), switches, links).checked()
    except UserError as error:
        raise RecordingError(f"{folder / PLAN} is damaged: {error}") from None


def _end(text: str) -> End:
    node, _, port = text.partition(".")
    return End(node, port)
