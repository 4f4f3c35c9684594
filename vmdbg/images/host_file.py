"""A file of this host that holds an image: opened so that nobody writes it meanwhile, and told when it changed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
import threading
from collections.abc import Iterator
from weakref import WeakSet

from vmdbg.document.printable import printable
from vmdbg.images.image import FileIdentity, ImageError

_FLOCK = struct.Struct("hhqqi4x")
"""struct flock of Linux: type, whence, start, length, process."""
_READS, _WRITES = 100, 101
_LETS_NOBODY_WRITE = 201
"""Bytes that QEMU locks for what it does with an image (block/file-posix.c): 100 and up for what it does, 200 and up
for what it lets nobody else do. Locking the same ones, each of us knows of the other."""
_NO_LOCKS = (errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


_open_here: WeakSet[HostFile] = WeakSet()
"""By this process, whose own locks are none to itself in the words that people are given."""


class HostFile:
    """One file, open. All methods raise ImageError, and may be called by several threads.

    Invariant: `identity` is the file's as it was opened, or after what was written here last. So what others write is
    found, though not between two of our own writes that the host's clock does not tell apart.
    """

    def __init__(self, path: str, *, writable: bool = False, instead: str = "leave snapshot=off away") -> None:
        """`instead` is what the user can do if it cannot be written.

        Raises ImageError if it is no file, cannot be had, or is being written by somebody.
        """
        self.path = path
        self.name = printable(path)
        self.writable = writable
        self.instead = instead
        self._lock = threading.Lock()
        self.reopen()

    def reopen(self) -> None:
        """After close(), as it is now. Raises as the constructor."""
        self.fd = self._open(self.path)
        try:
            self._check_not_open_here()
            self._take_locks()
            self.size = os.lseek(self.fd, 0, os.SEEK_END)
            self.identity = self._identity()
        except OSError as error:
            os.close(self.fd)
            raise ImageError(f"{self.name} is no image, whose end can be sought: {error.strerror}") from None
        except BaseException:
            os.close(self.fd)
            raise
        _open_here.add(self)

    def opened_for_writing(self) -> HostFile:
        """The same file, writable, in place of this one, which is closed. It is open as it was where this raises."""
        self.check_unchanged()
        self.close()  # its locks are in the way
        try:
            again = HostFile(self.path, writable=True, instead="`disk export` makes a new one")
        except BaseException:
            self.reopen()
            raise
        if again.identity != self.identity:
            again.close()
            self.reopen()
            raise ImageError(f"the image {self.name} has changed while it was opened for writing: start again")
        return again

    def _open(self, path: str) -> int:
        mode = os.O_RDWR if self.writable else os.O_RDONLY
        if self.writable and _is_block_device(path):
            mode |= os.O_EXCL  # one that is mounted is refused (open(2))
        try:
            fd = os.open(path, mode | os.O_NONBLOCK | os.O_CLOEXEC)
        except IsADirectoryError:
            raise ImageError(f"{self.name} is a directory: name an image in it") from None
        except FileNotFoundError:
            raise ImageError(f"there is no image {self.name}: name one that is there") from None
        except PermissionError:
            what = "written" if self.writable else "read"
            remedy = self.instead if self.writable else "ask for the right to read it"
            raise ImageError(f"the image {self.name} may not be {what} by you: {remedy}") from None
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise ImageError(
                    f"the device {self.name} is in use by this host, as what is mounted is: unmount it first, or "
                    f"{self.instead}"
                ) from None
            if error.errno == errno.EROFS:
                raise ImageError(
                    f"the image {self.name} is on a file system that cannot be written: {self.instead}"
                ) from None
            raise ImageError(f"cannot open the image {self.name}: {error.strerror}") from None
        except ValueError as error:
            raise ImageError(f"cannot open the image {self.name}: {error}") from None
        kind = os.fstat(fd).st_mode
        if stat.S_ISREG(kind) or stat.S_ISBLK(kind):
            return fd
        os.close(fd)
        if stat.S_ISDIR(kind):
            raise ImageError(f"{self.name} is a directory: name an image in it")
        raise ImageError(f"{self.name} is neither a file nor a block device: name an image")

    def _check_not_open_here(self) -> None:
        """Several may read one file, but nobody else's while one writes it."""
        mine = os.fstat(self.fd)
        for other in list(_open_here):
            if not (other.writable or self.writable):
                continue
            if (other.identity.device, other.identity.number) == (mine.st_dev, mine.st_ino):
                does = "written" if other.writable else "read"
                raise ImageError(
                    f"the image {self.name} is open here already, to be {does}: name another image, or {self.instead}"
                )

    def _take_locks(self) -> None:
        """As QEMU does, shared locks throughout: what counts is what others hold."""
        for byte in (_WRITES, _LETS_NOBODY_WRITE) if self.writable else (_READS, _LETS_NOBODY_WRITE):
            if not self._take_lock(byte):
                return
        if self._is_locked(_WRITES):
            raise ImageError(
                f"the image {self.name} is being written by another process, such as a virtual machine: end that "
                "first, or copy the image"
            )
        if self.writable and self._is_locked(_LETS_NOBODY_WRITE):
            raise ImageError(
                f"the image {self.name} is in use by another process, which wants nobody to write it: end that "
                f"first, or {self.instead}"
            )

    def _take_lock(self, byte: int) -> bool:
        """False where the file system has no locks."""
        try:
            fcntl.fcntl(self.fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0))
        except (OSError, AttributeError) as error:
            if isinstance(error, AttributeError) or error.errno in _NO_LOCKS:
                return False
            raise ImageError(f"the image {self.name} is locked by another process: end that first") from None
        return True

    def _is_locked(self, byte: int) -> bool:
        """By somebody else."""
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
        try:
            found = fcntl.fcntl(self.fd, fcntl.F_OFD_GETLK, asked)
        except OSError:
            return False
        return bool(_FLOCK.unpack(found)[0] != fcntl.F_UNLCK)

    def _identity(self) -> FileIdentity:
        return _identity_in(os.fstat(self.fd))

    @property
    def lasting_identity(self) -> FileIdentity | None:
        """What tells the file from what it is after anybody has written it. None if that cannot be told: it is written
        here, is not what it was when it was opened, or is no regular file.
        """
        try:
            found = os.fstat(self.fd)
        except OSError:
            return None
        lasts = stat.S_ISREG(found.st_mode) and not self.writable and _identity_in(found) == self.identity
        return self.identity if lasts else None

    def check_unchanged(self) -> None:
        """Raises ImageError if somebody else has written it since it was opened."""
        with self._lock:
            self._check_unchanged()

    def _check_unchanged(self) -> None:
        try:
            now = self._identity()
        except OSError as error:
            raise self._cannot("read", error) from None
        then = self.identity
        if (now.size, now.modified) == (then.size, then.modified):
            return
        what = f"it had {then.size} bytes and has {now.size}" if now.size != then.size else "it was written to"
        raise ImageError(
            f"the image {self.name} has changed since it was opened ({what}), so what the guest would read is no disk "
            "that ever was: keep others from writing it, and start again"
        )

    def read(self, offset: int, length: int) -> bytes:
        """Raises ImageError if there is not as much."""
        try:
            data = os.pread(self.fd, length, offset)
            while len(data) < length and (more := os.pread(self.fd, length - len(data), offset + len(data))):
                data += more
        except OSError as error:
            raise self._cannot("read", error, offset) from None
        self.check_unchanged()
        if len(data) < length:
            raise ImageError(
                f"the image {self.name} is cut off: it ends at byte {self.size}, and byte {offset + len(data)} is "
                "wanted: copy or fetch it again"
            )
        return data

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Beyond the end the file grows, with zeros in between."""
        with self._lock:
            self._check_unchanged()
            try:
                _write_all(self.fd, offset, data)
            except OSError as error:
                raise self._cannot("write", error, offset) from None
            finally:
                self._note_own_change()

    def resize(self, size: int) -> None:
        """A longer one ends in zeros. A block device has the size that it has."""
        with self._lock:
            self._check_unchanged()
            try:
                if stat.S_ISBLK(os.fstat(self.fd).st_mode):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.ftruncate(self.fd, size)
            except OSError as error:
                raise self._cannot("write", error, size) from None
            finally:
                self._note_own_change()

    def _note_own_change(self) -> None:
        with contextlib.suppress(OSError):
            self.identity = self._identity()
            self.size = os.lseek(self.fd, 0, os.SEEK_END)

    def flush(self) -> None:
        try:
            os.fdatasync(self.fd)
        except OSError as error:
            if error.errno != errno.EINVAL:  # what cannot be synchronised
                raise self._cannot("write", error) from None

    def _cannot(self, what: str, error: OSError, offset: int | None = None) -> ImageError:
        where = f" at byte {offset}" if offset is not None else ""
        return ImageError(
            f"the host cannot {what} the image {self.name}{where}: {error.strerror}; see to the disk that it is on"
        )

    def extents(self) -> Iterator[tuple[int, int]]:
        """Start and end of what is no hole."""
        end = 0
        while end < self.size:
            try:
                start = os.lseek(self.fd, end, os.SEEK_DATA)
                end = os.lseek(self.fd, start, os.SEEK_HOLE)
            except OSError as error:
                if error.errno != errno.ENXIO:  # no holes are told of here
                    yield end, self.size
                return
            yield start, end

    def close(self) -> None:
        _open_here.discard(self)
        with contextlib.suppress(OSError):
            os.close(self.fd)


def identity_of(path: str) -> FileIdentity | None:
    """Of the file there now, as HostFile has it; None if there is none to be seen."""
    try:
        return _identity_in(os.stat(path))
    except (OSError, ValueError):
        return None


def _identity_in(found: os.stat_result) -> FileIdentity:
    return FileIdentity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _is_block_device(path: str) -> bool:
    try:
        return stat.S_ISBLK(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def _write_all(fd: int, offset: int, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        count = os.pwrite(fd, rest, offset)
        offset, rest = offset + count, rest[count:]
