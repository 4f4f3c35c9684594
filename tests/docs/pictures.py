"""The pictures of the README, out of real sessions in a terminal: `python -m tests.docs.pictures` draws them anew."""

from __future__ import annotations

import re
import tempfile
from io import StringIO
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from tests.guests.build import REPOSITORY
from tests.vmdbg.repl.tmux import Tmux

COLUMNS, ROWS = 100, 38
WHOLE = ("tui.svg", 140, 46)
"""A picture of another size."""
CUES = {"tui": "─── console", "continue": "breakpoint 1"}
"""What shows that a line was carried out, which is off the screen by then."""
LINES = {
    "panel.svg": ("tbreak deposit", "continue", "next", "next", "reverse-next"),
    "tui.svg": ("tui", "tbreak deposit", "continue", "next", "display *teller", "reverse-next"),
}
"""What is typed at the prompt of the sample guest; the last of it, and what it brings, is seen."""
TITLE = "vmdbg run --repl"


def size_of(name: str) -> tuple[int, int]:
    """Columns and rows."""
    return WHOLE[1:] if name == WHOLE[0] else (COLUMNS, ROWS)


def screen(name: str, directory: Path) -> str:
    """What the terminal shows after the lines of a picture, with its escape sequences."""
    terminal = Tmux(directory, ["run", "--repl"])
    try:
        terminal.resize(*size_of(name))
        terminal.wait_for("vmdbg>")
        for line in LINES[name]:
            if name == WHOLE[0] and line in CUES:
                terminal.keys(line, "Enter")
                terminal.wait_for(CUES[line])
            else:
                terminal.line(line)
        terminal.wait_for("│ tick")  # the status bar, which comes last
        return terminal.coloured()
    finally:
        terminal.close()


def picture(shown: str, columns: int = COLUMNS) -> str:
    """An SVG of it, which fetches no fonts."""
    console = Console(record=True, width=columns, file=StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(shown.rstrip()))
    code_format = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title=TITLE, unique_id="screen", code_format=code_format)


def lasting(svg: str) -> list[str]:
    """Of a picture's texts those that no compiler changes: the headings of sections, and the source."""
    kept, section = [], ""
    for text in (text.strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg.replace("&#160;", " "))):
        if text.startswith("───"):
            section = text.strip("─ ")
            kept.append(section.partition(":")[0])
        elif section == "source":
            kept.append(text)
    return kept


def draw(directory: Path) -> None:
    for name in LINES:
        with tempfile.TemporaryDirectory() as work:
            (directory / name).write_text(picture(screen(name, Path(work)), size_of(name)[0]))


if __name__ == "__main__":
    draw(REPOSITORY / "docs")
