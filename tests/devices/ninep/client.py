"""A client of 9P2000.L that does what protocol.md says, in front of a share's server."""

from __future__ import annotations

import struct
from pathlib import Path

from devices.ninep.contents import Contents
from devices.ninep.server import Server
from devices.ninep.wire import NO_FID, Type, text
from devices.wiring.paged import PagedArea
from vmdbg.machine.answers import Answers
from vmdbg.shares.host_folder import HostFolder

MESSAGE = 1 << 16
ROOT = 0
O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY = 0, 1, 2, 0o100, 0o200, 0o1000, 0o200000
START = 946_684_800 * 10**9


class Share:
    """A folder with the server before it, and what is kept beside it."""

    def __init__(self, path: Path, *, read_only: bool = False, direct: bool = False, size: int = 8 << 20) -> None:
        self.area = PagedArea("files", size)
        self.contents = Contents(self.area, size)
        self.answers = Answers("share0", "share0", HostFolder(str(path), writable=direct))
        self.server = Server(self.answers, self.contents, START, read_only=read_only, direct=direct)
        self.answers.asked = lambda: self.server.session.asked


class Client:
    """Every method raises OSError with the errno that came back."""

    def __init__(self, share: Share) -> None:
        self.server = share.server
        self.now = START
        self._next = 1
        greeting = self.ask(Type.VERSION, struct.pack("<I", MESSAGE) + text(b"9P2000.L"))
        size, version = struct.unpack_from("<IH", greeting)
        assert (size, version) == (MESSAGE, 8)
        self.ask(Type.ATTACH, struct.pack("<II", ROOT, NO_FID) + text(b"root") + text(b"") + struct.pack("<I", 0))

    def ask(self, kind: int, body: bytes) -> bytes:
        self.now += 1_000_000
        request = struct.pack("<IBH", 7 + len(body), kind, 1) + body
        answer = self.server.answer(request, MESSAGE, self.now)
        size, found, tag = struct.unpack_from("<IBH", answer)
        assert (size, tag) == (len(answer), 1)
        if found == Type.LERROR + 1:
            raise OSError(int.from_bytes(answer[7:11], "little"), "9P")
        assert found == kind + 1
        return answer[7:]

    def fid(self, path: str, fid: int = ROOT) -> int:
        """A new one of what is there."""
        names = [part.encode() for part in path.split("/") if part]
        self._next += 1
        new = self._next
        first = True
        while names or first:
            some, names, first = names[:16], names[16:], False
            body = struct.pack("<IIH", fid if fid == ROOT else new, new, len(some)) + b"".join(map(text, some))
            (count,) = struct.unpack_from("<H", self.ask(Type.WALK, body))
            if count != len(some):
                raise OSError(2, "9P")
            fid = new
        return new

    def clunk(self, fid: int) -> None:
        self.ask(Type.CLUNK, struct.pack("<I", fid))

    def opened(self, path: str, flags: int = O_RDONLY) -> int:
        fid = self.fid(path)
        try:
            self.ask(Type.LOPEN, struct.pack("<II", fid, flags))
        except OSError:
            self.clunk(fid)
            raise
        return fid

    def read_fid(self, fid: int) -> bytes:
        found = b""
        while True:
            answer = self.ask(Type.READ, struct.pack("<IQI", fid, len(found), 10_000))
            if len(answer) == 4:
                return found
            found += answer[4:]

    def read(self, path: str) -> bytes:
        fid = self.opened(path)
        try:
            return self.read_fid(fid)
        finally:
            self.clunk(fid)

    def write_fid(self, fid: int, offset: int, data: bytes) -> None:
        for at in range(0, len(data), 50_000):
            part = data[at : at + 50_000]
            answer = self.ask(Type.WRITE, struct.pack("<IQI", fid, offset + at, len(part)) + part)
            assert answer == len(part).to_bytes(4, "little")

    def write(self, path: str, offset: int, data: bytes) -> None:
        fid = self.opened(path, O_RDWR)
        try:
            self.write_fid(fid, offset, data)
        finally:
            self.clunk(fid)

    def create(self, path: str, data: bytes = b"", flags: int = O_RDWR | O_EXCL, mode: int = 0o644) -> None:
        parent, _, name = path.rpartition("/")
        fid = self.fid(parent)
        try:
            self.ask(Type.LCREATE, struct.pack("<I", fid) + text(name.encode()) + struct.pack("<III", flags, mode, 0))
            self.write_fid(fid, 0, data)
        finally:
            self.clunk(fid)

    def _in_parent(self, kind: int, path: str, body: bytes) -> None:
        parent, _, name = path.rpartition("/")
        fid = self.fid(parent)
        try:
            self.ask(kind, struct.pack("<I", fid) + text(name.encode()) + body)
        finally:
            self.clunk(fid)

    def mkdir(self, path: str, mode: int = 0o755) -> None:
        self._in_parent(Type.MKDIR, path, struct.pack("<II", mode, 0))

    def symlink(self, path: str, target: str) -> None:
        self._in_parent(Type.SYMLINK, path, text(target.encode()) + struct.pack("<I", 0))

    def unlink(self, path: str) -> None:
        self._in_parent(Type.UNLINKAT, path, struct.pack("<I", 0))

    def rmdir(self, path: str) -> None:
        self._in_parent(Type.UNLINKAT, path, struct.pack("<I", 0x200))

    def rename(self, old: str, new: str) -> None:
        before, _, old_name = old.rpartition("/")
        after, _, new_name = new.rpartition("/")
        one = self.fid(before)
        try:
            two = self.fid(after)
        except OSError:
            self.clunk(one)
            raise
        body = struct.pack("<I", one) + text(old_name.encode()) + struct.pack("<I", two) + text(new_name.encode())
        try:
            self.ask(Type.RENAMEAT, body)
        finally:
            self.clunk(one)
            self.clunk(two)

    def link(self, old: str, new: str) -> None:
        after, _, name = new.rpartition("/")
        fid = self.fid(old)
        try:
            parent = self.fid(after)
        except OSError:
            self.clunk(fid)
            raise
        try:
            self.ask(Type.LINK, struct.pack("<II", parent, fid) + text(name.encode()))
        finally:
            self.clunk(fid)
            self.clunk(parent)

    def setattr(self, path: str, valid: int, mode: int = 0, size: int = 0) -> None:
        fid = self.fid(path)
        try:
            self.ask(Type.SETATTR, struct.pack("<IIIIIQQQQQ", fid, valid, mode, 0, 0, size, 5, 6, 7, 8))
        finally:
            self.clunk(fid)

    def truncate(self, path: str, size: int) -> None:
        self.setattr(path, 0x8, size=size)

    def chmod(self, path: str, mode: int) -> None:
        self.setattr(path, 0x1, mode=mode)

    def readlink(self, path: str) -> str:
        fid = self.fid(path)
        try:
            return self.ask(Type.READLINK, struct.pack("<I", fid))[2:].decode()
        finally:
            self.clunk(fid)

    def stat(self, path: str) -> tuple[int, int, int]:
        """Mode, size and number."""
        fid = self.fid(path)
        try:
            answer = self.ask(Type.GETATTR, struct.pack("<IQ", fid, 0x7FF))
        finally:
            self.clunk(fid)
        (number,) = struct.unpack_from("<Q", answer, 13)
        (mode,) = struct.unpack_from("<I", answer, 21)
        (size,) = struct.unpack_from("<Q", answer, 49)
        return mode, size, number

    def listdir(self, path: str, piece: int = 300) -> list[str]:
        fid = self.opened(path, O_DIRECTORY)
        try:
            return self.list_fid(fid, piece)
        finally:
            self.clunk(fid)

    def list_fid(self, fid: int, piece: int = 300) -> list[str]:
        names, offset = list[str](), 0
        while True:
            answer = self.ask(Type.READDIR, struct.pack("<IQI", fid, offset, piece))[4:]
            if not answer:
                assert names[:2] == [".", ".."]
                return names[2:]
            at = 0
            while at < len(answer):
                offset, _, length = struct.unpack_from("<QBH", answer, at + 13)
                names.append(answer[at + 24 : at + 24 + length].decode())
                at += 24 + length
