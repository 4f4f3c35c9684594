"""Requests of 9P2000.L and what answers them. Sources: diod protocol.md (9P2000.L), intro(5) of Plan 9, Linux fs/9p."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable

from devices.ninep import wire
from devices.ninep.contents import Contents
from devices.ninep.file_requests import FileRequests
from devices.ninep.folder import Folder
from devices.ninep.folder_requests import FolderRequests
from devices.ninep.node import Fid
from devices.ninep.refused import EINVAL, EPROTO, RefusedError
from devices.ninep.session import LARGEST, SMALLEST, Session
from devices.ninep.wire import BadMessageError, Fields, Type, text

VERSION = b"9P2000.L"


class Server:
    """One guest's; the arguments are Session's."""

    def __init__(self, folder: Folder, contents: Contents, epoch: int, *, read_only: bool, direct: bool) -> None:
        self.session = Session(folder, contents, epoch, read_only=read_only, direct=direct)
        files, folders = FileRequests(self.session), FolderRequests(self.session)
        self._handlers: dict[Type, Callable[[Fields], bytes]] = {
            Type.STATFS: files.statfs,
            Type.LOPEN: files.open,
            Type.LCREATE: files.create,
            Type.SYMLINK: folders.symlink,
            Type.MKNOD: folders.mknod,
            Type.RENAME: folders.rename,
            Type.READLINK: files.readlink,
            Type.GETATTR: files.getattr,
            Type.SETATTR: files.setattr,
            Type.XATTRWALK: files.no_attributes,
            Type.XATTRCREATE: files.no_attributes,
            Type.READDIR: folders.readdir,
            Type.FSYNC: files.fsync,
            Type.LOCK: files.lock,
            Type.GETLOCK: files.getlock,
            Type.LINK: folders.link,
            Type.MKDIR: folders.mkdir,
            Type.RENAMEAT: folders.renameat,
            Type.UNLINKAT: folders.unlinkat,
            Type.VERSION: self._version,
            Type.ATTACH: self._attach,
            Type.FLUSH: lambda _fields: b"",
            Type.WALK: folders.walk,
            Type.READ: files.read,
            Type.WRITE: files.write,
            Type.CLUNK: self._clunk,
            Type.REMOVE: folders.remove,
        }

    def answer(self, request: bytes, room: int, now: int) -> bytes:
        """The answer to a message, at most `room` bytes of it wanted. `now` in nanoseconds since 1970.

        Raises MediumError, and nothing has changed.
        """
        session = self.session
        try:
            size, kind, tag = wire.HEADER.unpack_from(request)
        except struct.error:
            return _message(Type.LERROR, wire.NO_TAG, EPROTO.to_bytes(4, "little"))
        session.room, session.tree.now = min(room, session.message), now
        try:
            handler = self._handlers[Type(kind)]
            if not wire.HEADER.size <= size <= len(request):
                raise BadMessageError("its size is none")
            body = session.whole(lambda: handler(Fields(request[wire.HEADER.size : size])))
        except (BadMessageError, ValueError, KeyError):
            return _message(Type.LERROR, tag, EPROTO.to_bytes(4, "little"))
        except RefusedError as error:
            if kind == Type.REMOVE:
                self._let_go_after_all(request)
            return _message(Type.LERROR, tag, error.error.to_bytes(4, "little"))
        return _message(Type(kind), tag, body)

    def _let_go_after_all(self, request: bytes) -> None:
        """Whatever comes of a removal, its fid is gone then (remove(5))."""
        with contextlib.suppress(RefusedError):
            self.session.whole(lambda: self._clunk(Fields(request[wire.HEADER.size :])))

    def _version(self, fields: Fields) -> bytes:
        """A session begins: what was held is let go."""
        size, version = fields.u32(), fields.text()
        if size < SMALLEST:
            raise RefusedError(EINVAL)
        self.session.message = min(size, LARGEST)
        self.session.let_all_go()
        known = version == VERSION
        return self.session.message.to_bytes(4, "little") + text(VERSION if known else b"unknown")

    def _attach(self, fields: Fields) -> bytes:
        """To the root, whoever asks: nobody need show who he is."""
        session, fid = self.session, fields.u32()
        if fields.u32() != wire.NO_FID:
            raise RefusedError(EINVAL)
        fields.text()
        fields.text()
        if fid in session.tables.fids or fid == wire.NO_FID:
            raise RefusedError(EINVAL)
        root = session.tree.root()
        session.tree.hold(fid, Fid(root.number))
        return session.qid(root)

    def _clunk(self, fields: Fields) -> bytes:
        self.session.let_go(fields.u32())
        return b""

    def reset(self) -> None:
        """Nobody has anything open: the driver has gone."""

        def close() -> bytes:
            self.session.let_all_go()
            return b""

        self.session.whole(close)
        self.session.message = LARGEST


def _message(kind: Type, tag: int, body: bytes) -> bytes:
    return wire.HEADER.pack(wire.HEADER.size + len(body), kind + 1, tag) + body
