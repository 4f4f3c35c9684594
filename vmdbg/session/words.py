"""Splitting a typed line: blanks inside brackets and quotes separate nothing, so expressions stay whole."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.session.errors import UsageError

_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Word:
    """A word and where it starts in the text."""

    text: str
    start: int


class QuotedText(str):
    """What was in double quotes as a whole, for commands to which a word without them is an expression."""

    __slots__ = ()


def split_words(text: str) -> list[Word]:
    """Words with their quotes. Raises UsageError for a quote that is not closed."""
    words: list[Word] = []
    start: int | None = None
    expected: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character.isspace() and not expected:
            if start is not None:
                words.append(Word(text[start:position], start))
                start = None
            position += 1
            continue
        if start is None:
            start = position
        if character in "'\"":
            position = _end_of_quote(text, position)
            continue
        if character in _CLOSING:
            expected.append(_CLOSING[character])
        elif expected and character == expected[-1]:
            expected.pop()
        position += 1
    if start is not None:
        words.append(Word(text[start:], start))
    return words


def _end_of_quote(text: str, start: int) -> int:
    position = start + 1
    while position < len(text):
        if text[position] == "\\":
            position += 2
        elif text[position] == text[start]:
            return position + 1
        else:
            position += 1
    raise UsageError(f"the quote {text[start]} at character {start + 1} is not closed")


def unquoted(word: str) -> str:
    """A word that is quoted as a whole, without its quotes."""
    if len(word) >= 2 and word[0] in "'\"" and word[-1] == word[0]:
        bare = word[1:-1].replace("\\" + word[0], word[0])
        return QuotedText(bare) if word[0] == '"' else bare
    return word


def split_condition(text: str) -> tuple[str, str]:
    """What is before a word `if` that is in no bracket or quote, with options after it; and the condition."""
    words = split_words(text)
    for number, word in enumerate(words):
        if word.text == "if":
            options = next((later.start for later in words[number + 1 :] if later.text.startswith("--")), len(text))
            return f"{text[: word.start]}{text[options:]}".rstrip(), text[word.start + 2 : options].strip()
    return text, ""
