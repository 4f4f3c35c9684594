"""Small guests for the debugger, with the addresses of their labels."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from tests.guests.build import assemble
from tests.vmdbg.gdb.guests import Guest, guest
from vmdbg.debugger.actions import Action, Continue, Step, StepMode
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Stop
from vmdbg.units import Tick

MAGIC = b"LABELS!!"
PATIENCE = Tick(2_000_000_000)


@contextmanager
def program(source: str, *labels: str, cpu: str = "base") -> Iterator[tuple[Debugger, dict[str, int], Guest]]:
    """64-bit code in ring 0 (see tests/guests/long.inc), at its first instruction, and where its labels are."""
    table = f'\n    align 8\n    db "{MAGIC.decode()}"\n' + "".join(f"    dq {label}\n" for label in labels)
    image = assemble('; org 100000h\n%include "long.inc"\nbegin:\n' + source + table, bits=32)
    at = image.index(MAGIC) + len(MAGIC)
    addresses = dict(zip(labels, struct.unpack_from(f"<{len(labels)}Q", image, at), strict=True))
    with guest(image, cpu=cpu) as made:
        yield made.debugger, addresses, made


def go(debugger: Debugger, action: Action | None = None) -> Stop:
    """Carry an action out, to its stop."""
    debugger.resume(action if action is not None else Continue(limit=PATIENCE))
    return debugger.wait()


def run_to(debugger: Debugger, address: int) -> None:
    """To the first time that the pc is there."""
    point = debugger.points.add_breakpoint(address, temporary=True)
    go(debugger)
    debugger.points.remove(point)
    assert debugger.pc == address


def step(debugger: Debugger, mode: StepMode, count: int = 1) -> Stop:
    return go(debugger, Step(count=count, mode=mode))
