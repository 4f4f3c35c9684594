"""hexdump."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_bytes_and_characters(session: Session) -> None:
    [line] = session.execute("hexdump deposit 16").splitlines()
    assert line.startswith(f"{session.debugger.pc:016x}  55 48 89 e5")
    assert line.endswith("UH..AWAVAUATSH..")


def test_it_ends_where_memory_does(session: Session) -> None:
    found = json.loads(session.execute("hexdump 0xffffffffc001fff0 64 --json"))
    assert len(found["bytes"]) == 32


def test_repeated_lines_are_folded(session: Session) -> None:
    shown = session.execute("hexdump phys:0x200000 256").splitlines()
    assert shown[1] == "*"
    assert len(shown) == 3
