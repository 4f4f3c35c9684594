"""What the guest wrote to its consoles, and when."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vmdbg.machine.console import COM1, DEBUG_CONSOLE, HVC, Console, Listener
from vmdbg.units import Tick

NEWLINE = 0x0A
PAUSE = 20_000
"""Ticks between two bytes after which a new part begins where not every byte's tick is kept."""


@dataclass(frozen=True, slots=True)
class TextEnd:
    """Where an occurrence of a text ends: the tick noted for its last byte.

    Ticks of bytes that were read from a file are those of the line's beginning: `count` bytes are to come from the
    first with that tick, up to and including the last of the occurrence.
    """

    noted: Tick
    count: int


class PortLog:
    """All output of one port: the bytes and the tick of each, ascending."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.ticks = array("Q")

    def append(self, data: bytes, tick: int) -> None:
        self.text += data
        self.ticks.extend([tick] * len(data))

    def cut(self, tick: int) -> None:
        """Forget what came after `tick`."""
        length = bisect_right(self.ticks, tick)
        del self.text[length:]
        del self.ticks[length:]

    def pieces(self, start: int = 0) -> Iterator[tuple[Tick, bytes]]:
        """From byte `start`, in parts that end with a line or before a pause, with the ticks of their first bytes."""
        for end in range(start + 1, len(self.text) + 1):
            if end == len(self.text) or self.text[end - 1] == NEWLINE or self.ticks[end] - self.ticks[end - 1] > PAUSE:
                yield Tick(self.ticks[start]), bytes(self.text[start:end])
                start = end

    def find(self, text: bytes, after: int = -1) -> int | None:
        """The tick noted for the last byte of the first occurrence that ends after tick `after`."""
        start = max(0, bisect_right(self.ticks, after) - len(text) + 1)
        at = self.text.find(text, start)
        return self.ticks[at + len(text) - 1] if at >= 0 else None

    def nth(self, text: bytes, count: int) -> TextEnd | None:
        """Where the `count`-th occurrence ends."""
        at = -1
        for _ in range(count):
            at = self.text.find(text, at + 1)
            if at < 0:
                return None
        return self.end_of(at + len(text))

    def ends_from(self, text: bytes, tick: int) -> Iterator[TextEnd]:
        """Where occurrences end that may end at `tick` or later, ascending."""
        noted = self.ticks[at - 1] if (at := bisect_left(self.ticks, tick)) else tick
        at = max(0, bisect_left(self.ticks, noted) - len(text) + 1)
        while (at := self.text.find(text, at)) >= 0:
            yield self.end_of(at + len(text))
            at += 1

    def ends_before(self, text: bytes, tick: int) -> Iterator[TextEnd]:
        """Where occurrences end that may end before `tick`, the last first."""
        end = bisect_right(self.ticks, tick)
        while (at := self.text.rfind(text, 0, end)) >= 0:
            yield self.end_of(at + len(text))
            end = at + len(text) - 1

    def end_of(self, end: int) -> TextEnd:
        """Where a text ends whose last byte is that before byte `end`."""
        tick = self.ticks[end - 1]
        return TextEnd(Tick(tick), end - bisect_left(self.ticks, tick))

    def after(self, tick: Tick) -> Tick | None:
        """The tick noted for the first byte after those of `tick`."""
        at = bisect_right(self.ticks, tick)
        return Tick(self.ticks[at]) if at < len(self.ticks) else None

    def between(self, start: int, end: int) -> bytes:
        """What was written from tick `start` up to, not including, tick `end`."""
        return bytes(self.text[bisect_left(self.ticks, start) : bisect_left(self.ticks, end)])

    def lines(self) -> list[tuple[Tick, str]]:
        """Each line without its end, and the tick of its first byte. Bytes above 7Fh are read as UTF-8 if they are."""
        lines, start = [], 0
        for piece in bytes(self.text).splitlines(keepends=True):
            lines.append((Tick(self.ticks[start]), piece.decode("utf-8", "backslashreplace").rstrip("\r\n")))
            start += len(piece)
        return lines


class ConsoleLog:
    """Output of all consoles of a machine. What is heard again on the way back is kept once.

    `listeners` hear each byte when it is passed for the first time since the log was made.
    """

    def __init__(self, consoles: Iterable[Console]) -> None:
        self.ports: dict[int, PortLog] = {}
        self.listeners: list[Listener] = []
        self._heard: dict[int, tuple[int, bool]] = {}
        self.known_until = -1
        """Everything up to that tick is in the log already."""
        for console in consoles:
            self.ports[console.port] = PortLog()
            console.listeners.append(self.hear)

    def hear(self, port: int, data: bytes, tick: int) -> None:
        log = self.ports[port]
        if tick > self.known_until and (not log.ticks or tick >= log.ticks[-1]):
            log.append(data, tick)
        if self.listeners:
            self._pass_on(port, data, tick)

    def _pass_on(self, port: int, data: bytes, tick: int) -> None:
        last, open_ = self._heard.get(port, (-1, False))
        if tick > last or (tick == last and open_):
            self._heard[port] = (tick, True)
            for listener in self.listeners:
                listener(port, data, tick)

    def restored(self, tick: int) -> None:
        """The machine went to another instant: what it says at ticks already heard is a repetition."""
        self._heard = {port: (last, False) for port, (last, _) in self._heard.items()}
        newest = max((log.ticks[-1] for log in self.ports.values() if log.ticks), default=-1)
        if tick <= newest:
            self.known_until = max(self.known_until, newest)

    def cut(self, tick: int) -> None:
        """The timeline forks at `tick`."""
        for log in self.ports.values():
            log.cut(tick)
        self.known_until = min(self.known_until, tick)
        self._heard = {port: (min(last, tick), False) for port, (last, _) in self._heard.items()}

    def hears_from(self, tick: int) -> None:
        """Listeners are told of what is said from that tick on, also where it is known."""
        self._heard = dict.fromkeys(self.ports, (tick - 1, False))

    def port(self, number: int) -> PortLog:
        """As vmdbg.machine.console numbers them."""
        return self.ports[number]

    @property
    def talking(self) -> int:
        """COM1, or if that is silent the virtio console or the debug console."""
        heard = (port for port in (COM1, HVC, DEBUG_CONSOLE) if port in self.ports and self.ports[port].text)
        return next(heard, DEBUG_CONSOLE if DEBUG_CONSOLE in self.ports else COM1)

    @property
    def text(self) -> str:
        """All of COM1's output, or if that was silent the virtio console's or the debug console's."""
        log = self.ports[self.talking]
        return log.text.decode("utf-8", "backslashreplace")
