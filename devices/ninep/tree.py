"""The tree of files that a share's guest sees: the folder, under what the guest has changed."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass, replace

from devices.ninep.contents import Contents
from devices.ninep.folder import LONGEST_NAME, Answer, Attributes, FileKind, Question, Verb, below
from devices.ninep.node import OWN_QIDS, ROOT, TYPES, WHITEOUT, Fid, Node
from devices.ninep.refused import (
    EEXIST,
    EINVAL,
    EIO,
    EISDIR,
    ENAMETOOLONG,
    ENFILE,
    ENOENT,
    ENOTDIR,
    ENOTEMPTY,
    RefusedError,
)
from devices.ninep.tables import MOST_FIDS, MOST_NODES, Tables
from devices.seam import NANOSECONDS_PER_SECOND

Ask = Callable[[Question, bytes], Answer]
PIECE = 1 << 17
"""Bytes of the folder's that are copied in one go."""
KINDS = {
    stat.S_IFREG: FileKind.FILE,
    stat.S_IFDIR: FileKind.FOLDER,
    stat.S_IFLNK: FileKind.LINK,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One entry of a directory as the guest reads it: `mode` has the type alone."""

    name: bytes
    mode: int
    qid: int


class Tree:
    """All methods raise RefusedError with an errno; what they had changed is for the caller to undo (Tables.whole()).

    `ask` is the folder. `epoch` is when the folder's files have all been changed, in nanoseconds since 1970: what the
    host says of that is nothing for a guest.
    """

    def __init__(self, ask: Ask, contents: Contents, epoch: int) -> None:
        self._ask = ask
        self.contents = contents
        self._epoch = epoch
        self.tables = Tables()
        self.next_node = ROOT
        self.now = 0
        """In nanoseconds since 1970: of the request that is being worked at."""
        self.fresh: list[int] = []
        """Nodes that are new since finish()."""
        self.dropped: list[Node] = []
        """Files that nobody has any more, whose contents are to go once all has been done."""

    # names

    def node(self, number: int) -> Node:
        return self.tables.nodes[number]

    def add(self, node: Node) -> Node:
        """A new one, whose number is the next."""
        if len(self.tables.nodes) >= MOST_NODES:
            raise RefusedError(ENFILE)
        node = replace(node, number=self.next_node)
        self.next_node += 1
        self.tables.set_node(node.number, node)
        self.fresh.append(node.number)
        return node

    def root(self) -> Node:
        found = self.tables.nodes.get(ROOT)
        if found is None:
            attributes = self.looked_at(b"")
            found = Node(ROOT, stat.S_IFDIR | attributes.mode, attributes.number, b"")
            self.next_node = max(self.next_node, ROOT + 1)
            self.tables.set_node(ROOT, found)
        return found

    def hold(self, fid: int, what: Fid) -> None:
        if fid not in self.tables.fids and len(self.tables.fids) >= MOST_FIDS:
            raise RefusedError(ENFILE)
        self.tables.set_fid(fid, what)

    def find(self, parent: Node, name: bytes) -> Node:
        """The one of that name in a directory."""
        found = self.tables.entries.get((parent.number, name))
        if found is None:
            return self._from_folder(parent, name)
        if found == WHITEOUT:
            raise RefusedError(ENOENT)
        return self.node(found)

    def exists(self, parent: Node, name: bytes) -> bool:
        try:
            self.find(parent, name)
        except RefusedError as error:
            if error.error != ENOENT:
                raise
            return False
        return True

    def _from_folder(self, parent: Node, name: bytes) -> Node:
        if not parent.is_folder:
            raise RefusedError(ENOTDIR)
        if parent.lower is None or not is_name(name):
            raise RefusedError(ENOENT)
        path = below(parent.lower, name)
        attributes = self.looked_at(path)
        node = self.add(Node(0, TYPES[attributes.kind] | attributes.mode, attributes.number, path))
        self.tables.set_entry((parent.number, name), node.number)
        return node

    def parent(self, node: Node) -> Node:
        """The directory that it is in; of the root, itself."""
        if node.number == ROOT:
            return node
        return self.node(self.place(node)[0])

    def place(self, node: Node) -> tuple[int, bytes]:
        """The first of its entries."""
        places = self.tables.places.get(node.number)
        if not places:
            raise RefusedError(ENOENT)
        return min(places)

    def forget(self, node: Node) -> None:
        """Unless something refers to it, or it is other than the folder's; so with those that it was in."""
        tables = self.tables
        while node.number != ROOT and node.number in tables.nodes and not tables.is_needed(node):
            places = sorted(tables.places.get(node.number, ()))
            for place in places:
                tables.set_entry(place, None)
            tables.set_node(node.number, None)
            self.dropped.append(node)
            if not places:
                return
            node = self.node(places[0][0])

    def finish(self) -> None:
        """All that was asked for has been done: what nothing refers to is forgotten."""
        for number in self.fresh:
            if number in self.tables.nodes:
                self.forget(self.node(number))
        for node in self.dropped:
            self.contents.drop(node)
        self.undone()

    def undone(self) -> None:
        """What was begun has been taken back."""
        self.fresh, self.dropped = [], []

    # what is said of them

    def asked(self, question: Question, data: bytes = b"") -> Answer:
        answer = self._ask(question, data)
        if answer.error:
            raise RefusedError(answer.error)
        return answer

    def looked_at(self, path: bytes) -> Attributes:
        attributes = self.asked(Question(Verb.LOOK, path)).attributes
        if attributes is None:
            raise RefusedError(EIO)
        return attributes

    def current(self, node: Node) -> Node:
        """With all that is said of it now: what is the folder's to say is asked for."""
        if node.ours or node.lower is None:
            return node
        attributes = self.looked_at(node.lower)
        when = self._epoch + attributes.version * NANOSECONDS_PER_SECOND
        return replace(
            node,
            mode=TYPES[attributes.kind] | attributes.mode,
            size=attributes.size,
            version=attributes.version,
            accessed=when,
            modified=when,
            changed=when,
        )

    def read(self, node: Node, offset: int, size: int) -> bytes:
        if node.ours and not node.borrowed:
            return self.contents.read(node, offset, size)
        assert node.lower is not None
        if node.ours:
            size = max(0, min(size, node.size - offset))
        return self.asked(Question(Verb.READ, node.lower, offset=offset, size=size)).data if size else b""

    def target(self, node: Node) -> bytes:
        """Where a link points."""
        if not node.is_link:
            raise RefusedError(EINVAL)
        if node.ours or node.lower is None:
            return node.target
        return self.asked(Question(Verb.LINK, node.lower)).data

    def own_names(self, node: Node) -> tuple[bytes, ...]:
        """Names in a directory that are there whatever the folder has."""
        entries = self.tables.children.get(node.number, {})
        return tuple(sorted(name for name, number in entries.items() if number != WHITEOUT and self._is_own(number)))

    def _is_own(self, number: int) -> bool:
        node = self.node(number)
        return node.placed or node.ours

    def shown(self, node: Node, names: tuple[bytes, ...], listing: Answer | None) -> list[Shown | None]:
        """The entries of a directory in order; None for those that have gone since."""
        rows: dict[bytes, Shown | None] = {}
        for one in listing.names if listing is not None else ():
            rows[one.name] = Shown(one.name, TYPES[one.kind], one.number)
        for name in (*names, *rows):
            number = self.tables.entries.get((node.number, name))
            if number is not None and number != WHITEOUT:
                found = self.node(number)
                rows[name] = Shown(name, stat.S_IFMT(found.mode), found.qid)
            elif number == WHITEOUT or name not in rows:
                rows[name] = None
        return [rows[name] for name in sorted(rows)]

    def is_empty(self, node: Node) -> bool:
        if self.own_names(node):
            return False
        if node.lower is None:
            return True
        names = self.asked(Question(Verb.LIST, node.lower)).names
        return all(self.tables.entries.get((node.number, one.name)) == WHITEOUT for one in names)

    # what may be asked for

    def check_new(self, parent: Node, name: bytes) -> None:
        """Whether something of that name can be made."""
        if not parent.is_folder:
            raise RefusedError(ENOTDIR)
        if len(name) > LONGEST_NAME:
            raise RefusedError(ENAMETOOLONG)
        if not is_name(name):
            raise RefusedError(EINVAL)
        if self.exists(parent, name):
            raise RefusedError(EEXIST)

    def check_removable(self, node: Node, *, folder: bool) -> None:
        if node.number == ROOT:
            raise RefusedError(EINVAL)
        if node.is_folder != folder:
            raise RefusedError(EISDIR if node.is_folder else ENOTDIR)
        if folder and not self.is_empty(node):
            raise RefusedError(ENOTEMPTY)

    def check_replaceable(self, node: Node, target: Node) -> None:
        """Whether `node` may be renamed to where `target` is."""
        if node.is_folder and not target.is_folder:
            raise RefusedError(ENOTDIR)
        if not node.is_folder and target.is_folder:
            raise RefusedError(EISDIR)
        if target.is_folder and not self.is_empty(target):
            raise RefusedError(ENOTEMPTY)

    def check_not_inside(self, node: Node, parent: Node) -> None:
        """A directory cannot be moved into itself."""
        while parent.number != ROOT:
            if parent.number == node.number:
                raise RefusedError(EINVAL)
            parent = self.parent(parent)

    def new_qid(self) -> int:
        return OWN_QIDS + self.next_node


def is_name(name: bytes) -> bool:
    """Whether a file can be called so."""
    return 0 < len(name) <= LONGEST_NAME and b"/" not in name and b"\0" not in name and name not in (b".", b"..")
