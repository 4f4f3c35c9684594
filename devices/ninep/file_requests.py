"""Requests about one file: what is said of it, and what is in it."""

from __future__ import annotations

import stat
import struct
from dataclasses import replace

from devices.ninep.contents import PAGE
from devices.ninep.node import Fid, Node
from devices.ninep.refused import EBADF, EEXIST, EINVAL, EOPNOTSUPP, RefusedError
from devices.ninep.session import Session
from devices.ninep.tables import MOST_NODES
from devices.ninep.wire import LONGEST_TARGET, PERMISSIONS, READ_HEADER, Fields, text

MAGIC = 0x0102_1997
BLOCK = 4096
ACCESS, READ_ONLY = 0o3, 0o0
EXCLUSIVE, TRUNCATE = 0o200, 0o1000
BASIC = 0x7FF
SET_MODE, SET_OWNER, SET_GROUP, SET_SIZE, SET_ACCESSED, SET_MODIFIED = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20
ACCESSED_GIVEN, MODIFIED_GIVEN = 0x80, 0x100
UNLOCKED = 2
NANOSECONDS = 1_000_000_000


class FileRequests:
    """Each takes the fields of a request and gives the body of its answer. Raises RefusedError, BadMessageError."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def getattr(self, fields: Fields) -> bytes:
        node = self._session.tree.current(self._session.node(fields.u32()))
        fields.u64()
        blocks = -(-node.size // 512)
        body = BASIC.to_bytes(8, "little") + self._session.qid(node)
        body += struct.pack("<IIIQQ", node.mode, node.owner, node.group, node.links, node.device)
        body += struct.pack("<QQQ", node.size, BLOCK, blocks)
        for when in (node.accessed, node.modified, node.changed, 0):
            body += struct.pack("<QQ", *divmod(when, NANOSECONDS))
        return body + bytes(16)

    def setattr(self, fields: Fields) -> bytes:
        node, valid = self._session.node(fields.u32()), fields.u32()
        mode, owner, group, size = fields.u32(), fields.u32(), fields.u32(), fields.u64()
        accessed, modified = (fields.u64() * NANOSECONDS + fields.u64() for _ in range(2))
        self._session.check_writable()
        if valid & SET_SIZE:
            self._session.check_file(node)
            self._session.check_size(size)
            self._session.changes.resize(node, size)
            node = self._session.tree.node(node.number)
        now, wanted = self._session.tree.now, self._session.tree.current(node)
        if valid & SET_MODE and not node.is_link:
            wanted = replace(wanted, mode=mode)
        if valid & SET_OWNER:
            wanted = replace(wanted, owner=owner)
        if valid & SET_GROUP:
            wanted = replace(wanted, group=group)
        if valid & SET_ACCESSED:
            wanted = replace(wanted, accessed=_instant(accessed) if valid & ACCESSED_GIVEN else now)
        if valid & SET_MODIFIED:
            wanted = replace(wanted, modified=_instant(modified) if valid & MODIFIED_GIVEN else now)
        if valid & ~SET_SIZE:
            self._session.changes.attribute(self._session.tree.current(node), wanted)
        return b""

    def no_attributes(self, fields: Fields) -> bytes:
        raise RefusedError(EOPNOTSUPP)

    def statfs(self, fields: Fields) -> bytes:
        self._session.fid(fields.u32())
        free, files = self._session.contents.unused, MOST_NODES - len(self._session.tables.nodes)
        if self._session.read_only:
            free = files = 0
        pages = self._session.contents.pages
        return struct.pack("<IIQQQQQQI", MAGIC, PAGE, pages, free, free, MOST_NODES, files, 0, 255)

    def readlink(self, fields: Fields) -> bytes:
        return text(self._session.tree.target(self._session.node(fields.u32()))[:LONGEST_TARGET])

    def open(self, fields: Fields) -> bytes:
        fid, flags = fields.u32(), fields.u32()
        held, node = self._session.fid(fid), self._session.node(fid)
        if held.opened or node.is_link:
            raise RefusedError(EINVAL)
        writes = flags & ACCESS != READ_ONLY
        if writes or flags & TRUNCATE:
            self._session.check_writable()
            self._session.check_file(node)
        node = self._session.tree.current(node)
        if flags & TRUNCATE:
            node = self._session.changes.resize(self._session.node(fid), 0)
        self._session.tables.set_fid(fid, replace(held, opened=True, writes=writes))
        return self._session.qid(node) + bytes(4)

    def create(self, fields: Fields) -> bytes:
        fid, name, flags, mode, group = fields.u32(), fields.text(), fields.u32(), fields.u32(), fields.u32()
        parent = self._session.node(fid)
        self._session.check_writable()
        if self._session.fid(fid).opened:
            raise RefusedError(EINVAL)
        node = self._made_or_there(parent, name, flags, mode, group)
        self._session.tables.set_fid(fid, Fid(node.number, opened=True, writes=flags & ACCESS != READ_ONLY))
        return self._session.qid(node) + bytes(4)

    def _made_or_there(self, parent: Node, name: bytes, flags: int, mode: int, group: int) -> Node:
        try:
            return self._session.made(parent, name, stat.S_IFREG | mode & PERMISSIONS, group)
        except RefusedError as error:
            if error.error != EEXIST or flags & EXCLUSIVE:
                raise
        node = self._session.tree.find(parent, name)
        self._session.check_file(node)
        return self._session.changes.resize(node, 0) if flags & TRUNCATE else node

    def read(self, fields: Fields) -> bytes:
        fid, offset, count = fields.u32(), fields.u64(), fields.u32()
        held, node = self._session.fid(fid), self._session.node(fid)
        if not held.opened:
            raise RefusedError(EBADF)
        self._session.check_file(node)
        count = min(count, self._session.room - READ_HEADER)
        data = self._session.tree.read(node, offset, count) if count > 0 and offset < 1 << 62 else b""
        return len(data).to_bytes(4, "little") + data

    def write(self, fields: Fields) -> bytes:
        fid, offset = fields.u32(), fields.u64()
        data = fields.take(fields.u32())
        if not self._session.fid(fid).writes:
            raise RefusedError(EBADF)
        node = self._session.node(fid)
        self._session.check_file(node)
        self._session.check_size(offset + len(data))
        if data:
            self._session.changes.write(node, offset, data)
        return len(data).to_bytes(4, "little")

    def fsync(self, fields: Fields) -> bytes:
        self._session.changes.sync(self._session.node(fields.u32()))
        return b""

    def lock(self, fields: Fields) -> bytes:
        """There is nobody to have it but this guest, whose own kernel sees to that."""
        self._session.fid(fields.u32())
        return b"\0"

    def getlock(self, fields: Fields) -> bytes:
        self._session.fid(fields.u32())
        fields.u8()
        return bytes([UNLOCKED]) + fields.take(20) + text(fields.text())


def _instant(nanoseconds: int) -> int:
    """What fits into 64 bits of a saved state."""
    return min(nanoseconds, (1 << 63) - 1)
