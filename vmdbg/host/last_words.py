"""What `vmdbg run` says at its end, and its exit code."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from vmdbg.host.endings import (
    Ending,
    GuestEnded,
    HostFailed,
    OutputClosed,
    Panicked,
    Signalled,
    TextSeen,
    TickReached,
    UserQuit,
)
from vmdbg.host.exit_code import SIGNAL_BASE, ExitCode
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import Outcome, is_death
from vmdbg.timeline.origin import Origin

if TYPE_CHECKING:
    from vmdbg.session.symbol_file import SymbolFile


@dataclass(frozen=True, slots=True)
class LastWords:
    """`panic`: what the kernel said when it panicked, if it did. `failed`: a debugger's command did. `ended`: how the
    guest did, though the run went on for a debugger.
    """

    machine: Machine
    origin: Origin
    panic: str | None
    symbols: Sequence[SymbolFile]
    failed: bool
    ended: Outcome | None
    say: Callable[[str], None]

    def speak(self, ending: Ending) -> int:
        """The exit code."""
        when = f"at tick {self.machine.clock}"
        match ending:
            case GuestEnded(outcome):
                return self._judge(outcome)
            case TextSeen(text, found_at):
                self.say(f"stopped {when}: the serial output had {shown(text)} at tick {found_at}")
            case TickReached():
                self.say(f"stopped {when}, as asked")
            case UserQuit():
                self.say(f"quit {when}")
                return self._after_debugging()
            case Signalled(number):
                self.say(f"stopped {when} by {signal.Signals(number).name}")
                return SIGNAL_BASE + number
            case Panicked():
                self.say(f"the guest died: {self.panic}; it does nothing more, {when}")
                return ExitCode.GUEST_DIED
            case OutputClosed():
                return SIGNAL_BASE + signal.SIGPIPE
            case HostFailed(reason):
                self.say(f"error: {reason}")
                self.say(f"stopped {when}, before that")
                return ExitCode.USAGE
            case _:
                assert_never(ending)
        return ExitCode.DONE

    def _after_debugging(self) -> ExitCode:
        if self.failed:
            return ExitCode.USAGE
        if self.panic is not None or (self.ended is not None and is_death(self.ended)):
            return ExitCode.GUEST_DIED
        return ExitCode.DONE

    def _judge(self, outcome: Outcome) -> int:
        from vmdbg.host.report import verdict  # a disassembler and an ELF parser, for the end only
        from vmdbg.session.symbol_file import guest_symbol_file
        from vmdbg.symbols.symbol_set import SymbolSet

        kernel = guest_symbol_file(self.origin)
        symbols = SymbolSet([*self.symbols, *([kernel] if kernel is not None else [])])
        found = verdict(self.machine, outcome, self.panic, symbols)
        for line in (found.headline, *found.details):
            self.say(line)
        return ExitCode.GUEST_DIED if found.died else ExitCode.DONE


def shown(text: bytes) -> str:
    """Text in quotes, on one line."""
    return json.dumps(text.decode("utf-8", "backslashreplace"))
