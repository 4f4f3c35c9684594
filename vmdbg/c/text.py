"""Text of the guest as a C string literal has it."""

from __future__ import annotations

_NAMED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b"}


def escaped(text: str) -> str:
    """Control characters, and bytes kept by `surrogateescape`, as escapes: none of them reaches a terminal."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    code -= 0xDC00 if 0xDC80 <= code <= 0xDCFF else 0
    return character if character.isprintable() else f"\\{code:03o}" if code < 0x100 else f"\\u{code:04x}"
