from vmdbg.host.serial_watch import LONGEST_LINE, SILENCE, PanicWatch
from vmdbg.units import Tick


def test_a_panic_is_remembered_without_its_timestamp() -> None:
    watch = PanicWatch()
    for byte in b"[    1.5] ok\r\n[    2.000000] Kernel panic - not syncing: no init\r\nmore\n":
        watch.on_output(0, bytes((byte,)), 0)
    assert watch.panic == "Kernel panic - not syncing: no init"


def test_what_a_kernel_says_drives_no_terminal() -> None:
    watch = PanicWatch()
    watch.on_output(0, b"Kernel panic - \x1b[2Jgone\n", 0)
    assert watch.panic == "Kernel panic - \N{REPLACEMENT CHARACTER}[2Jgone"


def test_endless_lines_are_not_kept() -> None:
    watch = PanicWatch()
    watch.on_output(0, b"x" * (2 * LONGEST_LINE) + b"Kernel panic - no\n", 0)
    assert watch.panic is None


def test_a_panic_is_the_end_when_silence_follows_its_last_line() -> None:
    watch = PanicWatch()
    watch.on_output(0, b"[ 1.0] Kernel panic - not syncing: why\r\n", 5)
    watch.on_output(0, b"[ 1.0] ---[ end Kernel panic - not syncing: why ]---", 7)
    assert watch.dead_at is None
    watch.on_output(0, b"\r\n", 9)
    assert watch.dead_at == 9 + SILENCE
    assert watch.panic == "Kernel panic - not syncing: why"
    for more in (b"$ ", b"more\n"):
        watch.dead_at = Tick(9 + SILENCE)
        watch.on_output(0, more, 11)
        assert watch.dead_at is None
