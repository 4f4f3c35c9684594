"""A user at a terminal: keys, the escape key, and a terminal that is as it was afterwards."""

import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vmdbg.boot.builders import assemble
from tests.vmdbg.cli.vmdbg_process import COMMAND, TIMEOUT, environment

ESCAPE = b"\x1d"


class Terminal:
    """A pseudoterminal with `vmdbg run` in it, or another command."""

    def __init__(self, *arguments: str, command: str = "run") -> None:
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (50, 120))
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""
        self.process = subprocess.Popen(
            [*COMMAND, command, *arguments],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env=environment(),
            start_new_session=True,
        )

    def expect(self, text: bytes) -> bytes:
        """Read until `text` has appeared; what came up to there."""
        deadline = time.monotonic() + TIMEOUT
        while text not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} did not appear in {self.seen!r}"
            if select.select([self.master], [], [], left)[0]:
                self.seen += os.read(self.master, 4096)
        before, _, self.seen = self.seen.partition(text)
        return before

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def ended(self) -> int:
        return self.process.wait(TIMEOUT)

    @property
    def mode(self) -> list[object]:
        return termios.tcgetattr(self.slave)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(TIMEOUT)
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


def test_typing_at_the_guests_prompt(terminal: Terminal) -> None:
    terminal.expect(b"sample> ")
    terminal.type(b"ticks\r")
    terminal.expect(b"sample> ")
    terminal.type(b"poweroff\r")
    terminal.expect(b"the guest powered off")
    assert terminal.ended() == 0
    assert terminal.mode == terminal.before


def test_control_keys_go_to_the_guest(terminal: Terminal) -> None:
    terminal.expect(b"sample> ")
    terminal.type(b"\x03\x1a\x1c\rticks\r")
    terminal.expect(b"sample> ")
    terminal.expect(b"sample> ")
    assert terminal.process.poll() is None


def test_escape_key_helps_and_quits(terminal: Terminal) -> None:
    terminal.expect(b"sample> ")
    terminal.type(ESCAPE + b"h")
    terminal.expect(b"quit")
    terminal.type(ESCAPE + b"q")
    terminal.expect(b"quit at tick")
    assert terminal.ended() == 0
    assert terminal.mode == terminal.before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_restored_after_signals(terminal: Terminal, number: signal.Signals) -> None:
    terminal.expect(b"sample> ")
    assert terminal.mode != terminal.before
    terminal.process.send_signal(number)
    assert terminal.ended() == 128 + number
    assert terminal.mode == terminal.before


def test_lines_of_our_own_begin_at_the_left_margin(terminal: Terminal) -> None:
    terminal.expect(b"sample> ")
    terminal.type(ESCAPE + b"h")
    assert terminal.expect(b"vmdbg: keys").endswith(b"\r\n")


def test_breaking_in_and_going_on(terminal: Terminal) -> None:
    terminal.expect(b"sample> ")
    for _ in range(2):
        terminal.type(ESCAPE + b"d")
        terminal.expect(b"vmdbg>")
        terminal.type(b"tick\r")
        terminal.expect(b"position")
        terminal.expect(b"vmdbg>")
        terminal.type(b"console\r")
        terminal.expect(b"the guest's console")
        terminal.type(b"\r")
        terminal.expect(b"sample> ")
    terminal.type(ESCAPE + b"d")
    terminal.expect(b"vmdbg>")
    terminal.type(b"quit\r")
    assert terminal.ended() == 0
    assert terminal.mode == terminal.before


def test_a_guest_that_died_is_there_to_be_looked_at_where_gdb_was_asked_for() -> None:
    terminal = Terminal("--append", "bug=smash", "--gdb", "0")
    try:
        terminal.expect(b"halted for ever")
        terminal.expect(b"vmdbg>")
        terminal.type(b"last-write rsp\r")
        terminal.expect(b"machine_fail")
        terminal.type(b"quit\r")
        assert terminal.ended() == 1
    finally:
        terminal.close()


def test_guest_time_keeps_to_host_time_while_idle(terminal: Terminal) -> None:
    """The sample ticks at 100 Hz: about a hundred ticks pass in a second, rather than as many as fit."""
    terminal.expect(b"sample> ")
    ticks = []
    for _ in range(2):
        began = time.monotonic()
        terminal.type(b"ticks\r")
        terminal.expect(b"ticks\r\n")
        ticks.append(int(terminal.expect(b"sample> ").split()[0]))
        while time.monotonic() < began + 1:
            if select.select([terminal.master], [], [], 0.1)[0]:
                terminal.seen += os.read(terminal.master, 4096)
    assert 50 <= ticks[1] - ticks[0] <= 400


ECHOING = """
bits 16
org 0x7c00
        mov si, greeting
.say:   lodsb
        test al, al
        jz .key
        call put
        jmp .say
.key:   mov ah, 0
        int 0x16
        call put
        jmp .key
put:    mov bx, 7
        mov ah, 0x0e
        int 0x10
        ret
greeting: db "at your keys: ", 0
        times 510 - ($ - $$) db 0
        dw 0xaa55
"""


def test_the_screen_takes_the_terminals_keys_and_gives_the_console_back(tmp_path: Path) -> None:
    image = tmp_path / "sector"
    image.write_bytes(assemble(ECHOING))
    terminal = Terminal(str(image), "--screen")
    try:
        terminal.expect(b"\x1b[?1049h")
        terminal.expect(b"at your keys: ")
        terminal.type(b"Q")
        terminal.expect(b"Q")
        terminal.type("ä".encode())
        terminal.expect(b"no key of a US keyboard types")
        terminal.type(ESCAPE + b"s")
        terminal.expect(b"\x1b[?1049l")
        terminal.type(ESCAPE + b"s")
        terminal.expect(b"\x1b[?1049h")
        terminal.type(ESCAPE + b"q")
        terminal.expect(b"\x1b[?1049l")
        assert terminal.ended() == 0
        assert terminal.mode == terminal.before
    finally:
        terminal.close()


def test_a_screen_without_a_terminal_is_refused() -> None:
    done = subprocess.run(
        [*COMMAND, "run", "--screen"], stdin=subprocess.DEVNULL, capture_output=True, env=environment(), timeout=TIMEOUT
    )
    assert done.returncode == 2
    assert b"--screen draws where the guest's console is" in done.stderr
