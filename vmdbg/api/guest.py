"""One guest with its history: run it, look at it, go anywhere in its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from os import PathLike, fspath
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any

from devices.board.acpi_pm import PowerButton
from devices.keyboard.keys import KeyInput, typed_keys
from devices.serial.feed import SerialInput
from vmdbg.api.frames import Frame
from vmdbg.api.hit import Hit
from vmdbg.api.memory import Memory
from vmdbg.api.registers import Registers
from vmdbg.commands import catalog
from vmdbg.debugger.actions import Action, Continue, Direction, Step, StepMode
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.points import Breakpoint, Point, Space, Watchpoint
from vmdbg.debugger.points import Condition as PointCondition
from vmdbg.debugger.stops import BreakpointStop, Ended, HistoryEnd, HistoryStart, Stop, WatchpointStop
from vmdbg.engine.exits import Access, EventKind
from vmdbg.errors import GuestError, RecordingError, UserError
from vmdbg.expressions.place import Aim, Place
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.inputs import NmiButton
from vmdbg.machine.snapshot import Position
from vmdbg.recording.reader import Recording
from vmdbg.recording.save import save_recording, save_snapshot
from vmdbg.recording.writer import RecordingWriter, start_recording
from vmdbg.session import dumping
from vmdbg.session.linux import need_linux
from vmdbg.session.positions import place_sometime
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.timeline.marks import parse_mark, seek_mark
from vmdbg.timeline.outcomes import Progress
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear, Physical, Tick

if TYPE_CHECKING:
    from vmdbg.api.serving import Serving
    from vmdbg.os.linux.operating_system import Linux
    from vmdbg.queries.queries import Queries

Address = int | str
"""A number, or an expression, symbol or file:line as the prompt takes it."""
Condition = Callable[["Guest"], bool]
PATIENCE = 60_000_000_000
"""Ticks that expect() waits: a minute of guest time."""
SLICE = 1_000_000
"""Ticks between two looks at the console: where expect() stops depends on the guest alone."""
WORD = 8
READ, WRITE = frozenset({Access.READ}), frozenset({Access.WRITE})


class Guest:
    """A guest. Use it as a context manager, or close() it. Positions print as ticks, and `tick+phase`.

    What stops the guest comes back as a stop (vmdbg.debugger.stops): BreakpointStop, WatchpointStop, Ended and so on.
    """

    def __init__(self, timeline: Timeline, recording: Recording | None = None) -> None:
        self.timeline = timeline
        self.debugger = Debugger(timeline)
        self.session = Session(self.debugger, catalog.commands(), allowed=~Effect.NONE, owner="script")
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
        self.recording = recording
        self._writer: RecordingWriter | None = None
        self._read: dict[int, int] = {}
        self._closed = False
        self._files = ExitStack()

    def __enter__(self) -> Guest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End recording and free the machine; nothing else may be called afterwards. The second time does nothing."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self.recording is not None:
            self.recording.close()
            self.recording = None
        if not self._closed:
            self._closed = True
            self._files.close()
            self.debugger.close()
            self.debugger.machine.media.close()

    # where it is

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
            return place_sometime(self.session, address, physical=physical, aim=aim)
        return Place(Space.PHYSICAL if physical else Space.LINEAR, address)

    def load_symbols(self, path: str | PathLike[str], slide: int = 0) -> None:
        """Know the symbols and lines of an ELF file or System.map. Raises UserError."""
        self.session.sources.add(Path(fspath(path)), slide)

    def execute(self, command: str) -> str:
        """What the prompt's command answers, as text. Raises UserError."""
        from vmdbg.document.plain import render_plain

        return render_plain(self.session.run(command))

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
        from vmdbg.cores.cpu_notes import cpu_notes
        from vmdbg.os.linux.drgn_program import drgn_program

        where = fspath(directory) if directory is not None else self._files.enter_context(TemporaryDirectory())
        return drgn_program(self.linux, Path(where), cpu_notes(self.debugger.cpu))

    # the console

    @property
    def console(self) -> str:
        """All that the guest has written to COM1 in this history, or to the debug console if COM1 was silent."""
        return self.timeline.console.text

    def send(self, text: str | bytes, port: int = 0) -> None:
        """Type on a serial line, now. Raises UserError in the past."""
        self.timeline.push(SerialInput(port, text.encode() if isinstance(text, str) else text))

    def type_keys(self, text: str) -> None:
        """Type at the PC's keyboard, now. Raises UserError for what no key types, and in the past."""
        try:
            keys = KeyInput(typed_keys(text))
        except ValueError as error:
            raise UserError(str(error)) from None
        self.timeline.push(keys)

    def press_power_button(self) -> None:
        """Raises UserError in the past."""
        self.timeline.push(PowerButton())

    def press_nmi_button(self) -> None:
        """Raises UserError in the past."""
        self.timeline.push(NmiButton())

    def expect(self, text: str | bytes, *, patience: int = PATIENCE, port: int = 0) -> str:
        """Run until a console has written `text` after what was expected there before; what it wrote up to its end.

        `patience` in ticks. `port` -1 is the debug console. Breakpoints are passed. Raises GuestError, with the last
        lines of the console, if the guest ends or takes longer.
        """
        __tracebackhide__ = True  # pytest: the test's own line is of interest
        wanted = text.encode() if isinstance(text, str) else text
        log = self.timeline.console.port(port)
        read, limit = self._read.get(port, 0), self.tick + patience
        with self.timeline.undisturbed():
            while (at := log.text.find(wanted, read)) < 0:
                outcome = self.timeline.run(Tick(min((self.tick // SLICE + 1) * SLICE, limit)))
                if self.tick >= limit or self._is_over(outcome):
                    if (at := log.text.find(wanted, read)) >= 0:
                        break
                    raise GuestError(self._disappointment(wanted, outcome, log.text))
        end = at + len(wanted)
        self._read[port] = end
        return log.text[read:end].decode("utf-8", "backslashreplace")

    def _is_over(self, outcome: object) -> bool:
        from vmdbg.engine.exits import LimitReached, StopRequested

        return not isinstance(outcome, LimitReached | StopRequested)

    def _disappointment(self, wanted: bytes, outcome: object, text: bytearray) -> str:
        lines = bytes(text[-2000:]).decode("utf-8", "backslashreplace").splitlines()[-5:]
        how = f"the guest ended ({outcome})" if self._is_over(outcome) else "its time was up"
        return (
            f"{wanted.decode('utf-8', 'replace')!r} did not come before {how}; last on the console: {' | '.join(lines)}"
        )

    # forwards and backwards

    def run(self, ticks: int | None = None) -> Stop:
        """Run until something stops the guest, at most `ticks`."""
        limit = None if ticks is None else Tick(self.tick + ticks)
        return self._do(Continue(limit=limit))

    def step(self, count: int = 1, *, architectural: bool = False) -> Stop:
        """Run instructions; `architectural` goes into interrupts and faults instead of past them."""
        return self._do(Step(count=count, mode=_mode(architectural)))

    def reverse_run(self) -> Stop:
        """Back to the last stop before now, or to the start of the history."""
        return self._do(Continue(Direction.BACKWARD))

    def reverse_step(self, count: int = 1, *, architectural: bool = False) -> Stop:
        return self._do(Step(Direction.BACKWARD, count, mode=_mode(architectural)))

    def finish(self) -> Stop:
        """Run until the current function has returned. Raises UserError if its caller cannot be found."""
        self.session.run("finish")
        return self.debugger.last_stop

    def reverse_finish(self) -> Stop:
        """Back to the call of the current function. Raises as finish()."""
        self.session.run("reverse-finish")
        return self.debugger.last_stop

    def seek(self, where: Position | int | str, on_progress: Progress | None = None) -> Position:
        """Go to a position, a tick, or a mark: "37%", "end", '"login:"', "exception:14", "hit:schedule#3", a bookmark.

        Raises UserError if there is no such instant, standing where it stood.
        """
        if isinstance(where, Position):
            self.timeline.seek(where, on_progress)
        elif isinstance(where, int):
            self.timeline.seek(Position(Tick(where)), on_progress)
        else:
            seek_mark(self.timeline, parse_mark(where, self.address_of), on_progress)
        return self.position

    def bookmark(self, name: str) -> Position:
        """Give this instant a name for seek()."""
        self.timeline.bookmarks[name] = self.position
        return self.position

    def fork(self) -> None:
        """Forget the future and go on live from here; a recording keeps what it has."""
        self.timeline.fork()

    def _do(self, action: Action) -> Stop:
        self.debugger.resume(action, self.session.owner)
        return self.session.execution.wait(self.debugger)

    def serve_gdb(self, where: str = "127.0.0.1:0", say: Callable[[str], None] = lambda _line: None) -> Serving:
        """Serve gdb and LLDB at [HOST:]PORT or unix:PATH for as long as the context that this is lasts.

        The guest is run by a thread meanwhile, so that both can go on: what the script wants of it, it has that thread
        do, by call(). `say` is told who comes and goes. Raises UserError if nothing can listen there.
        """
        from vmdbg.api.serving import Serving

        def carry(wait: Callable[[Debugger], Stop] | None) -> None:
            self.session.execution.wait = wait if wait is not None else lambda debugger: debugger.wait()

        return Serving(self.debugger, where, carry, say)

    # breakpoints

    def break_at(self, address: Address, condition: Condition | None = None, *, physical: bool = False) -> Breakpoint:
        """Stop before the instruction at `address` runs, if `condition(guest)` holds then."""
        place = self._place(address, Aim.CODE, physical=physical)
        return self.debugger.points.add_breakpoint(
            place.address,
            space=place.space,
            owner="script",
            condition=self._condition(condition),
        )

    def watch(
        self,
        address: Address,
        size: int | None = None,
        condition: Condition | None = None,
        *,
        read: bool = False,
        write: bool = True,
        physical: bool = False,
    ) -> Watchpoint:
        """Stop after an access to any of `size` bytes, or of the object named, or of 8; going backwards, before it."""
        place = self._place(address, Aim.OBJECT, physical=physical)
        return self.debugger.points.add_watchpoint(
            place.address,
            size or place.size or WORD,
            (READ if read else frozenset()) | (WRITE if write else frozenset()),
            space=place.space,
            owner="script",
            condition=self._condition(condition),
        )

    def _condition(self, condition: Condition | None) -> PointCondition | None:
        return None if condition is None else lambda _debugger: condition(self)

    def catch(self, *vectors: int, events: frozenset[EventKind] = frozenset()) -> None:
        """Stop when one of these exceptions is delivered, or one of the events is about to happen; no others."""
        self.debugger.points.update_catches(vectors=frozenset(vectors), events=events)

    def delete(self, *points: Point) -> None:
        """Remove breakpoints and watchpoints; all of them if none is named."""
        table = self.debugger.points
        for point in points or (*table.breakpoints.values(), *table.watchpoints.values()):
            table.remove(point)

    def hits(self, *points: Point, backwards: bool = False) -> Iterator[Hit]:
        """Run from one stop to the next, until the guest or its history ends. With `points`, only theirs are given."""
        while True:
            stop = self.reverse_run() if backwards else self.run()
            if isinstance(stop, Ended | HistoryEnd | HistoryStart):
                return
            if not points or _is_of(stop, points):
                yield Hit(self.position, self.pc, stop)

    # files

    def record(self, path: str | PathLike[str], *, embed: bool = True) -> None:
        """Record everything from now on, which must be the start of the history. Raises UserError."""
        if self.position != self.start or not self.live:
            raise UserError("recording begins where the history does: use save_recording() to write what has happened")
        self._writer = start_recording(fspath(path), self.timeline, embed=embed)

    @property
    def recording_failure(self) -> RecordingError | None:
        """Why recording had to end before its time, such as a full disk."""
        return self._writer.failure if self._writer is not None else None

    def save_recording(self, path: str | PathLike[str]) -> None:
        """Write the whole history to a new file. Raises UserError, RecordingError."""
        save_recording(self.timeline, fspath(path))

    def save_snapshot(self, path: str | PathLike[str]) -> None:
        """Write this instant to a new file; resume() goes on from it. Raises UserError, RecordingError."""
        save_snapshot(self.timeline, fspath(path))

    def dump_core(self, path: str | PathLike[str], *, kdump: bool = False) -> Path:
        """Write memory and registers of this instant to a new file: an ELF core, or kdump's compressed form.

        Returns where it is. Raises UserError.
        """
        place = self.session.files.place(fspath(path))
        dumping.dump_core(self.session, place, compressed=kdump)
        return place

    def dump_memory(self, path: str | PathLike[str], start: Address, end: Address, *, physical: bool = False) -> Path:
        """Write [start, end) of linear or physical memory to a new file. Raises UserError, which names a hole."""
        first, last = (self._place(one, Aim.DATA, physical=physical).address for one in (start, end))
        place = self.session.files.place(fspath(path))
        dumping.dump_memory(self.session, place, first, last, physical=physical)
        return place

    @property
    def queries(self) -> Queries:
        """Questions about the whole history: who wrote, all calls, all exceptions and so on."""
        from vmdbg.queries.queries import Queries
        from vmdbg.session.known_linux import linux_of

        return Queries(self.timeline, self.recording, linux=lambda: linux_of(self.session))


def _mode(architectural: bool) -> StepMode:
    return StepMode.ARCHITECTURAL if architectural else StepMode.SAME_CONTEXT


def _is_of(stop: Stop, points: tuple[Point, ...]) -> bool:
    match stop:
        case BreakpointStop(breakpoints):
            return any(point in points for point in breakpoints)
        case WatchpointStop(hits):
            return any(point in points for point, _ in hits)
        case _:
            return False
