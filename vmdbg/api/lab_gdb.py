"""gdb at the machines of a live lab, a port each: whoever lets his machine run has all run, and a stop is one of all.

What vmdbg.host.arbiter holds for the front ends of one machine holds here for the machines of a lab.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from dataclasses import dataclass

from vmdbg.api.lab import STEP, Lab
from vmdbg.api.lab_desk import LAB, Desk
from vmdbg.debugger.actions import Continue
from vmdbg.debugger.debugger import NOBODY, SLICE_TICKS
from vmdbg.debugger.stops import Ended, Stop
from vmdbg.errors import UserError
from vmdbg.gdb.front_end import GdbFrontEnd
from vmdbg.gdb.server import GdbServer
from vmdbg.host.addresses import TcpAddress
from vmdbg.host.front_end import EndWanted, Presence
from vmdbg.interruption import INTERRUPTION
from vmdbg.lab.plan import NEVER, Instant
from vmdbg.session.new_files import NewFiles

PATIENCE = 0.05
"""Seconds between two looks whether somebody wants an end, while all stand."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Where gdb can be at a machine, for as long as that is switched on."""

    name: str
    desk: Desk
    server: GdbServer
    front_end: GdbFrontEnd

    @property
    def is_taken(self) -> bool:
        return self.front_end.presence is not Presence.AWAY


class LabGdb:
    """Invariant between two turns: either machines run, and then each that can, or all stand.

    One that somebody lets run leads; the others go along as far as the lab has them, on runs of LAB. Who goes back in
    the history of his machine moves that alone.
    """

    def __init__(
        self,
        lab: Lab,
        first: TcpAddress,
        say: Callable[[str], None],
        files: Callable[[], NewFiles | None] = lambda: None,
    ) -> None:
        """The machines of the plan have `first` and the ports after it, in order; with port 0 any that are free.

        `files`: where a gdb's monitor commands write. Raises UserError.
        """
        names = [machine.name for machine in lab.plan.machines]
        if first.port and first.port + len(names) > 1 << 16:
            raise UserError(f"there are not as many ports from {first.port} on as the lab has machines")
        self._lab = lab
        self._say = say
        self._files = files
        self._addresses = {
            name: TcpAddress(first.host, first.port + number if first.port else 0) for number, name in enumerate(names)
        }
        self._seats: dict[str, Seat] = {}
        self.slice = SLICE_TICKS
        """Ticks that one leads for in a turn."""
        self._stops: list[Seat] = []
        """Machines that have stopped since all went on."""
        self._settling = False
        """Whether the others are being stopped, of which nobody is to be told as of a stop of its own."""
        self._is_free = False
        """Whether nobody let the lab run last: it goes on by itself where nobody looks."""
        lab.switch_off_listeners.append(self._clear)
        try:
            self._seat_all()
        except BaseException:
            self.close()
            raise

    # who is there

    def _seat_all(self) -> None:
        """At machines that were switched on."""
        for name, desk in self._lab.desks.items():
            if name not in self._seats:
                self._seats[name] = self._seat(name, desk)

    def _clear(self, name: str) -> None:
        """A machine is about to be switched off."""
        self._seats.pop(name).front_end.close()
        self._stops = [seat for seat in self._stops if seat.name != name]

    def _seat(self, name: str, desk: Desk) -> Seat:
        debugger = desk.guest.debugger
        server = GdbServer(
            debugger,
            files=self._files(),
            symbols=desk.guest.session.sources.files,
            log=lambda line: self._say(f"{name}: {line}"),
            is_held=lambda: any(seat.front_end.presence is Presence.HOLDS for seat in self._but(name)),
        )
        where = self._addresses[name]
        self._addresses[name] = where = TcpAddress(*server.listen_tcp(where.host, where.port))
        self._say(f"{name}: waiting for gdb: target remote {where}")
        seat = Seat(name, desk, server, GdbFrontEnd(debugger, server))
        debugger.stop_listeners.append(lambda stop: self._on_stop(seat, stop))
        desk.attended = True
        return seat

    def _but(self, name: str) -> list[Seat]:
        return [seat for seat in self._seats.values() if seat.name != name]

    @property
    def addresses(self) -> dict[str, TcpAddress]:
        """Where gdb can come, by the names of machines."""
        return dict(self._addresses)

    def waits(self, name: str) -> bool:
        """Whether a gdb at that machine has let it run, and waits for it to stop."""
        return self._seats[name].server.waits

    @property
    def _is_anybody_there(self) -> bool:
        return any(seat.is_taken for seat in self._seats.values())

    # turns

    def serve(self, until: Instant = NEVER) -> None:
        """Until that instant, or all machines have ended and nobody looks, or who has killed one was the last there."""
        self._lab.stands_at = until
        while not (self._lab.now >= until or self._is_over):
            INTERRUPTION.check()
            self.turn()
        if not self._is_over:
            self._lab.gather(until)

    @property
    def _is_over(self) -> bool:
        if self._is_anybody_there:
            return False
        wanted = any(seat.front_end.end_wanted is EndWanted.WHEN_ALONE for seat in self._seats.values())
        return wanted or self._lab.over

    def turn(self) -> None:
        """Serve clients, and have all go on for a moment if somebody wants it."""
        self.hear()
        self._is_free = self._is_free and not self._is_anybody_there
        leader = self._leader()
        if leader is not None and not self._stops:
            self._lead(leader)
        elif self._stops:
            pass
        elif self._is_free and not self._is_anybody_there:
            self._go_on_alone()
        else:
            select.select([seat.front_end.fileno() for seat in self._seats.values()], [], [], PATIENCE)
        if self._stops:
            self._have_all_stand()
        self._seat_all()

    def hear(self) -> None:
        """Do what clients ask for, but for running."""
        for seat in list(self._seats.values()):
            seat.front_end.poll()
            debugger = seat.desk.guest.debugger
            if debugger.running and debugger.interrupt_wanted:
                debugger.poll(0)

    def _leader(self) -> Seat | None:
        """Whose run is somebody's: first one that does not go on from the end of what happened, which moves alone."""
        running = [seat for seat in self._seats.values() if seat.desk.guest.debugger.running]
        owned = [seat for seat in running if seat.desk.guest.debugger.run_by != LAB]
        if running and not owned:  # who led has ended
            running[0].desk.guest.debugger.let_go(LAB)
            return running[0]
        return min(owned, key=lambda seat: seat.desk.guest.debugger.goes_forwards, default=None)

    def _lead(self, seat: Seat) -> None:
        debugger = seat.desk.guest.debugger
        self._is_free = debugger.run_by == NOBODY
        self._lab.halted = False
        if debugger.goes_forwards:
            for other in self._but(seat.name):
                other.desk.go_along()
        debugger.poll(self.slice)
        if seat.desk.station.over and not self._stops:
            self._lab.carry_out_due()

    def _go_on_alone(self) -> None:
        """Nobody looks, and nobody did when it stopped: on, or up to what is to happen where all have ended."""
        for seat in self._seats.values():
            if not seat.desk.station.over:
                seat.desk.guest.debugger.resume(Continue())
                return
        self._lab.run_until(min(self._lab.stands_at, self._lab.now + STEP))

    # stops

    def _on_stop(self, seat: Seat, stop: Stop) -> None:
        """A machine at which nobody is may end without anybody being stopped for it."""
        if self._settling or (isinstance(stop, Ended) and not seat.is_taken):
            return
        self._stops.append(seat)
        self._lab.halted = True

    def _have_all_stand(self) -> None:
        """At the instant of the first stop, but for those that were ahead of it: by less than what comes takes."""
        self._bring_up()
        names = dict.fromkeys(seat.name for seat in self._stops)
        self._settling = True
        try:
            for seat in self._seats.values():
                debugger = seat.desk.guest.debugger
                if debugger.running:
                    seat.server.tell(f"{', '.join(names)} has stopped, and all other machines of the lab with it\n")
                    debugger.interrupt(LAB)
                    debugger.poll(0)
        finally:
            self._settling = False
            self._stops.clear()

    def _bring_up(self) -> None:
        """Others may stop on their way. Who has gone back in the history of his machine has moved that alone."""
        while all(seat.desk.guest.timeline.live for seat in self._stops):
            count = len(self._stops)
            self._lab.gather(min(seat.desk.station.clock for seat in self._stops))
            if len(self._stops) == count:
                return

    def close(self) -> None:
        """Clients are let go."""
        self._lab.switch_off_listeners.remove(self._clear)
        for seat in self._seats.values():
            seat.front_end.close()
        self._seats.clear()
