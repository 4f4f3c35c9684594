"""Words that come from guests, files and users, made fit for a terminal."""


def printable(words: str) -> str:
    """Guest and user text without control characters, which could drive a terminal."""
    if words.isprintable():
        return words
    replaced = words.replace("\t", " ")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in replaced)
