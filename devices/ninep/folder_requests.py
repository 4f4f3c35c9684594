"""Requests about directories: what is in them, and where it is moved to."""

from __future__ import annotations

import stat
import struct
from dataclasses import replace

from devices.ninep import wire
from devices.ninep.folder import Question, Verb
from devices.ninep.node import ROOT, Fid, Node
from devices.ninep.refused import EBADF, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR, RefusedError
from devices.ninep.session import Session
from devices.ninep.tree import is_name
from devices.ninep.wire import LONGEST_TARGET, PERMISSIONS, READ_HEADER, Fields, text

MOST_STEPS = 16
REMOVE_FOLDER = 0x200
DOTS = (b".", b"..")


class FolderRequests:
    """As FileRequests."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def walk(self, fields: Fields) -> bytes:
        fid, new, count = fields.u32(), fields.u32(), fields.u16()
        if count > MOST_STEPS:
            raise RefusedError(EINVAL)
        names = [fields.text() for _ in range(count)]
        if new == wire.NO_FID or (new != fid and new in self._session.tables.fids):
            raise RefusedError(EINVAL)
        node, qids = self._session.node(fid), list[bytes]()
        for name in names:
            try:
                node = self._session.tree.parent(node) if name == b".." else self._session.tree.find(node, name)
            except RefusedError:
                if not qids:
                    raise
                break
            qids.append(self._session.qid(node))
        if len(qids) == len(names):
            before = self._session.node(fid)
            self._session.tree.hold(new, Fid(node.number))
            self._session.tree.forget(before)
        return len(qids).to_bytes(2, "little") + b"".join(qids)

    def readdir(self, fields: Fields) -> bytes:
        fid, offset, count = fields.u32(), fields.u64(), fields.u32()
        held, node = self._session.fid(fid), self._session.node(fid)
        if not node.is_folder:
            raise RefusedError(ENOTDIR)
        if not held.opened:
            raise RefusedError(EBADF)
        if offset == 0 or held.names is None:
            held = self._begun(node, held)
            self._session.tables.set_fid(fid, held)
        return self._entries(node, held, offset, min(count, self._session.room - READ_HEADER))

    def _begun(self, node: Node, held: Fid) -> Fid:
        """A directory that is read from its beginning on: its names are those that it has now."""
        names, listing = self._session.tree.own_names(node), -1
        if node.lower is not None:
            listing = self._session.asked
            self._session.tree.asked(Question(Verb.LIST, node.lower))
        return replace(held, listing=listing, names=names)

    def _entries(self, node: Node, held: Fid, offset: int, room: int) -> bytes:
        listing = None
        if held.listing >= 0 and node.lower is not None:
            listing = self._session.recall(held.listing)
        rows = self._session.tree.shown(node, held.names or (), listing)
        body = b""
        for index in range(offset, len(rows) + len(DOTS)):
            if index < len(DOTS):
                is_gone = node.number not in self._session.tables.places
                there = node if index == 0 or is_gone else self._session.tree.parent(node)
                qid, mode, name = self._session.qid(there), there.mode, DOTS[index]
            else:
                row = rows[index - len(DOTS)]
                if row is None:
                    continue
                qid, mode, name = self._session.qid(Node(0, row.mode, row.qid)), row.mode, row.name
            entry = qid + struct.pack("<QB", index + 1, stat.S_IFMT(mode) >> 12) + text(name)
            if len(body) + len(entry) > room:
                break
            body += entry
        return len(body).to_bytes(4, "little") + body

    def mkdir(self, fields: Fields) -> bytes:
        parent, name, mode, group = self._session.node(fields.u32()), fields.text(), fields.u32(), fields.u32()
        return self._session.qid(self._session.made(parent, name, stat.S_IFDIR | mode & PERMISSIONS, group))

    def symlink(self, fields: Fields) -> bytes:
        parent, name, target, group = self._session.node(fields.u32()), fields.text(), fields.text(), fields.u32()
        if not 0 < len(target) <= LONGEST_TARGET:
            raise RefusedError(ENAMETOOLONG if target else ENOENT)
        if b"\0" in target:
            raise RefusedError(EINVAL)
        return self._session.qid(self._session.made(parent, name, stat.S_IFLNK | 0o777, group, target=target))

    def mknod(self, fields: Fields) -> bytes:
        parent, name, mode = self._session.node(fields.u32()), fields.text(), fields.u32()
        major, minor, group = fields.u32(), fields.u32(), fields.u32()
        if stat.S_IFMT(mode) in (stat.S_IFDIR, stat.S_IFLNK):
            raise RefusedError(EINVAL)
        kind = stat.S_IFMT(mode) or stat.S_IFREG
        device = (major & 0xFFFFF) << 8 | minor & 0xFF | (minor & 0xFFF00) << 12
        return self._session.qid(self._session.made(parent, name, kind | mode & PERMISSIONS, group, device=device))

    def link(self, fields: Fields) -> bytes:
        parent, node, name = self._session.node(fields.u32()), self._session.node(fields.u32()), fields.text()
        self._session.check_writable()
        self._session.tree.check_new(parent, name)
        if node.is_folder:
            raise RefusedError(EISDIR)
        self._session.changes.link(node, parent, name)
        return b""

    def unlinkat(self, fields: Fields) -> bytes:
        parent, name, flags = self._session.node(fields.u32()), fields.text(), fields.u32()
        self._session.check_writable()
        node = self._session.tree.find(parent, name)
        self._session.tree.check_removable(node, folder=bool(flags & REMOVE_FOLDER))
        self._session.changes.remove(node, (parent.number, name))
        return b""

    def remove(self, fields: Fields) -> bytes:
        """Where it is refused the fid is let go all the same: see answer()."""
        fid = fields.u32()
        node = self._session.node(fid)
        self._session.check_writable()
        place = self._session.tree.place(node)
        self._session.tree.check_removable(node, folder=node.is_folder)
        self._session.tables.set_fid(fid, None)
        self._session.changes.remove(node, place)
        return b""

    def rename(self, fields: Fields) -> bytes:
        node, parent, name = self._session.node(fields.u32()), self._session.node(fields.u32()), fields.text()
        self._move(self._session.tree.place(node), (parent.number, name))
        return b""

    def renameat(self, fields: Fields) -> bytes:
        old = self._session.node(fields.u32()).number, fields.text()
        new = self._session.node(fields.u32()).number, fields.text()
        self._move(old, new)
        return b""

    def _move(self, old: tuple[int, bytes], new: tuple[int, bytes]) -> None:
        tree = self._session.tree
        self._session.check_writable()
        node, parent, name = tree.find(tree.node(old[0]), old[1]), tree.node(new[0]), new[1]
        if node.number == ROOT or not is_name(name):
            raise RefusedError(EINVAL)
        tree.check_not_inside(node, parent)
        target = tree.find(parent, name) if tree.exists(parent, name) else None
        if target is not None:
            if target.number == node.number:
                return
            tree.check_replaceable(node, target)
        self._session.changes.rename(node, old, new, target)
