"""No question leads out of the folder, nothing of the host's own shows, and what is wrong is an error of Linux."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from devices.ninep.folder import FileKind, Question, Verb
from vmdbg.errors import UserError
from vmdbg.shares.host_folder import HostFolder
from vmdbg.shares.links import leads_out

SECRET = b"nobody's to see"
READS = (Verb.LOOK, Verb.LIST, Verb.READ, Verb.LINK)
CHANGES = tuple(verb for verb in Verb if verb not in (*READS, Verb.SYNC))


@pytest.fixture
def folder(tmp_path: Path) -> HostFolder:
    """With links that lead to what is beside it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(SECRET)
    inside = tmp_path / "inside"
    (inside / "d").mkdir(parents=True)
    (inside / "d" / "f").write_bytes(b"fine")
    (inside / "up").symlink_to("../outside")
    (inside / "far").symlink_to(tmp_path / "outside")
    (inside / "file").symlink_to("../outside/secret")
    (inside / "d" / "round").symlink_to("..")
    return HostFolder(str(inside), writable=True)


OUT = [
    b"..", b"../outside/secret", b"d/../../outside/secret", b"up/secret", b"far/secret", b"file", b"/etc/passwd", b"//",
    b"d//f", b"./d/f", b"d/.", b"d/..", b"", b"d/round/up/secret", b"x" * 5000, b"a\0b", b"d/f/g",
]  # fmt: skip


@pytest.mark.parametrize("path", OUT)
@pytest.mark.parametrize("verb", Verb)
def test_no_pathleads_out(folder: HostFolder, tmp_path: Path, path: bytes, verb: Verb) -> None:
    for question in (Question(verb, path, b"d/new", 0, 100), Question(verb, b"d/f", path, 0, 0)):
        answer = folder.answer(question, b"written")
        assert SECRET not in answer.data
        assert b"root:" not in answer.data
    assert (tmp_path / "outside" / "secret").read_bytes() == SECRET
    assert sorted(os.listdir(tmp_path / "outside")) == ["secret"]
    assert sorted(os.listdir(tmp_path)) == ["inside", "outside"]


def test_a_directory_that_becomes_a_link_meanwhile_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "f").write_bytes(SECRET)
    inside = tmp_path / "inside"
    (inside / "real").mkdir(parents=True)
    (inside / "real" / "f").write_bytes(b"fine")
    folder, over = HostFolder(str(inside), writable=True), threading.Event()

    def change() -> None:
        link = inside / "link"
        link.symlink_to("../outside")
        while not over.is_set():
            for old, new in (("real", "kept"), ("link", "real"), ("real", "link"), ("kept", "real")):
                os.rename(inside / old, inside / new)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        found = {folder.answer(Question(Verb.READ, b"real/f", size=100)).data for _ in range(3000)}
        for _ in range(3000):
            folder.answer(Question(Verb.WRITE, b"real/f"), b"fine")
            folder.answer(Question(Verb.CREATE, b"real/new"))
            folder.answer(Question(Verb.REMOVE, b"real/new"))
    finally:
        over.set()
        thread.join()
    assert found <= {b"", b"fine"}
    assert os.listdir(tmp_path / "outside") == ["f"]
    assert (tmp_path / "outside" / "f").read_bytes() == SECRET


def test_what_is_neither_file_directory_nor_link_is_not_there(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        (tmp_path / "f").write_bytes(b"")
        folder = HostFolder(str(tmp_path), writable=True)
        assert [name.name for name in folder.answer(Question(Verb.LIST, b"")).names] == [b"f"]
        for name in (b"pipe", b"socket"):
            for verb in (Verb.LOOK, Verb.READ, Verb.WRITE):
                assert folder.answer(Question(verb, name, size=1)).error


def test_numbers_owners_and_times_of_the_host_do_not_show(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    (tmp_path / "f").chmod(0o6755)
    folder = HostFolder(str(tmp_path))
    attributes = folder.answer(Question(Verb.LOOK, b"f")).attributes
    assert attributes is not None
    assert (attributes.kind, attributes.mode, attributes.size) == (FileKind.FILE, 0o755, 5)
    assert (attributes.number, attributes.version) == (1, 0)
    os.utime(tmp_path / "f", (1, 1))
    again = folder.answer(Question(Verb.LOOK, b"f")).attributes
    assert again is not None
    assert (again.number, again.version) == (1, 1)


@pytest.mark.parametrize("verb", CHANGES)
def test_nothing_changes_a_folder_that_is_only_read(tmp_path: Path, verb: Verb) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    folder = HostFolder(str(tmp_path))
    assert folder.answer(Question(verb, b"f", b"g", size=1), b"xyz").error == 30
    assert folder.answer(Question(verb, b"g", b"f", size=1), b"xyz").error == 30
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"12345"]


@pytest.mark.parametrize(
    ("path", "target", "out"),
    [
        (b"l", b"a", False),
        (b"l", b"..", True),
        (b"d/l", b"..", False),
        (b"d/l", b"../..", True),
        (b"d/l", b"../x/../../y", True),
        (b"d/l", b"x/../../y", False),
        (b"l", b"/a", True),
        (b"l", b"./a//b/.", False),
    ],
)
def test_which_links_lead_out(path: bytes, target: bytes, out: bool) -> None:
    assert leads_out(path, target) is out


def test_a_link_is_not_moved_to_where_itleads_out(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    folder = HostFolder(str(tmp_path), writable=True)
    assert folder.answer(Question(Verb.MAKE_LINK, b"d/l", b"../x")).error == 0
    assert folder.answer(Question(Verb.RENAME, b"d/l", b"l")).error == 1
    assert folder.answer(Question(Verb.RENAME, b"d/l", b"d/m")).error == 0


def test_what_cannot_be_shared_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    for path, words in (("f", "is no folder"), ("none", "cannot share .*No such file"), ("a\0b", "cannot share")):
        with pytest.raises(UserError, match=words):
            HostFolder(str(tmp_path / path))
