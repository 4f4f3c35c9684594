"""What `--share` says, how it is refused, and what a recording makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.ninep.folder import Answer, Attributes, FileKind, Name, Question, Verb
from devices.ninep.share import Share
from vmdbg.errors import RecordingError, UserError
from vmdbg.host.shares import ShareChoice, give_folders, open_shares, parse_share
from vmdbg.machine.answers import Answers
from vmdbg.machine.media import Media
from vmdbg.recording.recorded_answers import check_answers
from vmdbg.recording.records import AnswerRecord, AnswersRecord


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("a,,b", ShareChoice("a,b")),
        ("d,tag=src,readonly", ShareChoice("d", "src", read_only=True)),
        ("d,snapshot=off,size=2G", ShareChoice("d", direct=True, size=2 << 30)),
    ],
)
def test_what_can_be_said(text: str, choice: ShareChoice) -> None:
    assert parse_share(text) == choice


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no folder"),
        ("d,nonsense", "has no option 'nonsense'; it has: tag=NAME, readonly"),
        ("d,tag=", "has no option 'tag='"),
        ("d,tag=a b", "at most 31 letters"),
        ("d,tag=" + "x" * 32, "at most 31 letters"),
        ("d,snapshot=maybe", "snapshot is on"),
        ("d,readonly,snapshot=off", "say one of them"),
        ("d,tag=a,tag=b", "--share has tag twice: give it once"),
        ("d,size=9", "is no size of memory"),
        ("d,size=1K", "1M to 1024G"),
    ],
)
def test_what_cannot(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse_share(text)


def test_tags(tmp_path: Path) -> None:
    media = Media()
    choices = [parse_share(str(tmp_path)), parse_share(f"{tmp_path},tag=x"), parse_share(str(tmp_path))]
    assert [share.tag for share in open_shares(choices, media)] == ["share0", "x", "share2"]
    media.close()
    with pytest.raises(UserError, match="two shares have the tag share1"):
        open_shares([parse_share(f"{tmp_path},tag=share1"), parse_share(str(tmp_path))], Media())


def test_a_guest_that_goes_on_gets_the_folder_of_its_tag(tmp_path: Path) -> None:
    share, folder = Share("share0", "src"), Answers("share0", "src")
    with pytest.raises(UserError, match="has no share other; it has: src"):
        give_folders([parse_share(f"{tmp_path},tag=other")], [share], {"share0": folder})
    with pytest.raises(UserError, match="leave readonly and snapshot away"):
        give_folders([parse_share(f"{tmp_path},tag=src,readonly")], [share], {"share0": folder})
    with pytest.raises(RecordingError, match=r"wants 'a\\x1b' of the share src, .* --share FOLDER,tag=src"):
        folder.ask(0, Question(Verb.LOOK, b"a\x1b"))
    give_folders([parse_share(f"{tmp_path},tag=src")], [share], {"share0": folder})
    assert folder.ask(0, Question(Verb.LOOK, b"a")).error == 2
    folder.close()


def test_answers_are_the_same_whenever_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(1000))
    media = Media()
    open_shares([parse_share(str(tmp_path))], media)
    folder, asked = media.folders["share0"], 0
    folder.asked = lambda: asked
    question = Question(Verb.READ, b"f", size=2000)
    first = folder.ask(0, question)
    (tmp_path / "f").write_bytes(b"other")
    assert folder.ask(0, question) == first == folder.recall(0)
    assert folder.ask(1, question).data == b"other"
    with pytest.raises(RecordingError, match="asked for read of 'f' when it was recorded"):
        folder.ask(0, Question(Verb.LOOK, b"f"))
    asked = 1
    folder.drop_future()
    (tmp_path / "f").write_bytes(b"third")
    assert folder.ask(1, question).data == b"third"
    media.close()


@pytest.mark.parametrize(
    "record",
    [
        AnswerRecord(-1, Question(Verb.LOOK, b""), Answer()),
        AnswerRecord(0, Question(Verb.LOOK, b"x" * 5000), Answer()),
        AnswerRecord(0, Question(Verb.LOOK, b"", size=-1), Answer()),
        AnswerRecord(0, Question(Verb.LOOK, b""), Answer(error=-5)),
        AnswerRecord(0, Question(Verb.LOOK, b""), Answer(), b"short"),
        AnswerRecord(0, Question(Verb.LIST, b""), Answer(names=(Name(b"", FileKind.FILE, 1),))),
        AnswerRecord(0, Question(Verb.LOOK, b""), Answer(attributes=Attributes(FileKind.FILE, 0o7777, 1, 1))),
        AnswerRecord(0, Question(Verb.LOOK, b""), Answer(attributes=Attributes(FileKind.FILE, 0, 1 << 70, 1))),
    ],
)
def test_answers_that_nobody_gave_are_refused(record: AnswerRecord) -> None:
    with pytest.raises(RecordingError, match="is damaged"):
        check_answers(AnswersRecord("share0", [record]))
