"""goto."""

from __future__ import annotations

from pathlib import Path

from vmdbg import launch, open_recording
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


def test_text_that_lies_behind_is_gone_back_to(session: Session, live: Session) -> None:
    for one in (session, live):
        one.run("goto start")
        one.run('goto "sample kernel"')
        there = one.debugger.position
        one.run("goto +1m")
        one.run('goto "sample kernel"')
        if one is session:
            assert one.debugger.position == there
        assert one.debugger.position < one.debugger.timeline.end
        assert one.debugger.timeline.console.ports[0].between(0, one.debugger.position.tick).endswith(b"sample kernel")
    assert "that was before; goto --next" in live.notices[-1]
    assert "the rest of the recording has no 'sample kernel'" in session.execute('goto --next "sample kernel"')
    assert "the recording has no 'never'" in session.execute('goto "never"')


def test_text_that_never_comes_ends_the_wait_and_the_user_is_asked_first(live: Session) -> None:
    assert "'never' was not written in 20,000,000 ticks" in live.execute('goto --within 20ms "never"')
    end = live.debugger.position
    assert end.tick >= 20_000_000
    asked: list[str] = []
    live.ask = lambda question: bool(asked.append(question))
    live.execute('goto --within 1s "never"')
    assert live.debugger.position == end
    assert asked == ["'never' has not been written yet. Run until it is, at most 1s of the guest's time?"]
    assert "takes a time" in live.execute('goto --within 0 "never"')
    assert "no serial port 9" in live.execute('goto --port 9 "never"')


def test_text_whose_beginning_was_written_before_now_is_found(session: Session, live: Session) -> None:
    live.run('goto "vmdbg"')
    log = live.debugger.timeline.console.ports[0]
    length = len(log.text)
    wanted = session.debugger.timeline.console.ports[0].text[length - 4 : length + 4].decode()
    live.run(f"goto {wanted!r}")
    assert log.find(wanted.encode()) is not None


def test_text_in_a_recording_is_found_at_its_last_byte(sample: Path, tmp_path: Path) -> None:
    """A recording notes when lines begin, not when each byte was written."""
    ticks = []
    with launch(sample, memory="16M", record=tmp_path / "it") as guest:
        guest.timeline.console.listeners.append(lambda _port, data, tick: ticks.extend([tick] * len(data)))
        text = guest.expect("sample> ")
        guest.send("tic")
        guest.expect("tic")
    with open_recording(tmp_path / "it") as guest:
        for words in ("sample> tic", "sample> ", "vmdbg sample kernel"):
            guest.execute(f'goto "{words}"')
            place = (text + "tic").index(words) + len(words) - 1
            assert 0 <= guest.position.tick - ticks[place] - 1 < 16, words


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
