"""disk: what is on the guest's disks, at any instant."""

from __future__ import annotations

from collections.abc import Iterator

from devices.disk.cd_unit import CdUnit
from devices.disk.floppy_unit import FloppyUnit
from devices.disk.medium import SECTOR
from devices.disk.overlay import PAGE, SECTORS, Overlay
from devices.disk.unit import DiskUnit
from vmdbg.commands.declare import command
from vmdbg.document.document import Column, Document, Style, Text, count, document, section, table, text
from vmdbg.document.hexdump_format import dump_lines
from vmdbg.errors import UserError
from vmdbg.machine.snapshot import Position
from vmdbg.session import disks
from vmdbg.session.drives import add_drive
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.numbers import how_many
from vmdbg.session.positions import find_position
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session

MOST_SHOWN = 256
"""Sectors of one answer."""


@command("disk", Group.DEVICES, aliases=("disks", "info block"), examples=("disk",))
def disk(session: Session, arguments: Arguments) -> Document:
    """List the drives: what is in them, how large it is, and how much the guest has written."""
    machine = session.debugger.machine
    rows: list[tuple[Text, ...]] = []
    for drive in machine.config.drives:
        unit = machine.pc.devices[drive.name]
        medium, size, written = drive.medium, drive.sectors * SECTOR, 0
        match unit:
            case CdUnit():
                there = unit.medium
                medium, size = unit.save().medium if there else "no disc", there.sectors * SECTOR if there else 0
            case FloppyUnit():
                overlay = unit.overlay
                medium, size = unit.medium if overlay else "no disk", overlay.sectors * SECTOR if overlay else 0
                written = _bytes_written(overlay) if overlay else 0
            case DiskUnit():
                written = _bytes_written(unit.overlay)
        rows.append((text(drive.name, Style.LABEL), text(drive.bus), text(medium), count(size), count(written)))
    if not rows:
        return document("no drives: `--disk FILE` of `vmdbg run` adds one", value=[])
    return document(table(("drive", "bus", "what", ">bytes", ">written"), rows))


def _bytes_written(overlay: Overlay) -> int:
    return sum(1 for _ in overlay.written()) * PAGE


def declare_read(parser: Parser) -> None:
    parser.add_argument("sector", metavar="EXPRESSION", help="the first, counted from 0 (LBA)")
    parser.add_argument("count", nargs="?", type=how_many, default=1, metavar="COUNT", help="how many (1)")
    add_drive(parser, "which (the first)")


@command("disk read", Group.DEVICES, declare_read, examples=("disk read 0", "disk read 63 2 --drive disk0"))
def disk_read(session: Session, arguments: Arguments) -> Document:
    """Show sectors as they are now, with what the guest has written."""
    unit, sector = disks.find(session, arguments.drive), session.integer(arguments.sector)
    if not 0 <= sector < unit.sectors:
        raise UserError(f"{unit.name} has sectors 0 to {unit.sectors - 1}, and no {sector}")
    if not 0 < arguments.count <= MOST_SHOWN:
        raise UserError(f"1 to {MOST_SHOWN} sectors are shown at a time, not {arguments.count}")
    end = min(sector + arguments.count, unit.sectors)
    data = disks.contents(session.debugger.machine, unit).read(sector, end - sector)
    return Document(tuple(dump_lines(sector * SECTOR, data)), data.hex())


def declare_diff(parser: Parser) -> None:
    parser.add_argument("first", metavar="POSITION", help="one instant")
    parser.add_argument("second", nargs="?", default="here", metavar="POSITION", help="the other (this one)")
    parser.add_argument("--limit", "-n", type=how_many, default=50, metavar="NUMBER", help="at most so many runs (50)")
    add_drive(parser, "which (the first)")


@command("disk diff", Group.DEVICES, declare_diff, examples=("disk diff start", "disk diff start here --drive disk0"))
def disk_diff(session: Session, arguments: Arguments) -> Document:
    """Show which sectors differ between two instants, and where.

    A recording has of an image what the guest read. Of sectors that it wrote over unread it is not known whether they
    differ, unless the image is given to it: they are counted by themselves.
    """
    disk = disks.find(session, arguments.drive)
    positions = [find_position(session, words) for words in (arguments.first, arguments.second)]
    before, after = (_written(session, disk, position) for position in positions)
    differing, unknown = _compared(disks.contents(session.debugger.machine, disk), before, after)
    runs, unclear = list(_runs(differing)), list(_runs(unknown))
    rows = [(count(start), count(end - start), text("")) for start, end in runs]
    rows += [(count(start), count(end - start), text("not known", Style.DIM)) for start, end in unclear]
    summary = text(f"{len(differing):,} sectors of {disk.name} differ, in {len(runs):,} runs", value=len(differing))
    listed = section("sectors", summary, table((">first", ">sectors", Column("known", "")), rows[: arguments.limit]))
    if not unknown:
        return document(listed)
    words = f"of {len(unknown):,} more it is not known: the guest wrote them and had not read them"
    return document(listed, text(f"{words}; with the image (--left-out FILE) it is", value=len(unknown)))


def _written(session: Session, disk: disks.Disk, position: Position) -> dict[int, bytes]:
    with elsewhen(session, position):
        overlay = disks.overlay(session.debugger.machine, disk)
        return {page: overlay.page(page) for page in overlay.written()} if overlay is not None else {}


def _compared(disk: Overlay, before: dict[int, bytes], after: dict[int, bytes]) -> tuple[list[int], list[int]]:
    """The sectors that differ, and those of which the image, which is not there, would tell."""
    from vmdbg.recording.recorded_media import NotRecordedError

    differing: list[int] = []
    unknown: list[int] = []
    for page in sorted(before.keys() | after.keys()):
        try:
            old, new = (pages.get(page) or disk.image_page(page) for pages in (before, after))
        except NotRecordedError:
            unknown += range(page * SECTORS, min((page + 1) * SECTORS, disk.sectors))
            continue
        pieces = (slice(index * SECTOR, (index + 1) * SECTOR) for index in range(SECTORS))
        differing += [page * SECTORS + index for index, piece in enumerate(pieces) if old[piece] != new[piece]]
    return differing, unknown


def _runs(sectors: list[int]) -> Iterator[tuple[int, int]]:
    """Neighbours together: first and after the last."""
    start = end = -1
    for sector in sectors:
        if sector != end:
            if start >= 0:
                yield start, end
            start = sector
        end = sector + 1
    if start >= 0:
        yield start, end


def declare_export(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="a new raw image; none is ever overwritten")
    add_drive(parser, "which (the first)")


@command("disk export", Group.DEVICES, declare_export, examples=("disk export then.img",), effect=Effect.FILES)
def disk_export(session: Session, arguments: Arguments) -> Document:
    """Write the whole disk as it is now, past or present, to a new raw image. What is zeros becomes a hole."""
    unit = disks.find(session, arguments.drive)
    path = session.files.place(arguments.file)
    size = disks.export(disks.contents(session.debugger.machine, unit), path, session.progress)
    return document(f"{path}: {unit.name} at tick {session.debugger.position}, {size:,} bytes")


def declare_commit(parser: Parser) -> None:
    add_drive(parser, "which (the first)")


@command("disk commit", Group.DEVICES, declare_commit, examples=("disk commit",), effect=Effect.HOST)
def disk_commit(session: Session, arguments: Arguments) -> Document:
    """Write into the image, raw or qcow2, what the guest has written up to now.

    The history stays what it was: at other instants the disk is as it was then. A disk with snapshot=off needs it not.
    """
    unit = disks.find(session, arguments.drive)
    pages = disks.commit(session.debugger.machine, unit)
    return document(f"{unit.name}: {pages * PAGE:,} bytes written to its image")
