"""Symbols of data whose type nobody tells, where what they hold is wanted: only their address is known."""

from __future__ import annotations

from collections.abc import Iterable

from vmdbg.session.view import View

_READABLE = (1, 2, 4, 8)


def untyped_words(view: View, names: Iterable[str]) -> list[str]:
    """What is to be said of those among the names for which an expression takes the address instead."""
    return [words for name in dict.fromkeys(names) if (words := _words(view, name))]


def _words(view: View, name: str) -> str:
    """Nothing of what is larger than a number, as an array is, which C would take the address of too."""
    address, scope = view.symbols.find(name), view.scope
    if address is None or scope.goes_before_symbols(name):
        return ""
    if view.frames.find(name) is not None or scope.variable_at_symbol(name) is not None:
        return ""
    size = 0 if scope.of_each_cpu(name, address) is not None else _size(view, address)
    if size is None or (size and size not in _READABLE):
        return ""
    reads = f"u{8 * size}({name}) reads it" if size else f"u32({name}) or u64({name}) reads what is there"
    return f"no type is known of {name}: its address is taken; {reads}"


def _size(view: View, address: int) -> int | None:
    """Of the data at an address, in bytes; 0 where nobody says, None where code is.

    Of an operating system's own table and of lists of symbols, only where the next symbol begins is known.
    """
    for file in view.sources.files:
        found = file.nearest(address)
        if found is not None and not found.offset:
            return None if found.symbol.is_code else found.symbol.size if file.table.is_elf else 0
    found = view.symbols.nearest(address)
    return None if found is None or found.offset or found.symbol.is_code else 0
