"""Stopping where a kernel reports what went wrong: what is wanted, before any kernel is known."""

from __future__ import annotations

from vmdbg.os.linux.report_kind import ReportKind
from vmdbg.session.oops_watch import UNASKED, OopsWatch
from vmdbg.session.session import Session


def test_wishes_add_up_and_come_off(live: Session) -> None:
    watch = live.part(OopsWatch)
    assert not watch.wanted
    watch.start(frozenset({ReportKind.PANIC}))
    watch.start(frozenset({ReportKind.WARNING}))
    assert str(watch) == "panic, warning: as soon as a Linux kernel is known"
    watch.stop(frozenset({ReportKind.PANIC}))
    assert watch.kinds == {ReportKind.WARNING}
    watch.start(frozenset(ReportKind))
    assert str(watch).startswith("whatever the kernel reports: ")
    watch.stop()
    assert not watch.wanted


def test_it_waits_for_a_kernel_only_while_something_is_wanted(live: Session) -> None:
    watch = live.part(OopsWatch)
    before = len(live.debugger.slice_listeners)
    watch.start()
    assert watch.kinds == UNASKED
    assert len(live.debugger.slice_listeners) == before + 1
    watch.start(frozenset({ReportKind.WARNING}))
    assert len(live.debugger.slice_listeners) == before + 1
    live.close()
    assert len(live.debugger.slice_listeners) == before
