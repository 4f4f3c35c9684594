"""What shared folders answered when it was recorded, and the data of that, read when it is needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import BinaryIO

import xxhash

from devices.ninep.folder import LONGEST_NAME, MOST_DATA, MOST_NAMES, Answer, Question
from vmdbg.errors import RecordingError
from vmdbg.machine.answers import Answers, folder_of
from vmdbg.machine.config import MachineConfig
from vmdbg.recording.blocks import Block, read_payload
from vmdbg.recording.records import AnswerRecord, AnswersRecord, BlobsRecord, decode

KEY_SIZE = 16
_AT_HAND = 16
_LONGEST_PATH = 4096
_WORD = 1 << 63
MOST_ANSWERS = 1 << 24


class BlobFile:
    """vmdbg.machine.answers.Blobs: the BLOBS blocks of a recording."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._blocks: list[Block] = []
        self._where: dict[bytes, tuple[int, int, int]] | None = None
        self._at_hand: OrderedDict[int, BlobsRecord] = OrderedDict()

    def add(self, block: Block) -> None:
        self._blocks.append(block)
        self._where = None

    def _index(self) -> dict[bytes, tuple[int, int, int]]:
        """Where each is: the number of its block, offset and size in it. Damaged blocks hold none."""
        if self._where is None:
            self._where = {}
            for number in range(len(self._blocks)):
                try:
                    blobs = self._read(number)
                except RecordingError:
                    continue
                at = 0
                for place, size in enumerate(blobs.sizes):
                    self._where[blobs.keys[place * KEY_SIZE : (place + 1) * KEY_SIZE]] = number, at, size
                    at += size
        return self._where

    def _read(self, number: int) -> BlobsRecord:
        found = self._at_hand.get(number)
        if found is None:
            found = decode(read_payload(self._file, self._blocks[number]), BlobsRecord, "data of a share")
            sizes = found.sizes
            if len(found.keys) != KEY_SIZE * len(sizes) or min(sizes, default=0) < 0 or sum(sizes) != len(found.data):
                raise RecordingError("data of a share is damaged: it does not match its digests")
            self._at_hand[number] = found
            if len(self._at_hand) > _AT_HAND:
                self._at_hand.popitem(last=False)
        return found

    def get(self, key: bytes) -> bytes:
        """Raises RecordingError if it is missing or damaged."""
        where = self._index().get(key)
        if where is None:
            raise RecordingError("what a shared folder gave the guest is damaged or missing in the recording")
        number, at, size = where
        data = self._read(number).data[at : at + size]
        if xxhash.xxh3_128_digest(data) != key:
            raise RecordingError("what a shared folder gave the guest is not what its digest says")
        return data


def check_answers(record: AnswersRecord) -> None:
    """Raises RecordingError for what no folder answers."""
    for one in record.answers:
        if not _is_possible(one):
            raise RecordingError("an answer of a shared folder is damaged")


def _is_possible(one: AnswerRecord) -> bool:
    question, answer = one.question, one.answer
    attributes = answer.attributes
    return (
        0 <= one.number < MOST_ANSWERS
        and len(one.key) in (0, KEY_SIZE)
        and max(len(question.path), len(question.other)) <= _LONGEST_PATH
        and all(0 <= number < _WORD for number in (question.offset, question.size, question.mode))
        and 0 <= answer.error < 1 << 12
        and len(answer.names) <= MOST_NAMES
        and len(answer.data) <= MOST_DATA
        and all(0 < len(name.name) <= LONGEST_NAME and 0 <= name.number < _WORD for name in answer.names)
        and (attributes is None or _is_a_file(attributes.mode, attributes.size, attributes.number, attributes.version))
    )


def _is_a_file(mode: int, size: int, number: int, version: int) -> bool:
    return 0 <= mode <= 0o777 and 0 <= size < _WORD and 0 <= number < _WORD and 0 <= version < 1 << 31


def recorded_folders(config: MachineConfig, records: Iterable[AnswersRecord], blobs: BlobFile) -> dict[str, Answers]:
    """By the name of the share, or of the network's end."""
    folders = {share.name: Answers(share.name, share.tag, blobs=blobs) for share in config.shares}
    for given in filter(None, map(folder_of, config.nets)):
        given.blobs = blobs
        folders[given.name] = given
    for record in records:
        folder = folders.get(record.share)
        if folder is not None:
            for one in record.answers:
                folder.add(one.number, one.question, one.answer, one.key)
    return folders


def records_of(share: str, answers: list[tuple[int, Question, Answer, bytes]]) -> AnswersRecord:
    """Answers without the data that is elsewhere."""
    return AnswersRecord(share, [AnswerRecord(*one) for one in answers])
