"""help."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Block, Document, Style, Text, document, joined, section, table, text
from vmdbg.expressions.errors import ExpressionError
from vmdbg.session.function_words import METHODS, TYPED_WORDS, WORDS
from vmdbg.session.question_options import QUESTION_WORDS
from vmdbg.session.registry import Arguments, Command, Group, Parser
from vmdbg.session.session import Session


def declare(parser: Parser) -> None:
    parser.add_argument("topic", nargs="?", default="", metavar="COMMAND", help="a command or a word to look for")


@command(
    "help",
    Group.SESSION,
    declare,
    aliases=("h", "?", "apropos", "hh"),
    examples=("help", "help pagewalk", "help page"),
    rest="topic",
)
def show_help(session: Session, arguments: Arguments) -> Document:
    """Show the commands, one command with its examples, or the commands that mention a word."""
    topic = arguments.topic.strip()
    if not topic:
        return _overview(session)
    found = session.registry.get(topic)
    if found is not None:
        return _one(session, found)
    name, _, part = topic.partition(" ")
    found = session.registry.get(name) if part else None
    if found is not None:
        return _part(session, found, part.strip())
    return _about(session, topic)


def _part(session: Session, one: Command[Session], part: str) -> Document:
    """One of several things that a command is for, as `query races`: what is said of that, and the whole command."""
    known = QUESTION_WORDS.get(part.split()[0]) if one.name == "query" else None
    whole = _one(session, one)
    if known is None:
        return whole
    return document(text(f"query {part.split()[0]}: {known}", Style.HEADING), *whole.blocks, value=whole.data)


def _overview(session: Session) -> Document:
    sections = []
    allowed = [one for one in session.registry if not one.effect & ~session.allowed]
    offered = [one for one in allowed if not one.why_not(session)]
    for group in Group:
        commands = [one for one in offered if one.group is group]
        if commands:
            sections.append(section(group.value, table(("name", "what"), map(_row, commands), titles=False)))
    notes = [text("help COMMAND tells more; a command's beginning is enough; --json gives data", Style.DIM)]
    others = sorted(one.name for one in allowed if one not in offered)
    if others:
        notes.insert(0, text(f"not here now (help COMMAND says why): {', '.join(others)}", Style.DIM))
    return document(*sections, *notes)


def _row(one: Command[Session]) -> tuple[Text, Text]:
    return text(one.name, Style.LABEL), text(one.summary)


def _one(session: Session, one: Command[Session]) -> Document:
    parser = one.parser()
    usage = " ".join(parser.format_usage().removeprefix("usage:").split())
    blocks: list[Text] = [text(usage, Style.HEADING), text(one.summary)]
    blocks += [text(line) for line in one.description.splitlines()]
    if why := one.why_not(session):
        blocks.append(text(f"not here: {why}", Style.BAD))
    rows = []
    for action in parser._actions:
        name = ", ".join(action.option_strings) or str(action.metavar or action.dest)
        rows.append((text(f"  {name}", Style.LABEL), text((action.help or "").replace("%%", "%"))))
    if one.letters:
        rows.append((text("  /FORMAT", Style.LABEL), text("count, letter (x d u o t a c f s i z) and size (b h w g)")))
    if one.condition:
        rows.append((text("  if EXPRESSION", Style.LABEL), text("only when this holds")))
    parts: list[Block] = [*blocks, table(("argument", "meaning"), rows, titles=False)]
    if one.aliases:
        parts.append(joined((text("also: ", Style.DIM), ", ".join(one.aliases))))
    parts += [joined((text("example: ", Style.DIM), text(example, Style.CODE))) for example in one.examples]
    if one.name == "print":
        parts += _functions()
    return document(*parts)


def _functions() -> list[Block]:
    """What expressions know besides registers, symbols and memory."""
    sections: list[Block] = [
        section(title, table(("function", "what"), [(text(n), text(what)) for n, what in words.items()], titles=False))
        for title, words in (("functions", WORDS), ("functions of types and of Linux", TYPED_WORDS))
    ]
    return [*sections, text(METHODS, Style.DIM)]


def _about(session: Session, word: str) -> Document:
    low = word.lower()
    found = [
        one
        for one in session.registry
        if any(low in words.lower() for words in (one.name, *one.aliases, one.function.__doc__ or ""))
    ]
    if not found:
        return _found(session, word)
    return document(table(("name", "what"), map(_row, found), titles=False))


def _found(session: Session, words: str) -> Document:
    """`?` is for values in WinDbg."""
    try:
        return session.run(f"print {words}")
    except ExpressionError:
        return _one(session, session.registry.find(words))
