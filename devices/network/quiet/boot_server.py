"""Who answers TFTP: a transfer for each client that asks, from a port of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from devices.network.quiet import tftp
from devices.network.quiet.connection import Stage
from devices.network.quiet.files import Files
from devices.network.quiet.packets import Datagram, Ends
from devices.network.quiet.tftp import Error, Transfer
from devices.ninep.folder import Answer, FileKind, Question, Verb

WHO = "tftp "
FIRST_PORT, PORTS = 49_152, 8_192
PIECE = 64 << 10

Send = Callable[[Ends, Datagram], None]


class BootServer:
    """All transfers, by our port."""

    def __init__(self, files: Files, send: Send) -> None:
        self._files = files
        self._send = send
        self.transfers: dict[int, Transfer] = {}
        self.begun = 0

    def take(self, ends: Ends, datagram: Datagram, now: int) -> bool:
        """Whether it was for somebody here."""
        if datagram.our_port == tftp.PORT:
            self._begin(ends, datagram, now)
            return True
        one = self.transfers.get(datagram.our_port)
        if one is None or (one.ends.guest, one.guest_port) != (ends.guest, datagram.guest_port):
            return False
        if datagram.data[:2] == tftp.Opcode.ERROR.to_bytes(2, "big"):
            self._drop(one, now)
        elif (number := tftp.acknowledged(datagram.data)) is not None:
            self._acknowledge(one, number, now)
        return True

    def _begin(self, ends: Ends, datagram: Datagram, now: int) -> None:
        if any(one.guest_port == datagram.guest_port and one.ends == ends for one in self.transfers.values()):
            return  # asked again, and the answer is on its way
        request = tftp.read_request(datagram.data)
        port = FIRST_PORT + self.begun % PORTS
        if not isinstance(request, Error) and not self._files.is_there:
            request = Error.NOT_FOUND
        if isinstance(request, Error):
            self._send(ends, Datagram(datagram.guest_port, port, tftp.error_packet(request)))
            return
        if len(self.transfers) >= tftp.MOST_TRANSFERS:
            self._drop(next(iter(self.transfers.values())), now)
        self.begun += 1
        one = Transfer(ends, datagram.guest_port, port, request.path, request.block_size, request.options)
        self.transfers[port] = one
        self._files.ask(f"{WHO}{port}", Question(Verb.LOOK, one.path), now)

    def answered(self, port: int, answer: Answer, now: int) -> None:
        """The folder has answered for a transfer, if that is still there."""
        one = self.transfers.get(port)
        if one is None:
            return
        if one.stage is Stage.LOOK:
            self._found(one, answer, now)
        elif one.stage is Stage.READ:
            if answer.error or (not answer.data and one.at < one.size):
                self._fail(one, Error.NOT_FOUND, now)
                return
            one.chunk, one.chunk_at, one.stage = answer.data, one.at, Stage.SEND
            self._put(one, now)

    def _found(self, one: Transfer, answer: Answer, now: int) -> None:
        found = answer.attributes
        if answer.error or found is None or found.kind is not FileKind.FILE:
            self._fail(one, Error.NOT_FOUND, now)
            return
        one.size, one.stage = found.size, Stage.SEND
        if one.options:
            self._put(one, now)
        else:
            one.greeted = True
            self._go_on(one, now)

    def _fail(self, one: Transfer, error: Error, now: int) -> None:
        self._send(one.ends, Datagram(one.guest_port, one.our_port, tftp.error_packet(error)))
        self._drop(one, now)

    def _drop(self, one: Transfer, now: int) -> None:
        del self.transfers[one.our_port]
        self._files.forget(f"{WHO}{one.our_port}", now)

    def _acknowledge(self, one: Transfer, number: int, now: int) -> None:
        if one.stage is not Stage.SEND:
            return
        if not one.greeted and number == 0:
            one.greeted = True
        elif one.greeted and number == one.block + 1 & 0xFFFF:
            one.block += 1
        else:
            return  # of what was acknowledged before
        one.tries = 0
        if one.done:
            self._drop(one, now)
        else:
            self._go_on(one, now)

    def _go_on(self, one: Transfer, now: int) -> None:
        """The next block, which may have to be read first."""
        wanted = min(one.size, one.at + one.block_size)
        if one.chunk_at <= one.at and wanted <= one.chunk_at + len(one.chunk):
            self._put(one, now)
            return
        one.stage, one.due = Stage.READ, 0
        size = min(PIECE, one.size - one.at)
        self._files.ask(f"{WHO}{one.our_port}", Question(Verb.READ, one.path, offset=one.at, size=size), now)

    def _put(self, one: Transfer, now: int) -> None:
        packet = tftp.data_packet(one) if one.greeted else tftp.options_packet(one)
        self._send(one.ends, Datagram(one.guest_port, one.our_port, packet))
        one.due = now + tftp.WAIT

    @property
    def due(self) -> int | None:
        return min((one.due for one in self.transfers.values() if one.due), default=None)

    def take_time(self, now: int) -> None:
        """What was not acknowledged is sent again, and given up at last."""
        for one in [one for one in self.transfers.values() if one.due and one.due <= now]:
            one.tries += 1
            if one.tries >= tftp.MOST_TRIES:
                self._drop(one, now)
            else:
                self._put(one, now)

    def save(self) -> list[Transfer]:
        return [replace(one) for one in self.transfers.values()]

    def restore(self, saved: list[Transfer], begun: int) -> None:
        """Raises ValueError."""
        if len(saved) > tftp.MOST_TRANSFERS or any(one.block_size < 1 or one.block < 0 for one in saved):
            raise ValueError("transfers that cannot be")
        self.transfers = {one.our_port: replace(one) for one in saved}
        self.begun = begun
