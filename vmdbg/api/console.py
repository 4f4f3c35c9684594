"""What a script types at a guest, and waits for at its console."""

from __future__ import annotations

from devices.board.acpi_pm import PowerButton
from devices.keyboard.mouse_input import MouseInput
from vmdbg.api.standing import Standing
from vmdbg.errors import GuestError
from vmdbg.machine.console import typed
from vmdbg.machine.cpu_lines import LATENCY
from vmdbg.machine.inputs import NmiButton
from vmdbg.machine.snapshot import Position
from vmdbg.machine.text_watch import TextWatch
from vmdbg.session.keyboard import pressed_events, typed_events
from vmdbg.session.mouse import mouse_button, mouse_input, need_mouse
from vmdbg.timeline.console_log import TextEnd
from vmdbg.timeline.outcomes import EndOfHistory
from vmdbg.timeline.texts import go_to_end
from vmdbg.units import Tick

PATIENCE = 60_000_000_000
"""Ticks that expect() waits: a minute of guest time."""


class AtConsole(Standing):
    """Its console, keyboard and buttons."""

    @property
    def console(self) -> str:
        """All that the guest has written to COM1 in this history, or to the other consoles if COM1 was silent."""
        return self.timeline.console.text

    def send(self, text: str | bytes, port: int = 0) -> None:
        """Type on a serial line, now; port 4 is the virtio console. Raises UserError in the past."""
        self.timeline.push(typed(port, text.encode() if isinstance(text, str) else text))

    def type_keys(self, text: str) -> None:
        """Type at the PC's keyboard, from now on. Raises UserError for what no key types, and in the past."""
        self.timeline.push(typed_events(text))

    def send_keys(self, *chords: str, hold: float = 0) -> None:
        """Press keys together, as "ctrl-alt-f2", and release them; a chord after the other. The last key of each is
        held for `hold` seconds of guest time. Raises UserError for keys that there are not, and in the past.
        """
        for event in pressed_events(chords, hold):
            self.timeline.push(event)

    def move_mouse(self, dx: int, dy: int) -> None:
        """By counts, to the right and down. Raises UserError in the past, and without a mouse (launch(mouse=True))."""
        self._push_mouse(mouse_input(dx=dx, dy=dy))

    def click(self, button: str = "left", *, times: int = 1) -> None:
        """Press and release a button: left, right, middle, side or extra. Raises UserError."""
        for _ in range(times):
            self.press_mouse(button)
            self.release_mouse(button)

    def press_mouse(self, button: str = "left") -> None:
        """Raises UserError."""
        self._push_mouse(mouse_input(press=mouse_button(button)))

    def release_mouse(self, button: str = "left") -> None:
        """Raises UserError."""
        self._push_mouse(mouse_input(release=mouse_button(button)))

    def turn_wheel(self, notches: int) -> None:
        """Away from the user where it is positive. Raises UserError."""
        self._push_mouse(mouse_input(wheel=notches))

    def _push_mouse(self, data: MouseInput) -> None:
        need_mouse(self.timeline.machine)
        self.timeline.push(data)

    def press_power_button(self) -> None:
        """Raises UserError in the past."""
        self.timeline.push(PowerButton())

    def press_nmi_button(self) -> None:
        """Raises UserError in the past."""
        self.timeline.push(NmiButton())

    def expect(self, text: str | bytes, *, patience: int = PATIENCE, port: int = 0) -> str:
        """Run until a console has written `text` after what was expected there before; what it wrote up to its end.

        It stops where `vmdbg run --until` does, by the guest's own time; in the past it goes to there. `patience` in
        ticks. `port` 4 is the virtio console, -1 the debug console. Breakpoints are passed. Raises GuestError, with the
        last lines of the console, if the guest ends or takes longer.
        """
        __tracebackhide__ = True  # pytest: the test's own line is of interest
        wanted = text.encode() if isinstance(text, str) else text
        log, read = self.timeline.console.port(port), self._read.get(port, 0)
        with self.timeline.undisturbed():
            at = log.text.find(wanted, read)
            if at < 0:
                self._wait_for(wanted, port, Tick(self.tick + patience))
                at = log.text.find(wanted, read)
            else:
                self._catch_up(port, log.end_of(at + len(wanted)))
        end = at + len(wanted)
        self._read[port] = end
        return log.text[read:end].decode("utf-8", "backslashreplace")

    def _wait_for(self, wanted: bytes, port: int, limit: Tick) -> None:
        __tracebackhide__ = True
        timeline, console = self.timeline, self.timeline.console
        written = bytes(console.port(port).text[self._read.get(port, 0) :])
        watch = TextWatch(timeline.machine, wanted, {port: written})
        console.listeners.append(watch.on_output)
        try:
            while not watch.reached(self.tick):
                outcome = timeline.run(limit)
                if watch.stop_at is None and (self.tick >= limit or self._is_over(outcome)):
                    raise GuestError(self._disappointment(wanted, outcome, console.port(port).text))
                if self._is_over(outcome):
                    break
        finally:
            console.listeners.remove(watch.on_output)
            watch.lift()

    def _catch_up(self, port: int, end: TextEnd) -> None:
        """To where waiting for it would have stopped, if that has yet to come."""
        timeline, here = self.timeline, self.position
        if here >= timeline.end or self._passed(port, end):
            return
        written = go_to_end(timeline, port, end)
        timeline.go(max(here, min(timeline.end, Position(Tick(written.tick - 1 + LATENCY)))))

    def _passed(self, port: int, end: TextEnd) -> bool:
        """Whether that was written before now for certain."""
        following = self.timeline.console.port(port).after(end.noted)
        return end.noted < self.tick and (end.count == 1 or (following is not None and following <= self.tick))

    def _is_over(self, outcome: object) -> bool:
        from vmdbg.engine.exits import LimitReached, StopRequested

        return not isinstance(outcome, LimitReached | StopRequested)

    def _disappointment(self, wanted: bytes, outcome: object, text: bytearray) -> str:
        lines = bytes(text[-2000:]).decode("utf-8", "backslashreplace").splitlines()[-5:]
        how = f"the guest ended ({outcome})" if self._is_over(outcome) else "its time was up"
        if isinstance(outcome, EndOfHistory):
            how = "the recording ended"
        return (
            f"{wanted.decode('utf-8', 'replace')!r} did not come before {how}; last on the console: {' | '.join(lines)}"
        )
