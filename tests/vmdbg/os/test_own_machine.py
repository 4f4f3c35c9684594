"""Linux on our own machine: at every instant of its history, and without a trace."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from tests.vmdbg.os.own_machine import OwnGuest
from tests.vmdbg.os.test_damage import QUESTIONS
from vmdbg.errors import VmdbgError
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.inputs import RegisterWrite
from vmdbg.machine.snapshot import Position
from vmdbg.os.linux.oops import Road, report_points
from vmdbg.os.linux.report_kind import ReportKind
from vmdbg.os.seam import FrameKind, NotThereYetError
from vmdbg.units import Tick

pytestmark = pytest.mark.timeout(300)


def seek(own: OwnGuest, tick: int) -> None:
    own.timeline.seek(Position(Tick(tick)))


def answers(own: OwnGuest) -> dict[str, str]:
    """Every question's answer, or the error, as text."""
    found = {}
    for name, ask in QUESTIONS.items():
        try:
            linux = own.detector.detect(own.view)
            found[name] = repr(ask(linux)) if linux is not None else "no Linux"
        except VmdbgError as error:
            found[name] = f"{type(error).__name__}: {error}"
    found.pop("module types")
    return found


def own_digest(own: OwnGuest) -> Digest:
    return digest(own.timeline.machine)


def test_questions_change_no_digest(own: OwnGuest) -> None:
    seek(own, own.ready)
    before = own_digest(own)
    answers(own)
    assert own_digest(own) == before


def test_questions_on_the_way_change_nothing_later(own: OwnGuest) -> None:
    start = own.ready - 900_000_000
    seek(own, own.ready)
    undisturbed = own_digest(own)
    seek(own, start)
    for _ in range(8):
        seek(own, own.timeline.position.tick + 100_000_000)
        answers(own)
    seek(own, own.ready)
    assert own_digest(own) == undisturbed


def test_a_past_position_answers_as_it_did(own: OwnGuest) -> None:
    ticks = [own.ready * share // 10 for share in (1, 4, 7)]
    seek(own, ticks[0])
    first = {}
    for tick in ticks:
        seek(own, tick)
        first[tick] = answers(own)
    for tick in reversed(ticks):
        seek(own, tick)
        again = answers(own)
        assert again == first[tick]
    assert len({answer["dmesg"] for answer in first.values()}) == len(ticks)


def test_the_quick_way_to_the_current_task_holds_for_the_whole_boot(own: OwnGuest) -> None:
    seek(own, own.ready)
    locator = own.linux().current_locator()
    names = set()
    for share in range(30, 100, 2):
        seek(own, own.ready * share // 100)
        quick, slow = locator.read(own.view.memory, own.view.register), own.linux().current()
        assert quick is not None
        assert (quick.address, quick.pid, quick.process, quick.name) == (
            slow.address,
            slow.pid,
            slow.process,
            slow.name,
        )
        names.add(quick.name)
    assert len(names) > 3


def test_there_is_no_quick_way_before_the_per_cpu_data_is_where_it_stays(own: OwnGuest) -> None:
    """At the kernel's first function in C, which has a current task already."""
    seek(own, own.ready)
    start = own.linux().kernel.symbol("start_kernel")
    seek(own, 0)
    own.run_to(start)
    assert own.linux().current().name == "swapper"
    with pytest.raises(NotThereYetError, match="per-CPU"):
        own.linux().current_locator()


@pytest.mark.parametrize("count", [150, pytest.param(1000, marks=pytest.mark.slow)])
def test_random_kernel_instants_unwind_to_an_entry_point(own: OwnGuest, count: int) -> None:
    """Ticks in ascending order, so that it is one pass over the boot."""
    chance = random.Random(count)
    outcomes: Counter[str] = Counter()
    for tick in sorted(chance.sample(range(200_000_000, own.ready), 4 * count)):
        if outcomes.total() == count:
            break
        seek(own, tick)
        if own.view.register("cpl"):
            continue
        try:
            linux = own.detector.detect(own.view)
            if linux is None:
                continue
            trace = linux.backtrace()
        except VmdbgError as error:
            outcomes[str(error)] += 1
            continue
        names = " < ".join(str(frame.location) for frame in trace.frames[:4])
        outcomes["complete" if trace.complete else f"{trace.stopped}: {names}"] += 1
    assert outcomes.total() >= count // 2
    assert outcomes["complete"] >= 0.98 * outcomes.total(), outcomes.most_common(10)


def test_a_panic_is_shown_with_its_stack(own: OwnGuest) -> None:
    seek(own, own.ready)
    own.run_to(*(p.address for p in report_points(own.linux().kernel) if p.road is not Road.PRINT))
    found = own.linux().oops()
    assert found is not None
    assert found.kind is ReportKind.PANIC
    assert found.message == "sysrq triggered crash"
    assert (found.task, found.pid) == ("init", 1)
    names = [frame.location.symbol.name for frame in found.backtrace.frames if frame.location]
    assert names[:2] == ["panic", "sysrq_handle_crash"]
    assert found.backtrace.complete
    assert found.backtrace.frames[-1].kind is FrameKind.USER
    ((label, call),) = found.backtrace.frames[-1].arguments
    assert label == "system call"
    assert call.startswith("write(fd=")
    assert '"c\\n"' in call


def test_system_calls_are_traced_with_arguments_and_results(own: OwnGuest) -> None:
    """The last calls before the crash: the shell sends its text to /proc/sysrq-trigger."""
    seek(own, own.ready)
    trace: list[str] = []
    points = own.linux().system_call_points
    while not any("write(" in line for line in trace):
        own.run_to(*points)
        event = own.linux().system_call_here()
        trace += [str(event)] if event is not None else []
        assert len(trace) < 2000
    assert re.fullmatch(r'init\[1\] write\(fd=1, buf="c\\n", count=2\)', trace[-1]), trace[-1]
    opened = [i for i, line in enumerate(trace) if 'filename="/proc/sysrq-trigger"' in line]
    assert re.fullmatch(r"init\[1\] open(at)? = \d+", trace[opened[-1] + 1]), trace[opened[-1] :]
    assert any(re.search(r" = -E[A-Z]+$", line) or re.search(r" = 0$", line) for line in trace)


@pytest.mark.usefixtures("another_future")
def test_an_oops_is_shown_with_the_registers_of_the_fault(own: OwnGuest) -> None:
    """The `struct file *` of vfs_write goes bad on the way in."""
    seek(own, own.ready)
    own.timeline.fork()
    kernel = own.linux().kernel
    own.run_to(kernel.symbol("vfs_write"))
    trace = own.linux().backtrace()
    assert [name for name, _ in trace.frames[0].arguments] == ["file", "buf", "count", "pos"]
    assert trace.frames[0].arguments[0][1].startswith("(struct file *)0xffff")
    own.timeline.push(RegisterWrite("rdi", 0x10))
    own.run_to(kernel.symbol("__die"))
    found = own.linux().oops()
    assert found is not None
    assert found.kind is ReportKind.OOPS
    assert found.message == "Oops"
    assert (found.vector, found.error_code & 1) == (14, 0)
    assert 0x10 <= found.address < 0x1000
    assert found.backtrace.frames[0].location is not None
    assert found.backtrace.frames[0].location.symbol.name == "vfs_write"
    assert found.registers["rip"] == found.backtrace.frames[0].pc
    assert found.backtrace.complete
