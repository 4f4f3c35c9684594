"""How users name a drive, in whatever command."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from vmdbg.errors import UserError
from vmdbg.session.registry import did_you_mean


def add_drive(parser: argparse.ArgumentParser, words: str) -> None:
    """`--drive DRIVE`, of which `words` say what it is for. --disk is how some commands called it."""
    parser.add_argument("--drive", "-d", "--disk", default="", metavar="DRIVE", help=f"{words}, as disk1 or 1")


def drive_named(word: str, there: Iterable[str], *, kind: str = "drive") -> str:
    """Which of those that are `there` is meant; a number is that of a disk. Raises UserError."""
    name, known = f"disk{word}" if word.isascii() and word.isdecimal() else word, list(there)
    if name not in known:
        listed = ", ".join(known) or "none"
        raise UserError(f"there is no {kind} {name!r}{did_you_mean(name, known)}; there are: {listed}")
    return name
