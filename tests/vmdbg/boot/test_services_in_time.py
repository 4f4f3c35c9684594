"""What boot sectors expect to happen by itself: the clock ticks, waits end, keys come, a reset ends the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import vmdbg
from devices.keyboard.keys import strokes
from devices.keyboard.layout_us import typed_chords
from devices.serial.feed import SerialInput
from tests.vmdbg.boot.builders import assemble, input_file
from tests.vmdbg.machine.guest_runs import PATIENCE, text_of
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, CpuMode
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.errors import UserError
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import Outcome, ResetRequested, TestExited
from vmdbg.machine.power_on import power_on
from vmdbg.units import Tick

MIB = 1 << 20
END = """
        mov dx, 0xf4
        mov al, 0
        out dx, al
say:    mov bx, 7
        mov ah, 0x0e
        int 0x10
        ret
        times 510 - ($ - $$) db 0
        dw 0xaa55
"""


def _run(
    body: str, *, start: int = 0, typed: Sequence[tuple[int, bytes]] = (), keys: str = ""
) -> tuple[Outcome, str, int]:
    """The outcome, what is on COM1, and the tick of the end."""
    machine = Machine(MachineConfig(memory=4 * MIB, start=start), UnicornEngine)
    printed: list[bytes] = []
    machine.serial[0].listeners.append(lambda _port, data, _now: printed.append(data))
    sector = assemble(f"bits 16\norg 0x7c00\n{body}\n{END}")
    power_on(machine, boot_image(BootOptions(4 * MIB, input_file(sector), start=start)))
    try:
        if keys:
            machine.push(strokes(typed_chords(keys), pause=100_000))
        for tick, text in typed:
            machine.run(Tick(tick))
            machine.push(SerialInput(0, text))
        outcome = machine.run(Tick(PATIENCE * 4))
        return outcome, text_of(printed), machine.clock
    finally:
        machine.close()


def test_the_clock_ticks_18_times_a_second_and_calls_its_hook() -> None:
    body = """
        cli
        mov word [0x1c * 4], hook
        mov word [0x1c * 4 + 2], 0
        sti
    .wait:
        hlt
        cmp byte [count], 18
        jb .wait
        mov al, [0x46c]
        add al, '0'
        call say
        jmp over
    hook:   inc byte [cs:count]
        iret
    count: db 0
    over:
    """
    outcome, text, end = _run(body)
    assert (outcome, text) == (TestExited(1), chr(0x30 + 18))
    assert 18 * 54_925_000 <= end < 18 * 54_926_000 + 1_000_000


def test_the_clock_begins_with_the_time_of_day_and_ends_at_midnight() -> None:
    body = """
    .wait:
        hlt
        mov ah, 0
        int 0x1a
        test al, al
        jz .wait
        mov al, '0'
        add al, dl
        call say
    """
    outcome, text, _ = _run(body, start=86_400 * 366 - 1)
    assert isinstance(outcome, TestExited)
    assert text in ("0", "1")


@pytest.mark.parametrize("microseconds", [1, 500, 50_000, 2_000_000])
def test_a_wait_takes_as_long_as_it_says(microseconds: int) -> None:
    body = f"""
        mov cx, {microseconds >> 16}
        mov dx, {microseconds & 0xFFFF}
        mov ah, 0x86
        int 0x15
        mov al, 'x'
        jc .bad
        mov al, 'y'
    .bad: call say
    """
    _, text, end = _run(body)
    assert text == "y"
    assert microseconds - 977 <= end / 1000 <= microseconds + 2000


def test_keys_typed_at_the_serial_line_are_waited_for_without_work() -> None:
    body = """
        mov bp, 4
    .key:
        mov ah, 0
        int 0x16
        push ax
        call say
        pop ax
        mov al, ah
        add al, '0'
        call say
        dec bp
        jnz .key
        mov ah, 1
        int 0x16
        jnz .some
        mov al, '.'
        call say
    .some:
    """
    outcome, text, end = _run(body, typed=[(300_000_000, b"a"), (600_000_000, b"Q\n\x03")])
    assert outcome == TestExited(1)
    assert text == f"a{chr(0x30 + 0x1E)}Q{chr(0x30 + 0x10)}\r{chr(0x30 + 0x1C)}\x03{chr(0x30 + 0x2E)}."
    assert end < 1_000_000_000


def test_keys_typed_at_the_keyboard_come_by_interrupt_and_mean_what_they_say() -> None:
    body = """
    .key:
        mov ah, 0
        int 0x16
        cmp al, 27
        je over
        call say
        jmp .key
    over:
    """
    keys = "".join(map(chr, range(0x20, 0x7F))) + "\r\t\b\x01\x1a"
    outcome, text, end = _run(body, keys=f"{keys}\x1b")
    assert (outcome, text) == (TestExited(1), keys)
    assert end < 100_000_000


@pytest.mark.parametrize("how", ["jmp 0xffff:0", "jmp 0xf000:0xfff0", "mov al, 0xfe\n out 0x64, al\n hlt"])
def test_a_reset_ends_the_run(how: str) -> None:
    assert isinstance(_run(how)[0], ResetRequested)


def test_int_19h_boots_again_from_the_disk() -> None:
    body = """
        cmp byte [0x600], 1
        je again
        mov byte [0x600], 1
        mov byte [0x7c00 + 300], 1
        mov al, '1'
        call say
        int 0x19
    again:
        mov al, '2'
        add al, [0x7c00 + 300]
        call say
    """
    assert _run(body)[:2] == (TestExited(1), "12")


def test_a_block_moves_above_the_first_mebibyte_and_back() -> None:
    body = """
        mov si, up
        mov cx, 8
        mov ah, 0x87
        int 0x15
        jc over
        mov si, down
        mov cx, 8
        mov ah, 0x87
        int 0x15
        jc over
        mov si, 0x600
    .next:
        lodsb
        test al, al
        jz over
        call say
        jmp .next
    up: dq 0, 0
        dw 0xffff, text, 0x9300, 0, 0xffff, 0, 0x9320, 0
        dq 0, 0
    down: dq 0, 0
        dw 0xffff, 0, 0x9320, 0, 0xffff, 0x600, 0x9300, 0
        dq 0, 0
    text: db "moved there", 0
    over:
    """
    assert _run(body)[:2] == (TestExited(1), "moved there")


def test_flat_code_in_real_mode_has_the_services_and_no_disk() -> None:
    image = boot_image(BootOptions(4 * MIB, input_file(b"\xf4"), load_address=None, mode=CpuMode.REAL))
    assert image.chips
    assert image.e820[-3].end == 4 * MIB
    assert not image.start.rflags & 0x200


def test_a_disk_larger_than_memory_is_refused_with_what_would_do() -> None:
    sector = bytes(510) + b"\x55\xaa"
    with pytest.raises(UserError, match=r"the disk guest of 4 MiB does not fit .* --memory"):
        boot_image(BootOptions(4 * MIB, input_file(sector + bytes(4 * MIB - 512))))
    assert boot_image(BootOptions(1 * MIB, input_file(sector))).start.general["rdx"] == 0x80


def test_keys_are_recorded_and_come_again(tmp_path: Path) -> None:
    body = """
    .key:
        mov ah, 0
        int 0x16
        cmp al, 'q'
        jne .key
    """
    sector = assemble(f"bits 16\norg 0x7c00\n{body}\n{END}")
    with vmdbg.launch(sector, memory="4M", record=tmp_path / "keys.rec") as guest:
        guest.run(150_000_000)
        guest.type_keys("hello ")
        guest.run(150_000_000)
        guest.type_keys("q")
        guest.run()
        ended = guest.digest()
        guest.seek("50%")
        middle = guest.position, guest.digest()
    with vmdbg.open_recording(tmp_path / "keys.rec") as again:
        again.seek("end")
        assert again.digest() == ended
        again.seek(middle[0])
        assert (again.position, again.digest()) == middle
