"""The same packets to gdbserver and to us: the kind of answer differs only where DIFFERENCES says why."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.gdbstub.clients import wheel
from tests.gdbstub.wire import Client, framed

FEATURES = "multiprocess+;swbreak+;hwbreak+;vContSupported+;QThreadEvents+;no-resumed+"
PACKETS = [
    "vMustReplyEmpty",
    "!",
    "?",
    "Hg0",
    "Hc-1",
    "Hg99",
    "H",
    "qC",
    "qfThreadInfo",
    "qsThreadInfo",
    "T99",
    "qAttached",
    "qOffsets",
    "qSymbol::",
    "vCont?",
    "vCont",
    "vCont;",
    "vCont;q",
    "g",
    "G00",
    "p0",
    "p999",
    "pzz",
    "m0,4",
    "m0,0",
    "m1000",
    "mzz,1",
    "M0,0:",
    "M0,1:aa",
    "X0,0:",
    "x0,4",
    "x0,0",
    "Z0,0,1",
    "z0,0,1",
    "Z9,0,1",
    "Z0,",
    "qXfer:threads:read::0,1000",
    "qXfer:features:read:target.xml:0,100",
    "qXfer:features:read:none:0,10",
    "qXfer:nothing:read::0,10",
    "qXfer:memory-map:read::0,10",
    "qCRC:0,4",
    "qSearch:memory:0;10;a",
    "QNonStop:2",
    "QNonStop:0",
    "QThreadEvents:2",
    "QThreadEvents:0",
    "QPassSignals:e",
    "QProgramSignals:e",
    "qRcmd,68656c70",
    "vAttach;7ffffff0",
    "b",
    "i",
    "Qbogus",
    "D;7ffffff0",
]
DIFFERENCES = {
    "H": "gdbserver has no answer for an H without a letter; a malformed packet is an error here",
    "qOffsets": "gdbserver runs a relocated ELF and lets gdb find out; a machine can say",
    "qSymbol::": "gdbserver asks for the symbols of its in-process agent",
    "vCont": "gdbserver takes vCont without an action for unknown; a malformed packet is an error here",
    "G00": "gdbserver takes any length and drops what is missing; a short G is refused here",
    "p999": "gdbserver has no answer for a register it has not got; the manual wants an error",
    "pzz": "the same",
    "Z0,0,1": "gdbserver writes into the program; breakpoints here are outside of it",
    "z0,0,1": "gdbserver refuses what was not set; z is idempotent here, as the manual wants",
    "qXfer:memory-map:read::0,10": "a process has no memory map, a machine has",
    "qRcmd,68656c70": "gdbserver sends monitor output as O packets, here it is the reply itself",
    "D;7ffffff0": "gdbserver lets go whatever the number; a process that is not there is an error here",
}


@pytest.fixture(scope="module")
def gdbserver() -> Iterator[socket.socket]:
    program = wheel("gdb_for_pwndbg", "gdbserver")
    start = f"import sys; sys.argv = ['gdbserver', '127.0.0.1:0', '/bin/true']; {program[-1]}"
    with subprocess.Popen([sys.executable, "-c", start], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        ports = (re.search(r"port (\d+)", line) for line in server.stderr)
        port = next(int(match[1]) for match in ports if match)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            yield connection
        server.kill()


def ask(connection: socket.socket, packet: str) -> bytes:
    """The reply; console output before it is skipped."""
    connection.sendall(framed(packet.encode()))
    received = b""
    while (match := re.search(rb"\$((?!O[0-9a-f])[^#]*)#..", received, re.DOTALL)) is None:
        data = connection.recv(65536)
        connection.sendall(b"+" * data.count(b"#"))
        received += data
    return match[1]


def kind(reply: bytes) -> str:
    if reply in (b"", b"OK"):
        return reply.decode() or "empty"
    if reply.startswith(b"E"):
        return "error"
    return {b"T": "stop reply", b"l": "list", b"m": "list"}.get(reply[:1], "data")


def test_answers_of_the_same_kind(gdbserver: socket.socket) -> None:
    ask(gdbserver, "qSupported:" + FEATURES)
    ours = Client(FEATURES)
    different = {}
    for packet in PACKETS:
        theirs, mine = kind(ask(gdbserver, packet)), kind(ours.send(packet)[-1])
        if theirs != mine:
            different[packet] = (theirs, mine)
    assert different.keys() == DIFFERENCES.keys(), different
