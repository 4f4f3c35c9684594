"""share: folders of the host that the guest can mount, and what it has made of them."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from vmdbg.commands.declare import command
from vmdbg.document.document import Column, Document, Style, Text, count, document, table, text
from vmdbg.document.printable import printable
from vmdbg.errors import UserError
from vmdbg.session.host_path import host_path
from vmdbg.session.numbers import how_many
from vmdbg.session.registry import Arguments, Effect, Group, Parser, did_you_mean
from vmdbg.session.session import Session

if TYPE_CHECKING:  # much to load, for machines that have a share
    from devices.ninep.node import Node
    from devices.ninep.unit import ShareUnit

_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


def add_share(parser: Parser) -> None:
    parser.add_argument("--share", "-s", default="", metavar="SHARE", help="which, by name or tag (the first)")


@command("share", Group.DEVICES, aliases=("shares",), examples=("share",))
def share(session: Session, arguments: Arguments) -> Document:
    """List the folders that the guest can mount, and how much it has changed of them."""
    rows: list[tuple[Text, ...]] = []
    for unit in _units(session).values():
        fids, changed, size = unit.server.session.counts
        how = "refused" if unit.share.read_only else "in the folder" if unit.share.direct else "beside it"
        rows.append(
            (text(unit.name, Style.LABEL), text(unit.share.tag), text(how), count(fids), count(changed), count(size))
        )
    if not rows:
        return document("no shared folders: `--share DIR` of `vmdbg run` adds one", value=[])
    return document(table(("share", "tag", "changes are", ">open", ">changed", ">bytes"), rows))


def declare_changes(parser: Parser) -> None:
    parser.add_argument("--limit", "-n", type=how_many, default=100, metavar="NUMBER", help="at most so many (100)")
    add_share(parser)


@command("share changes", Group.DEVICES, declare_changes, examples=("share changes", "share changes -s src -n 20"))
def share_changes(session: Session, arguments: Arguments) -> Document:
    """List what the guest has made, changed, moved and removed of a share up to now."""
    from devices.ninep.changed import changes

    unit = _find(session, arguments.share)
    found = list(changes(unit.server.session.tables))
    rows = [_row(one.path, one.node) for one in found[: arguments.limit]]
    if not rows:
        return document(f"nothing of {unit.share.tag} is other than the folder's", value=[])
    more = [f"and {len(found) - len(rows):,} more: --limit shows them"] if len(found) > len(rows) else []
    return document(table(("what", "mode", ">bytes", "path", Column("was", "")), rows), *more)


def _row(path: bytes, node: Node | None) -> tuple[Text, ...]:
    name = printable(path.decode(errors="replace"))
    if node is None:
        return text("removed", Style.BAD), text(""), text(""), text(name), text("")
    kind = _KINDS.get(stat.S_IFMT(node.mode), "special file")
    moved = f"was {printable(node.lower.decode(errors='replace'))}" if node.placed and node.lower is not None else ""
    size = count(node.size) if node.ours and not node.is_folder else text("")
    mode = text(stat.filemode(node.mode)) if node.ours else text("")
    return text(kind), mode, size, text(name, Style.LABEL), text(moved, Style.DIM)


def declare_export(parser: Parser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="a new folder; none is ever written over")
    add_share(parser)


@command("share export", Group.DEVICES, declare_export, examples=("share export results",), effect=Effect.HOST)
def share_export(session: Session, arguments: Arguments) -> Document:
    """Write what the guest has made and changed of a share, as it is now, past or present, to a new folder."""
    from vmdbg.session.share_export import export_changes

    unit = _find(session, arguments.share)
    source = session.debugger.machine.media.folders[unit.name].source
    folder = host_path(arguments.folder)
    done = export_changes(unit, source, folder)
    left = [f"left out {printable(path.decode(errors='replace'))}: {why}" for path, why in done.left]
    return document(f"{folder}: {done.files:,} files of {unit.share.tag}, {done.size:,} bytes", *left)


def _units(session: Session) -> dict[str, ShareUnit]:
    machine = session.debugger.machine
    if not machine.config.shares:
        return {}
    from devices.ninep.unit import ShareUnit

    there = ((share.name, machine.pc.devices[share.name]) for share in machine.config.shares)
    return {name: unit for name, unit in there if isinstance(unit, ShareUnit)}


def _find(session: Session, name: str) -> ShareUnit:
    units = _units(session)
    if not units:
        raise UserError("this machine shares no folder: `--share DIR` of `vmdbg run` adds one")
    if not name:
        return next(iter(units.values()))
    known = units | {unit.share.tag: unit for unit in units.values()}
    if name not in known:
        raise UserError(f"there is no share {name!r}{did_you_mean(name, known)}; there are: {', '.join(known)}")
    return known[name]
