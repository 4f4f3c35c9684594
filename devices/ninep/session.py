"""What a guest has of a share: its fids, and the tree that it sees. Requests go through it whole, or not at all."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass, field

from devices.disk.medium import MediumError
from devices.ninep import wire
from devices.ninep.changes import Changes, Direct, Overlay
from devices.ninep.contents import LARGEST_FILE, PAGE, Contents
from devices.ninep.folder import Answer, Folder, Question
from devices.ninep.node import ROOT, Entry, Fid, Node
from devices.ninep.refused import EBADF, EFBIG, EINVAL, EISDIR, EROFS, RefusedError
from devices.ninep.tree import Tree

LARGEST, SMALLEST = 1 << 19, 4096
"""Bytes of a message, with its header."""


@dataclass(slots=True)
class SessionState:
    """What the guest has of a share, and has made of it. `asked` counts questions to the folder."""

    message: int = LARGEST
    asked: int = 0
    next_node: int = ROOT
    end: int = 0
    free: list[tuple[int, int]] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    fids: list[tuple[int, Fid]] = field(default_factory=list)


class Session:
    """`contents` has the files that the guest wrote; `epoch` as Tree has it. `room`: bytes of an answer, at most."""

    def __init__(self, folder: Folder, contents: Contents, epoch: int, *, read_only: bool, direct: bool) -> None:
        self._folder = folder
        self.contents = contents
        self.read_only = read_only
        self.asked = 0
        self.message = self.room = LARGEST
        self.tree = Tree(self._ask, contents, epoch)
        self.tables = self.tree.tables
        self.changes: Changes = Direct(self.tree) if direct else Overlay(self.tree)

    def _ask(self, question: Question, data: bytes) -> Answer:
        answer = self._folder.ask(self.asked, question, data)
        self.asked += 1
        return answer

    def recall(self, number: int) -> Answer:
        """The answer to a question that was asked."""
        return self._folder.recall(number)

    def whole(self, do: Callable[[], bytes]) -> bytes:
        """What is done whole or not at all. Raises RefusedError, and MediumError, of which no trace stays."""
        asked, next_node, tree = self.asked, self.tree.next_node, self.tree
        try:
            with self.tables.whole(), self.contents.whole():
                body = do()
            tree.finish()
        except BaseException as error:
            tree.undone()
            if isinstance(error, MediumError):
                self.asked, tree.next_node = asked, next_node
            raise
        return body

    # what requests name

    def fid(self, fid: int) -> Fid:
        found = self.tables.fids.get(fid)
        if found is None:
            raise RefusedError(EBADF)
        return found

    def node(self, fid: int) -> Node:
        return self.tree.node(self.fid(fid).node)

    def qid(self, node: Node) -> bytes:
        kind = 0x80 if node.is_folder else 0x02 if node.is_link else 0
        return wire.QID.pack(kind, node.version & 0xFFFF_FFFF, node.qid)

    def let_go(self, fid: int) -> None:
        node = self.tree.node(self.fid(fid).node)
        self.tables.set_fid(fid, None)
        self.tree.forget(node)

    def let_all_go(self) -> None:
        for fid in list(self.tables.fids):
            self.let_go(fid)

    # what they may

    def check_writable(self) -> None:
        if self.read_only:
            raise RefusedError(EROFS)

    def check_file(self, node: Node) -> None:
        if not node.is_file:
            raise RefusedError(EISDIR if node.is_folder else EINVAL)

    def check_size(self, size: int) -> None:
        if size > LARGEST_FILE:
            raise RefusedError(EFBIG)

    def made(self, parent: Node, name: bytes, mode: int, group: int, target: bytes = b"", device: int = 0) -> Node:
        """A new file of whatever kind."""
        self.check_writable()
        self.tree.check_new(parent, name)
        links = 2 if stat.S_ISDIR(mode) else 1
        wanted = Node(0, mode, 0, group=group, target=target, device=device, links=links)
        return self.changes.make(parent, name, wanted)

    # as a part of a device

    def save(self) -> SessionState:
        nodes, entries, fids = self.tables.saved()
        free, end = list(self.contents.free), self.contents.end
        return SessionState(self.message, self.asked, self.tree.next_node, end, free, nodes, entries, fids)

    def restore(self, state: SessionState) -> None:
        """Raises ValueError for what makes no sense."""
        if not SMALLEST <= state.message <= LARGEST or state.asked < 0 or state.next_node < ROOT:
            raise ValueError("the numbers of a share make no sense")
        self.message, self.asked = state.message, state.asked
        self.contents.restore(state.free, state.end, state.nodes)
        self.tables.restore(state.nodes, state.entries, state.fids)
        self.tree.next_node = state.next_node

    def listings(self) -> list[int]:
        """Numbers of the answers that are still to be recalled."""
        return sorted({fid.listing for fid in self.tables.fids.values() if fid.listing >= 0})

    @property
    def counts(self) -> tuple[int, int, int]:
        """Fids, nodes that are other than the folder's, and bytes of files that the guest has written."""
        changed = sum(node.ours or node.placed for node in self.tables.nodes.values())
        return len(self.tables.fids), changed, (self.contents.pages - self.contents.unused) * PAGE
