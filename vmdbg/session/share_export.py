"""Writing what a guest has made of a share to a folder of the host's."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from devices.ninep.changed import changes
from devices.ninep.folder import Answer, Question, Verb, below
from devices.ninep.node import Node
from devices.ninep.unit import ShareUnit
from vmdbg.errors import UserError
from vmdbg.interruption import INTERRUPTION
from vmdbg.machine.answers import Source
from vmdbg.shares.links import leads_out

PIECE = 1 << 20
PERMISSIONS = 0o777


@dataclass(slots=True)
class Exported:
    """What was written, and what was left out, each with the reason."""

    files: int = 0
    size: int = 0
    left: list[tuple[bytes, str]] = field(default_factory=list)


def export_changes(unit: ShareUnit, source: Source | None, folder: Path) -> Exported:
    """Write all that the guest has changed, as it is now, to a new folder. Raises UserError.

    What a file or directory of the folder's was only given another name, owner or mode is read of it as it is now,
    without the guest's noticing; without a `source` it is left out.
    """
    try:
        folder.mkdir()
    except FileExistsError:
        raise UserError(f"{folder} exists; nothing is written over it: choose another name") from None
    except OSError as error:
        raise UserError(f"cannot make {folder}: {error.strerror}") from None
    try:
        return _Export(unit, source, folder).run()
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}") from None


class _Export:
    """One, under way. Paths are made by us, in a folder that is new: nothing in it is a link but at a path's end."""

    def __init__(self, unit: ShareUnit, source: Source | None, folder: Path) -> None:
        self._session = unit.server.session
        self._source = source
        self._root = os.fsencode(folder)
        self._done = Exported()
        self._changes = list(changes(self._session.tables))
        self._changed = {change.path for change in self._changes}

    def run(self) -> Exported:
        for change in self._changes:
            INTERRUPTION.check()
            if change.node is not None:
                self._write(change.path, change.node)
        return self._done

    def _at(self, path: bytes) -> bytes:
        """Where it goes, in a directory that is there."""
        where = self._root + b"/" + path
        os.makedirs(os.path.dirname(where), exist_ok=True)
        return where

    def _write(self, path: bytes, node: Node) -> None:
        if node.is_folder:
            os.makedirs(self._at(path), exist_ok=True)
            if node.lower is not None and node.placed:
                self._copy_folder(node.lower, path)
        elif node.is_link:
            self._link(path, node.target if node.ours else self._asked(Question(Verb.LINK, node.lower or b""), path))
        elif not node.is_file:
            self._done.left.append((path, "it is a device, a pipe or a socket"))
        elif node.ours and not node.borrowed:
            self._file(path, node, node.lower, ours=True)
        else:
            self._file(path, node, node.lower, ours=False)

    def _link(self, path: bytes, target: bytes | None) -> None:
        if target is None:
            return
        if leads_out(path, target):
            self._done.left.append((path, "it is a link that leads out of the folder"))
            return
        os.symlink(target, self._at(path))
        self._done.files += 1

    def _file(self, path: bytes, node: Node, lower: bytes | None, *, ours: bool) -> None:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(self._at(path), flags, 0o600)
        try:
            size = self._fill(file, path, node if ours else None, lower)
            os.fchmod(file, node.mode & PERMISSIONS if node.ours else 0o644)
        finally:
            os.close(file)
        if size < 0:
            os.unlink(self._at(path))
            return
        self._done.files += 1
        self._done.size += size

    def _fill(self, file: int, path: bytes, node: Node | None, lower: bytes | None) -> int:
        """Bytes; -1 if they cannot be had."""
        offset = 0
        while True:
            INTERRUPTION.check()
            if node is not None:
                data: bytes | None = self._session.contents.read(node, offset, PIECE)
            else:
                data = self._asked(Question(Verb.READ, lower or b"", offset=offset, size=PIECE), path)
            if data is None:
                return -1
            if not data:
                return offset
            os.pwrite(file, data, offset)
            offset += len(data)

    def _asked(self, question: Question, path: bytes) -> bytes | None:
        """Of the folder as it is now; None if it has no answer."""
        answer = self._answer(question)
        if answer is None or answer.error:
            why = "the folder is not here" if answer is None else os.strerror(answer.error)
            self._done.left.append((path, why))
            return None
        return answer.data

    def _answer(self, question: Question) -> Answer | None:
        return self._source.answer(question) if self._source is not None else None

    def _copy_folder(self, lower: bytes, path: bytes) -> None:
        """What is in a directory that the guest has moved, but for what it has changed there."""
        listing = self._answer(Question(Verb.LIST, lower))
        if listing is None or listing.error:
            self._done.left.append((path, "what is in it is the folder's, which is not here"))
            return
        for name in listing.names:
            INTERRUPTION.check()
            there, inner = below(path, name.name), below(lower, name.name)
            if there in self._changed:
                continue
            match name.kind:
                case "folder":
                    os.makedirs(self._at(there), exist_ok=True)
                    self._copy_folder(inner, there)
                case "link":
                    self._link(there, self._asked(Question(Verb.LINK, inner), there))
                case _:
                    self._file(there, Node(0, stat.S_IFREG | 0o644, 0), inner, ours=False)
