"""Waiting for a kernel to be known."""

from __future__ import annotations

from vmdbg.session.kernel_watch import KERNEL_HALF, KernelWatch
from vmdbg.session.session import Session


class Asked:
    """Finds what it wants the `last`th time."""

    def __init__(self, last: int) -> None:
        self.times = 0
        self._last = last

    def __call__(self) -> bool:
        self.times += 1
        return self.times >= self._last


def slices(session: Session, number: int) -> None:
    for _ in range(number):
        for listener in list(session.debugger.slice_listeners):
            listener()


def test_it_asks_ever_less_often_and_no_more_once_it_has_found(session: Session) -> None:
    assert session.debugger.pc >= KERNEL_HALF
    asked = Asked(5)
    watch = KernelWatch(session.debugger, asked)
    watch.start()
    times = []
    for _ in range(32):
        slices(session, 1)
        times.append(asked.times)
    assert [times.index(number) for number in (2, 3, 4, 5)] == [0, 2, 6, 14]
    assert session.debugger.slice_listeners == []


def test_what_is_there_already_is_not_waited_for(session: Session) -> None:
    watch = KernelWatch(session.debugger, Asked(1))
    watch.start()
    assert session.debugger.slice_listeners == []
    watch.stop()


def test_out_of_turn_it_asks_while_it_waits_only(session: Session) -> None:
    asked = Asked(2)
    watch = KernelWatch(session.debugger, asked)
    watch.look()
    assert asked.times == 0
    watch.start()
    watch.look()
    watch.look()
    assert asked.times == 2


def test_user_code_and_other_modes_are_passed_over(real_mode: Session) -> None:
    asked = Asked(2)
    watch = KernelWatch(real_mode.debugger, asked)
    watch.start()
    slices(real_mode, 8)
    assert asked.times == 1
    watch.stop()
