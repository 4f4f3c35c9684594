"""goto."""

from __future__ import annotations

from vmdbg.session.session import Session


def test_ticks_shares_names_and_distances(session: Session) -> None:
    timeline = session.debugger.timeline
    session.run("goto start")
    assert timeline.position == timeline.start
    session.run("goto 50%")
    middle = timeline.position.tick
    assert abs(middle - timeline.end.tick // 2) < 16
    session.run("goto +1000")
    assert 0 <= timeline.position.tick - middle - 1000 < 16
    session.run("bookmark there")
    session.run("goto end")
    session.run("goto there")
    assert timeline.position == timeline.bookmarks["there"]
    session.run("goto 1.1m")
    assert 0 <= timeline.position.tick - 1_100_000 < 16


def test_text_on_the_console_is_found_at_its_last_byte(session: Session) -> None:
    session.run("goto start")
    session.run('goto "sample kernel"')
    log = session.debugger.timeline.console.ports[0]
    assert log.between(0, session.debugger.position.tick + 1).endswith(b"sample kernel")


def test_breakpoints_do_not_stop_travel(session: Session) -> None:
    session.run("break mutex_lock")
    session.run("goto 50%")
    assert "mutex_lock" not in session.describe(session.debugger.pc)


def test_text_to_come_lets_the_guest_run(live: Session) -> None:
    live.run('goto "timer: PIT"')
    assert live.debugger.timeline.console.ports[0].find(b"timer: PIT") is not None
    before = live.debugger.position
    live.run("stepi")
    live.run("reverse-stepi")
    assert live.debugger.position == before


def test_beyond_the_recording(session: Session) -> None:
    assert "is after the end of the recording" in session.execute("goto 900000000000")
    assert "names no instant" in session.execute("goto nowhere")


def test_distances_in_guest_time(session: Session) -> None:
    here = session.debugger.position.tick
    for words, ticks in (("+20us", 20_000), ("+1.5ms", 1_500_000), ("+0.002s", 2_000_000), ("+1M", 1_000_000)):
        session.run(f"goto {words}")
        assert 0 <= session.debugger.position.tick - here - ticks < 16
        session.run(f"goto {here}")


def test_an_instruction_may_be_named_before_the_kernel_tells_its_names(linux: Session) -> None:
    ready = linux.debugger.position
    linux.run("goto start")
    linux.run("goto hit:start_kernel")
    assert linux.describe(linux.debugger.pc) == "start_kernel"
    linux.run("goto start")
    assert "there is no register, symbol or variable 'nothing_there'" in linux.execute("goto hit:nothing_there")
    assert linux.debugger.position == linux.debugger.timeline.start
    linux.debugger.timeline.seek(ready)
