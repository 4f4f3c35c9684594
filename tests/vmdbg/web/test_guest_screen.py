"""What Chromium shows of a guest's monitor, and keys pressed there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vmdbg.boot.builders import assemble
from tests.vmdbg.web.browser import Browser, browser, served

PALETTE = """
    bits 16
    org 0x7c00
    xor ax, ax
    mov ds, ax
    mov ax, 3
    int 10h
again:
    xor ah, ah
    int 16h             ; what was typed
    mov dx, 3f8h
    out dx, al          ; the console hears of it
    mov ah, 0eh
    mov bx, 7
    int 10h
    cmp al, 'g'
    jne again
    mov ax, 13h         ; graphics: 320x200, all of one colour
    int 10h
    push 0a000h
    pop es
    xor di, di
    mov cx, 64000
    mov al, 4
    rep stosb
    jmp again
    times 510 - ($ - $$) db 0
    dw 0aa55h
"""
RED = (168, 0, 0)
"""Colour 4 of mode 13h: the DAC has 42 of 63 for it, and shows 4 times that."""
MIDDLE = """(() => {
  const image = document.querySelector('.screen img'), canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  return [...context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data].slice(0, 3).join();
})()"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


def test_keys_pressed_at_the_picture_arrive_and_what_they_change_is_seen_at_any_instant(
    chromium: Browser, tmp_path: Path
) -> None:
    floppy = tmp_path / "floppy.img"
    floppy.write_bytes(assemble(PALETTE).ljust(1440 << 10, b"\0"))
    words = ("--floppy", str(floppy), "--vga", "std", "--memory", "16M", "--serial", "none")
    with served(*words) as (url, _):
        page = chromium.open(url)
        page.do("click", "#tab-screen")
        page.until_text(".screen p", "720×400")
        page.do("evaluate", "document.querySelector('.screen img').focus()")
        page.do("press", "b")
        page.until("vmdbg.console().includes('b')")
        before = page.evaluate("document.querySelector('.screen img').src")
        page.do("press", "g")
        page.until("vmdbg.console().includes('bg')")
        page.until(f"{MIDDLE} === '{','.join(map(str, RED))}'")
        assert page.evaluate("document.querySelector('.screen img').src") != before
        page.do("click", "#pause")
        page.until_stands()
        page.do("fill", "#goto", "start")
        page.do("press", "Enter")
        page.until_stands(tick=0)
        page.until(f"{MIDDLE} !== '{','.join(map(str, RED))}'")
        page.do("evaluate", "document.querySelector('.screen img').focus()")
        page.do("press", "b")
        page.until_text("#toast", "this is the past")
        assert chromium.said == []
