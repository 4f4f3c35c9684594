"""The naive model of watchpoints: step each instruction and compare memory before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.vmdbg.engine.in_pages import in_pages
from vmdbg.engine.exits import Access, Exit, Stepped, WatchHit, WatchpointHit
from vmdbg.engine.port import Engine
from vmdbg.engine.processor import CpuSnapshot
from vmdbg.engine.stops import Watchpoint
from vmdbg.units import PAGE_SIZE, Linear

BOTH = frozenset(Access)
LARGEST_OPERAND = 16


@dataclass(frozen=True, slots=True)
class Stride:
    """One step with all of RAM watched: what was there before and after, and what was reported."""

    pc: Linear
    before: bytes
    after: bytes
    hits: tuple[WatchHit, ...]
    ended: Exit

    def touched(self, access: Access) -> set[int]:
        """The physical addresses of bytes that were reported."""
        return {
            byte for hit in self.hits if hit.access is access for byte in range(hit.physical, hit.physical + hit.size)
        }


def differing(a: bytes, b: bytes) -> set[int]:
    """Where two contents of memory differ."""
    found: set[int] = set()
    for page in range(0, len(a), PAGE_SIZE):
        ours, theirs = a[page : page + PAGE_SIZE], b[page : page + PAGE_SIZE]
        if ours != theirs:
            found.update(page + at for at in range(len(ours)) if ours[at] != theirs[at])
    return found


def watch_everything(engine: Engine) -> None:
    engine.set_watchpoints([Watchpoint(1, 0, engine.ram_size, BOTH, physical=True)])


def stride(engine: Engine) -> Stride:
    pc, before = engine.linear_pc, bytes(engine.ram)
    ended = engine.step()
    return Stride(pc, before, bytes(engine.ram), engine.watch_hits, ended)


def strides(engine: Engine, most: int) -> Iterator[Stride]:
    """Until something else than a step or a hit."""
    watch_everything(engine)
    for _ in range(most):
        found = stride(engine)
        yield found
        if not isinstance(found.ended, Stepped | WatchpointHit):
            return


def check_stride(found: Stride) -> None:
    """What changed was reported, with what was there before; each report is of one operand in one page."""
    unseen = differing(found.before, found.after) - found.touched(Access.WRITE)
    assert not unseen, f"at {found.pc:#x} nobody wrote {sorted(map(hex, unseen))[:16]}"
    seen: set[int] = set()
    for hit in found.hits:
        place = range(hit.physical, hit.physical + hit.size)
        assert 0 < hit.size <= LARGEST_OPERAND, hit
        assert hit.physical // PAGE_SIZE == (hit.physical + hit.size - 1) // PAGE_SIZE, hit
        assert (hit.linear ^ hit.physical) % PAGE_SIZE == 0, hit
        if hit.access is Access.WRITE:
            if not seen.intersection(place):
                assert hit.old == found.before[hit.physical :][: len(hit.old)], hit
            seen.update(place)


def check_exact(engine: Engine, start: CpuSnapshot, found: Stride, neutral: Iterable[int]) -> None:
    """Run the step again from `start` with other contents of the pages `neutral`, which hold neither code nor tables:
    what was not reported as read changes nothing, and what was reported as written is written."""
    written, read = found.touched(Access.WRITE), found.touched(Access.READ)
    pages = [page * PAGE_SIZE for page in neutral]
    other = bytearray(found.before)
    for page in pages:
        for byte in range(page, page + PAGE_SIZE):
            if byte not in read:
                other[byte] ^= 0xFF
    digest = engine.cpu_digest_bytes()
    _again(engine, start, other)
    assert engine.cpu_digest_bytes() == digest, f"at {found.pc:#x} more was read than {found.hits}"
    expected = bytearray(other)
    for byte in written:
        expected[byte] = found.after[byte]
    wrong = {hex(at): (expected[at], engine.ram[at]) for at in differing(bytes(expected), bytes(engine.ram))}
    assert not wrong, f"at {found.pc:#x} otherwise than {found.hits}: {wrong}"
    idle = {
        byte
        for byte in written - read
        if any(page <= byte < page + PAGE_SIZE for page in pages)
        and found.before[byte] == found.after[byte]
        and other[byte] == engine.ram[byte]
    }
    assert not idle, f"at {found.pc:#x} nothing was written at {sorted(map(hex, idle))[:16]}: {found.hits}"


def _again(engine: Engine, start: CpuSnapshot, ram: bytearray) -> None:
    now = engine.ram
    engine.restore_pages((n, page) for n, page in in_pages(ram) if page != now[n * PAGE_SIZE : (n + 1) * PAGE_SIZE])
    engine.restore(start)
    engine.set_watchpoints([])
    engine.step()


def reported(hits: Sequence[WatchHit], watchpoint: Watchpoint) -> list[WatchHit]:
    """Those of the hits that a watchpoint should have."""

    def touches(hit: WatchHit) -> bool:
        place = hit.physical if watchpoint.physical else hit.linear
        return (
            hit.access in watchpoint.accesses
            and place < watchpoint.address + watchpoint.size
            and watchpoint.address < place + hit.size
        )

    return [hit for hit in hits if touches(hit)]
