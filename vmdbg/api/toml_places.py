"""In which line of a TOML file something is said, as far as that can be seen without reading all of TOML."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping

Place = tuple[str, ...]
"""Names from the outermost table to a key. A table of a list has its number, from 1, behind the list's name."""
_HEADER = re.compile(r"\s*(\[\[?)([^\]]+)\]")
_KEY = re.compile(r"\s*([^\s=#\[][^=#]*?)\s*=")
LONGEST = 1000
"""Characters of a name; what is longer is no name that anybody looks for."""


class TomlPlaces:
    """What is within a text of several lines can look like a header or a key, and is taken for one."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Place, int] = {}
        for number, place in _places(text):
            for end in range(1, len(place) + 1):
                self._lines.setdefault(place[:end], number)

    def line(self, place: Place) -> int:
        """Of that, or of the innermost there is around it; 0 where there is none."""
        ends = range(len(place), 0, -1)
        return next((self._lines[place[:end]] for end in ends if place[:end] in self._lines), 0)


def _places(text: str) -> Iterator[tuple[int, Place]]:
    """Lines, from 1, with the header or key in each."""
    header: Place = ()
    counts: Counter[Place] = Counter()
    for number, line in enumerate(text.split("\n"), 1):
        if found := _HEADER.match(line):
            header = _names(found[2])
            if found[1] == "[[":
                counts[header] += 1
                yield number, header
                header = (*header, str(counts[header]))
            yield number, header
        elif found := _KEY.match(line):
            yield number, (*header, *_names(found[1]))


def _names(dotted: str) -> Place:
    """Of a key as TOML writes it; none of what is no key."""
    try:
        inner: object = tomllib.loads(f"{dotted} = 0") if len(dotted) <= LONGEST else None
    except ValueError:
        return ()
    names: list[str] = []
    while isinstance(inner, Mapping):
        ((name, inner),) = inner.items()
        names.append(name)
    return tuple(names)
