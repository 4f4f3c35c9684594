"""Whatever a guest does to a share, it finds what it would in a folder of its own, and the host's is as it was said."""

from __future__ import annotations

import errno
import os
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.devices.ninep.client import O_RDWR, START, Client, Share

NAMES = ["a", "b", "c", "long name with spaces", "ä"]
KINDS = [
    "create", "create", "write", "write", "truncate", "chmod", "mkdir", "mkdir", "symlink", "unlink", "unlink", "rmdir",
    "rename", "rename", "rename",
]  # fmt: skip
LINUX = {errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.EINVAL}


def planted(folder: Path, chance: random.Random, depth: int = 0) -> None:
    """Files, directories and links at random."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in chance.sample(NAMES, chance.randrange(2, len(NAMES))):
        path = folder / name
        match chance.randrange(4):
            case 0 if depth < 3:
                planted(path, chance, depth + 1)
            case 1:
                path.symlink_to(chance.choice(NAMES))
            case _:
                path.write_bytes(chance.randbytes(chance.choice([0, 10, 5000, 20_000])))
                path.chmod(chance.choice([0o644, 0o755, 0o600]))


def some_path(chance: random.Random) -> str:
    return "/".join(chance.choice(NAMES) for _ in range(chance.choice([1, 1, 2, 2, 3, 4])))


class Model:
    """The same with a folder of this host."""

    def __init__(self, root: Path) -> None:
        self._root = os.fsencode(root) + b"/"

    def _at(self, path: str) -> bytes:
        """No part on the way may be a link, as 9P has it."""
        whole = self._root + path.encode()
        for end, letter in enumerate(path):
            before = self._root + path[:end].encode()
            if letter == "/" and os.path.islink(before):
                raise OSError(errno.ENOTDIR, "a link on the way")
        return whole

    def create(self, path: str, data: bytes) -> None:
        fd = os.open(self._at(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        os.write(fd, data)
        os.close(fd)

    def write(self, path: str, offset: int, data: bytes) -> None:
        fd = os.open(self._file(path), os.O_WRONLY)
        os.pwrite(fd, data, offset)
        os.close(fd)

    def _file(self, path: str) -> bytes:
        whole = self._at(path)
        kind = os.lstat(whole).st_mode
        if not stat.S_ISREG(kind):
            raise OSError(errno.EISDIR if stat.S_ISDIR(kind) else errno.EINVAL, "no file")
        return whole

    def truncate(self, path: str, size: int) -> None:
        os.truncate(self._file(path), size)

    def chmod(self, path: str, mode: int) -> None:
        whole = self._at(path)
        if not stat.S_ISLNK(os.lstat(whole).st_mode):
            os.chmod(whole, mode)

    def mkdir(self, path: str) -> None:
        os.mkdir(self._at(path))

    def symlink(self, path: str, target: str) -> None:
        os.symlink(target, self._at(path))

    def unlink(self, path: str) -> None:
        whole = self._at(path)
        if stat.S_ISDIR(os.lstat(whole).st_mode):
            raise IsADirectoryError(errno.EISDIR, "")
        os.unlink(whole)

    def rmdir(self, path: str) -> None:
        os.rmdir(self._at(path))

    def rename(self, old: str, new: str) -> None:
        before, after = self._at(old), self._at(new)
        os.lstat(before)
        os.lstat(os.path.dirname(after))
        os.rename(before, after)

    def link(self, old: str, new: str) -> None:
        before, after = self._at(old), self._at(new)
        if stat.S_ISDIR(os.lstat(before).st_mode):
            raise OSError(errno.EISDIR, "")
        os.link(before, after, follow_symlinks=False)


def outcome(do: Callable[[], object]) -> int:
    try:
        do()
    except OSError as error:
        return error.errno or -1
    return 0


def act(chance: random.Random, client: Client, model: Model, *, links: bool) -> tuple[str, int, int]:
    """One thing done to both: what, and how it went."""
    path, other = some_path(chance), some_path(chance)
    data, offset = chance.randbytes(chance.choice([1, 100, 9000])), chance.choice([0, 0, 10, 5000])
    size = chance.choice([0, 1, 100, 4096, 30_000])
    kind = chance.choice([*KINDS, *(["link"] if links else [])])
    arguments: dict[str, tuple[object, ...]] = {
        "create": (path, data),
        "write": (path, offset, data),
        "truncate": (path, size),
        "chmod": (path, 0o640),
        "symlink": (path, chance.choice(NAMES)),
        "rename": (path, other),
        "link": (path, other),
    }
    given = arguments.get(kind, (path,))
    found = outcome(lambda: getattr(client, kind)(*given))
    return f"{kind} {given!r:.80}", found, outcome(lambda: getattr(model, kind)(*given))


def tree_of(client: Client, path: str = "") -> dict[str, tuple[int, bytes | str]]:
    found: dict[str, tuple[int, bytes | str]] = {}
    for name in client.listdir(path):
        inner = f"{path}/{name}" if path else name
        mode, size, _ = client.stat(inner)
        if stat.S_ISDIR(mode):
            found[inner] = stat.S_IFDIR, b""
            found |= tree_of(client, inner)
        elif stat.S_ISLNK(mode):
            found[inner] = stat.S_IFLNK, client.readlink(inner)
        else:
            data = client.read(inner)
            assert size == len(data)
            found[inner] = mode, data
    return found


def tree_at(root: Path) -> dict[str, tuple[int, bytes | str]]:
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(root.rglob("*")):
        name, mode = str(path.relative_to(root)), path.lstat().st_mode
        if stat.S_ISDIR(mode):
            found[name] = stat.S_IFDIR, b""
        elif stat.S_ISLNK(mode):
            found[name] = stat.S_IFLNK, os.readlink(path)
        else:
            found[name] = mode, path.read_bytes()
    return found


@pytest.mark.parametrize("direct", [False, True], ids=["overlay", "direct"])
@pytest.mark.parametrize("seed", range(8))
def test_a_share_is_a_folder(tmp_path: Path, seed: int, direct: bool) -> None:
    chance = random.Random(seed)
    host, own = tmp_path / "host", tmp_path / "own"
    planted(host, chance)
    shutil.copytree(host, own, symlinks=True)
    before, share = tree_at(host), Share(host, direct=direct)
    client, model = Client(share), Model(own)
    assert tree_of(client) == before
    for _ in range(150):
        what, found, expected = act(chance, client, model, links=not direct)
        assert bool(found) == bool(expected), (what, found, expected)
        if expected in LINUX and found not in (expected, errno.ENOENT, errno.ENOTDIR):
            assert {found, expected} <= {errno.EEXIST, errno.ENOTEMPTY, errno.EINVAL, errno.EISDIR, errno.ENOTDIR}, what
    assert tree_of(client) == tree_at(own)
    assert tree_at(host) == (tree_at(own) if direct else before)
    assert_tidy(share)


def assert_tidy(share: Share) -> None:
    """Nothing is kept that nothing needs, and pages that no file has are zeros."""
    tables = share.server.session.tables
    for number, node in tables.nodes.items():
        assert number == 1 or tables.is_needed(node) or number in tables.held, node
    used = {page for node in tables.nodes.values() for e in node.extents for page in range(e.place, e.place + e.count)}
    assert {number for number, _ in share.area.filled()} <= used
    assert share.contents.unused == share.contents.pages - len(used)
    state = share.server.session.save()
    share.server.session.restore(state)
    assert share.server.session.save() == state


@pytest.mark.slow
@pytest.mark.parametrize("direct", [False, True], ids=["overlay", "direct"])
@pytest.mark.parametrize("seed", range(100, 150))
def test_many_more_shares_are_folders(tmp_path: Path, seed: int, direct: bool) -> None:
    test_a_share_is_a_folder(tmp_path, seed, direct)


@pytest.mark.parametrize("direct", [False, True], ids=["overlay", "direct"])
def test_a_file_that_is_removed_while_open_stays_until_it_is_closed(tmp_path: Path, direct: bool) -> None:
    (tmp_path / "a").write_bytes(b"some text")
    share = Share(tmp_path, direct=direct)
    client = Client(share)
    client.create("b", b"another")
    for name, data in (("a", b"some text"), ("b", b"another")):
        fid = client.opened(name, O_RDWR)
        client.unlink(name)
        assert client.read_fid(fid) == data
        client.write_fid(fid, len(data), b" more")
        assert client.read_fid(fid) == data + b" more"
        assert client.listdir("") == [one for one in ("a", "b") if one > name]
        client.clunk(fid)
    assert_tidy(share)
    assert not share.contents.end


def test_what_the_guest_writes_carries_its_own_time_and_the_hosts_files_none_of_the_hosts(tmp_path: Path) -> None:
    import struct

    (tmp_path / "a").write_bytes(b"x")
    client = Client(Share(tmp_path))
    client.create("b")

    def modified(path: str) -> int:
        fid = client.fid(path)
        answer = client.ask(24, struct.pack("<IQ", fid, 0x7FF))
        client.clunk(fid)
        seconds, nanoseconds = struct.unpack_from("<QQ", answer, 89)
        return int(seconds * 10**9 + nanoseconds)

    assert modified("a") == START
    assert START < modified("b") <= client.now
    os.utime(tmp_path / "a", (1, 1))
    assert modified("a") == START + 10**9
    client.setattr("a", 0x1B0)
    assert modified("a") == 7 * 10**9 + 8


def test_names_are_sorted_and_numbers_are_counted(tmp_path: Path) -> None:
    for name in ("z", "a", "m"):
        (tmp_path / name).write_bytes(b"")
    client = Client(Share(tmp_path))
    client.create("b")
    assert client.listdir("") == ["a", "b", "m", "z"]
    numbers = [client.stat(name)[2] for name in ("a", "m", "z")]
    assert numbers == sorted(numbers)
    assert max(numbers) < 10


def test_a_directory_that_is_emptied_while_it_is_read(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number:03}").write_bytes(b"")
    client = Client(Share(tmp_path))
    import struct

    fid = client.opened("", 0o200000)
    seen, offset = 0, 0
    while True:
        answer = client.ask(40, struct.pack("<IQI", fid, offset, 500))[4:]
        if not answer:
            break
        at = 0
        while at < len(answer):
            offset, _, length = struct.unpack_from("<QBH", answer, at + 13)
            name = answer[at + 24 : at + 24 + length].decode()
            at += 24 + length
            if name not in (".", ".."):
                seen += 1
                client.unlink(name)
    assert seen == 200
    assert client.listdir("") == []
