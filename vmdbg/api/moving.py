"""How a script lets a guest run, forwards and backwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vmdbg.api.standing import Standing
from vmdbg.debugger.actions import Action, Continue, Direction, Step, StepMode
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import HostFailed, RunFailed, Stop
from vmdbg.errors import UserError
from vmdbg.machine.inputs import ScheduleChange
from vmdbg.machine.media import TakenBack
from vmdbg.machine.snapshot import Position
from vmdbg.session.schedule_files import schedule_text
from vmdbg.timeline.outcomes import Progress
from vmdbg.units import Tick

if TYPE_CHECKING:
    from vmdbg.api.serving import Serving


class Moving(Standing):
    """What stops the guest comes back as a stop (vmdbg.debugger.stops).

    Where the host fails a disk UserError is raised; the guest stands before that, and going on tries again.
    """

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
            from vmdbg.timeline.marks import parse_mark, seek_mark

            seek_mark(self.timeline, parse_mark(where, self.address_of), on_progress)
        return self.position

    def bookmark(self, name: str) -> Position:
        """Give this instant a name for seek()."""
        self.timeline.bookmarks[name] = self.position
        return self.position

    def fork(self) -> list[TakenBack]:
        """Forget the future and go on live from here; a recording keeps what it has.

        Returns which images of disks with snapshot=off were brought back to this instant, and how much of them.
        """
        return self.timeline.fork()

    def reschedule(self, schedule: str) -> None:
        """Have the turns of several CPUs by another schedule from here on: a recorded input. Raises UserError."""
        self.timeline.push(ScheduleChange(schedule_text(schedule)))

    def _do(self, action: Action) -> Stop:
        self.debugger.resume(action, self.session.owner)
        stop = self.session.execution.wait(self.debugger)
        if isinstance(stop, HostFailed):
            raise UserError(stop.reason)
        if isinstance(stop, RunFailed):
            raise stop.error
        return stop

    def serve_gdb(self, where: str = "127.0.0.1:0", say: Callable[[str], None] = lambda _line: None) -> Serving:
        """Serve gdb and LLDB at [HOST:]PORT or unix:PATH for as long as the context that this is lasts.

        The guest is run by a thread meanwhile, so that both can go on: what the script wants of it, it has that thread
        do, by call(). `say` is told who comes and goes. Raises UserError if nothing can listen there.
        """
        from vmdbg.api.serving import Serving

        def carry(wait: Callable[[Debugger], Stop] | None) -> None:
            self.session.execution.wait = wait if wait is not None else lambda debugger: debugger.wait()

        return Serving(self.debugger, where, carry, say)


def _mode(architectural: bool) -> StepMode:
    return StepMode.ARCHITECTURAL if architectural else StepMode.SAME_CONTEXT
