"""From what the user named to an image that can be read."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath

from vmdbg.images import qcow2_header
from vmdbg.images.foreign import refuse_foreign
from vmdbg.images.formats import Format
from vmdbg.images.host_file import HostFile
from vmdbg.images.image import Image, ImageError
from vmdbg.images.iso import check_iso, is_iso
from vmdbg.images.qcow2 import Qcow2Image
from vmdbg.images.raw import RawImage
from vmdbg.images.remedies import convert_line

LONGEST_CHAIN = 64
CD_SECTOR = 2048


def as_drive_option(path: str) -> str:
    """How a backing file is named in `--disk`, where a comma is written twice."""
    return f"backing={shlex.quote(path.replace(',', ',,'))}"


def open_image(
    path: str,
    form: Format | None = None,
    *,
    writable: bool = False,
    backing: Sequence[str] = (),
    named: Callable[[str], str] = as_drive_option,
) -> Image:
    """The image of a disk or floppy; without `form`, as its first bytes say.

    `backing` are the files behind it, one after the other, that the user named: no other is opened, whatever the
    images say; `named` is how to name one. Raises ImageError.
    """
    return _Chain(named).open(path, form, tuple(backing), writable=writable)


def open_cd(path: str) -> Image:
    """The image of a CD. Raises ImageError."""
    file = HostFile(path)
    with _closing_unless_whole(file):
        if _is_qcow2(file, None):
            raise ImageError(f"{file.name} is a qcow2 image, which CDs are not: give it with --disk")
        refuse_foreign(file)
        check_iso(file)
        return RawImage(file, "iso", CD_SECTOR)


class _Chain:
    """Images behind one another, as they are opened. `named` is how the user names a backing file."""

    def __init__(self, named: Callable[[str], str]) -> None:
        self._named = named
        self._files: list[tuple[int, int]] = []

    def open(
        self,
        path: str,
        form: Format | None,
        backing: tuple[str, ...],
        *,
        writable: bool = False,
        before: HostFile | None = None,
    ) -> Image:
        """`before`: the image that it is behind, and that says the format."""
        file = HostFile(path, writable=writable)
        with _closing_unless_whole(file):
            self._add(file)
            if _is_qcow2(file, form, before):
                return self._open_qcow2(file, backing)
            if backing:
                raise ImageError(
                    f"the image {file.name} is raw and has no backing file: leave {self._named(backing[0])} away"
                )
            if form is None:
                refuse_foreign(file)
            return RawImage(file, "iso" if form is None and is_iso(file) else "raw")

    def _add(self, file: HostFile) -> None:
        number = file.identity.device, file.identity.number
        if number in self._files:
            raise ImageError(f"the image {file.name} would be its own backing file: name another")
        self._files.append(number)
        if len(self._files) > LONGEST_CHAIN:
            raise ImageError(f"more than {LONGEST_CHAIN} images behind one another: make one with `qemu-img convert`")

    def _open_qcow2(self, file: HostFile, backing: tuple[str, ...]) -> Image:
        header = qcow2_header.read_header(file)
        if not header.backing:
            if backing:
                raise ImageError(f"{file.name} has no backing file: leave {self._named(backing[0])} away")
            return Qcow2Image(file, header)
        if not backing:
            raise ImageError(
                f"{file.name} lacks what is in its backing file, which it calls {header.backing!r}. Images may come "
                f"from anybody, so none of their words is opened: add {self._meant(file, header.backing)}"
            )
        behind = self.open(backing[0], _format_named(file, header.backing_format), backing[1:], before=file)
        try:
            return Qcow2Image(file, header, behind)
        except BaseException:
            behind.close()
            raise

    def _meant(self, file: HostFile, backing: str) -> str:
        """A backing file, which an image names from where that is itself. QEMU's protocols, as `json:`, are no file."""
        if ":" in backing.partition("/")[0]:
            return f"{self._named('FILE')} with the file that is meant"
        return f"{self._named(str(PurePath(file.name).parent / backing))} if you mean that one"


def _is_qcow2(file: HostFile, form: Format | None, before: HostFile | None = None) -> bool:
    found = file.size >= 4 and file.read(0, 4) == qcow2_header.MAGIC
    if form is Format.QCOW2 and not found:
        if before is not None:
            raise ImageError(f"{file.name} is no qcow2 image, as {before.name} says of its backing file: name another")
        raise ImageError(f"{file.name} is no qcow2 image: leave format=qcow2 away, and its first bytes are looked at")
    return found and form is not Format.RAW


def _format_named(file: HostFile, name: str) -> Format | None:
    if not name:
        return None
    try:
        return Format(name)
    except ValueError:
        raise ImageError(
            f"{file.name} has a backing file of format {name!r}, which is not read: make one image of both with "
            f"`{convert_line(file.name, 'qcow2')}`"
        ) from None


@contextlib.contextmanager
def _closing_unless_whole(file: HostFile) -> Iterator[None]:
    """The file is closed when what is inside fails."""
    try:
        yield
    except BaseException:
        file.close()
        raise
