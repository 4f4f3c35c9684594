"""`--nvram`: the file in which UEFI firmware's variables are kept from one run to the next."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from os.path import exists
from pathlib import Path

from devices.board.flash import Flash
from vmdbg.document.printable import printable
from vmdbg.errors import UserError

LEAST_SECONDS = 0.5
"""Between two times of writing it: firmware writes many variables in a row."""
_SYSTEM = Path("/usr")
"""What lies there belongs to packages."""


@dataclass(frozen=True, slots=True)
class NvramChoice:
    """`kept`: what the guest writes goes into the file, which need not be there yet. Otherwise it is only read."""

    path: str
    kept: bool = True


def parse_nvram(text: str) -> NvramChoice:
    """`FILE[,snapshot=on|off]`; a comma in a file's name is written twice. Raises UserError in words."""
    path, *settings = (part.replace("\0", ",") for part in text.replace(",,", "\0").split(","))
    if not path:
        raise UserError("--nvram names no file: give one, as --nvram vars.fd")
    values = {"snapshot=on": False, "snapshot=off": True}
    for setting in settings:
        if setting not in values:
            raise UserError(f"--nvram has no option {printable(setting)!r}; it has snapshot=on: the file is only read")
    return NvramChoice(path, all(values[setting] for setting in settings))


def template_of(choice: NvramChoice, beside: str | None) -> str | None:
    """The file to begin with; None if firmware's own variables are. `beside`: what there is beside firmware.

    Raises UserError for a file that is not ours to write.
    """
    path = Path(choice.path)
    if not choice.kept or exists(path):
        if choice.kept and path.resolve().is_relative_to(_SYSTEM):
            raise UserError(
                f"{printable(choice.path)} is the system's, for all that begin anew: name a file of your own, which "
                "need not be there yet, or add ,snapshot=on and it is only read"
            )
        return choice.path
    return beside


class NvramFile:
    """Keeps a file as the flash memory is at the end of its history.

    Each time it is a new file that takes the old one's place, whole. Invariant: this process holds a lock on the file
    that is there, and `_identity` is that file's, so that nobody else's changes are lost.
    """

    def __init__(self, path: str, flash: Flash, live: Callable[[], bool]) -> None:
        """`live`: whether the machine stands at the end of its history, or goes on from there. Raises UserError."""
        self.path = Path(os.path.realpath(path))
        self.name = printable(path)
        self._flash = flash
        self.live = live
        self.on_failure: Callable[[str], None] = lambda _words: None
        """Told where the file cannot be kept up to date, once; it is tried again."""
        self._failing = self.written = False
        """`written`: whether it is another file than it was."""
        self._changes = flash.changes
        self._written_at = 0.0
        self._file = -1
        self._identity: tuple[int, int, int, int] | None = None
        self._kept: bytes | None = None
        """What the file holds."""
        self._begin()

    def _begin(self) -> None:
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            self._check_folder()
            return
        except OSError as error:
            raise UserError(
                f"{self.name} may not be written ({error.strerror}): name another file with --nvram, or add "
                ",snapshot=on and it is only read"
            ) from None
        self._lock(self._file)
        self._identity = _identity(self._file)
        self._kept = self._flash.contents

    def _check_folder(self) -> None:
        if not os.access(self.path.parent, os.W_OK | os.X_OK):
            raise UserError(f"{self.name} cannot be made: {printable(str(self.path.parent))} cannot be written")

    def _lock(self, file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{self.name} is in use by another process: end that first, or name another file") from None
        except OSError:
            return  # a file system without locks

    def flush(self) -> None:
        """Between slices: have the file be up to date, not too often."""
        if self._flash.changes == self._changes or time.monotonic() - self._written_at < LEAST_SECONDS:
            return
        self._written_at = time.monotonic()
        try:
            self.write()
        except UserError as error:
            if not self._failing:
                self.on_failure(str(error))
            self._failing = True
        else:
            self._failing = False

    def write(self) -> bool:
        """Have the file be what the flash memory is now, unless this is the past. Whether it is. Raises UserError."""
        if not self.live():
            return self._flash.changes == self._changes
        contents, changes = self._flash.contents, self._flash.changes
        if contents != self._kept:
            self._replace(contents)
            self.written = True
        self._kept, self._changes, self._written_at = contents, changes, time.monotonic()
        return True

    def _replace(self, contents: bytes) -> None:
        try:
            if self._identity_now() != self._identity:
                raise UserError(
                    f"{self.name} was written by somebody else meanwhile, so the guest's variables are not written "
                    "over it: move it away, and they are"
                )
            file, temporary = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        except OSError as error:
            raise self._cannot_write(error) from None
        try:
            _fill(file, contents, self._mode())
            self._lock(file)
            os.replace(temporary, self.path)
        except BaseException as error:
            os.close(file)
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            if isinstance(error, OSError):
                raise self._cannot_write(error) from None
            raise
        self.close()
        self._file, self._identity = file, _identity(file)

    def _cannot_write(self, error: OSError) -> UserError:
        return UserError(f"cannot write the guest's UEFI variables to {self.name}: {error.strerror}")

    def _identity_now(self) -> tuple[int, int, int, int] | None:
        """Of the file that is there."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return self._identity  # moved away, so that a new one can be made
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def _mode(self) -> int:
        if self._file >= 0:
            return stat.S_IMODE(os.fstat(self._file).st_mode)
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask

    def settle(self) -> str:
        """At the end of a run: the file is up to date, unless this is the past. What to say of it. Raises UserError."""
        if not self.write():
            return f"{self.name} lacks the guest's last UEFI variables, for this ends in the past"
        return f"the guest's UEFI variables are in {self.name}" if self.written else ""

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _identity(file: int) -> tuple[int, int, int, int]:
    found = os.fstat(file)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _fill(file: int, contents: bytes, mode: int) -> None:
    rest = memoryview(contents)
    while rest:
        rest = rest[os.write(file, rest) :]
    os.fchmod(file, mode)
    os.fsync(file)
