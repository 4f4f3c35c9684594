"""A shared folder, whatever its guest reaches it by: what the guest holds of it, and has made of it."""

from __future__ import annotations

from typing import ClassVar

from devices.fitting import Slot
from devices.ninep.contents import PAGE, Contents
from devices.ninep.folder import Folder
from devices.ninep.server import Server
from devices.ninep.session import SessionState
from devices.ninep.share import Share
from devices.seam import Rows


class ShareUnit:
    """A device of the board that no reset reaches: what was written stays."""

    title = "shared folder"
    State: ClassVar[type[SessionState]] = SessionState

    def __init__(self, slot: Slot, share: Share, folder: Folder, start: int) -> None:
        """`start` is when the guest's clock began, in nanoseconds since 1970."""
        self.name = slot.name
        self.share = share
        size = share.size // PAGE * PAGE
        contents = Contents(slot.pages("files", size), size)
        self.server = Server(folder, contents, start, read_only=share.read_only, direct=share.direct)

    @property
    def asked(self) -> int:
        """How many questions were put to the folder."""
        return self.server.session.asked

    def recalled(self) -> list[int]:
        """Numbers of the folder's answers that may be asked for again."""
        return self.server.session.listings()

    def save(self) -> SessionState:
        return self.server.session.save()

    def restore(self, state: SessionState) -> None:
        self.server.session.restore(state)

    def describe(self, now: int) -> Rows:
        fids, changed, size = self.server.session.counts
        how = "refused" if self.share.read_only else "written to the folder" if self.share.direct else "kept beside it"
        return [
            ("tag", self.share.tag),
            ("changes", how),
            ("open", f"{fids} fids"),
            ("changed", f"{changed} files, {size} bytes"),
            ("questions to the folder", str(self.asked)),
        ]
