"""What a share asks of the folder behind it: questions with numbers, whose answers can be had again."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

LONGEST_NAME = 255
MOST_NAMES = 1 << 17
"""In one directory of the host."""
MOST_DATA = 1 << 20
"""Bytes of one answer."""


class Verb(enum.StrEnum):
    """LOOK to WRITE_TO are of reading and the host is as it was; the others change it."""

    LOOK = "look"
    LIST = "list"
    READ = "read"
    LINK = "read-link"
    CREATE = "create"
    WRITE = "write"
    RESIZE = "resize"
    MODE = "mode"
    MAKE_FOLDER = "make-folder"
    MAKE_LINK = "make-link"
    REMOVE = "remove"
    REMOVE_FOLDER = "remove-folder"
    RENAME = "rename"
    SYNC = "sync"


class FileKind(enum.StrEnum):
    """What a share shows of a folder; the host's devices, pipes and sockets are not there."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Question:
    """`path` from the folder on, with slashes, "" for the folder itself; `other` a second one, or a link's text."""

    verb: Verb
    path: bytes
    other: bytes = b""
    offset: int = 0
    size: int = 0
    mode: int = 0


@dataclass(frozen=True, slots=True)
class Attributes:
    """Nothing of the host's own numbers, owners and times: `number` counts files as they are met, `version` is raised
    where a file has changed since it was last looked at. `mode` are the nine bits.
    """

    kind: FileKind
    mode: int
    size: int
    number: int
    version: int = 0


@dataclass(frozen=True, slots=True)
class Name:
    """One of a directory's."""

    name: bytes
    kind: FileKind
    number: int


@dataclass(frozen=True, slots=True)
class Answer:
    """`error` is an errno of Linux, 0 if it was done. `names` are sorted."""

    error: int = 0
    attributes: Attributes | None = None
    names: tuple[Name, ...] = ()
    data: bytes = b""


class Folder(Protocol):
    """The folder, by question. Where the same number is asked again the answer is the same."""

    def ask(self, number: int, question: Question, data: bytes = b"") -> Answer:
        """`data` is what is to be written. Raises MediumError, and nothing has been asked then."""
        ...

    def recall(self, number: int) -> Answer:
        """The answer that a number had. Raises MediumError if it is not known any more."""
        ...


def below(path: bytes, name: bytes) -> bytes:
    """The path of a directory's entry."""
    return path + b"/" + name if path else name
