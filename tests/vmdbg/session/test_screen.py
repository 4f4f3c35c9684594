"""Pictures of the machine's screen."""

from __future__ import annotations

from vmdbg.api.boot import launch
from vmdbg.boot.installed_firmware import installed_seabios
from vmdbg.session.screen import frame_of, text_of
from vmdbg.session.session import Session

GREY = (0xA8, 0xA8, 0xA8)


def test_text_memory_without_a_display_is_drawn_too(session: Session) -> None:
    machine = session.debugger.machine
    frame, lines = frame_of(machine), text_of(machine)
    assert (frame.width, frame.height, len(frame.rgb)) == (720, 400, 3 * 720 * 400)
    assert lines is not None
    assert lines[0] == "vmdbg sample kernel"
    letter = {(x, y) for x in range(9) for y in range(16) if frame.pixel(x, y) != (0, 0, 0)}
    assert letter == {(x, y) for y, row in enumerate(V) for x, dot in enumerate(row) if dot == "#"}


def test_firmware_writes_on_a_vga() -> None:
    with launch(bios=installed_seabios(), vga="std", memory="16M") as guest:
        guest.run(200_000_000)
        machine = guest.debugger.machine
        lines = text_of(machine)
        assert lines is not None
        assert lines[0].startswith("SeaBIOS (version")
        frame = frame_of(machine)
        assert (frame.width, frame.height) == (720, 400)
        assert {frame.pixel(x, y) for x in range(720) for y in range(16)} == {(0, 0, 0), GREY}
        assert frame_of(machine) == frame


V = [*[""] * 5, "##    ##", "##    ##", "##    ##", "##    ##", " ##  ##", "  ####", "   ##"]
