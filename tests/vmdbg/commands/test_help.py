"""help."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.guests.build import REPOSITORY
from vmdbg.session.function_words import TYPED_WORDS, WORDS
from vmdbg.session.question_options import NAMES
from vmdbg.session.session import Session


def test_lists_commands_by_group(session: Session) -> None:
    shown = session.execute("help")
    assert "running\n" in shown
    assert "  pagewalk" in shown


def test_a_word_finds_commands_that_mention_it(session: Session) -> None:
    shown = session.execute("help page tables")
    assert "pagewalk" in shown
    assert "continue" not in shown


def test_options_are_explained(session: Session) -> None:
    shown = session.execute("help break")
    for word in ("--ring", "--process", "if EXPRESSION", "also: b, bp"):
        assert word in shown


def test_dashes_ask_for_help_too(session: Session) -> None:
    assert session.execute("break --help") == session.execute("help break")


def test_an_unknown_topic_is_answered_with_a_guess(session: Session) -> None:
    assert "did you mean pagewalk" in session.execute("help pagewalkk")


def test_help_print_has_every_function_of_expressions(session: Session) -> None:
    shown = session.execute("help print")
    words = set(re.findall(r"\w+", shown))
    missing = set(session.scope.functions) - words - {"i16", "i32", "s16", "s32", "u16", "u32"}
    assert not missing
    for name in (*WORDS, *TYPED_WORDS):
        called = set(re.findall(r"([a-z_0-9]+)(?=\()", name)) or set(re.findall(r"\w+", name))
        assert called <= set(session.scope.functions), name


def test_the_guide_has_the_same_functions() -> None:
    guide = (REPOSITORY / "docs" / "repl.md").read_text()
    for name, what in (WORDS | TYPED_WORDS).items():
        assert f"| `{name}` | {what} |" in guide


def test_each_question_of_query_is_explained_by_itself(session: Session) -> None:
    for name in NAMES:
        shown = session.execute(f"help query {name}")
        assert shown.startswith(f"query {name}: ")
        assert "usage" not in shown
        assert "--count-by" in shown
    assert "--sync ADDRESS" in session.execute("help query races").partition("\n")[0]
    assert session.execute("help catch msi") == session.execute("help catch")


LISTED = """
import vmdbg.web.call_lines
from vmdbg.commands.catalog import commands
print(*(one.name for one in commands()), sep=",")
"""


def test_commands_are_listed_in_their_order_whatever_was_imported_first() -> None:
    words = [sys.executable, "-c", LISTED]
    said = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60).stdout.split(
        ","
    )
    assert said.index("step-mode") < said.index("stepi") < said.index("finish")
