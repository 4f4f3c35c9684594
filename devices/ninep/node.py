"""What a share's guest can name: files, directories and links, as plain state."""

from __future__ import annotations

import stat
from dataclasses import dataclass

from devices.ninep.folder import FileKind

ROOT = 1
WHITEOUT = 0
"""An entry of nothing: what the folder has there is gone."""
OWN_QIDS = 1 << 48
"""Files that the guest made have numbers from there on."""
TYPES = {FileKind.FILE: stat.S_IFREG, FileKind.FOLDER: stat.S_IFDIR, FileKind.LINK: stat.S_IFLNK}


@dataclass(frozen=True, slots=True)
class Extent:
    """`count` pages of a file from its page `at` on are those of the share's data from `place` on."""

    at: int
    place: int
    count: int


@dataclass(frozen=True, slots=True)
class Node:
    """`lower` is where the folder has it, None if nowhere. `qid` is its number for the guest.

    What is said of it is the folder's to say, but where it is `ours`: then the rest holds, times in nanoseconds since
    1970. The contents of a file of ours are the folder's as long as they are `borrowed`. `placed`: its entry is not
    where the folder has it.
    """

    number: int
    mode: int
    qid: int
    lower: bytes | None = None
    ours: bool = False
    borrowed: bool = False
    placed: bool = False
    version: int = 0
    owner: int = 0
    group: int = 0
    links: int = 1
    device: int = 0
    size: int = 0
    accessed: int = 0
    modified: int = 0
    changed: int = 0
    target: bytes = b""
    extents: tuple[Extent, ...] = ()

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a directory, and what it names; WHITEOUT for nothing."""

    parent: int
    name: bytes
    node: int


@dataclass(frozen=True, slots=True)
class Fid:
    """What the guest holds. A directory that is being read has the number of the folder's answer, -1 if that has none,
    and the names besides which there were then; None before.
    """

    node: int
    opened: bool = False
    writes: bool = False
    listing: int = -1
    names: tuple[bytes, ...] | None = None
