"""Watchpoints report what instructions access: all of it, nothing else, with its place and size."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import pytest

from tests.guests.build import assemble
from tests.vmdbg.engine.hostile_code import PLACES, prepare
from tests.vmdbg.engine.in_pages import in_pages
from tests.vmdbg.engine.watch_model import (
    BOTH,
    Stride,
    check_exact,
    check_stride,
    reported,
    stride,
    strides,
    watch_everything,
)
from tests.vmdbg.timeline.model import machine_of
from vmdbg.engine.exits import Access, Halted, Stepped, StopRequested, WatchHit, WatchpointHit
from vmdbg.engine.stops import Watchpoint
from vmdbg.engine.unicorn.bare import CODE, DATA, PAGE_TABLE, STACK, BareCpu
from vmdbg.units import PAGE_SIZE, Tick

NEUTRAL = (STACK // PAGE_SIZE - 1, DATA // PAGE_SIZE)
INSTRUCTIONS = 40
MACHINE_STEPS = 400
TAUGHT = [22, 112, 187, 2399, 3627, 4375, 5883, 6177, 7744]
"""Each once showed a defect."""
WRITES = frozenset({Access.WRITE})
R, W = Access.READ, Access.WRITE
GUESTS = ["task_switch", "protected_ring3", "virtual_8086", "rep_faults", "single_step", "self_modifying", "port_io"]


def check_random_code(seeds: Iterable[int]) -> None:
    for seed in seeds:
        cpu, rng = BareCpu(), random.Random(seed)
        prepare(cpu, rng)
        try:
            _check_steps(cpu)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error
        cpu.close()


def _check_steps(cpu: BareCpu) -> None:
    engine = cpu.engine
    for _ in range(INSTRUCTIONS):
        start, begun = engine.snapshot(), (engine.clock, engine.delivery_count)
        watch_everything(engine)
        found = stride(engine)
        check_stride(found)
        if not isinstance(found.ended, Stepped | WatchpointHit):
            return
        faulted = engine.clock == begun[0] and engine.delivery_count != begun[1]  # what it read was for nothing
        if faulted or {found.pc // PAGE_SIZE, (found.pc + 14) // PAGE_SIZE}.intersection(NEUTRAL):
            continue
        end = engine.snapshot()
        check_exact(engine, start, found, NEUTRAL)
        engine.restore_pages(in_pages(found.after))
        engine.restore(end)


def check_runs(seeds: Iterable[int]) -> None:
    """A run with some watchpoints reports, of all that steps with all of RAM watched report, what touches them."""
    for seed in seeds:
        rng = random.Random(seed)
        places = [max(0, rng.choice(PLACES) + rng.randrange(-16, 16)) for _ in range(4)]
        watchpoints = [
            Watchpoint(n, at, rng.choice([1, 2, 4, 8, 100]), rng.choice([WRITES, BOTH]), physical=True)
            for n, at in enumerate(places)
        ]
        cpu = BareCpu()
        prepare(cpu, random.Random(seed))
        everything = [hit for found in strides(cpu.engine, INSTRUCTIONS) for hit in found.hits]
        limit = cpu.engine.clock
        cpu.close()
        cpu = BareCpu()
        prepare(cpu, random.Random(seed))
        cpu.engine.set_watchpoints(watchpoints)
        seen: list[WatchHit] = []
        while cpu.engine.clock < limit:
            ended = cpu.engine.run(limit)
            seen += [hit for hit in cpu.engine.watch_hits if hit.physical < cpu.engine.ram_size]
            if not isinstance(ended, WatchpointHit):
                break
        for watchpoint in watchpoints:
            mine = [_place(hit) for hit in seen if hit.number == watchpoint.number]
            wanted = [_place(hit) for hit in reported(everything, watchpoint)]
            assert mine == wanted[: len(mine)], f"seed {seed}, {watchpoint}"
            assert len(wanted) <= len(mine) or cpu.engine.clock >= limit or ended != Halted(), f"seed {seed}"
        cpu.close()


def _place(hit: WatchHit) -> tuple[int, Access, int, int, bytes]:
    return hit.pc, hit.access, hit.physical, hit.size, hit.old


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_random_code_in_every_mode(first: int) -> None:
    check_random_code(range(first, first + 100))


@pytest.mark.parametrize("first", range(0, 200, 100))
def test_runs_over_random_code(first: int) -> None:
    check_runs(range(first, first + 100))


def test_runs_that_once_differed_from_steps() -> None:
    check_runs(TAUGHT)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 11_000, 1000))
def test_random_code_in_every_mode_and_for_long(first: int) -> None:
    check_random_code(range(first, first + 1000))
    check_runs(range(first, first + 300))


@pytest.mark.parametrize("guest", GUESTS)
def test_guests_that_fault_switch_tasks_and_change_themselves(guest: str) -> None:
    machine = machine_of(guest)
    watch_everything(machine.engine)
    for _ in range(MACHINE_STEPS):
        while machine.engine.repeating:  # which clears tables
            machine.step()
        pc, before = machine.engine.linear_pc, bytes(machine.engine.ram)
        ended = machine.step()
        check_stride(Stride(pc, before, bytes(machine.engine.ram), machine.engine.watch_hits, StopRequested()))
        if not isinstance(ended, Stepped | WatchpointHit):
            break
    machine.close()


OPERANDS = {
    "mov [{at}], al": [(W, 0, 1)],
    "mov ax, [{at}]": [(R, 0, 2)],
    "mov [{at}], eax": [(W, 0, 4)],
    "mov rax, [{at}]": [(R, 0, 8)],
    "mov [{at}], rax": [(W, 0, 8)],
    "add [{at}], rax": [(R, 0, 8), (W, 0, 8)],
    "lock xadd [{at}], ebx": [(R, 0, 4), (W, 0, 4)],
    "lock cmpxchg [{at}], rbx": [(R, 0, 8), (W, 0, 8)],
    "lock cmpxchg8b [{at}]": [(R, 0, 8), (W, 0, 8)],
    "xchg [{at}], cx": [(R, 0, 2), (W, 0, 2)],
    "movups [{at}], xmm0": [(W, 0, 16)],
    "movups xmm0, [{at}]": [(R, 0, 16)],
    "movlps [{at}], xmm0": [(W, 0, 8)],
    "movhps [{at}], xmm0": [(W, 0, 8)],
    "movhpd xmm1, [{at}]": [(R, 0, 8)],
    "movd [{at}], xmm0": [(W, 0, 4)],
    "movq [{at}], mm0": [(W, 0, 8)],
    "movss xmm3, [{at}]": [(R, 0, 4)],
    "pextrb [{at}], xmm0, 3": [(W, 0, 1)],
    "lddqu xmm0, [{at}]": [(R, 0, 16)],
    "fld tword [{at}]": [(R, 0, 10)],
    "fstp tword [{at}]": [(W, 0, 10)],
    "fstp qword [{at}]": [(W, 0, 8)],
    "fnstcw [{at}]": [(W, 0, 2)],
    "stmxcsr [{at}]": [(W, 0, 4)],
    "sgdt [{at}]": [(W, 0, 10)],
    "sidt [{at}]": [(W, 0, 10)],
    "lea rdi, [{at}]\nstosq": [(W, 0, 8)],
    "lea rsi, [{at}]\nlodsw": [(R, 0, 2)],
    "lea rdi, [{at}]\nlea rsi, [{at} + 32]\nmovsd": [(R, 32, 4), (W, 0, 4)],
    "lea rdi, [{at}]\nlea rsi, [{at} + 8]\ncmpsq": [(R, 0, 8), (R, 8, 8)],
    "lea rdi, [{at}]\nmov ecx, 3\nrep stosb": [(W, 0, 1), (W, 1, 1), (W, 2, 1)],
    "lea rdi, [{at}]\nmaskmovdqu xmm1, xmm2": [(W, 0, 1), (W, 5, 1), (W, 15, 1)],
    "push qword [{at}]": [(R, 0, 8)],
    "lea rsp, [{at} - 64]\npop qword [{at}]": [(R, -64, 8), (W, 0, 8)],
    "lea rsp, [{at} + 8]\npush rax": [(W, 0, 8)],
    "lea rsp, [{at} + 8]\npush ax": [(W, 6, 2)],
    "lea rsp, [{at} + 8]\npushfq": [(W, 0, 8)],
    "lea rsp, [{at} + 8]\ncall near there\nthere:": [(W, 0, 8)],
    "lea rsp, [{at}]\npop rax": [(R, 0, 8)],
    "lea rsp, [{at} + 16]\nenter 4, 0": [(W, 8, 8)],
    "bts qword [{at}], 3": [(R, 0, 8), (W, 0, 8)],
    "shl byte [{at}], 1": [(R, 0, 1), (W, 0, 1)],
    "setz [{at}]": [(W, 0, 1)],
}
OFFSETS = {"aligned": 0x140, "unaligned": 0x3A3, "over lines": 0x23D, "over pages": 0xFFC}


@pytest.fixture(scope="module")
def bare() -> Iterator[BareCpu]:
    """The page after DATA's is its own; the stack is elsewhere."""
    cpu = BareCpu()
    yield cpu
    cpu.close()


def _watched(cpu: BareCpu, source: str, watchpoint: Watchpoint) -> list[WatchHit]:
    cpu.reset()
    cpu.load(assemble("bits 64\n" + source, origin=CODE))
    mask = 0x80 | 0x80 << 40 | 0x80 << 120
    cpu.engine.write_registers({"xmm2": mask, "xmm1": 0x1122334455667788 << 64 | 0x99AABBCCDDEEFF00})
    cpu.engine.set_watchpoints([watchpoint])
    hits: list[WatchHit] = []
    while isinstance(ended := cpu.engine.run(Tick(cpu.engine.clock + 1000)), WatchpointHit):
        hits += ended.hits
    assert ended == Halted()
    return hits


def _within_pages(access: Access, start: int, size: int) -> list[tuple[Access, int, int]]:
    edge = (start // PAGE_SIZE + 1) * PAGE_SIZE
    if start + size <= edge:
        return [(access, start, size)]
    return [(access, start, edge - start), (access, edge, start + size - edge)]


@pytest.mark.parametrize("offset", OFFSETS.values(), ids=OFFSETS.keys())
@pytest.mark.parametrize("instruction", OPERANDS)
def test_place_and_size(bare: BareCpu, instruction: str, offset: int) -> None:
    at = DATA + offset
    watchpoint = Watchpoint(1, DATA, 2 * PAGE_SIZE, BOTH)
    masked = "fninit\n" if instruction.startswith("f") else ""  # after a reset exceptions of the x87 are not
    hits = _watched(bare, masked + instruction.format(at=at), watchpoint)
    wanted = [part for a, o, size in OPERANDS[instruction] for part in _within_pages(a, at + o, size)]
    order = sorted if offset == OFFSETS["over pages"] else list  # Unicorn looks at the second page first
    assert order([(h.access.value, h.linear, h.size) for h in hits]) == order([(a.value, b, c) for a, b, c in wanted])


@pytest.mark.parametrize("far", [0x170, 0x3A2, 0x3AB, 0x3A0])
def test_a_neighbour_in_the_page_is_nothing(bare: BareCpu, far: int) -> None:
    wide = "mov rax, 0x1122334455667788\nmov [{at}], rax\nmov rbx, [{at}]\nmovups [{at}], xmm0"
    source = wide.format(at=DATA + 0x3A3) if far != 0x3AB else f"mov rax, 5\nmov [{DATA + 0x3A3}], rax"
    assert _watched(bare, source, Watchpoint(1, DATA + far, 1, BOTH)) == []


def test_the_guest_s_own_breakpoint_sees_unaligned_stores_where_they_are(bare: BareCpu) -> None:
    for watched, traps in ((0x170, 0), (0x3A8, 1), (0x3A0, 1), (0x3B0, 0)):
        bare.reset()
        bare.load(assemble(f"bits 64\nmov [{DATA + 0x3A3}], rax", origin=CODE))
        bare.engine.set_watchpoints([])
        bare.engine.write_registers({"dr0": DATA + watched, "dr7": 0x401 | 0xD << 16})
        count = bare.engine.delivery_count
        assert bare.engine.run(Tick(bare.engine.clock + 100)) == Halted()
        assert bare.engine.delivery_count - count == traps, hex(watched)


def test_page_table_entries_that_the_cpu_changes(bare: BareCpu) -> None:
    for physical in (False, True):
        bare.write(PAGE_TABLE + 8 * 12, (12 << 12 | 7).to_bytes(8, "little"))
        bare.engine.write_register("cr3", 0x1000)
        source = f"mov eax, [{12 << 12}]\nmov [{12 << 12}], eax"
        hits = _watched(bare, source, Watchpoint(1, PAGE_TABLE + 8 * 12, 8, WRITES, physical=physical))
        assert [(h.pc - CODE, h.linear, h.physical, h.size, h.old[0]) for h in hits] == [
            (0, PAGE_TABLE + 96, PAGE_TABLE + 96, 8, 7),
            (7, PAGE_TABLE + 96, PAGE_TABLE + 96, 8, 0x27),
        ]


def test_what_an_instruction_stored_before_it_faulted(bare: BareCpu) -> None:
    """MASKMOVDQU over the end of the last page that is mapped: the bytes before it are stored, and again later."""
    bare.write(PAGE_TABLE + 8 * 11, bytes(8))
    bare.engine.write_register("cr3", 0x1000)
    try:
        bare.reset()
        bare.load(assemble(f"bits 64\nmov edi, {DATA + 0xFF8}\nmaskmovdqu xmm1, xmm2", origin=CODE))
        bare.engine.write_registers({"xmm2": (1 << 128) - 1, "xmm1": (1 << 128) - 1})
        bare.write(DATA + 0xFF8, bytes(8))
        bare.engine.set_watchpoints([Watchpoint(1, DATA + 0xFF8, 8, WRITES)])
        ended = bare.engine.run(Tick(bare.engine.clock + 100))
        changed = bare.read(DATA + 0xFF8, 8) != 0
        assert isinstance(ended, WatchpointHit) is changed
    finally:
        bare.write(PAGE_TABLE + 8 * 11, (11 << 12 | 7).to_bytes(8, "little"))
        bare.engine.write_register("cr3", 0x1000)


def test_an_instruction_that_halts_is_seen_too(bare: BareCpu) -> None:
    """Fetching it sets an accessed bit."""
    page = 13 << 12
    bare.write(page, b"\xf4\xf4")
    bare.write(PAGE_TABLE + 8 * 13, (page | 7).to_bytes(8, "little"))
    bare.engine.write_register("cr3", 0x1000)
    bare.reset()
    bare.load(assemble(f"bits 64\nmov eax, {page}\njmp rax", origin=CODE))
    bare.engine.set_watchpoints([Watchpoint(1, PAGE_TABLE + 8 * 13, 8, WRITES)])
    assert bare.engine.run(Tick(bare.engine.clock + 100)) == Halted()
    assert [(hit.pc, hit.old[0]) for hit in bare.engine.watch_hits] == [(page, 7)]
    assert bare.engine.run(Tick(bare.engine.clock + 1)) == Halted()
    assert bare.engine.watch_hits == ()
