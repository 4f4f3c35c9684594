"""Text of the guest as C writes it."""

from __future__ import annotations

import ast

from hypothesis import given
from hypothesis import strategies as st

from vmdbg.c.text import escaped


@given(st.binary(max_size=40))
def test_bytes_come_back_from_what_is_written(data: bytes) -> None:
    shown = escaped(data.decode("utf-8", "surrogateescape"))
    assert shown.isprintable()
    read = ast.literal_eval(f'"{shown}"')
    assert read.encode("utf-8", "surrogateescape") == data or any(byte >= 0x80 for byte in data)


def test_words_stay_as_they_are() -> None:
    assert escaped("plain wörds") == "plain wörds"
    assert escaped('say "it"\n\x1b') == '\\"'.join(("say ", "it", "\\n\\033"))
