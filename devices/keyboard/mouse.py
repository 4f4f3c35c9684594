"""A PS/2 mouse with a wheel and five buttons, at the 8042's second port: what it is told, and what it answers.

Sources: IBM PS/2 Hardware Interface Technical Reference, Mouse; Microsoft IntelliMouse: sample rates of 200, 100 and 80
one after the other switch the wheel on (ID 3), 200, 200 and 80 the fourth and fifth button (ID 4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from devices.keyboard import mouse_commands as cmd
from devices.keyboard.mouse_input import BUTTONS, MouseInput
from devices.seam import NANOSECONDS_PER_SECOND, Rows, Timer
from devices.wiring.bits import bit_names

ACK: Final = 0xFA
RESEND_REQUEST: Final = 0xFE
SELF_TEST_PASSED: Final = 0xAA
PLAIN_ID: Final = 0
WHEEL_ID: Final = 3
FIVE_BUTTONS_ID: Final = 4

RATES: Final = (10, 20, 40, 60, 80, 100, 200)
RESOLUTIONS: Final = 4
IDS: Final[dict[tuple[int, ...], int]] = {(200, 100, 80): WHEEL_ID, (200, 200, 80): FIVE_BUTTONS_ID}
SAMPLE: Final = "mouse sample"
MOST_WAITING: Final = 4096
"""Inputs that wait; what comes beyond is lost."""
_DOUBLED: Final = (0, 1, 1, 3, 6, 9)
"""Counts from 0 to 5 at scaling 2:1; more are doubled."""


@dataclass(slots=True)
class MouseState:
    output: list[int] = field(default_factory=list)
    """What it has yet to send, oldest first."""
    last: list[int] = field(default_factory=list)
    """What it sent last, for RESEND."""
    awaiting: int = 0
    """The command whose parameter comes next, 0 for none."""
    reporting: bool = False
    remote: bool = False
    wrap: bool = False
    doubled: bool = False
    """Scaling is 2:1."""
    resolution: int = 2
    rate: int = 100
    rates: list[int] = field(default_factory=list)
    """The last three that were set."""
    identity: int = PLAIN_ID
    dx: int = 0
    dy: int = 0
    """Upwards, as it tells it."""
    dz: int = 0
    """Towards the user, as it tells it."""
    buttons: int = 0
    waiting: list[MouseInput] = field(default_factory=list)
    ready_at: int = 0
    """When it looks again, at the earliest."""
    armed: bool = False
    """Whether there is a deadline for that."""

    def __post_init__(self) -> None:
        if self.rate not in RATES or not all(0 <= byte <= 0xFF for byte in (*self.output, *self.last)):
            raise ValueError("a mouse has no such rate, or sends no such bytes")


class Mouse:
    """Works on the state that the controller keeps for it."""

    def __init__(self, state: MouseState, timer: Timer) -> None:
        self.state = state
        self._timer = timer

    def take(self) -> int | None:
        """The next byte to the system, None if there is none."""
        return self.state.output.pop(0) if self.state.output else None

    def move(self, data: MouseInput, now: int) -> None:
        """Somebody moves it, or presses something."""
        if len(self.state.waiting) < MOST_WAITING:
            self.state.waiting.append(data)
        self.go_on(now)

    def go_on(self, now: int) -> None:
        """See to it that it looks, where there is something to see and the system has taken what it saw before."""
        s = self.state
        if not s.armed and not s.output and (s.waiting or (self._streams and (s.dx or s.dy or s.dz))):
            s.armed = True
            self._timer.schedule(SAMPLE, max(s.ready_at, now))

    def on_event(self, now: int) -> None:
        s = self.state
        s.armed = False
        if s.output:
            return
        if s.waiting and not (self._streams and (s.dx or s.dy or s.dz)):
            self._see(s.waiting.pop(0))
        if self._streams:
            s.ready_at = now + NANOSECONDS_PER_SECOND // s.rate
            self._report()
        elif not s.remote:
            s.dx = s.dy = s.dz = 0

    def write(self, value: int) -> None:
        """A byte from the system: a command, or the parameter that the last one waits for."""
        s = self.state
        awaiting, s.awaiting = s.awaiting, 0
        if s.wrap and value not in (cmd.RESET_WRAP, cmd.RESET):
            self._answer(value)
        elif awaiting:
            self._parameter(awaiting, value)
        else:
            self._command(value)

    def describe(self) -> Rows:
        s = self.state
        mode = "wrap" if s.wrap else "remote" if s.remote else "stream"
        return [
            ("mouse", f"ID {s.identity}, {mode} mode, reporting {'on' if s.reporting else 'off'}"),
            (
                "mouse sampling",
                f"{s.rate} a second, resolution {s.resolution}, scaling {'2:1' if s.doubled else '1:1'}",
            ),
            ("mouse buttons", bit_names(s.buttons, BUTTONS)),
            ("mouse counters", f"{s.dx} right, {s.dy} up, {-s.dz} notches up"),
            ("mouse output", " ".join(f"{byte:02x}" for byte in s.output) or "empty"),
            ("mouse inputs waiting", str(len(s.waiting)) if s.waiting else "none"),
        ]

    @property
    def _streams(self) -> bool:
        """Whether it tells by itself what it sees."""
        s = self.state
        return s.reporting and not s.remote and not s.wrap

    def _see(self, data: MouseInput) -> None:
        s = self.state
        s.dx += data.dx
        s.dy -= data.dy
        s.dz -= data.wheel
        s.buttons = s.buttons & ~data.release | data.press

    def _answer(self, *values: int) -> None:
        """Over what it had yet to send."""
        self.state.output[:] = self.state.last = list(values)

    def _report(self) -> None:
        """A packet. What its counters cannot hold is for the next one."""
        self._answer(*self._packet())

    def _packet(self) -> tuple[int, ...]:
        s = self.state
        x, y = _within(s.dx, 256), _within(s.dy, 256)
        z = _within(s.dz, 8) if s.identity != PLAIN_ID else s.dz
        s.dx, s.dy, s.dz = s.dx - x, s.dy - y, s.dz - z
        if s.doubled and not s.remote:
            x, y = _within(_doubled(x), 256), _within(_doubled(y), 256)
        first = s.buttons & 7 | 0x08 | (0x10 if x < 0 else 0) | (0x20 if y < 0 else 0)
        packet = (first, x & 0xFF, y & 0xFF)
        if s.identity == WHEEL_ID:
            return (*packet, z & 0xFF)
        if s.identity == FIVE_BUTTONS_ID:
            return (*packet, z & 0x0F | (s.buttons & 0x18) << 1)
        return packet

    def _command(self, value: int) -> None:
        s = self.state
        if value not in (cmd.RESEND, cmd.READ_DATA):
            s.dx = s.dy = s.dz = 0
        match value:
            case cmd.SET_RESOLUTION | cmd.SET_RATE:
                s.awaiting = value
                self._answer(ACK)
            case cmd.RESEND:
                s.output[:] = s.last
            case cmd.RESET:
                self._set_default()
                s.identity, s.rates, s.wrap = PLAIN_ID, [], False
                self._answer(ACK, SELF_TEST_PASSED, PLAIN_ID)
            case cmd.IDENTIFY:
                self._answer(ACK, s.identity)
            case cmd.STATUS_REQUEST:
                self._answer(ACK, *self._status())
            case cmd.READ_DATA:
                self._answer(ACK, *self._packet())
            case _:
                self._answer(ACK if self._switch(value) else RESEND_REQUEST)

    def _switch(self, value: int) -> bool:
        """A command that sets something and answers nothing. Whether it is one."""
        s = self.state
        match value:
            case cmd.SCALING_1_1 | cmd.SCALING_2_1:
                s.doubled = value == cmd.SCALING_2_1
            case cmd.STREAM_MODE | cmd.REMOTE_MODE:
                s.remote = value == cmd.REMOTE_MODE
            case cmd.RESET_WRAP | cmd.WRAP_MODE:
                s.wrap = value == cmd.WRAP_MODE
            case cmd.ENABLE | cmd.DISABLE:
                s.reporting = value == cmd.ENABLE
            case cmd.SET_DEFAULT:
                self._set_default()
            case _:
                return False
        return True

    def _set_default(self) -> None:
        s = self.state
        s.reporting = s.remote = s.doubled = False
        s.resolution, s.rate = 2, 100

    def _status(self) -> tuple[int, int, int]:
        s = self.state
        left, right, middle = s.buttons & 1, s.buttons >> 1 & 1, s.buttons >> 2 & 1
        modes = s.remote << 6 | s.reporting << 5 | s.doubled << 4
        return modes | left << 2 | middle << 1 | right, s.resolution, s.rate

    def _parameter(self, command: int, value: int) -> None:
        s = self.state
        if command == cmd.SET_RESOLUTION and value < RESOLUTIONS:
            s.resolution = value
        elif command == cmd.SET_RATE and value in RATES:
            s.rate = value
            s.rates = [*s.rates, value][-3:]
            s.identity = IDS.get(tuple(s.rates), s.identity)
        else:
            self._answer(RESEND_REQUEST)
            return
        self._answer(ACK)


def _within(count: int, limit: int) -> int:
    """What of a count fits into a signed field that ends before `limit`."""
    return max(-limit, min(limit - 1, count))


def _doubled(count: int) -> int:
    size = abs(count)
    scaled = _DOUBLED[size] if size < len(_DOUBLED) else 2 * size
    return scaled if count >= 0 else -scaled
