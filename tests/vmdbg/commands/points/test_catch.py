"""catch and uncatch."""

from __future__ import annotations

import json

from vmdbg.debugger.stops import EventStop, ExceptionStop
from vmdbg.engine.exits import EventKind
from vmdbg.engine.stops import Catches
from vmdbg.session.session import Session


def test_kinds_add_up_and_come_off(session: Session) -> None:
    session.run("catch #PF 0x80")
    session.run("catch wrmsr lstar star")
    session.run("catch cr3")
    found = json.loads(session.execute("catch --json"))
    assert found["vectors"] == [14, 128]
    assert found["msrs"] == ["0xc0000081", "0xc0000082"]
    assert found["events"] == ["cr3", "wrmsr"]
    session.run("uncatch wrmsr star")
    assert session.debugger.points.catches.msrs == {0xC0000082}
    session.run("uncatch wrmsr lstar")
    assert session.debugger.points.catches.events == {EventKind.CR3_LOAD}
    session.run("uncatch all")
    assert session.debugger.points.catches == Catches()


def test_an_exception_stops_at_its_handler(live: Session) -> None:
    live.run("catch #PF")
    shown = live.execute("continue")
    assert isinstance(live.debugger.last_stop, ExceptionStop)
    assert "caught #PF at" in shown
    assert "user write: not present" in shown
    assert "interrupt_entry_14" in shown


def test_an_interrupt_stops_at_its_handler_forwards_and_backwards(live: Session) -> None:
    live.run("catch interrupt 0x24")
    shown = live.execute("continue")
    assert "caught interrupt 0x24 at" in shown
    stop, first = live.debugger.last_stop, live.debugger.position
    assert isinstance(stop, ExceptionStop)
    assert live.debugger.pc == stop.delivery.handler
    live.run("continue")
    assert live.debugger.position > first
    live.run("reverse-continue")
    assert (live.debugger.position, live.debugger.last_stop) == (first, stop)


def test_kinds_of_delivery_are_told_apart(session: Session) -> None:
    session.run("catch vector 0x20")
    session.run("catch exception 8")
    session.run("catch interrupt 9")
    session.run("catch #NMI")
    assert session.debugger.points.catches == Catches(frozenset({0x20, 8}), interrupts=frozenset({0x20, 9, 2}))
    shown = session.execute("catch")
    assert "exceptions: #DF, 0x20" in shown
    assert "interrupts: NMI, 0x09, 0x20" in shown
    session.run("uncatch 0x20")
    assert session.debugger.points.catches == Catches(frozenset({8}), interrupts=frozenset({9, 2}))
    session.run("catch interrupt")
    assert "interrupts: all" in session.execute("catch")


def test_an_msr_write_stops_before_it(live: Session) -> None:
    live.run("catch wrmsr lstar")
    assert "a write to MSR 0xc0000082 (lstar): 0xffffffff8" in live.execute("continue")
    assert isinstance(live.debugger.last_stop, EventStop)


def test_what_cannot_be_caught_is_refused(session: Session) -> None:
    assert "'#ZZ' cannot be caught" in session.execute("catch #ZZ")
    assert "always stops" in session.execute("uncatch triple-fault")
    assert "is no port" in session.execute("catch port 0x10000")


def test_reports_of_a_kernel_by_kind(session: Session) -> None:
    assert "panic, warning: as soon as" in session.execute("catch oops panic warning")
    assert "RCU stall, panic, warning: " in session.execute("catch oops rcu-stall")
    assert "RCU stall: " in session.execute("catch oops panic warning --off")
    assert "it reports: oops, panic, warning, soft-lockup" in session.execute("catch oops sneeze")
    session.run("uncatch all")
    assert "as soon as" not in session.execute("catch")


def test_mode_switches_and_msr_writes_name_the_bits(live: Session) -> None:
    live.run("catch mode")
    live.run("catch wrmsr efer")
    assert "a write to MSR 0xc0000080 (efer): 0x901 [NXE LME SCE]" in live.execute("continue")
    assert "a mode switch: cr0 0x11 becomes 0x80010003: PG on, WP on, ET off, MP on" in live.execute("continue")
