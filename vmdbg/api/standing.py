"""The standing guest as a script sees it: where it is, what its memory and registers hold, what its system knows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmdbg.api.cpus import Cpu
from vmdbg.api.frames import Frame
from vmdbg.api.memory import Memory
from vmdbg.api.registers import Registers
from vmdbg.commands import catalog
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.points import Space
from vmdbg.document.document import Document
from vmdbg.expressions.place import Aim, Place
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.schedule import Turn
from vmdbg.machine.snapshot import Position
from vmdbg.session.linux import need_linux
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.timeline.timeline import Timeline
from vmdbg.timeline.turns import turns_so_far
from vmdbg.units import Linear, Physical, Tick

if TYPE_CHECKING:
    from vmdbg.os.linux.operating_system import Linux
    from vmdbg.recording.reader import Recording
    from vmdbg.recording.writer import RecordingWriter

Address = int | str
"""A number, or an expression, symbol or file:line as the prompt takes it."""


class Standing:
    """What can be asked of a guest without letting it run."""

    def __init__(self, timeline: Timeline, recording: Recording | None = None) -> None:
        self.timeline = timeline
        self.debugger = Debugger(timeline)
        self.session = Session(self.debugger, catalog.commands, allowed=~Effect.NONE, owner="script")
        self.registers = Registers(self.session.registers, self.debugger.write_register)
        self.memory = Memory(
            lambda address, size: self.debugger.linear().read(Linear(address), size),
            lambda address, data: self.debugger.write_linear(Linear(address), data),
            self.address_of,
        )
        self.physical = Memory(
            lambda address, size: self.debugger.physical.read(Physical(address), size),
            lambda address, data: self.debugger.write_physical(Physical(address), data),
            self.address_of,
        )
        self.cpus = tuple(Cpu(self.session, cpu.number, self.address_of) for cpu in self.debugger.cpus)
        self.recording = recording
        self._writer: RecordingWriter | None = None
        self._read: dict[int, int] = {}
        """How far into each console expect() has come; never beyond what there is, so a fork takes it back."""
        timeline.fork_listeners.append(self._forget)
        self._closed = False
        self._files = ExitStack()

    def _forget(self, _position: Position) -> None:
        """The future was dropped, and what the consoles said in it."""
        for port, read in self._read.items():
            self._read[port] = min(read, len(self.timeline.console.port(port).text))

    def at_close(self, call: Callable[[], None]) -> None:
        """Have something done when the guest is closed, as it is then."""
        self._files.callback(call)

    @property
    def position(self) -> Position:
        return self.debugger.position

    @property
    def start(self) -> Position:
        """The first instant of the history."""
        return self.timeline.start

    @property
    def end(self) -> Position:
        """The last known instant."""
        return self.timeline.end

    @property
    def live(self) -> bool:
        """Whether what comes next has not happened yet."""
        return self.timeline.live

    @property
    def tick(self) -> Tick:
        return self.position.tick

    @property
    def cpu(self) -> Cpu:
        """The one that is looked at: registers, memory, frames and steps are its. After a stop, who came to it."""
        return self.cpus[self.debugger.engine.selected]

    @property
    def schedule(self) -> str:
        """By which the CPUs have their turns, as launch() takes it."""
        return str(self.debugger.machine.cpus.turns.schedule)

    def turns(self) -> tuple[Turn, ...]:
        """Those of several CPUs from power-on to here. Raises UserError if they cannot be told."""
        return turns_so_far(self.timeline)

    @property
    def pc(self) -> Linear:
        """The linear address of the next instruction."""
        return self.debugger.pc

    def digest(self) -> Digest:
        """Hashes of everything that the guest could tell of itself now."""
        return digest(self.debugger.machine)

    def address_of(self, address: Address) -> int:
        """The address that a symbol or expression names now; a symbol also as the history's end knows it.

        Raises UserError.
        """
        return self._place(address, Aim.CODE).address

    def _place(self, address: Address, aim: Aim, *, physical: bool = False) -> Place:
        if isinstance(address, str):
            from vmdbg.session.positions import place_sometime

            return place_sometime(self.session, address, physical=physical, aim=aim)
        return Place(Space.PHYSICAL if physical else Space.LINEAR, address)

    def load_symbols(self, path: str | PathLike[str], slide: int = 0) -> None:
        """Know the symbols and lines of an ELF file or System.map. Raises UserError."""
        self.session.sources.add(Path(fspath(path)), slide)

    def execute(self, command: str) -> str:
        """What the prompt's command answers, as text. Raises UserError."""
        from vmdbg.document.plain import render_plain

        return render_plain(self.session.run(command))

    def answer(self, command: str) -> Document:
        """The same as a document, which a notebook shows as tables and pictures; `data` is what JSON has of it.

        Raises UserError.
        """
        return self.session.run(command)

    @property
    def frames(self) -> list[Frame]:
        """The call stack of what the CPU executes, the innermost first: frames[0]["name"] is a variable.

        Ask again after the guest has moved.
        """
        return [Frame(self.session, row) for row in self.session.frames.all()]

    @property
    def linux(self) -> Linux:
        """The Linux in this guest as it stands: linux.tasks(), linux.dmesg(), linux.names.current() and so on.

        Ask again after the guest has moved. Raises UserError, NotThereYetError, DamagedError.
        """
        return need_linux(self.session.system)

    def drgn(self, directory: str | PathLike[str] | None = None) -> Any:
        """A drgn.Program over the Linux in this guest as it stands (`pip install vmdbg[drgn]`).

        Its ELF file is written into `directory`, else into one that goes with the guest. Make another one after the
        guest has moved. Raises UserError, NotThereYetError, DamagedError.
        """
        from tempfile import TemporaryDirectory

        from vmdbg.cores.cpu_notes import cpu_notes
        from vmdbg.os.linux.drgn_program import drgn_program

        where = fspath(directory) if directory is not None else self._files.enter_context(TemporaryDirectory())
        return drgn_program(self.linux, Path(where), cpu_notes(self.debugger.cpu))
