"""The guest's screen on a terminal, and a terminal's keys at the guest's keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from devices.display.vbe import BPP, ENABLE, X_RES, Y_RES
from devices.keyboard.layout_us import parse_chord, typed_chords
from vmdbg.document.cp437 import CP437
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.host.screen_view import PERIOD, ScreenView
from vmdbg.host.terminal_keys import keys_of
from vmdbg.host.text_screen_lines import first_line
from vmdbg.machine.config import Chipset, Display, MachineConfig
from vmdbg.machine.digest import digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.screen import display_of
from vmdbg.units import Physical

_ROW = re.compile(r"\x1b\[(\d+);1H(.*?)\x1b\[0m\x1b\[K")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Terminal:
    """One of so many columns and rows, in which time stands until it is told to go on."""

    columns: int = 80
    rows: int = 24
    now: float = 0.0
    written: str = ""
    back: list[bytes] = field(default_factory=list)

    def view(self, machine: Machine) -> ScreenView:
        return ScreenView(machine, self.write, lambda: (self.columns, self.rows), self.back.append, lambda: self.now)

    def write(self, text: str) -> None:
        self.written += text

    def shows(self) -> dict[int, str]:
        """Rows that were drawn, without their colours."""
        return {int(found[1]): _COLOURS.sub("", found[2]).rstrip() for found in _ROW.finditer(self.written)}


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine(MachineConfig(memory=1 << 20), UnicornEngine)
    yield made
    made.close()


def put(machine: Machine, line: int, text: str, attribute: int = 7) -> None:
    cells = b"".join(bytes((code, attribute)) for code in text.encode("cp437"))
    machine.engine.write_ram(Physical(0xB8000 + 160 * line), cells)


def test_lines_are_drawn_in_their_colours_and_only_where_they_changed(machine: Machine) -> None:
    terminal = Terminal()
    put(machine, 0, "Hello", 0x1F)
    before = digest(machine)
    view = terminal.view(machine)
    view.show()
    assert terminal.shows()[1] == "Hello"
    assert "\x1b[0;97;44mHello" in terminal.written
    assert terminal.written.startswith("\x1b[?1049h")
    terminal.written = ""
    terminal.now += PERIOD
    view.flush()
    assert terminal.written == ""
    put(machine, 3, "world")
    view.flush()  # not yet
    assert terminal.written == ""
    terminal.now += PERIOD
    view.flush()
    assert terminal.shows() == {4: "world"}
    put(machine, 3, "\0" * 5, 0)
    put(machine, 0, "\0" * 5, 0x00)
    put(machine, 0, "Hello", 0x1F)
    machine.engine.write_ram(Physical(0xB8000 + 160 * 3), bytes(10))
    assert digest(machine) == before


def test_a_guest_cannot_drive_the_terminal(machine: Machine) -> None:
    """Every byte is a picture of the font, whatever it is."""
    assert len(CP437) == 256
    assert all(character.isprintable() for character in CP437)
    terminal = Terminal()
    machine.engine.write_ram(Physical(0xB8000), b"".join(bytes((code, 7)) for code in range(256)))
    view = terminal.view(machine)
    view.show()
    view.console(b"\x1b]0;title\x07\x1b[2Jx\x9b\x85y\n")
    terminal.rows = 60
    terminal.now += PERIOD
    view.flush()
    sequences = re.sub(r"\x1b\[[?0-9;]*[hlmHJK]", "", terminal.written)
    assert all(character.isprintable() for character in sequences)
    assert "title" not in sequences


def test_a_short_terminal_follows_the_cursor_and_a_tall_one_has_the_console_below(machine: Machine) -> None:
    assert first_line(25, 24, (3, 0)) == first_line(25, 24, None) == 0
    assert first_line(25, 24, (24, 0)) == 1
    assert first_line(25, 40, (24, 0)) == 0
    terminal = Terminal(rows=30)
    view = terminal.view(machine)
    view.show()
    view.console(b"one\r\n\x1b[1mtwo\x1b[0m\r\n")
    terminal.now += PERIOD
    view.flush()
    rows = terminal.shows()
    assert (rows[26], rows[27], rows[28]) == (" console", "one", "two")


def test_words_of_ours_stand_over_the_last_line_for_a_moment(machine: Machine) -> None:
    terminal = Terminal()
    put(machine, 23, "last")
    view = terminal.view(machine)
    view.show()
    view.note("no key types \x1b")
    assert terminal.shows()[24] == "no key types \N{REPLACEMENT CHARACTER}"
    terminal.now += 10
    view.flush()
    assert terminal.shows()[24] == "last"


def test_graphics_are_half_blocks_as_large_as_they_fit() -> None:
    machine = Machine(MachineConfig(memory=1 << 20, chipset=Chipset.I440FX, display=Display.STD), UnicornEngine)
    try:
        for index, value in ((1, 64), (2, 48), (3, 24), (4, 0x41)):  # Bochs' VBE: 64 by 48 of 24 bits, on
            machine.pc.ports.write(0x1CE, 2, index, 0)
            machine.pc.ports.write(0x1CF, 2, value, 0)
        terminal = Terminal(columns=64, rows=30)
        terminal.view(machine).show()
        rows = terminal.shows()
        assert [rows[row] for row in (1, 24)] == ["\N{UPPER HALF BLOCK}" * 64] * 2
        assert rows[25] == " console"
        assert "\x1b[38;5;16;48;5;16m" in terminal.written
    finally:
        machine.close()


def test_what_the_console_wrote_meanwhile_comes_back_with_it(machine: Machine) -> None:
    terminal = Terminal()
    view = terminal.view(machine)
    view.show()
    view.console(b"boot\r\n")
    view.hide()
    assert terminal.written.endswith("\x1b[?1049l")
    assert terminal.back == [b"boot\r\n"]
    view.flush()
    assert not view.shown


@pytest.mark.parametrize(
    ("sent", "chords"),
    [
        ("a", ["a"]),
        ("A", ["shift-a"]),
        ("\x03", ["ctrl-c"]),
        ("\r", ["enter"]),
        ("\x7f", ["backspace"]),
        ("\x1b", ["esc"]),
        ("\x1b\x1b", ["esc", "esc"]),
        ("\x1bx", ["alt-x"]),
        ("\x1b[A\x1b[D", ["up", "left"]),
        ("\x1bOP\x1b[15~\x1b[24~", ["f1", "f5", "f12"]),
        ("\x1b[[B", ["f2"]),
        ("\x1b[1;5C", ["ctrl-right"]),
        ("\x1b[3;2~", ["shift-delete"]),
        ("\x1b[1;3Q", ["alt-f2"]),
        ("\x1b[Z", ["shift-tab"]),
    ],
)
def test_what_terminals_send_is_keys(sent: str, chords: list[str]) -> None:
    assert keys_of(sent.encode()) == ([parse_chord(chord) for chord in chords], "")


def test_what_no_key_types_is_told_and_the_rest_is_typed() -> None:
    assert keys_of("aä€b".encode()) == (typed_chords("ab"), "ä€")
    assert keys_of(b"\x1b[99~")[0] == []
    for number in range(256):
        keys_of(bytes((0x1B, number, 0x7E)))


def test_graphics_are_drawn_in_half_blocks_and_only_where_they_changed() -> None:
    config = MachineConfig(memory=1 << 20, chipset=Chipset.I440FX, display=Display.STD)
    machine = Machine(config, UnicornEngine)
    try:
        vga = display_of(machine)
        assert vga is not None
        for register, value in ((X_RES, 640), (Y_RES, 400), (BPP, 32), (ENABLE, 0x41)):
            vga.write_vbe(register, value)
        terminal = Terminal()
        view = terminal.view(machine)
        before = digest(machine)
        view.show()
        assert set(terminal.shows().values()) == {"▀" * len(terminal.shows()[1])}
        assert 1.4 < len(terminal.shows()[1]) / (2 * len(terminal.shows())) < 1.8
        assert digest(machine) == before
        terminal.written = ""
        vga.memory.write(0, b"\0\0\xff\0" * 640 * 20)
        terminal.now += PERIOD
        view.flush()
        assert set(terminal.shows()) == {1, 2}
    finally:
        machine.close()
