"""What an 82077AA holds: settings, the command that it is at, and where a transfer is."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from devices.disk.fdc_commands import Code

DRIVES = 4
IDLE_FIFO = 0x20
"""CONFIGURE's second byte as a reset leaves it: no implied seeks, the FIFO off, polling, a threshold of one byte."""


class Phase(enum.StrEnum):
    COMMAND = "command"
    EXECUTION = "execution"
    RESULT = "result"


class Flow(enum.StrEnum):
    """What the host does in an execution phase without DMA."""

    NONE = "none"
    READS = "reads"
    WRITES = "writes"


@dataclass(slots=True)
class Settings:
    """As SPECIFY, CONFIGURE, PERPENDICULAR MODE and LOCK have left them."""

    step_and_unload: int = 0
    load_and_mode: int = 0
    configuration: int = IDLE_FIFO
    precompensation_start: int = 0
    perpendicular: int = 0
    locked: bool = False
    last_track: int = 0
    """EOT of the last transfer, or SC of the last format: what DUMPREG shows."""

    @property
    def non_dma(self) -> bool:
        return bool(self.load_and_mode & 1)

    @property
    def implied_seek(self) -> bool:
        return bool(self.configuration & 0x40)

    @property
    def polling(self) -> bool:
        return not self.configuration & 0x10


@dataclass(slots=True)
class Seek:
    """A head's: `cylinder` is the PCN; `target` where it goes, -1 for nowhere; `ending` waits to be asked for, or -1.

    `outwards` says that track 0 is looked for: that it is missed, or met too soon, is an error.
    """

    cylinder: int = 0
    target: int = -1
    steps: int = 0
    outwards: bool = False
    ending: int = -1


@dataclass(slots=True)
class Transfer:
    """The command that is executed: its parameters, moved on as sectors are."""

    code: Code = Code.INVALID
    options: int = 0
    drive: int = 0
    side: int = 0
    """Which head is to be used, and in `used` which one was."""
    used: int = 0
    cylinder: int = 0
    head: int = 0
    sector: int = 0
    size: int = 0
    last: int = 0
    """EOT, or the pattern of a format."""
    extra: int = 0
    """DTL, SC or STP."""
    counts: bool = False
    """Whether SC says how many sectors are to be verified."""
    done: int = 0
    """Sectors."""
    first: int = -1
    """The first that was moved, as the image has it."""
    searched: bool = False
    """Whether two turns of the disc went by without the sector."""
    submitted: int = 0
    status1: int = 0
    status2: int = 0


@dataclass(slots=True)
class FdcState:
    """`interrupt` is the level of INT before DOR gates it. `buffer` has what the host reads or writes without DMA."""

    control: int = 0
    tape: int = 0
    rate: int = 0
    ready: bool = False
    """Whether it has come out of reset."""
    phase: Phase = Phase.COMMAND
    command: bytes = b""
    result: bytes = b""
    interrupt: bool = False
    flow: Flow = Flow.NONE
    buffer: bytearray = field(default_factory=bytearray)
    index: int = 0
    settings: Settings = field(default_factory=Settings)
    seeks: list[Seek] = field(default_factory=lambda: [Seek() for _ in range(DRIVES)])
    transfer: Transfer = field(default_factory=Transfer)
