"""A folder of the host, asked from within a guest: no question leads out of it, whatever links and names it has.

Each part of a path is opened by itself, in the directory before it, and no link is followed (openat(2), O_NOFOLLOW):
so it does not matter either what others do to the folder meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from devices.ninep.folder import MOST_DATA, MOST_NAMES, Answer, Attributes, FileKind, Name, Question, Verb, below
from vmdbg.document.printable import printable
from vmdbg.errors import UserError
from vmdbg.shares.links import leads_out

LONGEST_PATH = 4095
PERMISSIONS = 0o777
_KINDS = {stat.S_IFREG: FileKind.FILE, stat.S_IFDIR: FileKind.FOLDER, stat.S_IFLNK: FileKind.LINK}
_INSIDE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | _INSIDE
_ERRNOS = {
    errno.EPERM: 1,
    errno.ENOENT: 2,
    errno.EIO: 5,
    errno.ENOMEM: 12,
    errno.EACCES: 13,
    errno.EEXIST: 17,
    errno.ENOTDIR: 20,
    errno.EISDIR: 21,
    errno.EINVAL: 22,
    errno.EFBIG: 27,
    errno.ENOSPC: 28,
    errno.EROFS: 30,
    errno.EMLINK: 31,
    errno.ENAMETOOLONG: 36,
    errno.ENOTEMPTY: 39,
    errno.ELOOP: 2,  # what was a directory is a link now: nothing of that name is to be found
    errno.ESTALE: 2,
    errno.EDQUOT: 28,
}
"""Linux's numbers of this host's errors."""
_EIO, _EINVAL, _ENOENT, _EPERM, _EROFS, _EOVERFLOW = 5, 22, 2, 1, 30, 75


class HostFolder:
    """Answers questions as the folder is now. Numbers and versions of files are counted here."""

    def __init__(self, path: str, *, writable: bool = False, met: Mapping[bytes, Attributes] | None = None) -> None:
        """`met`: what was said of files before, by path; they keep their numbers. UserError if there is no folder."""
        self.path = path
        self.name = printable(path)
        self._writable = writable
        self._numbers: dict[tuple[int, int], int] = {}
        self._versions: dict[int, tuple[tuple[int, int, int], int]] = {}
        self._met = dict(met or {})
        self._next = max((attributes.number for attributes in self._met.values()), default=0) + 1
        try:
            self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except NotADirectoryError:
            raise UserError(f"{self.name} is no folder: --share shares folders, and --disk images") from None
        except (OSError, ValueError) as error:
            raise UserError(f"cannot share {self.name}: {getattr(error, 'strerror', None) or error}") from None
        if writable and not os.access(path, os.W_OK):
            os.close(self._root)
            raise UserError(f"{self.name} may not be written by you: leave snapshot=off away, and it is only read")
        self._verbs: dict[Verb, Callable[[Question, bytes], Answer]] = {
            Verb.LOOK: self._look,
            Verb.LIST: self._list,
            Verb.READ: self._read,
            Verb.LINK: self._link,
            Verb.CREATE: self._create,
            Verb.WRITE: self._write,
            Verb.RESIZE: self._resize,
            Verb.MODE: self._mode,
            Verb.MAKE_FOLDER: self._make_folder,
            Verb.MAKE_LINK: self._make_link,
            Verb.REMOVE: self._remove,
            Verb.REMOVE_FOLDER: self._remove_folder,
            Verb.RENAME: self._rename,
            Verb.SYNC: self._sync,
        }

    def answer(self, question: Question, data: bytes = b"") -> Answer:
        if question.verb not in (Verb.LOOK, Verb.LIST, Verb.READ, Verb.LINK, Verb.SYNC) and not self._writable:
            return Answer(_EROFS)
        try:
            return self._verbs[question.verb](question, data)
        except OSError as error:
            return Answer(_ERRNOS.get(error.errno or 0, _EIO))
        except (ValueError, OverflowError):  # a NUL in a name, a size that no file has
            return Answer(_EINVAL)

    # the way there

    @contextmanager
    def _in_parent(self, path: bytes) -> Iterator[tuple[int, bytes]]:
        """The directory that the last part of a path is in, open, and that part. Raises OSError."""
        parts = path.split(b"/")
        if len(path) > LONGEST_PATH or any(part in (b"", b".", b"..") or b"\0" in part for part in parts):
            raise OSError(errno.ENOENT, "no path within the folder")
        file = self._root
        try:
            for part in parts[:-1]:
                inner = os.open(part, _DIRECTORY, dir_fd=file)
                if file != self._root:
                    os.close(file)
                file = inner
            yield file, parts[-1]
        finally:
            if file != self._root:
                os.close(file)

    @contextmanager
    def _opened(self, path: bytes, flags: int) -> Iterator[int]:
        """A regular file or directory. Raises OSError; what is neither is not there."""
        if not path:
            yield self._root
            return
        with self._in_parent(path) as (parent, name):
            file = os.open(name, flags | _INSIDE, dir_fd=parent)
        try:
            if stat.S_IFMT(os.fstat(file).st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
                raise OSError(errno.ENOENT, "neither file nor directory")
            yield file
        finally:
            os.close(file)

    def _found(self, path: bytes) -> os.stat_result:
        if not path:
            return os.fstat(self._root)
        with self._in_parent(path) as (parent, name):
            return os.stat(name, dir_fd=parent, follow_symlinks=False)

    # what is there

    def _look(self, question: Question, data: bytes) -> Answer:
        found = self._found(question.path)
        kind = _KINDS.get(stat.S_IFMT(found.st_mode))
        if kind is None:
            return Answer(_ENOENT)
        number = self._number(found, question.path)
        seen = found.st_size, found.st_mtime_ns, found.st_mode
        before, version = self._versions.get(number) or (seen, self._version_met(question.path, found))
        version += before != seen
        self._versions[number] = seen, version
        size = 0 if kind is FileKind.FOLDER else found.st_size
        return Answer(attributes=Attributes(kind, found.st_mode & PERMISSIONS, size, number, version))

    def _number(self, found: os.stat_result, path: bytes) -> int:
        key = found.st_dev, found.st_ino
        number = self._numbers.get(key)
        if number is None:
            met = self._met.get(path)
            if met is not None and met.kind == _KINDS.get(stat.S_IFMT(found.st_mode)):
                number = met.number
            else:
                number = self._next
                self._next += 1
            self._numbers[key] = number
        return number

    def _version_met(self, path: bytes, found: os.stat_result) -> int:
        """Of a file that is looked at for the first time here: what it was, unless it can be told to be another."""
        met = self._met.get(path)
        if met is None:
            return 0
        is_other = met.kind is FileKind.FILE and met.size != found.st_size
        return met.version + is_other

    def _list(self, question: Question, data: bytes) -> Answer:
        names: list[tuple[bytes, FileKind, os.stat_result]] = []
        with self._opened(question.path, _DIRECTORY) as file, os.scandir(file) as entries:
            for entry in entries:
                if len(names) >= MOST_NAMES:
                    return Answer(_EOVERFLOW)
                with contextlib.suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    kind = _KINDS.get(stat.S_IFMT(found.st_mode))
                    if kind is not None:
                        names.append((os.fsencode(entry.name), kind, found))
        names.sort(key=lambda one: one[0])
        path = question.path
        numbered = (Name(name, kind, self._number(found, below(path, name))) for name, kind, found in names)
        return Answer(names=tuple(numbered))

    def _read(self, question: Question, data: bytes) -> Answer:
        with self._opened(question.path, os.O_RDONLY) as file:
            size, offset, found = min(question.size, MOST_DATA), question.offset, bytearray()
            while size and (more := os.pread(file, size, offset)):
                found += more
                size, offset = size - len(more), offset + len(more)
        return Answer(data=bytes(found))

    def _link(self, question: Question, data: bytes) -> Answer:
        with self._in_parent(question.path) as (parent, name):
            return Answer(data=os.fsencode(os.readlink(name, dir_fd=parent)))

    # what the guest wants otherwise

    def _create(self, question: Question, data: bytes) -> Answer:
        with self._in_parent(question.path) as (parent, name):
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | _INSIDE
            os.close(os.open(name, flags, question.mode & PERMISSIONS, dir_fd=parent))
        return Answer()

    def _write(self, question: Question, data: bytes) -> Answer:
        with self._opened(question.path, os.O_WRONLY) as file:
            rest, offset = memoryview(data), question.offset
            while rest:
                count = os.pwrite(file, rest, offset)
                rest, offset = rest[count:], offset + count
        return Answer()

    def _resize(self, question: Question, data: bytes) -> Answer:
        with self._opened(question.path, os.O_WRONLY) as file:
            os.ftruncate(file, question.size)
        return Answer()

    def _mode(self, question: Question, data: bytes) -> Answer:
        with self._opened(question.path, os.O_RDONLY) as file:
            os.fchmod(file, question.mode & PERMISSIONS)
        return Answer()

    def _make_folder(self, question: Question, data: bytes) -> Answer:
        with self._in_parent(question.path) as (parent, name):
            os.mkdir(name, question.mode & PERMISSIONS, dir_fd=parent)
        return Answer()

    def _make_link(self, question: Question, data: bytes) -> Answer:
        """One that leads out of the folder would lead people and programs of the host astray: there is none."""
        if leads_out(question.path, question.other):
            return Answer(_EPERM)
        with self._in_parent(question.path) as (parent, name):
            os.symlink(question.other, name, dir_fd=parent)
        return Answer()

    def _remove(self, question: Question, data: bytes) -> Answer:
        with self._in_parent(question.path) as (parent, name):
            os.unlink(name, dir_fd=parent)
        return Answer()

    def _remove_folder(self, question: Question, data: bytes) -> Answer:
        with self._in_parent(question.path) as (parent, name):
            os.rmdir(name, dir_fd=parent)
        return Answer()

    def _rename(self, question: Question, data: bytes) -> Answer:
        """A link that is moved may come to lead out, so those that go up stay in their directory."""
        with self._in_parent(question.path) as (old, name), self._in_parent(question.other) as (new, other):
            if stat.S_ISLNK(os.stat(name, dir_fd=old, follow_symlinks=False).st_mode):
                target = os.fsencode(os.readlink(name, dir_fd=old))
                if leads_out(question.other, target):
                    return Answer(_EPERM)
            os.rename(name, other, src_dir_fd=old, dst_dir_fd=new)
        return Answer()

    def _sync(self, question: Question, data: bytes) -> Answer:
        if self._writable:
            with self._opened(question.path, os.O_RDONLY) as file:
                os.fsync(file)
        return Answer()

    def close(self) -> None:
        os.close(self._root)
