"""Clients that come while another is there: told so, then let go."""

from __future__ import annotations

import selectors
import socket

from gdbstub.framing import frame

MOST = 8
"""Clients that are being told; one too many is let go untold."""
MAX_ASKED = 1024
"""Bytes that are kept of what one says."""


class TurnedAway:
    """Connections in `selector`, whose owner calls serve() with those that have something to read."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._why: dict[socket.socket, bytes] = {}
        self._asked: dict[socket.socket, bytes] = {}

    def add(self, connection: socket.socket, why: str) -> None:
        """Words reach a client only in the reply to its first packet, so that is waited for."""
        if len(self._why) >= MOST:
            self._let_go(next(iter(self._why)))
        connection.setblocking(False)
        self._why[connection] = b"+" + frame(b"E." + why.encode("ascii", "replace"))
        self._asked[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ)

    def serve(self, connection: socket.socket) -> None:
        """Answer the first packet; then wait until the client hangs up, for what it has not read would be lost.

        gdb shows an error in answer to its qSupported. LLDB, which begins with another packet, would wait for ever.
        """
        if connection not in self._why:
            return
        before = self._asked[connection]
        try:
            data = connection.recv(1 << 16)
            self._asked[connection] = (before + data)[:MAX_ASKED]
            if b"#" in data and b"$qSupported" not in before + data:
                data = b""
            elif b"#" in data and b"#" not in before:
                connection.send(self._why[connection])
                connection.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._let_go(connection)

    def _let_go(self, connection: socket.socket) -> None:
        del self._why[connection], self._asked[connection]
        self._selector.unregister(connection)
        connection.close()

    def close(self) -> None:
        """Let all go."""
        for connection in list(self._why):
            self._let_go(connection)
