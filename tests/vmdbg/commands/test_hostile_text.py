"""Whatever a guest or a file calls things, no command brings it to a terminal as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmdbg.commands import catalog
from vmdbg.document.plain import render_plain
from vmdbg.errors import VmdbgError
from vmdbg.session.session import Session

HOSTILE = "\x1b]0;x\x07\x9b2J\u202e\x08"
"""It would set a title, erase the screen, turn the direction of writing, and go back."""
LOOKING = [example for one in catalog.commands() if not one.effect for example in one.examples]
LINES = 3000
STEP = 16


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Symbols all over the sample kernel."""
    path = tmp_path_factory.mktemp("names") / "System.map"
    rows = [f"{0xFFFFFFFF80100000 + STEP * n:016x} T {HOSTILE}{n}\n" for n in range(LINES)]
    rows += [f"{0x100000 + STEP * n:016x} T {HOSTILE}{n}\n" for n in range(LINES)]
    path.write_text("".join(rows))
    return path


@pytest.fixture
def hostile(session: Session, names: Path) -> Iterator[Session]:
    """The guest of the others with those names, and words on its console that it never said."""
    made = Session(session.debugger, catalog.commands(), allowed=session.allowed)
    made.sources.add(names, 0)
    made.debugger.timeline.bookmarks[HOSTILE] = made.debugger.position
    log = made.debugger.timeline.console.ports[0]
    said, ticks = log.text, log.ticks
    log.text, log.ticks = bytearray(HOSTILE.encode() + b"\n") + said, ticks[:1] * (len(HOSTILE.encode()) + 1) + ticks
    yield made
    log.text, log.ticks = said, ticks
    del made.debugger.timeline.bookmarks[HOSTILE]
    made.close()


def test_the_names_are_met(hostile: Session) -> None:
    assert any(
        "\N{REPLACEMENT CHARACTER}" in render_plain(hostile.run(line)) for line in ("bt", "bookmark", "symbol rip")
    )


def test_no_answer_of_any_command_drives_a_terminal(hostile: Session) -> None:
    """Errors are cleaned as a whole where they are shown: tests/vmdbg/recording/test_hostile.py."""
    found = {}
    for line in LOOKING:
        with contextlib.suppress(VmdbgError):
            found[line] = render_plain(hostile.run(line))
    assert len(found) > len(LOOKING) / 2
    assert not {line: shown for line, shown in found.items() if not all(map(str.isprintable, shown.splitlines()))}
