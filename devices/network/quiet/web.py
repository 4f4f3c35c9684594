"""Who answers HTTP on connections: requests one after the other, files piece by piece as the guest takes them."""

from __future__ import annotations

from dataclasses import replace

from devices.network.quiet import http
from devices.network.quiet.connection import Connection, Giving, Phase, Stage
from devices.network.quiet.files import Files
from devices.network.quiet.tcp import Tcp
from devices.ninep.folder import Answer, FileKind, Question, Verb

WHO = "http "
PIECE = 64 << 10
"""Bytes that are read at once, and that wait for the guest at most before that."""
INDEX = b"index.html"


class Web:
    """Of all connections to port 80."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.tcp: Tcp | None = None

    @property
    def _tcp(self) -> Tcp:
        assert self.tcp is not None, "it is joined before anything comes"
        return self.tcp

    def received(self, one: Connection, now: int) -> None:
        """Something has come, or the guest's end."""
        if one.closing:
            one.inbox = b""
            return
        self._advance(one, now)
        if len(one.inbox) > http.LONGEST_HEAD + PIECE:
            self._tcp.drop(one, reset=True)

    def _advance(self, one: Connection, now: int) -> None:
        """As many requests as there are, and as the guest takes answers of."""
        while one.giving.stage is Stage.IDLE and not one.closing and len(one.out) <= PIECE:
            request, one.inbox = http.read_request(one.inbox)
            if request is None:
                if one.phase is Phase.CLOSE_WAIT:
                    self._tcp.close(one)
                return
            one.giving = Giving(Stage.LOOK, request.path, request.head_only, request.keep, request.wanted)
            if request.refusal:
                self._refuse(one, request.refusal)
            elif self._files.is_there:
                self._ask(one, Question(Verb.LOOK, request.path), now)
            else:
                self._refuse(one, 404)

    def _ask(self, one: Connection, question: Question, now: int) -> None:
        self._files.ask(WHO + one.key, question, now)

    def _refuse(self, one: Connection, status: int) -> None:
        keep = one.giving.keep and status not in (400, 405, 431)
        self._tcp.send(one, http.refusal(status, head_only=one.giving.head_only, keep=keep))
        self._finish(one, keep=keep)

    def _finish(self, one: Connection, *, keep: bool) -> None:
        one.giving = Giving()
        if not keep:
            self._tcp.close(one)

    def answered(self, key: str, answer: Answer, now: int) -> None:
        """The folder has answered for a connection, if that is still there."""
        one = self._tcp.connections.get(key)
        if one is None or one.giving.stage is Stage.IDLE:
            return
        match one.giving.stage:
            case Stage.LOOK:
                self._found(one, answer, now)
            case Stage.INDEX:
                self._found_index(one, answer, now)
            case Stage.LIST:
                self._list(one, answer)
            case Stage.READ:
                self._piece(one, answer, now)
        if key in self._tcp.connections:
            self._advance(one, now)
            self._tcp.pump(one, now)

    def _found(self, one: Connection, answer: Answer, now: int) -> None:
        found = answer.attributes
        if answer.error or found is None:
            self._refuse(one, 404)
        elif found.kind is FileKind.FILE:
            self._begin(one, found.size, now)
        elif found.kind is FileKind.LINK:
            self._refuse(one, 403)
        else:
            one.giving = replace(one.giving, stage=Stage.INDEX)
            self._ask(one, Question(Verb.LOOK, self._index_of(one)), now)

    def _index_of(self, one: Connection) -> bytes:
        return one.giving.path + b"/" + INDEX if one.giving.path else INDEX

    def _found_index(self, one: Connection, answer: Answer, now: int) -> None:
        found = answer.attributes
        if found is not None and found.kind is FileKind.FILE:
            one.giving = replace(one.giving, path=self._index_of(one))
            self._begin(one, found.size, now)
        else:
            one.giving = replace(one.giving, stage=Stage.LIST)
            self._ask(one, Question(Verb.LIST, one.giving.path), now)

    def _list(self, one: Connection, answer: Answer) -> None:
        if answer.error:
            self._refuse(one, 403)
            return
        page, giving = http.listing(one.giving.path, answer.names), one.giving
        self._tcp.send(one, http.head(200, len(page), "text/html; charset=utf-8", keep=giving.keep))
        if not giving.head_only:
            self._tcp.send(one, page)
        self._finish(one, keep=giving.keep)

    def _begin(self, one: Connection, size: int, now: int) -> None:
        giving = one.giving
        part = http.part_of(giving.wanted, size)
        if part is None:
            self._refuse(one, 416)
            return
        start, end = part
        is_part = (start, end) != (0, size)
        more = (f"Content-Range: bytes {start}-{end - 1}/{size}",) if is_part else ()
        kind = http.kind_of(giving.path)
        self._tcp.send(one, http.head(206 if is_part else 200, end - start, kind, keep=giving.keep, more=more))
        if giving.head_only or start == end:
            self._finish(one, keep=giving.keep)
            return
        one.giving = replace(giving, stage=Stage.SEND, offset=start, end=end)
        self.drained(one, now)

    def drained(self, one: Connection, now: int) -> None:
        """There may be room for another piece."""
        giving = one.giving
        if giving.stage is Stage.SEND and len(one.out) <= PIECE:
            one.giving = replace(giving, stage=Stage.READ)
            size = min(PIECE, giving.end - giving.offset)
            self._ask(one, Question(Verb.READ, giving.path, offset=giving.offset, size=size), now)
        elif giving.stage is Stage.IDLE:
            self._advance(one, now)

    def _piece(self, one: Connection, answer: Answer, now: int) -> None:
        giving, data = one.giving, answer.data
        if answer.error or not data:
            self._tcp.drop(one, reset=True)  # the file is shorter than it was
            return
        self._tcp.send(one, data)
        one.giving = replace(giving, stage=Stage.SEND, offset=giving.offset + len(data))
        if one.giving.offset >= giving.end:
            self._finish(one, keep=giving.keep)
        else:
            self.drained(one, now)
