"""Whatever the guest does, a run ends at its limit, and within milliseconds of a signal or of interrupt_run()."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from tests.guests.build import assemble
from tests.vmdbg.engine.watch_model import BOTH
from vmdbg.engine.exits import ExceptionDelivered, LimitReached, Stepped, StopRequested, Stuck
from vmdbg.engine.stops import Breakpoints, Catches, Watchpoint
from vmdbg.engine.unicorn.bare import CODE, CODE64, DATA, HANDLERS, IDT, STACK, BareCpu
from vmdbg.units import Linear, Tick

REPOSITORY = Path(__file__).parents[3]
NEVER = Tick(1 << 62)
SOON = 0.5
"""Seconds of CPU time that the end of a run may take, on a machine that does much else."""
IRET = HANDLERS + 0x800
SLOW = {
    "a loop": "here: jmp here",
    "long blocks": "here: " + "inc rax\n" * 900 + "jmp here",
    "code that changes itself": "here: inc byte [there + 3]\nthere: mov eax, 1\njmp here",
    "ports": "here: in al, 0x42\njmp here",
    "devices in memory": "here: mov eax, [0x10004]\njmp here",
    "system calls": "here: syscall",
    "exceptions": "here: int3\njmp here",
    "faults": "here: ud2\njmp here",
    "flushes": "mov rax, cr3\nhere: mov cr3, rax\njmp here",
    "a repeated instruction": f"here: mov ecx, 4096\nmov edi, {DATA}\nrep stosb\njmp here",
    "x87": "fninit\nfldpi\nhere: fsin\nfprem\nfldpi\nffree st7\njmp here",
    "single steps": "pushfq\nor dword [rsp], 0x100\npopfq\nhere: nop\njmp here",
}


@contextmanager
def _cpu(source: str) -> Iterator[BareCpu]:
    """#DB and #BP return; #UD goes on two bytes further."""
    cpu = BareCpu()
    cpu.write(IRET, assemble("bits 64\niretq\nnop\nnop\nadd qword [rsp], 2\niretq"))
    for vector, handler in ((1, IRET), (3, IRET), (6, IRET + 4)):
        cpu.write(IDT + 16 * vector, (handler | CODE64 << 16 | 0x8E00 << 32).to_bytes(8, "little"))
    cpu.load(assemble("bits 64\n" + source, origin=CODE))
    cpu.engine.write_registers({"star": 8 << 32, "lstar": CODE, "rsi": 0x3000})
    try:
        yield cpu
    finally:
        cpu.close()


@contextmanager
def _handled(number: int, handler: object) -> Iterator[None]:
    before = signal.signal(number, handler)  # type: ignore[arg-type]  # whatever a handler may be
    try:
        yield
    finally:
        signal.signal(number, before)


def _later(call: object) -> threading.Timer:
    timer = threading.Timer(0.03, call)  # type: ignore[arg-type]  # called without arguments
    timer.start()
    return timer


@pytest.mark.parametrize("what", SLOW)
def test_another_thread_ends_a_run(what: str) -> None:
    with _cpu(SLOW[what]) as cpu:
        began, timer = time.thread_time(), _later(cpu.engine.interrupt_run)
        assert cpu.engine.run(NEVER) == StopRequested()
        assert time.thread_time() - began < SOON
        timer.join()


@pytest.mark.parametrize("what", SLOW)
def test_a_signal_ends_a_run_and_is_handled_then(what: str) -> None:
    with _cpu(SLOW[what]) as cpu:
        seen: list[tuple[int, bool]] = []
        with _handled(signal.SIGTERM, lambda number, _frame: seen.append((number, bool(cpu.engine._vm.running)))):
            began, timer = time.thread_time(), _later(lambda: os.kill(os.getpid(), signal.SIGTERM))
            assert cpu.engine.run(NEVER) == StopRequested()
            assert time.thread_time() - began < SOON
            timer.join()
        assert seen == [(signal.SIGTERM, False)]


def test_what_a_handler_raises_comes_out_of_the_run_and_leaves_no_trace() -> None:
    """However often, and in the midst of devices that are asked all the time."""

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    digests = []
    for disturbed in (False, True):
        with _cpu("xor ebx, ebx\nhere: in al, 0x42\nadd ebx, eax\nmov [0x10004], ebx\njmp here") as cpu:
            broken, timers = 0, []
            with _handled(signal.SIGALRM, fail):
                while cpu.engine.clock < 400_000:
                    if disturbed and broken < 15:
                        signal.setitimer(signal.ITIMER_REAL, 0.002)
                    try:
                        cpu.engine.run(Tick(400_000))
                    except KeyboardInterrupt:
                        broken += 1
                signal.setitimer(signal.ITIMER_REAL, 0)
            assert bool(broken) is disturbed, timers
            digests.append((cpu.engine.clock, cpu.engine.cpu_digest_bytes(), cpu.bus.log))
    assert digests[0] == digests[1]


def test_an_interruption_leaves_no_trace_in_the_state_where_it_came() -> None:
    """Blocks that are each run for the first time, with their pages: the state is that of a run to that tick."""
    pages = "".join(f"mov eax, {page << 12}\ncall rax\n" for page in (11, 12, 13))
    for _ in range(20):
        with _cpu("here: " + pages + "mov rax, cr3\nmov cr3, rax\njmp here") as cpu, _cpu("nop") as other:
            for machine in (cpu, other):
                machine.write(CODE, bytes(cpu.engine.ram[CODE : CODE + 256]))
                for page in (11, 12, 13):
                    machine.write(page << 12, b"\xc3")
            timer = threading.Timer(0.002, cpu.engine.interrupt_run)
            timer.start()
            assert cpu.engine.run(NEVER) == StopRequested()
            timer.join()
            tick = cpu.engine.clock
            if tick > other.engine.clock:
                assert other.engine.run(tick) == LimitReached()
            assert other.engine.cpu_digest_bytes() == cpu.engine.cpu_digest_bytes()
            assert bytes(other.engine.ram) == bytes(cpu.engine.ram)


def test_breakpoints_and_watchpoints_that_stop_nothing_are_no_hindrance() -> None:
    with _cpu(f"here: mov [{DATA}], rax\ninc rax\njmp here") as cpu:
        cpu.engine.set_breakpoints(Breakpoints((Linear(CODE),)))
        cpu.engine.set_breakpoint_filter(lambda: True)
        cpu.engine.set_watchpoints([Watchpoint(1, DATA + 8, 8, BOTH)])
        timer = _later(cpu.engine.interrupt_run)
        assert cpu.engine.run(NEVER, over_breakpoint=True) == StopRequested()
        timer.join()


@pytest.mark.parametrize("code", ["exceptions", "faults", "single steps"])
def test_caught_deliveries_that_stop_nothing_are_no_hindrance(code: str) -> None:
    with _cpu(SLOW[code]) as cpu, _cpu(SLOW[code]) as other:
        cpu.engine.set_catches(Catches(vectors=frozenset(range(256))))
        passed: list[tuple[int, Tick]] = []

        def passes(outcome: ExceptionDelivered) -> bool:
            passed.append((outcome.delivery.vector, cpu.engine.clock))
            return True

        cpu.engine.set_delivery_filter(passes)
        timer = _later(cpu.engine.interrupt_run)
        assert cpu.engine.run(NEVER) == StopRequested()
        timer.join()
        assert len(passed) == cpu.engine.delivery_count
        assert other.engine.run(cpu.engine.clock) == LimitReached()
        while other.engine.delivery_count < cpu.engine.delivery_count:
            other.engine.step()
        assert other.engine.cpu_digest_bytes() == cpu.engine.cpu_digest_bytes()
        known = [(one.vector, one.tick) for one in other.engine.deliveries()]
        assert passed[-len(known) :] == known


def test_what_is_delivered_at_the_limit_of_a_run_ends_it() -> None:
    """INT n is over at its own end, where the limit may be."""
    ended = 0
    with _cpu("here: nop\nint3\njmp here") as cpu:
        cpu.engine.set_catches(Catches(vectors=frozenset({3})))
        passed: list[Tick] = []
        cpu.engine.set_delivery_filter(lambda _: not passed.append(cpu.engine.clock))
        for limit in range(1, 60):
            outcome = cpu.engine.run(Tick(limit))
            ended += isinstance(outcome, ExceptionDelivered)
            assert all(tick < limit for tick in passed)
        assert len(passed) + ended == cpu.engine.delivery_count
        assert ended


def test_one_exception_after_another_is_stuck_at_one_tick() -> None:
    """The handler's first instruction faults, on one stack again and again: nothing retires, no block ends."""
    with _cpu("ud2") as cpu:
        cpu.write(HANDLERS + 6, b"\x0f\x0b")
        cpu.write(IDT + 16 * 6, (HANDLERS + 6 | CODE64 << 16 | 0x8E01 << 32).to_bytes(8, "little"))
        tss = 0x3000 - 0x80
        cpu.write(tss + 0x24, STACK.to_bytes(8, "little"))
        cpu.engine.write_registers({"tr_base": tss, "tr_limit": 0x67})
        assert cpu.engine.run(NEVER) == Stuck()
        count = cpu.engine.delivery_count
        assert cpu.engine.deliveries_now == count
        assert cpu.engine.run(NEVER) == Stuck()
        assert cpu.engine.delivery_count == count


def test_a_second_signal_is_not_held_back() -> None:
    """A device that waits in the midst of an access gets it."""
    code = """
        import os, signal
        from vmdbg.engine.unicorn.bare import BareCpu, Tick
        cpu = BareCpu()
        def handle(number, frame):
            print("handled", flush=True)
            os._exit(7)
        signal.signal(signal.SIGTERM, handle)
        def wait(*_):
            print("waits", flush=True)
            while True:
                signal.pause()
        cpu.engine.port_read = wait
        cpu.run(bytes.fromhex("e442"))
        """
    with subprocess.Popen(
        [sys.executable, "-c", dedent(code)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "waits\n"
        deadline = time.monotonic() + 60
        while waiting.poll() is None and time.monotonic() < deadline:
            waiting.send_signal(signal.SIGTERM)
        assert waiting.wait(10) == 7


def _breakpoint_on_the_frames(cpu: BareCpu) -> None:
    """Delivering #DB stores what DR0 watches, which is a #DB again: no instruction comes between."""
    cpu.write(IDT + 16, (HANDLERS + 1 | CODE64 << 16 | 0x8E01 << 32).to_bytes(8, "little"))
    tss = 0x3000 - 0x80
    cpu.write(tss + 0x24, STACK.to_bytes(8, "little"))
    cpu.engine.write_registers({"tr_base": tss, "tr_limit": 0x67, "dr0": STACK - 8, "dr7": 0x402 | 9 << 16})


def test_a_breakpoint_of_the_guest_that_its_own_exception_hits_is_stuck_too() -> None:
    with _cpu(f"mov [{STACK - 8}], rax") as cpu:
        _breakpoint_on_the_frames(cpu)
        assert cpu.engine.run(NEVER) == Stuck()
        assert cpu.engine.deliveries_now == cpu.engine.delivery_count


def test_its_exceptions_come_one_at_a_time_in_steps_and_at_a_limit() -> None:
    digests = []
    for stepped in (False, True):
        with _cpu(f"mov [{STACK - 8}], rax") as cpu:
            _breakpoint_on_the_frames(cpu)
            length = 8
            if stepped:
                assert cpu.engine.step() == Stepped()
            else:
                assert cpu.engine.run(Tick(cpu.engine.clock + length)) == LimitReached()
            assert (cpu.engine.clock, cpu.engine.delivery_count) == (length, 1)
            digests.append(cpu.engine.cpu_digest_bytes())
            assert [cpu.engine.step() for _ in range(3)] == [Stepped()] * 3
            assert cpu.engine.delivery_count == 4
    assert digests[0] == digests[1]
