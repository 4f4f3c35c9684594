"""eject and insert: what is in a drive whose medium can be changed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from devices.disk.cd_unit import CdUnit, EjectDisc, InsertDisc
from devices.disk.floppy_unit import FloppyUnit
from devices.disk.medium import SECTOR
from vmdbg.commands.declare import command
from vmdbg.document.document import Document, document
from vmdbg.errors import UserError
from vmdbg.machine.floppies import check_fits
from vmdbg.machine.image_media import add_image, free_name, name_of
from vmdbg.machine.media import Media
from vmdbg.session.drives import drive_named
from vmdbg.session.host_path import host_path
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session

if TYPE_CHECKING:
    from vmdbg.images.image import Image


_WHEN = " as soon as the guest goes on"
"""Until then it stands before that: what is said of it here is as it was."""


def declare_eject(parser: Parser) -> None:
    parser.add_argument("drive", nargs="?", default="", metavar="DRIVE", help="which, as cd0 or floppy0 (the first)")
    parser.add_argument("--force", action="store_true", help="though the guest has locked it")


@command("eject", Group.DEVICES, declare_eject, examples=("eject", "eject cd0 --force"), effect=Effect.CHANGES)
def eject(session: Session, arguments: Arguments) -> Document:
    """Take the disc out of a drive, now, as a recorded input. A guest that has locked it is asked for it.

    `insert` puts another one in.
    """
    drive = _drive(session, arguments.drive)
    disc = _coming(session, drive)
    if not disc:
        raise UserError(f"there is no disc in {drive.name}")
    session.debugger.timeline.push(EjectDisc(drive.name, arguments.force))
    if isinstance(drive, CdUnit) and drive.locked and not arguments.force:
        return document(f"{drive.name}: the guest has locked it, and is asked to give {disc}; --force does not ask")
    return document(f"{drive.name}: {disc} is out{_WHEN}")


def declare_insert(parser: Parser) -> None:
    parser.add_argument("drive", metavar="DRIVE", help="which, as cd0 or floppy0")
    parser.add_argument("file", metavar="FILE", help="the image of a CD or of a floppy disk")
    parser.add_argument("--read-only", action="store_true", help="a floppy disk that the guest cannot write")
    parser.add_argument(
        "--backing",
        action="append",
        default=[],
        metavar="FILE",
        help="what is behind a qcow2 image of a floppy disk; may be repeated",
    )


@command(
    "insert",
    Group.DEVICES,
    declare_insert,
    examples=("insert cd0 debian.iso",),
    effect=Effect.CHANGES | Effect.HOST,
)
def insert(session: Session, arguments: Arguments) -> Document:
    """Put a disc into a drive, now, as a recorded input. The one that is in it goes.

    What was written to a floppy disk is still on it when the same image is put in again.
    """
    drive = _drive(session, arguments.drive)
    path = str(host_path(arguments.file))
    if isinstance(drive, FloppyUnit):
        backing = tuple(str(host_path(name)) for name in arguments.backing)
        return _insert_floppy(session, drive, path, backing, read_only=arguments.read_only)
    if arguments.read_only:
        raise UserError("--read-only is for floppy disks: no CD is ever written")
    if arguments.backing:
        raise UserError("--backing is for floppy disks: the image of a CD has nothing behind it")
    from vmdbg.images.opening import open_cd

    return _put_in(session, drive, open_cd(path), path, InsertDisc(drive.name, free_name(path, _media(session))))


def _insert_floppy(
    session: Session, drive: FloppyUnit, path: str, backing: tuple[str, ...], *, read_only: bool
) -> Document:
    media, devices = _media(session), session.debugger.machine.pc.devices
    known = media.find(name_of(path, media) or "")
    if known is not None:
        check_fits(drive, known.name, known.sectors, devices)
        session.debugger.timeline.push(InsertDisc(drive.name, known.name, read_only))
        return document(f"{drive.name}: {known.name} is in{_WHEN}")
    from vmdbg.images.opening import open_image

    image, name = open_image(path, backing=backing, named=_as_backing), free_name(path, media)
    try:
        check_fits(drive, name, image.size // SECTOR, devices)
    except BaseException:
        image.close()
        raise
    return _put_in(session, drive, image, path, InsertDisc(drive.name, name, read_only))


def _as_backing(path: str) -> str:
    return f"--backing {shlex.quote(path)}"


def _put_in(session: Session, drive: CdUnit | FloppyUnit, image: Image, path: str, disc: InsertDisc) -> Document:
    try:
        session.debugger.timeline.push(disc)
    except BaseException:
        image.close()
        raise
    return document(f"{drive.name}: {add_image(image, path, _media(session))} is in{_WHEN}")


def _coming(session: Session, drive: CdUnit | FloppyUnit) -> str:
    """What is in a drive once all is done that was asked for since the guest stands here; "" for nothing."""
    disc = drive.save().medium
    history = session.debugger.timeline.history
    is_locked = isinstance(drive, CdUnit) and drive.locked
    for placed in history.inputs[history.taken() :]:
        match placed.input:
            case InsertDisc(device=drive.name, medium=medium):
                disc = medium
            case EjectDisc(device=drive.name, force=force) if force or not is_locked:
                disc = ""
    return disc


def _media(session: Session) -> Media:
    return session.debugger.machine.media


def _drive(session: Session, name: str) -> CdUnit | FloppyUnit:
    devices = session.debugger.machine.pc.devices
    there = {name: device for name, device in devices.items() if isinstance(device, CdUnit | FloppyUnit)}
    if not there:
        raise UserError(
            "this machine has no drive whose disc can be changed: `--cdrom FILE` or "
            "`--floppy FILE` of `vmdbg run` adds one"
        )
    if not name:
        return next(iter(there.values()))
    return there[drive_named(name, there)]
