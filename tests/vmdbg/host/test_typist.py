from vmdbg.host.typist import AFTER_LINE, AT_PROMPT, RECHECK, Typist
from vmdbg.units import Tick

COM1 = 0


def test_nothing_to_type_is_never_due() -> None:
    typist = Typist()
    typist.on_output(COM1, b"$", 5)
    assert typist.due is None


def test_types_a_line_at_a_prompt_when_the_cpu_halts() -> None:
    typist = Typist(b"ls\npwd\n")
    typist.on_output(COM1, b"$", 1000)
    due = Tick(1000 + AT_PROMPT.halted)
    assert typist.due == due
    assert typist.take(Tick(due - 1), halted=True) == b""
    assert typist.take(due, halted=True) == b"ls\n"
    assert typist.due == due + AFTER_LINE.halted


def test_output_puts_typing_off() -> None:
    typist = Typist(b"x")
    typist.on_output(COM1, b"\n", 1000)
    typist.on_output(COM1, b"\n", 2000)
    assert typist.due == 2000 + AFTER_LINE.halted


def test_a_silent_guest_that_computes_is_asked_again_later() -> None:
    typist = Typist(b"x\n")
    typist.on_output(COM1, b"\n", 0)
    due = typist.due
    assert due is not None
    assert typist.take(due, halted=False) == b""
    assert typist.due == due + RECHECK
    assert typist.take(Tick(AFTER_LINE.busy), halted=False) == b"x\n"


def test_a_guest_that_never_speaks_is_typed_at_all_the_same() -> None:
    typist = Typist(b"x")
    assert typist.due == AFTER_LINE.busy
    assert typist.take(Tick(AFTER_LINE.busy), halted=True) == b"x"


def test_lines_end_as_they_were_given() -> None:
    typist = Typist(b"a\r\nb\rc")
    lines = [typist.take_line(Tick(n)) for n in range(3)]
    assert lines == [b"a\r\n", b"b\r", b"c"]
    assert not typist.pending


def test_text_that_comes_later_is_typed_too() -> None:
    typist = Typist()
    typist.add(b"a\n")
    assert typist.take_line(Tick(0)) == b"a\n"
