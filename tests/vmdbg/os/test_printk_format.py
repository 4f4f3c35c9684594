"""Formats of the kernel, over arguments made by hand."""

from __future__ import annotations

import pytest

from tests.vmdbg.os.compiled_types import Buffer
from vmdbg.os.linux.printk_format import formatted

START = 0x1000
MEMORY = Buffer(START, b"ext4\0" + bytes(16))


@pytest.mark.parametrize(
    ("text", "words", "shown"),
    [
        ("plain 100%%", [], "plain 100%"),
        ("exitcode=0x%08x\n", [0x100], "exitcode=0x00000100\n"),
        ("%d %u %i", [0xFFFF_FFFF, 0xFFFF_FFFF, 7], "-1 4294967295 7"),
        ("%ld %lx %zu", [(1 << 64) - 2, 0xABC, 5], "-2 abc 5"),
        ("root fs on %s", [START], "root fs on ext4"),
        ("%.2s|%s", [START, 0], "ex|(null)"),
        ("%s", [0x99], "<no text at 0x99>"),
        ("%pS %p", [0xC0DE, 0xC0DE], "compute 0xc0de"),
        ("%c%c", [65, 66], "AB"),
        ("%d %d", [1], "1 %d"),
        ("%999d|", [1], f"{1:999}|"),
        ("%n %q", [1], "%n %q"),
    ],
)
def test_formats(text: str, words: list[int], shown: str) -> None:
    assert formatted(MEMORY, text, iter(words)) == shown  # type: ignore[arg-type]  # a space is all it needs
