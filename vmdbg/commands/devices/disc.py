"""eject and insert: what is in a drive whose medium can be changed."""

from __future__ import annotations

from devices.disk.cd_unit import CdUnit, EjectDisc, InsertDisc
from vmdbg.commands.declare import command
from vmdbg.document.document import Document, document
from vmdbg.errors import UserError
from vmdbg.images.opening import open_cd
from vmdbg.machine.image_media import add_image, free_name
from vmdbg.session.host_path import host_path
from vmdbg.session.registry import Arguments, Effect, Group, Parser, did_you_mean
from vmdbg.session.session import Session


def declare_eject(parser: Parser) -> None:
    parser.add_argument("drive", nargs="?", default="", metavar="DRIVE", help="which, as cd0 (the first)")
    parser.add_argument("--force", action="store_true", help="though the guest has locked it")


@command("eject", Group.DEVICES, declare_eject, examples=("eject", "eject cd0 --force"), effect=Effect.CHANGES)
def eject(session: Session, arguments: Arguments) -> Document:
    """Take the disc out of a drive, now, as a recorded input. A guest that has locked it is asked for it.

    `insert` puts another one in.
    """
    drive = _drive(session, arguments.drive)
    disc = drive.save().medium
    if not disc:
        raise UserError(f"there is no disc in {drive.name}")
    session.debugger.timeline.push(EjectDisc(drive.name, arguments.force))
    if drive.locked and not arguments.force:
        return document(f"{drive.name}: the guest has locked it, and is asked to give {disc}; --force does not ask")
    return document(f"{drive.name}: {disc} is out")


def declare_insert(parser: Parser) -> None:
    parser.add_argument("drive", metavar="DRIVE", help="which, as cd0")
    parser.add_argument("file", metavar="FILE", help="the image of a CD")


@command(
    "insert",
    Group.DEVICES,
    declare_insert,
    examples=("insert cd0 debian.iso",),
    effect=Effect.CHANGES | Effect.HOST,
)
def insert(session: Session, arguments: Arguments) -> Document:
    """Put a disc into a drive, now, as a recorded input. The one that is in it goes."""
    drive = _drive(session, arguments.drive)
    path, media = str(host_path(arguments.file)), session.debugger.machine.media
    image = open_cd(path)
    try:
        session.debugger.timeline.push(InsertDisc(drive.name, free_name(path, media)))
    except BaseException:
        image.close()
        raise
    return document(f"{drive.name}: {add_image(image, path, media)} is in")


def _drive(session: Session, name: str) -> CdUnit:
    devices = session.debugger.machine.pc.devices
    there = {name: device for name, device in devices.items() if isinstance(device, CdUnit)}
    if not there:
        raise UserError("this machine has no CD drive: `--cdrom FILE` of `vmdbg run` adds one")
    if not name:
        return next(iter(there.values()))
    if name not in there:
        raise UserError(f"there is no CD drive {name!r}{did_you_mean(name, there)}; there are: {', '.join(there)}")
    return there[name]
