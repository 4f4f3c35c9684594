"""When an 82540EM interrupts: causes and their mask, the time between two, and delays for those that may wait.

Source: the software developer's manual, 13.4.17 to 13.4.21 (ICR to IMC), 13.4.30, 13.4.31 and 13.4.44 (delays).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from devices.network.e1000 import registers as reg
from devices.seam import Timer

THROTTLE, RECEIVED, SENT = "throttle", "receive delay", "transmit delay"
NAMES: Final = (THROTTLE, RECEIVED, SENT)


@dataclass(slots=True)
class InterruptState:
    causes: int = 0
    mask: int = 0
    quiet_until: int = 0
    """When the next interrupt may come (ITR)."""
    asserted: bool = False
    received_first: int = 0
    """When the first frame came that nobody was told of yet, 0 for none; `sent_first` likewise."""
    sent_first: int = 0


class Interrupts:
    """`registers` are the controller's, `pin` is what it drives."""

    def __init__(self, registers: dict[int, int], timer: Timer, pin: Callable[[bool], None]) -> None:
        self._registers = registers
        self._timer = timer
        self._pin = pin
        self.state = InterruptState()

    def take(self, now: int) -> int:
        """ICR, which reading clears."""
        causes, self.state.causes = self.state.causes, 0
        self.drive(now)
        return causes | (1 << 31 if causes & self.state.mask else 0)

    def cause(self, bits: int, now: int) -> None:
        self.state.causes |= bits
        self.drive(now)

    def clear(self, bits: int, now: int) -> None:
        self.state.causes &= ~bits
        self.drive(now)

    def allow(self, mask: int, now: int) -> None:
        """IMS and IMC."""
        self.state.mask = mask & reg.INTERRUPTS
        self.drive(now)

    def reset(self) -> None:
        for name in NAMES:
            self._timer.cancel(name)
        self.state = InterruptState()
        self._pin(False)

    def drive(self, now: int) -> None:
        """13.4.18: once it was asserted, the pin is not again before ITR's time is over."""
        s = self.state
        wanted = bool(s.causes & s.mask)
        if wanted and not s.asserted:
            if now < s.quiet_until:
                self._timer.schedule(THROTTLE, s.quiet_until)
                return
            s.quiet_until = now + self._registers.get(reg.ITR, 0) * reg.ITR_UNIT
        s.asserted = wanted
        self._pin(wanted)

    def received(self, now: int) -> None:
        """Frames are in memory: at once, or after RDTR and RADV."""
        s = self.state
        s.received_first = self._later(RECEIVED, s.received_first, (reg.RDTR, reg.RADV), reg.RXT0, now)

    def sent(self, now: int) -> None:
        """A frame whose report may wait has left: at once, or after TIDV and TADV."""
        s = self.state
        s.sent_first = self._later(SENT, s.sent_first, (reg.TIDV, reg.TADV), reg.TXDW, now)

    def on_event(self, name: str, now: int) -> None:
        s = self.state
        if name == RECEIVED:
            s.received_first = 0
            self.cause(reg.RXT0, now)
        elif name == SENT:
            s.sent_first = 0
            self.cause(reg.TXDW, now)
        else:
            self.drive(now)

    def _later(self, name: str, first: int, delays: tuple[int, int], cause: int, now: int) -> int:
        """When the first untold one was. The first delay begins anew with each, the second does not."""
        delay, most = (self._registers.get(at, 0) * reg.DELAY_UNIT for at in delays)
        if not delay:
            self.cause(cause, now)
            return 0
        first = first or now
        due = min(now + delay, first + most) if most else now + delay
        self._timer.schedule(name, max(due, now + 1))
        return first
