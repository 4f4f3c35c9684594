"""info mtree: who answers at each physical address and at each port."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from devices.wiring.claims import Claim
from vmdbg.engine.memory import PhysicalMemory
from vmdbg.session.session import Session

PORTS = 0x10000


@dataclass(frozen=True, slots=True)
class _Range:
    start: int
    stop: int
    kind: str
    name: str


def flat_views(session: Session, _words: str) -> str:
    """Ports, then physical memory, each in ascending order."""
    machine = session.debugger.machine
    ports = _filled(_claimed(machine.pc.ports.claims()))
    memory = [*_memory(session.debugger.engine), *_claimed(machine.pc.memory.claims())]
    return (
        f'FlatView #0\n AS "I/O", root: io\n Root memory region: io\n{_shown(ports)}\n'
        'FlatView #1\n AS "memory", root: system\n AS "cpu-memory-0", root: system\n Root memory region: system\n'
        f"{_shown(sorted(memory, key=lambda one: one.start))}\n"
    )


def _claimed(claims: Iterable[Claim]) -> Iterator[_Range]:
    for claim in claims:
        yield _Range(claim.addresses.start, claim.addresses.stop, "i/o", claim.name)


def _memory(engine: PhysicalMemory) -> Iterator[_Range]:
    for region in engine.regions:
        rom = region.write_at != region.read_at
        yield _Range(region.start, region.end, "rom" if rom else "ram", "pc.bios" if rom else "pc.ram")


def _filled(claims: Iterable[_Range]) -> Iterator[_Range]:
    """With what nobody claims between them, which QEMU has as parts of the region behind all."""
    free = 0
    for one in claims:
        if one.start > free:
            yield _Range(free, one.start, "i/o", f"io @{free:016x}" if free else "io")
        yield one
        free = one.stop
    if free < PORTS:
        yield _Range(free, PORTS, "i/o", f"io @{free:016x}")


def _shown(ranges: Iterable[_Range]) -> str:
    return "".join(f"  {one.start:016x}-{one.stop - 1:016x} (prio 0, {one.kind}): {one.name}\n" for one in ranges)
