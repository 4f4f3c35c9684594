"""Who sits at the machine: nobody, or a debugger with its timeline. What the run loop needs is the same for both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vmdbg.host.runner import PlainRunner, Runner
from vmdbg.machine.console import Listener
from vmdbg.machine.inputs import Input
from vmdbg.machine.machine import Machine

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Seat:
    """`push` takes inputs that come now; `hear` calls a listener with each byte of output the first time it is said."""

    runner: Runner
    push: Callable[[Input], None]
    hear: Callable[[Listener], None]


def plain_seat(machine: Machine) -> Seat:
    def hear(listener: Listener) -> None:
        for console in (*machine.serial, machine.debug_console):
            console.listeners.append(listener)

    return Seat(PlainRunner(machine), machine.push, hear)
