"""Unwinding from wherever a booting guest happens to be stopped."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from tests.vmdbg.os.kernels import Kernel
from tests.vmdbg.os.qemu_guest import QemuGuest, booted
from vmdbg.os.linux.operating_system import LinuxDetector
from vmdbg.os.seam import Backtrace, DamagedError, FrameKind, NotThereYetError

REACHED = 0.98


def stops(guest: QemuGuest, count: int, seed: int) -> Counter[str]:
    """Stop a running guest at random; how each backtrace ended."""
    chance = random.Random(seed)
    detector = LinuxDetector()
    outcomes: Counter[str] = Counter()
    for _ in range(40 * count):
        if outcomes.total() == count or guest.finished():
            break
        guest.run_for(chance.uniform(0.001, 0.02))
        view = guest.stop()
        try:
            linux = detector.detect(view)
            if linux is None or view.register("cpl"):
                continue
            trace = linux.backtrace()
        except NotThereYetError:
            continue
        outcomes["complete" if trace.complete else f"{trace.stopped}: {spelled(trace)}"] += 1
    return outcomes


def spelled(trace: Backtrace) -> str:
    return " < ".join(str(frame.location or hex(frame.pc)) for frame in trace.frames)


@pytest.mark.parametrize(
    ("label", "count"),
    [
        ("6.1-cloud", 100),
        *(
            pytest.param(label, 1000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])
            for label in ("6.1-cloud", "6.1-generic", "5.10-cloud", "6.12-cloud", "newest-cloud")
        ),
    ],
)
def test_random_kernel_instants_unwind_to_an_entry_point(
    kernel_image: Callable[[str], Kernel], label: str, count: int
) -> None:
    with booted(kernel_image(label)) as guest:
        outcomes = stops(guest, count, seed=7)
    assert outcomes.total() >= min(count, 100)
    assert outcomes["complete"] >= REACHED * outcomes.total(), outcomes.most_common(20)


def test_interrupts_are_crossed_and_marked(kernel_image: Callable[[str], Kernel]) -> None:
    """Among many stops, some are in an interrupt that came while the kernel ran, on a stack of its own."""
    seen: set[tuple[FrameKind, str]] = set()
    with booted(kernel_image("6.1-cloud")) as guest:
        detector = LinuxDetector()
        for _ in range(1500):
            guest.run_for(0.002)
            try:
                linux = detector.detect(guest.stop())
                trace = linux.backtrace() if linux else None
            except (NotThereYetError, DamagedError):
                continue
            if trace is not None and trace.complete:
                seen |= {(frame.kind, frame.stack) for frame in trace.frames}
            if {(FrameKind.INTERRUPTED, "task"), (FrameKind.CALL, "IRQ"), (FrameKind.USER, "user")} <= seen:
                return
            if guest.finished():
                break
    pytest.fail(f"only saw {sorted((kind.value, stack) for kind, stack in seen)}")
