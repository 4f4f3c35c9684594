"""C's operators of the lowest rank in Python's words: `a ? b : c`, and `&&` and `||`, which are true or false in C."""

from __future__ import annotations

from dataclasses import dataclass, field

from vmdbg.expressions.tokens import Token, tokens_of

_OPENING = {"(", "[", "{"}
_CLOSING = {")", "]", "}"}
_DELIMITERS = {",", ":", "=", "for", "if", "else", "lambda"}
_MAX_DEPTH = 100


@dataclass(slots=True)
class _Part:
    """Of an expression: operators of low rank, and what is between them as text of Python's."""

    pieces: list[str] = field(default_factory=list)
    open_questions: int = 0


def c_operators(text: str) -> str:
    """The text itself where it has none of these operators."""
    tokens = tokens_of(text)
    if not any(token.text in ("?", "&&", "||") for token in tokens):
        return text
    return _Groups(text, tokens).all()


class _Groups:
    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._position = 0

    def all(self) -> str:
        made = self._group(0)
        while self._position < len(self._tokens):  # a bracket that nothing opened
            made += self._blanks() + self._tokens[self._position].text
            self._position += 1
            made += self._group(0)
        return made

    def _group(self, depth: int) -> str:
        """Up to the bracket that closes, which is left, or the end."""
        made, part = "", _Part()
        in_loop = False
        while self._position < len(self._tokens):
            token = self._tokens[self._position]
            if token.text in _CLOSING and token.kind == "operator":
                break
            blanks = self._blanks()
            self._position += 1
            in_loop = in_loop or token.text == "for"
            if token.text == "?":
                part.open_questions += 1
            if token.text == ":" and part.open_questions:
                part.open_questions -= 1
            elif token.kind != "string" and (token.text in _DELIMITERS or (in_loop and token.text == "in")):
                made += _joined(part.pieces) + blanks + token.text
                part = _Part()
                continue
            piece = blanks + token.text
            if token.text in _OPENING and token.kind == "operator" and depth < _MAX_DEPTH:
                piece += self._group(depth + 1)
                if self._position < len(self._tokens):
                    piece += self._blanks() + self._tokens[self._position].text
                    self._position += 1
            part.pieces.append(piece)
        return made + _joined(part.pieces)

    def _blanks(self) -> str:
        """Before the token that is next."""
        start = self._tokens[self._position - 1].end if self._position else 0
        return self._text[start : self._tokens[self._position].start]


def _joined(pieces: list[str], depth: int = 0) -> str:
    """One expression without a comma at its top, in Python's words."""
    words = [piece.strip() for piece in pieces]
    if "?" in words and depth < _MAX_DEPTH:
        asked = words.index("?")
        colon = _partner(words, asked)
        if colon is not None:
            test, then, otherwise = pieces[:asked], pieces[asked + 1 : colon], pieces[colon + 1 :]
            made = (_joined(one, depth + 1).strip() for one in (then, test, otherwise))
            return " (({}) if ({}) else ({}))".format(*made)
    if "&&" in words or "||" in words:
        spelled = "".join(
            {"&&": " and ", "||": " or "}.get(word, piece) for word, piece in zip(words, pieces, strict=True)
        )
        return f" (not not ({spelled.strip()}))"
    return "".join(pieces)


def _partner(words: list[str], asked: int) -> int | None:
    """Where the colon of a question mark is."""
    depth = 0
    for position in range(asked, len(words)):
        depth += {"?": 1, ":": -1}.get(words[position], 0)
        if not depth:
            return position
    return None
