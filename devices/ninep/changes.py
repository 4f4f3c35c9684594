"""What a guest's changes to a share become: state beside the folder, or changes of the folder itself."""

from __future__ import annotations

import stat
from dataclasses import replace
from typing import Protocol

from devices.ninep.folder import Question, Verb, below
from devices.ninep.node import WHITEOUT, Node
from devices.ninep.refused import ENOENT, EOPNOTSUPP, EPERM, RefusedError
from devices.ninep.tree import PIECE, Tree
from devices.ninep.wire import PERMISSIONS


class Changes(Protocol):
    """All methods raise RefusedError. Nodes are as they are now; what they have become is returned."""

    def make(self, parent: Node, name: bytes, node: Node) -> Node:
        """A new file, directory, link or special file, of the mode, owner, target and device that `node` has."""
        ...

    def link(self, node: Node, parent: Node, name: bytes) -> None: ...

    def write(self, node: Node, offset: int, data: bytes) -> Node: ...

    def resize(self, node: Node, size: int) -> Node: ...

    def attribute(self, node: Node, wanted: Node) -> Node:
        """Have mode, owner, group and times that `wanted` has."""
        ...

    def remove(self, node: Node, place: tuple[int, bytes]) -> None:
        """One entry of it, which may be the last; that it may go has been checked."""
        ...

    def rename(self, node: Node, old: tuple[int, bytes], new: tuple[int, bytes], target: Node | None) -> None:
        """`target` is what is there, and goes."""
        ...

    def sync(self, node: Node) -> None: ...


class Overlay:
    """Changes: kept beside the folder, as machine state. The folder is never written."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._tables = tree.tables

    def make(self, parent: Node, name: bytes, node: Node) -> Node:
        tree, now = self._tree, self._tree.now
        made = replace(node, ours=True, placed=True, accessed=now, modified=now, changed=now, qid=tree.new_qid())
        made = tree.add(replace(made, size=len(node.target)))
        self._tables.set_entry((parent.number, name), made.number)
        self._touch(parent)
        return made

    def link(self, node: Node, parent: Node, name: bytes) -> None:
        owned = self._own(node)
        owned = replace(owned, links=owned.links + 1, placed=True, changed=self._tree.now)
        self._tables.set_node(node.number, owned)
        self._tables.set_entry((parent.number, name), node.number)
        self._touch(parent)

    def _touch(self, folder: Node) -> None:
        """Something in it has changed."""
        owned, now = self._own(self._tree.node(folder.number)), self._tree.now
        self._set(replace(owned, modified=now, changed=now, version=owned.version + 1))

    def _set(self, node: Node) -> Node:
        self._tables.set_node(node.number, node)
        return node

    def _own(self, node: Node) -> Node:
        """With all that is said of it ours; a file's contents stay the folder's."""
        if node.ours:
            return node
        target = self._tree.target(node) if node.is_link else b""
        now = self._tree.current(node)
        return self._set(replace(now, ours=True, borrowed=now.is_file, target=target))

    def _own_contents(self, node: Node, size: int) -> Node:
        """A file whose first `size` bytes, of those that it has, are ours."""
        node = self._own(node)
        if not node.borrowed:
            return node
        copied = replace(node, borrowed=False, size=0)
        for offset in range(0, min(size, node.size), PIECE):
            data = self._tree.read(node, offset, min(PIECE, size - offset, node.size - offset))
            copied = self._tree.contents.write(copied, offset, data)
        return self._set(replace(copied, size=min(size, node.size)))

    def write(self, node: Node, offset: int, data: bytes) -> Node:
        node = self._own_contents(node, self._tree.current(node).size)
        return self._written(self._tree.contents.write(node, offset, data))

    def resize(self, node: Node, size: int) -> Node:
        return self._written(self._tree.contents.resize(self._own_contents(node, size), size))

    def _written(self, node: Node) -> Node:
        now = self._tree.now
        return self._set(replace(node, modified=now, changed=now, version=node.version + 1))

    def attribute(self, node: Node, wanted: Node) -> Node:
        owned = self._own(node)
        return self._set(
            replace(
                owned,
                mode=stat.S_IFMT(owned.mode) | wanted.mode & PERMISSIONS,
                owner=wanted.owner,
                group=wanted.group,
                accessed=wanted.accessed,
                modified=wanted.modified,
                changed=self._tree.now,
            )
        )

    def remove(self, node: Node, place: tuple[int, bytes]) -> None:
        self._leave(place)
        self._touch(self._tree.node(place[0]))
        if node.ours:
            self._set(replace(node, links=node.links - 1, changed=self._tree.now))
        if not node.is_folder or node.lower is None:
            self._forget_gone(node)
            return
        for name in list(self._tables.children.get(node.number, ())):  # whiteouts of what the folder has
            self._tables.set_entry((node.number, name), None)
        self._forget_gone(node)

    def _forget_gone(self, node: Node) -> None:
        if node.number not in self._tables.places:
            self._tree.forget(self._tree.node(node.number))

    def _leave(self, place: tuple[int, bytes]) -> None:
        """There is nothing there, whatever the folder has."""
        self._tables.set_entry(place, WHITEOUT if self._folder_has(place) else None)

    def _folder_has(self, place: tuple[int, bytes]) -> bool:
        parent = self._tree.node(place[0])
        if parent.lower is None:
            return False
        try:
            self._tree.looked_at(below(parent.lower, place[1]))
        except RefusedError as error:
            return error.error != ENOENT
        return True

    def rename(self, node: Node, old: tuple[int, bytes], new: tuple[int, bytes], target: Node | None) -> None:
        if target is not None:
            self.remove(target, new)
        self._leave(old)
        self._tables.set_entry(new, node.number)
        self._set(replace(self._tree.node(node.number), placed=True))
        self._touch(self._tree.node(old[0]))
        self._touch(self._tree.node(new[0]))

    def sync(self, node: Node) -> None:
        """It is state: there is nothing more lasting."""


class Direct:
    """Changes: of the host's folder. Files that are removed while the guest has them open are kept beside it."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._tables = tree.tables
        self._kept = Overlay(tree)

    def _path(self, place: tuple[int, bytes]) -> bytes:
        parent = self._tree.node(place[0])
        if parent.lower is None:
            raise RefusedError(ENOENT)
        return below(parent.lower, place[1])

    def make(self, parent: Node, name: bytes, node: Node) -> Node:
        path, mode = self._path((parent.number, name)), node.mode & PERMISSIONS
        if node.is_folder:
            self._tree.asked(Question(Verb.MAKE_FOLDER, path, mode=mode))
        elif node.is_link:
            self._tree.asked(Question(Verb.MAKE_LINK, path, node.target))
        elif node.is_file:
            self._tree.asked(Question(Verb.CREATE, path, mode=mode))
        else:
            raise RefusedError(EPERM)
        return self._tree.find(parent, name)

    def link(self, node: Node, parent: Node, name: bytes) -> None:
        raise RefusedError(EOPNOTSUPP)

    def write(self, node: Node, offset: int, data: bytes) -> Node:
        if node.ours or node.lower is None:
            return self._kept.write(node, offset, data)
        self._tree.asked(Question(Verb.WRITE, node.lower, offset=offset, size=len(data)), data)
        return node

    def resize(self, node: Node, size: int) -> Node:
        if node.ours or node.lower is None:
            return self._kept.resize(node, size)
        self._tree.asked(Question(Verb.RESIZE, node.lower, size=size))
        return node

    def attribute(self, node: Node, wanted: Node) -> Node:
        """The folder's own have no owners and times to be set."""
        if node.ours or node.lower is None:
            return self._kept.attribute(node, wanted)
        if (wanted.mode ^ node.mode) & PERMISSIONS:
            self._tree.asked(Question(Verb.MODE, node.lower, mode=wanted.mode & PERMISSIONS))
        return node

    def remove(self, node: Node, place: tuple[int, bytes]) -> None:
        path = self._path(place)
        if node.number in self._tables.held and node.is_file:
            self._keep(node)
        self._tree.asked(Question(Verb.REMOVE_FOLDER if node.is_folder else Verb.REMOVE, path))
        self._tables.set_entry(place, None)
        self._tree.forget(self._tree.node(node.number))

    def _keep(self, node: Node) -> None:
        """Somebody has it open: what is in it stays until that is closed."""
        kept = self._kept.resize(node, self._tree.current(node).size)
        self._tables.set_node(node.number, replace(kept, links=0, lower=None))

    def rename(self, node: Node, old: tuple[int, bytes], new: tuple[int, bytes], target: Node | None) -> None:
        before, after = self._path(old), self._path(new)
        if target is not None and target.number in self._tables.held and target.is_file:
            self._keep(target)
        self._tree.asked(Question(Verb.RENAME, before, after))
        if target is not None:
            self._tables.set_entry(new, None)
            self._tree.forget(self._tree.node(target.number))
        self._tables.set_entry(old, None)
        self._tables.set_entry(new, node.number)
        for number, other in list(self._tables.nodes.items()):
            if other.lower is not None and (other.lower == before or other.lower.startswith(before + b"/")):
                self._tables.set_node(number, replace(other, lower=after + other.lower[len(before) :]))

    def sync(self, node: Node) -> None:
        if node.lower is not None:
            self._tree.asked(Question(Verb.SYNC, node.lower))
