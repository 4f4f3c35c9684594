"""What a script types at a guest, and waits for at its console."""

from __future__ import annotations

from devices.board.acpi_pm import PowerButton
from devices.keyboard.keys import KeyInput, typed_keys
from devices.serial.feed import SerialInput
from vmdbg.api.standing import Standing
from vmdbg.errors import GuestError, UserError
from vmdbg.machine.inputs import NmiButton
from vmdbg.units import Tick

PATIENCE = 60_000_000_000
"""Ticks that expect() waits: a minute of guest time."""
SLICE = 1_000_000
"""Ticks between two looks at the console: where expect() stops depends on the guest alone."""


class AtConsole(Standing):
    """Its console, keyboard and buttons."""

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
