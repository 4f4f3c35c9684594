"""Linux takes keys and a mouse: what its input devices say, live and from the recording."""

from __future__ import annotations

from pathlib import Path

import pytest

import vmdbg
from tests import linux_assets
from vmdbg.units import Tick

DUMP = 'hexdump -v -e \'16/1 "%02x" " " 1/2 "%d " 1/2 "%d " 1/4 "%d\\n"\''
SECOND = 1_000_000_000
KEY, RELATIVE, LED = 1, 2, 17


def events(console: str) -> list[tuple[int, ...]]:
    """Type, code and value of what evdev told, without scan codes and ends of packets."""
    words = [line.split() for line in console.splitlines()]
    rows = [tuple(map(int, word[1:])) for word in words if len(word) == 4 and len(word[0]) == 32]
    return [row for row in rows if row[0] in (KEY, RELATIVE, LED)]


def wait(guest: vmdbg.Guest, seconds: float) -> None:
    guest.timeline.run(Tick(guest.tick + round(seconds * SECOND)))


@pytest.mark.slow
def test_linux_hears_keys_and_a_five_button_mouse_and_lights_the_caps_lock(tmp_path: Path) -> None:
    modules = linux_assets.generic_modules("psmouse.ko", "evdev.ko")
    record, options = tmp_path / "keys.rec", {"machine": "i440fx", "mouse": True}
    with vmdbg.launch(
        linux_assets.generic_kernel(), initrd=linux_assets.busybox_initrd(modules), record=record, **options
    ) as guest:
        guest.expect(linux_assets.PROMPT)
        guest.send("insmod /psmouse.ko; insmod /evdev.ko\n")
        guest.expect("ImExPS/2 Generic Explorer Mouse")
        wait(guest, 1)
        guest.send(f"stty -echo; {DUMP} /dev/input/event1 & {DUMP} /dev/input/event0 & echo ready\n")
        guest.expect("ready\r\n")
        wait(guest, 1)
        before = len(guest.console)
        guest.move_mouse(10, -4)
        guest.click("extra")
        guest.turn_wheel(2)
        wait(guest, 1)
        guest.send_keys("shift-b", "caps")
        guest.send_keys("x", hold=0.3)
        wait(guest, 2)
        guest.send("sleep 1; kill %1; kill %2\n")  # they write what they have when they end
        wait(guest, 3)
        told = events(guest.console[before:])
        lights = dict(guest.timeline.machine.pc.devices["i8042"].describe(guest.tick))["keyboard LEDs"]
        end, text = guest.position, guest.console
    assert [row for row in told if row[0] == RELATIVE or row[1] >= 0x100] == [
        (RELATIVE, 0, 10),
        (RELATIVE, 1, -4),
        (KEY, 276, 1),
        (KEY, 276, 0),
        (RELATIVE, 8, 2),
    ]
    keys = [row for row in told if row[0] in (KEY, LED) and row[1] < 0x100]
    assert keys[:7] == [(KEY, 42, 1), (KEY, 48, 1), (KEY, 48, 0), (KEY, 42, 0), (KEY, 58, 1), (LED, 1, 1), (KEY, 58, 0)]
    assert keys[7] == (KEY, 45, 1)
    assert keys[-1] == (KEY, 45, 0)
    assert 1 <= len(keys) - 9 <= 6, "Linux set 30 a second after 250 ms"
    assert set(keys[8:-1]) == {(KEY, 45, 2)}
    assert lights == "caps lock"
    with vmdbg.open_recording(record) as again:
        again.seek("end")
        assert (again.position, again.console) == (end, text)
