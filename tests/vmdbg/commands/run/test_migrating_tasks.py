"""Steps follow their task from CPU to CPU: two wandering programs under Linux, held to what the whole history shows."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import pytest

import vmdbg
from tests.linux_assets import AssetsMissingError, busybox_initrd, cloud_kernel
from vmdbg.machine.snapshot import Position
from vmdbg.queries.rows import CallRow, ExecutionRow
from vmdbg.units import CpuId

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CPUS = 4
SOURCE = r"""
static long call(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}
volatile long counter;
__attribute__((noinline)) static void move(long cpu) {
    unsigned long mask = 1ul << cpu;
    call(203, 0, sizeof mask, (long)&mask);
}
__attribute__((noinline)) static long work(long rounds) {
    long sum = 0;
    for (long i = 0; i < rounds; i++)
        sum += i ^ counter;
    return sum;
}
void _start(void) {
    for (long i = 0;; i++) {
        move(i % CPUS);
        counter += work(40 + i % 7);
        counter++;
    }
}
"""
OPTIONS = ("-O0", "-g", "-nostdlib", "-static", "-no-pie", "-fno-pic", f"-DCPUS={CPUS}", "-Wl,-Ttext=0x401010")
SET_AFFINITY = "__x64_sys_sched_setaffinity"
LENGTH = 6_000_000


@dataclass(frozen=True)
class Wanderer:
    """One of them, in a history that is over."""

    guest: vmdbg.Guest
    pid: int
    rows: Sequence[ExecutionRow]
    """Each instruction of the program that it ran."""
    calls: Sequence[CallRow]
    """Of the kernel's function that moves it."""

    def at(self, row: ExecutionRow) -> None:
        self.guest.seek(row.position)
        self.guest.cpus[row.cpu].look_at()

    def here(self) -> tuple[Position, int, CpuId]:
        return self.guest.position, self.guest.pc, CpuId(self.guest.cpu.number)

    def functions(self, name: str) -> list[int]:
        """Indices of the rows in that function."""
        start, size = self.range_of(name)
        return [index for index, row in enumerate(self.rows) if start <= row.pc < start + size]

    def range_of(self, name: str) -> tuple[int, int]:
        self.at(self.rows[0])  # its symbols name addresses while it runs
        location = self.guest.session.symbols.nearest(self.guest.address_of(name))
        assert location is not None
        assert location.symbol.size
        return location.symbol.address, location.symbol.size


@pytest.fixture(scope="module", params=["base", "base,+pcid"])
def wanderer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wanderer]:
    """With PCIDs a process has another CR3 on each CPU."""
    cpu = str(request.param)
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    directory = tmp_path_factory.mktemp("program")
    (directory / "wanderer.c").write_text(SOURCE)
    subprocess.run(["gcc", *OPTIONS, "-o", "wanderer", "wanderer.c"], cwd=directory, check=True)
    program = directory / "wanderer"
    try:
        files = {"opt/wanderer": program.read_bytes(), "autorun": b"#!/bin/sh\n/opt/wanderer &\n/opt/wanderer &\n"}
        kernel, initrd = cloud_kernel(), busybox_initrd(files)
    except AssetsMissingError as error:
        pytest.skip(str(error))
    booted = directory / "booted"
    with vmdbg.launch(kernel, initrd=initrd, cpus=CPUS, cpu=cpu, schedule="round-robin:9k", memory="128M") as guest:
        guest.expect("~ # ")
        guest.run(20_000_000)
        guest.save_snapshot(booted)
    with vmdbg.resume(booted) as guest:
        yield _wandered(guest, program)


def _wandered(guest: vmdbg.Guest, program: Path) -> Wanderer:
    guest.run(LENGTH)
    assert guest.linux is not None
    pid = max(task.pid for task in guest.linux.tasks() if task.name == "wanderer")
    guest.execute(f"symbol-file {program} --process {pid}")
    rows = [row for row in guest.queries.executions(0x401000, 0x1000) if row.pid == pid]
    calls = [
        row
        for row in guest.queries.calls(guest.address_of(SET_AFFINITY), 1)
        if row.pid == pid and row.returned is not None
    ]
    assert len({row.cpu for row in rows}) == CPUS, "it has not been everywhere: the tests show nothing"
    return Wanderer(guest, pid, [later for earlier, later in pairwise(rows) if later.pc != earlier.pc], calls)


SYSCALL = b"\x0f\x05"
SOON = 60
"""Instructions of the program: more than it takes to move and come back from there."""


def crossing(wanderer: Wanderer, indices: Sequence[int]) -> list[int]:
    """Those of the indices soon after which the program runs on another CPU."""
    rows = wanderer.rows
    return [i for i in indices if i + 2 * SOON < len(rows) and rows[i].cpu != rows[i + SOON].cpu]


def sample_of(indices: Sequence[int], count: int) -> list[int]:
    assert len(indices) >= count
    return random.Random(1).sample(list(indices), count)


def expect_rows(wanderer: Wanderer, begin: int, expected: Sequence[int], forth: str) -> None:
    """Forth through these rows, over system calls, and back."""
    guest, rows = wanderer.guest, wanderer.rows
    wanderer.at(rows[begin])
    for index in expected:
        guest.execute("nexti" if guest.memory.read(guest.pc, 2) == SYSCALL else forth)
        assert wanderer.here() == (rows[index].position, rows[index].pc, rows[index].cpu), f"{forth} from {begin}"
    for index in [*reversed(expected[:-1]), begin]:
        guest.execute("reverse-nexti" if guest.memory.read(guest.pc - 2, 2) == SYSCALL else f"reverse-{forth}")
        assert wanderer.here()[1:] == (rows[index].pc, rows[index].cpu), f"reverse-{forth} to {index}"
        assert guest.tick == rows[index].position.tick


def test_instructions_are_stepped_where_the_task_is(wanderer: Wanderer) -> None:
    starts = crossing(wanderer, range(len(wanderer.rows)))
    for begin in sample_of(starts, 6):
        expect_rows(wanderer, begin, range(begin + 1, begin + SOON), "stepi")


def test_calls_are_stepped_over_where_the_task_is(wanderer: Wanderer) -> None:
    rows = wanderer.rows
    starts = crossing(wanderer, wanderer.functions("_start"))
    for begin in sample_of(starts, 6):
        frame = rows[begin].rsp
        own = [index for index in range(begin + 1, len(rows)) if rows[index].rsp >= frame][:12]
        expect_rows(wanderer, begin, own, "nexti")


def test_functions_are_finished_where_the_task_is(wanderer: Wanderer) -> None:
    rows, outside = wanderer.rows, wanderer.functions("_start")
    for begin in sample_of(crossing(wanderer, wanderer.functions("move")), 6):
        out = min(index for index in outside if index > begin)
        wanderer.at(rows[begin])
        wanderer.guest.execute("finish")
        assert wanderer.here() == (rows[out].position, rows[out].pc, rows[out].cpu)


def test_kernel_functions_are_finished_where_the_task_is(wanderer: Wanderer) -> None:
    moved = 0
    for call in sample_of(range(len(wanderer.calls)), 6):
        row = wanderer.calls[call]
        assert row.returned is not None
        wanderer.guest.seek(row.position)
        wanderer.guest.cpus[row.cpu].look_at()
        wanderer.guest.execute("finish")
        assert wanderer.guest.position == row.returned
        moved += wanderer.guest.cpu.number != row.cpu
        wanderer.guest.execute("stepi")
        wanderer.guest.execute("reverse-stepi")
        assert wanderer.guest.position.tick == row.returned.tick
    assert moved


def test_kernel_code_is_stepped_over_calls_where_the_task_is(wanderer: Wanderer) -> None:
    """To the end of the function: the instructions in which its own activation was."""
    guest, moved = wanderer.guest, 0
    start, size = wanderer.range_of(SET_AFFINITY)
    for number in sample_of(range(len(wanderer.calls)), 3):
        call = wanderer.calls[number]
        assert call.returned is not None
        own = [
            row
            for row in guest.queries.executions(start, size)
            if row.pid == wanderer.pid and call.position <= row.position < call.returned
        ]
        guest.seek(call.position)
        guest.cpus[call.cpu].look_at()
        for row in own[1:]:
            guest.execute("nexti")
            assert (guest.position, guest.pc) == (row.position, row.pc)
            assert guest.cpu.number == row.cpu
        moved += len({row.cpu for row in own}) > 1
        for row in reversed(own[:-1]):
            guest.execute("reverse-nexti")
            assert (guest.position.tick, guest.pc, guest.cpu.number) == (row.position.tick, row.pc, row.cpu)
    assert moved


def test_lines_are_stepped_where_the_task_is(wanderer: Wanderer) -> None:
    guest, rows = wanderer.guest, wanderer.rows
    known = {row.position: row for row in rows}
    for begin in sample_of(crossing(wanderer, wanderer.functions("_start")), 4):
        wanderer.at(rows[begin])
        frame, cpus, lines = guest.registers.rsp, set(), []
        for _ in range(12):
            guest.execute("next")
            row = known[guest.position]
            assert (guest.pc, guest.cpu.number, guest.registers.rsp) == (row.pc, row.cpu, frame)
            cpus.add(row.cpu)
            lines.append(guest.frames[0].line)
        assert len(cpus) > 1
        first = lines[0]
        assert {later - first for later in lines} <= {-3, -2, -1, 0, 1, 2, 3}
        back = [lines[-1]]
        for _ in range(12):
            guest.execute("reverse-next")
            row = known[guest.position]
            assert (guest.pc, guest.cpu.number, guest.registers.rsp) == (row.pc, row.cpu, frame)
            back.append(guest.frames[0].line)
        came, went = ([line for line, _ in groupby(found)] for found in (back, reversed(lines)))
        assert came[: len(went)] == went[: len(came)], "a line may begin in several places, not all of them stops forth"


def test_loops_are_left_where_the_task_is(wanderer: Wanderer) -> None:
    guest, rows = wanderer.guest, wanderer.rows
    for begin in sample_of(crossing(wanderer, wanderer.functions("_start")), 3):
        wanderer.at(rows[begin])
        frame = guest.registers.rsp
        guest.execute("until")
        guest.execute("until")
        assert guest.registers.rsp == frame
        assert guest.position in {row.position for row in rows}
