"""Assembled guests on a machine: loaded, run to their end, and what they printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.guests.build import assemble_file
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.inputs import InputSource
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.power_on import power_on
from vmdbg.units import Tick

MEMORY = 16 << 20
PATIENCE = Tick(3_000_000_000)
"""Ticks after which a guest that has not ended is taken to hang."""


@dataclass(frozen=True, slots=True)
class Ended:
    outcome: Outcome
    output: str


@contextmanager
def guest_machine(
    image: bytes, *, memory: int = MEMORY, append: str = "", apic: bool = True, inputs: InputSource | None = None
) -> Iterator[tuple[Machine, list[bytes]]]:
    """A machine at the image's first instruction, and what it prints on the debug console and COM1."""
    machine = Machine(MachineConfig(memory=memory, apic=apic), UnicornEngine, inputs)
    printed: list[bytes] = []
    for console in (machine.debug_console, machine.serial[0]):
        console.listeners.append(lambda _port, data, _now: printed.append(data))
    options = BootOptions(memory=memory, kernel=InputFile("guest", memoryview(image)), append=append)
    power_on(machine, boot_image(options))
    try:
        yield machine, printed
    finally:
        machine.close()


def text_of(printed: Sequence[bytes]) -> str:
    return b"".join(printed).decode("latin-1")


def run_image(image: bytes, *, append: str = "", memory: int = MEMORY) -> Ended:
    with guest_machine(image, memory=memory, append=append) as (machine, printed):
        outcome = machine.run(PATIENCE)
        return Ended(outcome, text_of(printed))


def run_guest(name: str) -> Ended:
    """Run `name`.asm of tests/guests to its end."""
    return run_image(assemble_file(name))
