"""What a host's folder has answered to a guest: asked once, known ever after."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from devices.disk.medium import MediumError
from devices.network.net import Net, peer_name
from devices.ninep.folder import Answer, Attributes, Question, below
from vmdbg.errors import RecordingError
from vmdbg.machine.blob_stash import BlobStash


class NotAnsweredError(RecordingError, MediumError):
    """The guest wants what it had not asked for when it was recorded."""


class Source(Protocol):
    """The folder itself (vmdbg.shares.host_folder)."""

    def answer(self, question: Question, data: bytes = b"") -> Answer: ...

    def close(self) -> None: ...


class Blobs(Protocol):
    """Data by a key that its bytes alone decide."""

    def get(self, key: bytes) -> bytes:
        """Raises RecordingError if it is lost."""
        ...


Keeper = Callable[[str, int, Question, Answer, bytes], None]
"""Told of each answer that is new: the share's name, its number, and the key of its data, b"" if that is in it."""
INLINE = 256
"""Bytes of data that are kept in an answer."""


class Answers:
    """devices.ninep.folder.Folder: answers by number, from `source` where they are new.

    Invariant: what a number was asked is decided by the machine's history, so that history is replayed with the same
    answers. Only the process that made this asks the source: copies of it go through what has happened alone.
    """

    def __init__(
        self,
        name: str,
        tag: str,
        source: Source | None = None,
        blobs: Blobs | None = None,
        *,
        what: str = "the share",
        remedy: str = "",
    ) -> None:
        """`blobs` has the data of answers that are added by add(). People call it `what` with the tag, and give it by
        the option `remedy`.
        """
        self.name = name
        self.tag = tag
        self.called = f"{what} {tag}"
        self._remedy = remedy or f"--share FOLDER,tag={tag}"
        self.source = source
        self.keeper: Keeper | None = None
        self.asked: Callable[[], int] = lambda: 0
        """How many questions the machine has asked by now."""
        self.needed: Callable[[], Iterable[int]] = tuple
        """Numbers of the answers that it may recall."""
        self._known: dict[int, tuple[Question, Answer, bytes]] = {}
        self.blobs = blobs
        self._stash = BlobStash()
        self._process = os.getpid()

    def met(self) -> dict[bytes, Attributes]:
        """What was said last of each file that was met, by path. Of one that was only listed, its number and kind."""
        found: dict[bytes, Attributes] = {}
        for number in sorted(self._known):
            question, answer, _ = self._known[number]
            if answer.attributes is not None:
                found[question.path] = answer.attributes
            for name in answer.names:
                found.setdefault(below(question.path, name.name), Attributes(name.kind, 0, 0, name.number))
        return found

    def add(self, number: int, question: Question, answer: Answer, key: bytes) -> None:
        """One that a recording has. With a `key`, its data is elsewhere."""
        self._known[number] = question, answer, key

    def ask(self, number: int, question: Question, data: bytes = b"") -> Answer:
        known = self._known.get(number)
        if known is None:
            return self._ask_source(number, question, data)
        if known[0] != question:
            raise RecordingError(
                f"the guest asks {self.called} for {question.verb} of {_shown(question)}, and asked "
                f"for {known[0].verb} of {_shown(known[0])} when it was recorded"
            )
        return self._whole(known[1], known[2])

    def _ask_source(self, number: int, question: Question, data: bytes) -> Answer:
        if self.source is None or os.getpid() != self._process:
            raise NotAnsweredError(
                f"the guest wants {_shown(question)} of {self.called}, which it had not asked for "
                "when this was recorded, so that it is not in the recording: give the folder to `run --from` with "
                f"{self._remedy}"
            )
        answer = self.source.answer(question, data)
        key = b""
        kept = answer
        if len(answer.data) > INLINE:
            key, kept = self._stash.put(answer.data), replace(answer, data=b"")
        self._known[number] = question, kept, key
        if self.keeper is not None:
            self.keeper(self.name, number, question, answer, key)
        return answer

    def recall(self, number: int) -> Answer:
        """The answer that a number had. Raises RecordingError."""
        known = self._known.get(number)
        if known is None:
            raise NotAnsweredError(f"an answer of {self.called} is not in the recording")
        return self._whole(known[1], known[2])

    def _whole(self, answer: Answer, key: bytes) -> Answer:
        if not key:
            return answer
        return replace(answer, data=self._data(key))

    def _data(self, key: bytes) -> bytes:
        if key in self._stash:
            return self._stash.get(key)
        assert self.blobs is not None, "it was added with them"
        return self.blobs.get(key)

    def all(self) -> Iterator[tuple[int, Question, Answer, bytes]]:
        """Every answer that is known, whole, with the key of its data."""
        for number in sorted(self._known):
            question, answer, key = self._known[number]
            yield number, question, self._whole(answer, key), key

    def recalled(self) -> Iterator[tuple[int, Question, Answer, bytes]]:
        """As all(), of those that the machine may still ask for, as it is now."""
        wanted = set(self.needed())
        return (one for one in self.all() if one[0] in wanted)

    def drop_future(self) -> None:
        """What the machine has not asked yet, it may never ask."""
        asked = self.asked()
        self._known = {number: known for number, known in self._known.items() if number < asked}

    def close(self) -> None:
        if self.source is not None:
            self.source.close()
        self._stash.close()


def folder_of(net: Net) -> Answers | None:
    """Of its other end, which asks nobody yet; None if that has none."""
    if net.quiet is None or not net.quiet.folder:
        return None
    return Answers(
        peer_name(net.name), net.name, what="the network of", remedy=f"--net quiet,folder=FOLDER as {net.name}"
    )


def _shown(question: Question) -> str:
    """For people: repr() shows no control characters as they are."""
    return repr(question.path.decode(errors="replace")) if question.path else "the folder itself"
