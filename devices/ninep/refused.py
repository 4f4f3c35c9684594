"""What a share does not do, as errno has it."""

from __future__ import annotations


class RefusedError(Exception):
    """An errno of Linux, whatever the host is. Never leaves the device."""

    def __init__(self, error: int) -> None:
        super().__init__(error)
        self.error = error


EPERM, ENOENT, EIO, EBADF, EACCES, EEXIST = 1, 2, 5, 9, 13, 17
EXDEV, ENOTDIR, EISDIR, EINVAL, ENFILE, EFBIG, ENOSPC = 18, 20, 21, 22, 23, 27, 28
EROFS, EMLINK, ENAMETOOLONG, ENOTEMPTY, EPROTO, EOVERFLOW, EOPNOTSUPP = 30, 31, 36, 39, 71, 75, 95
