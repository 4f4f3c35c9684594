"""Instants with notes, in a file beside the recording that several may write, one after the other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from vmdbg.errors import UserError

LONGEST_NOTE = 1 << 14
MOST_NOTES = 1000
LONGEST_FILE = 1 << 25
LOCK_SECONDS = 1.0


class Note(msgspec.Struct, frozen=True):
    """`place` is where the guest stands at that instant, as words. `id` is given once and never again."""

    id: int
    position: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[0-9]+(\+[0-9]+)?$")]
    title: Annotated[str, msgspec.Meta(max_length=400)]
    text: Annotated[str, msgspec.Meta(max_length=LONGEST_NOTE)] = ""
    place: Annotated[str, msgspec.Meta(max_length=1000)] = ""


class _File(msgspec.Struct, frozen=True):
    vmdbg: str
    next: int
    notes: Annotated[list[Note], msgspec.Meta(max_length=MOST_NOTES)]


FORMAT = "notes 1"
_EMPTY = _File(FORMAT, 1, [])
_DECODER = msgspec.json.Decoder(_File)


class Notebook:
    """`path` is None where the history is in no file: notes are kept as long as this process is there.

    Each change reads the file anew and takes the place of what it read, under a lock: what another vmdbg has written
    meanwhile stays.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._memory = _EMPTY

    def notes(self) -> list[Note]:
        """In order of time. Raises UserError for a file that is none of these."""
        return sorted(self._read().notes, key=lambda note: _key(note.position))

    def add(self, position: str, title: str, text: str, place: str) -> Note:
        """Raises UserError."""
        with self._changing() as known:
            if len(known.notes) >= MOST_NOTES:
                raise UserError(f"there are {MOST_NOTES} notes: delete some")
            made = Note(known.next, position, title, text, place)
            self._write(_File(FORMAT, known.next + 1, [*known.notes, made]))
            return made

    def change(self, number: int, title: str, text: str) -> None:
        """Raises UserError where the note is gone."""
        with self._changing() as known:
            if not any(note.id == number for note in known.notes):
                raise UserError("that note is gone: somebody has deleted it")
            notes = [
                msgspec.structs.replace(note, title=title, text=text) if note.id == number else note
                for note in known.notes
            ]
            self._write(_File(FORMAT, known.next, notes))

    def delete(self, number: int) -> None:
        with self._changing() as known:
            self._write(_File(FORMAT, known.next, [note for note in known.notes if note.id != number]))

    def markdown(self, title: str) -> str:
        """What a report or an issue can hold. Text of notes is Markdown as its author wrote it."""
        parts = [f"# {_one_line(title)}\n"]
        for note in self.notes():
            parts.append(f"## {_one_line(note.title) or note.position}\n")
            parts.append(f"At tick `{note.position}`{f', `{_code(note.place)}`' if note.place else ''}.\n")
            if note.text.strip():
                parts.append(f"{note.text.strip()}\n")
        return "\n".join(parts)

    # the file

    def _read(self) -> _File:
        if self.path is None:
            return self._memory
        try:
            with self.path.open("rb") as file:
                data = file.read(LONGEST_FILE + 1)
        except FileNotFoundError:
            return _EMPTY
        except OSError as error:
            raise UserError(f"cannot read the notes in {self.path}: {error.strerror or error}") from error
        try:
            if len(data) > LONGEST_FILE:
                raise ValueError(f"it has more than {LONGEST_FILE} bytes")
            found = _DECODER.decode(data)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{self.path} holds no notes of vmdbg, and is left as it is: {error}") from error
        if found.vmdbg != FORMAT:
            raise UserError(f"{self.path} is of another version ({found.vmdbg[:40]!r}), and is left as it is")
        return found

    @contextlib.contextmanager
    def _changing(self) -> Iterator[_File]:
        """What there is, which nobody else changes meanwhile. Raises UserError."""
        if self.path is None:
            yield self._memory
            return
        folder = self.path.parent
        try:
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise UserError(f"cannot write notes in {folder}: {error.strerror or error}") from error
        try:
            _lock(held, self.path)
            yield self._read()
        finally:
            os.close(held)

    def _write(self, content: _File) -> None:
        """All of it or nothing."""
        if self.path is None:
            self._memory = content
            return
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            partial.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2))
            partial.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise UserError(f"cannot write {self.path}: {error.strerror or error}") from error


def _lock(folder: int, path: Path) -> None:
    """Raises UserError where somebody keeps it for long."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() > until:
                raise UserError(f"{path} is being written by another program: try again") from error
            time.sleep(0.01)
        else:
            return


def _key(position: str) -> tuple[int, int]:
    tick, _, phase = position.partition("+")
    return int(tick), int(phase or 0)


def _one_line(words: str) -> str:
    return " ".join(words.split())


def _code(words: str) -> str:
    return _one_line(words).replace("`", "'")
